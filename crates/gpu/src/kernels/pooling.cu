// Pooling of volumes, maps and signals, and its gradients.

// The pixel of the first maximum in a window; NaN counts as the maximum.
DEVICE int largest(const Window &w, const Maps &m, const In &x, int image, int channel, Axes output) {
    int best = -1;
    float most = 0.0f;
    for (int tap = 0; tap < volume(w.kernel); tap++) {
        int pixel = input_of(w, output, axes_of(tap, w.kernel));
        if (pixel < 0) continue;
        float value = x[offset(m, image, channel, pixel)];
        if (best < 0 || value > most || (value != value && most == most)) best = pixel, most = value;
    }
    return best;
}

// The taps of a window that count in the mean: those inside the input, or also those inside its padding.
DEVICE float divisor(const Window &w, const Int *after, int includes_padding, Axes output) {
    int all = 1;
    for (int axis = 0; axis < 3; axis++) {
        int low = includes_padding ? 0 : w.padding[axis];
        int high = w.padding[axis] + w.input[axis] + (includes_padding ? after[axis] : 0), count = 0;
        for (int tap = 0; tap < w.kernel[axis]; tap++) {
            int at = output.a[axis] * w.stride[axis] + tap * w.dilation[axis];
            count += low <= at && at < high;
        }
        all *= count;
    }
    return (float)all;
}

struct max_pool_args {
    Maps x, y;
    Window window;
    In input;
    Out output;
};
KERNEL(max_pool) {
    EACH(i, elements(a.y)) {
        Place p = place_of(a.y, i);
        int pixel = largest(a.window, a.x, a.input, p.image, p.channel, axes_of(p.pixel, a.window.output));
        a.output[i] = a.input[offset(a.x, p.image, p.channel, pixel)];
    }
}

// Each element gathers from the windows whose first maximum it is. Times the derivative of the activation whose value
// is x.
struct max_pool_gradient_args {
    Maps x, y;
    Window window;
    Int activation;
    In input, dy;
    Out dx;
};
KERNEL(max_pool_gradient) {
    EACH(i, elements(a.x)) {
        Place p = place_of(a.x, i);
        Axes input = axes_of(p.pixel, a.window.input);
        float sum = 0.0f;
        for (int tap = 0; tap < volume(a.window.kernel); tap++) {
            int pixel = output_of(a.window, input, axes_of(tap, a.window.kernel));
            if (pixel < 0) continue;
            Axes output = axes_of(pixel, a.window.output);
            if (largest(a.window, a.x, a.input, p.image, p.channel, output) == p.pixel) {
                sum += a.dy[offset(a.y, p.image, p.channel, pixel)];
            }
        }
        a.dx[i] = sum * activation_derivative(a.activation, a.input[i]);
    }
}

struct average_pool_args {
    Maps x, y;
    Window window;
    Int after[3], includes_padding;
    In input;
    Out output;
};
KERNEL(average_pool) {
    EACH(i, elements(a.y)) {
        Place p = place_of(a.y, i);
        Axes output = axes_of(p.pixel, a.window.output);
        float sum = 0.0f;
        for (int tap = 0; tap < volume(a.window.kernel); tap++) {
            int pixel = input_of(a.window, output, axes_of(tap, a.window.kernel));
            if (pixel >= 0) sum += a.input[offset(a.x, p.image, p.channel, pixel)];
        }
        a.output[i] = sum / divisor(a.window, a.after, a.includes_padding, output);
    }
}

// Times the derivative of the activation whose value is `value`, which may be null.
struct average_pool_gradient_args {
    Maps x, y;
    Window window;
    Int after[3], includes_padding, activation;
    In dy, value;
    Out dx;
};
KERNEL(average_pool_gradient) {
    EACH(i, elements(a.x)) {
        Place p = place_of(a.x, i);
        Axes input = axes_of(p.pixel, a.window.input);
        float sum = 0.0f;
        for (int tap = 0; tap < volume(a.window.kernel); tap++) {
            int pixel = output_of(a.window, input, axes_of(tap, a.window.kernel));
            if (pixel < 0) continue;
            float count = divisor(a.window, a.after, a.includes_padding, axes_of(pixel, a.window.output));
            sum += a.dy[offset(a.y, p.image, p.channel, pixel)] / count;
        }
        a.dx[i] = a.value ? sum * activation_derivative(a.activation, a.value[i]) : sum;
    }
}
