// Operations that move elements without computing.

struct fill_args {
    Int count;
    double value;
    Out y;
};
KERNEL(fill) {
    EACH(i, a.count) a.y[i] = (float)a.value;
}

struct copy_args {
    Int count, shape[AXES], from, from_strides[AXES], to, to_strides[AXES];
    In x;
    Out y;
};
KERNEL(copy) {
    EACH(i, a.count) {
        a.y[a.to + strided(i, a.shape, a.to_strides)] = a.x[a.from + strided(i, a.shape, a.from_strides)];
    }
}

// Copies a value to another order.
struct reorder_args {
    Maps from, to;
    In x;
    Out y;
};
KERNEL(reorder) {
    EACH(i, elements(a.to)) {
        Place p = place_of(a.to, i);
        a.y[i] = a.x[offset(a.from, p.image, p.channel, p.pixel)];
    }
}

// Copies the rows `indices` of the middle axis of x [outer, extent, inner].
struct gather_args {
    Int outer, extent, inner, rows;
    const Int *indices;
    In x;
    Out y;
};
KERNEL(gather) {
    EACH(i, a.outer * a.rows * a.inner) {
        int row = i / a.inner, outer = row / a.rows;
        a.y[i] = a.x[(outer * a.extent + a.indices[row % a.rows]) * a.inner + i % a.inner];
    }
}

// For each element, the sum over all places that it was gathered to.
struct gather_gradient_args {
    Int outer, extent, inner, rows;
    const Int *indices;
    In dy;
    Out dx;
};
KERNEL(gather_gradient) {
    EACH(i, a.outer * a.extent * a.inner) {
        int row = i / a.inner, outer = row / a.extent;
        float sum = 0.0f;
        for (int k = 0; k < a.rows; k++) {
            if (a.indices[k] == row % a.extent) sum += a.dy[(outer * a.rows + k) * a.inner + i % a.inner];
        }
        a.dx[i] = sum;
    }
}

// Copies kernel number i to position places[i] of a full weight, or back. All others must be zero already.
struct scatter_kernels_args {
    Int kernels, taps;
    const Int *places;
    In kernel;
    Out weight;
};
KERNEL(scatter_kernels) {
    EACH(i, a.kernels * a.taps) a.weight[a.places[i / a.taps] * a.taps + i % a.taps] = a.kernel[i];
}

struct gather_kernels_args {
    Int kernels, taps;
    const Int *places;
    In weight;
    Out kernel;
};
KERNEL(gather_kernels) {
    EACH(i, a.kernels * a.taps) a.kernel[i] = a.weight[a.places[i / a.taps] * a.taps + i % a.taps];
}
