// Matrix products, and distances to fixed codes.

// y[m, n] = activation(sum over k of x[m, k]·z[k, n] + bias[n]) for each of `count` pairs of matrices, whose elements
// lie at the given distances. The bias may be null.
struct matmul_args {
    Int count, shape[AXES], x_strides[AXES], z_strides[AXES];
    Int rows, inner, columns, x_row, x_inner, z_inner, z_column, activation;
    In x, z, bias;
    Out y;
};
KERNEL(matmul) {
    EACH(i, a.count * a.rows * a.columns) {
        int column = i % a.columns, row = i / a.columns % a.rows, matrix = i / a.columns / a.rows;
        In x = a.x + strided(matrix, a.shape, a.x_strides) + row * a.x_row;
        In z = a.z + strided(matrix, a.shape, a.z_strides) + column * a.z_column;
        float sum = a.bias ? a.bias[column] : 0.0f, part = 0.0f;
        for (int k = 0; k < a.inner; k++) {
            part += x[k * a.x_inner] * z[k * a.z_inner];
            if (k % 256 == 255) sum += part, part = 0.0f;
        }
        a.y[i] = activate(a.activation, sum + part);
    }
}

// y[n, k] = -sum over i of (x[n, i] - code[k, i])².
struct rbf_args {
    Int rows, features, units;
    In x, codes;
    Out y;
};
KERNEL(rbf) {
    EACH(i, a.rows * a.units) {
        In x = a.x + i / a.units * a.features, code = a.codes + i % a.units * a.features;
        float sum = 0.0f;
        for (int k = 0; k < a.features; k++) sum += (x[k] - code[k]) * (x[k] - code[k]);
        a.y[i] = -sum;
    }
}

struct rbf_gradient_args {
    Int rows, features, units;
    In x, codes, dy;
    Out dx;
};
KERNEL(rbf_gradient) {
    EACH(i, a.rows * a.features) {
        float sum = 0.0f;
        for (int unit = 0; unit < a.units; unit++) {
            sum += a.dy[i / a.features * a.units + unit] * (a.x[i] - a.codes[unit * a.features + i % a.features]);
        }
        a.dx[i] = -2.0f * sum;
    }
}
