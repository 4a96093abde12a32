// Convolution of volumes, maps and signals in all three directions, by definition.

// The weights of an output channel, [inputs of the group][taps] or in the other order, or separate for every output
// pixel.
struct Weights {
    Int groups, inputs, outputs;
    // Output pixels, each of which has its own weights, or 1.
    Int places;
    // The distances between neighbors.
    Int input, tap;
};

DEVICE int weight_at(const Weights &w, int taps, int output, int input, int tap, int pixel) {
    int at = output * (int)w.inputs * taps + input * (int)w.input + tap * (int)w.tap;
    return w.places == 1 ? at : at * w.places + pixel;
}

// y = activation(x * w + bias + residual). Bias and residual may be null.
struct convolution_args {
    Maps x, y;
    Window window;
    Weights weights;
    Int activation;
    In input, weight, bias, residual;
    Out output;
};
KERNEL(convolution) {
    EACH(i, elements(a.y)) {
        Place p = place_of(a.y, i);
        Axes output = axes_of(p.pixel, a.window.output);
        int group = p.channel / a.weights.outputs, taps = volume(a.window.kernel);
        float sum = a.bias ? a.bias[a.weights.places == 1 ? p.channel : p.channel * a.y.pixels + p.pixel] : 0.0f;
        if (a.residual) sum += a.residual[i];
        for (int channel = 0; channel < a.weights.inputs; channel++) {
            float part = 0.0f;
            for (int tap = 0; tap < taps; tap++) {
                int pixel = input_of(a.window, output, axes_of(tap, a.window.kernel));
                if (pixel < 0) continue;
                int at = offset(a.x, p.image, group * a.weights.inputs + channel, pixel);
                part += a.input[at] * a.weight[weight_at(a.weights, taps, p.channel, channel, tap, p.pixel)];
            }
            sum += part;
        }
        a.output[i] = activate(a.activation, sum);
    }
}

// y = activation(y + bias + residual), after a convolution without them. Bias and residual may be null.
struct epilogue_args {
    Int width;
    Maps y;
    Int activation;
    In bias, residual;
    Out output;
};
template <int N> DEVICE void epilogue_each(const epilogue_args &a) {
    In before = {a.output.at, a.output.is_narrow};
    EACH(group, elements(a.y) / N) {
        Index i = group * N;
        Channels c = channels_of(a.y, i);
        Numbers<N> y = read<N>(before, i), residual = {};
        if (a.residual) residual = read<N>(a.residual, i);
        for (int k = 0; k < N; k++) {
            float sum = y.v[k];
            if (a.bias) sum += a.bias[c[k]];
            y.v[k] = activate(a.activation, sum + residual.v[k]);
        }
        write(a.output, i, y);
    }
}
WIDE(epilogue)

// dx from dy and w, plus the residual, which may be null.
struct convolution_data_gradient_args {
    Maps x, y;
    Window window;
    Weights weights;
    In dy, weight, residual;
    Out dx;
};
KERNEL(convolution_data_gradient) {
    EACH(i, elements(a.x)) {
        Place p = place_of(a.x, i);
        Axes input = axes_of(p.pixel, a.window.input);
        int group = p.channel / a.weights.inputs, taps = volume(a.window.kernel);
        float sum = a.residual ? a.residual[i] : 0.0f;
        for (int channel = 0; channel < a.weights.outputs; channel++) {
            int output = group * a.weights.outputs + channel;
            float part = 0.0f;
            for (int tap = 0; tap < taps; tap++) {
                int pixel = output_of(a.window, input, axes_of(tap, a.window.kernel));
                if (pixel < 0) continue;
                int at = weight_at(a.weights, taps, output, p.channel % a.weights.inputs, tap, pixel);
                part += a.dy[offset(a.y, p.image, output, pixel)] * a.weight[at];
            }
            sum += part;
        }
        a.dx[i] = sum;
    }
}

// dw from x and dy.
struct convolution_weight_gradient_args {
    Maps x, y;
    Window window;
    Weights weights;
    In input, dy;
    Out dw;
};
KERNEL(convolution_weight_gradient) {
    int taps = volume(a.window.kernel);
    EACH(i, a.y.channels * a.weights.inputs * taps * a.weights.places) {
        int place = i % a.weights.places, number = i / a.weights.places;
        int inputs = (int)a.weights.inputs, output = number / taps / inputs, rest = number % (taps * inputs);
        int tap = rest / (int)a.weights.tap % taps, channel = rest / (int)a.weights.input % inputs;
        int input = output / (int)a.weights.outputs * inputs + channel;
        int first = a.weights.places == 1 ? 0 : place, end = a.weights.places == 1 ? a.y.pixels : place + 1;
        float sum = 0.0f;
        for (int image = 0; image < a.y.images; image++) {
            float part = 0.0f;
            for (int pixel = first; pixel < end; pixel++) {
                int from = input_of(a.window, axes_of(pixel, a.window.output), axes_of(tap, a.window.kernel));
                if (from < 0) continue;
                part += a.input[offset(a.x, image, input, from)] * a.dy[offset(a.y, image, output, pixel)];
            }
            sum += part;
        }
        a.dw[i] = sum;
    }
}
