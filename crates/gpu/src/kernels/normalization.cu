// Batch normalization, local response normalization, and sums over channels. The images of a channel are divided among
// a fixed number of blocks, `splits`, whose results are then merged in order.

struct batch_norm_args {
    Maps maps;
    double epsilon;
    In x, gamma, beta, mean, variance;
    Out y;
};
KERNEL(batch_norm) {
    EACH(i, elements(a.maps)) {
        int c = place_of(a.maps, i).channel;
        float scale = a.gamma[c] / sqrtf(a.variance[c] + (float)a.epsilon);
        a.y[i] = (a.x[i] - a.mean[c]) * scale + a.beta[c];
    }
}

// The part of a channel that a block adds up.
struct Part {
    int channel, first, count;
};

// The first image of a split.
DEVICE int first_image(const Maps &m, Int splits, int split) { return (int)(m.images * split / splits); }

DEVICE Part part_of(const Maps &m, Int splits, int block) {
    int split = block % (int)splits, first = first_image(m, splits, split);
    int images = first_image(m, splits, split + 1) - first;
    Part p = {block / (int)splits, first * (int)m.pixels, images * (int)m.pixels};
    return p;
}

// The place of element number `index` of a part.
DEVICE int in_part(const Maps &m, Part p, int index) {
    Index at = (Index)(p.first + index), pixels = (Index)m.pixels;
    return offset(m, (int)(at / pixels), p.channel, (int)(at % pixels));
}

// The mean and the squared deviations of each part.
struct batch_moments_args {
    Maps maps;
    Int splits;
    In x;
    float *moments;
};
KERNEL(batch_moments) {
    SHARED float part[THREADS], mean;
    Part p = part_of(a.maps, a.splits, block_index);
    PHASE {
        float sum = 0.0f;
        for (int i = thread; i < p.count; i += THREADS) sum += a.x[in_part(a.maps, p, i)];
        part[thread] = sum;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) mean = part[0] / (float)p.count;
    PHASE {
        float sum = 0.0f;
        for (int i = thread; i < p.count; i += THREADS) {
            float deviation = a.x[in_part(a.maps, p, i)] - mean;
            sum += deviation * deviation;
        }
        part[thread] = sum;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.moments[2 * block_index] = mean, a.moments[2 * block_index + 1] = part[0];
}

// Mean and 1/sqrt(variance + epsilon) of each channel from the moments of its parts (Chan, Golub and LeVeque, 1979);
// updates the running statistics, the variance unbiased.
struct batch_statistics_args {
    Maps maps;
    Int splits;
    double epsilon, momentum;
    const float *moments;
    Out mean, inverse, running_mean, running_variance;
};
KERNEL(batch_statistics) {
    EACH(c, a.maps.channels) {
        float count = 0.0f, mean = 0.0f, squares = 0.0f;
        for (int split = 0; split < a.splits; split++) {
            const float *moments = a.moments + 2 * (c * a.splits + split);
            float more = (float)part_of(a.maps, a.splits, split).count, delta = moments[0] - mean;
            float total = count + more;
            mean += delta * (more / total);
            squares += moments[1] + delta * delta * (count * more / total);
            count = total;
        }
        float momentum = (float)a.momentum, keep = (float)(1.0 - a.momentum);
        float unbiased = squares / (count > 2.0f ? count - 1.0f : 1.0f);
        a.mean[c] = mean;
        a.inverse[c] = 1.0f / sqrtf(squares / count + (float)a.epsilon);
        a.running_mean[c] = keep * a.running_mean[c] + momentum * mean;
        a.running_variance[c] = keep * a.running_variance[c] + momentum * unbiased;
    }
}

DEVICE float normalized(float x, float mean, float inverse, float gamma, float beta) {
    return (x - mean) * inverse * gamma + beta;
}

// y = activation(norm(x) + residual) with the statistics of the batch. The residual may be null.
struct normalize_args {
    Maps maps;
    Int activation;
    In x, gamma, beta, residual, mean, inverse;
    Out y;
};
KERNEL(normalize) {
    EACH(i, elements(a.maps)) {
        int c = place_of(a.maps, i).channel;
        float y = normalized(a.x[i], a.mean[c], a.inverse[c], a.gamma[c], a.beta[c]);
        if (a.residual) y += a.residual[i];
        a.y[i] = activate(a.activation, y);
    }
}

// The gradient before an activation with the value y: dy, plus the addend, which may be null, times its derivative.
struct before_activation_args {
    Int count, activation;
    In y, dy, addend;
    Out before;
};
KERNEL(before_activation) {
    EACH(i, a.count) {
        float dy = a.addend ? a.dy[i] + a.addend[i] : a.dy[i];
        a.before[i] = dy * activation_derivative(a.activation, a.y[i]);
    }
}

// The gradient before the activation of a normalized value, whose gradient is dy.
DEVICE float before_norm(Int activation, float dy, float y) {
    return dy * activation_derivative(activation, activate(activation, y));
}

// The sums of dy and of dy times the normalized x of each part. If beta is not null, dy is the gradient after the
// activation of the normalized value.
struct batch_norm_sums_args {
    Maps maps;
    Int splits, activation;
    In x, dy, gamma, mean, inverse, beta;
    float *sums;
};
KERNEL(batch_norm_sums) {
    SHARED float sums[THREADS], products[THREADS];
    Part p = part_of(a.maps, a.splits, block_index);
    float mean = a.mean[p.channel], inverse = a.inverse[p.channel], gamma = a.gamma[p.channel];
    PHASE {
        float sum = 0.0f, product = 0.0f;
        for (int i = thread; i < p.count; i += THREADS) {
            int at = in_part(a.maps, p, i);
            float dy = a.dy[at], normal = (a.x[at] - mean) * inverse;
            if (a.beta) dy = before_norm(a.activation, dy, normal * gamma + a.beta[p.channel]);
            sum += dy;
            product += dy * normal;
        }
        sums[thread] = sum, products[thread] = product;
    }
    ADD_PARTS(sums)
    ADD_PARTS(products)
    PHASE if (thread == 0) a.sums[2 * block_index] = sums[0], a.sums[2 * block_index + 1] = products[0];
}

// Adds number `which` of the `each` sums of all parts of each channel.
struct add_splits_args {
    Int channels, splits, each, which;
    const float *sums;
    Out sum;
};
KERNEL(add_splits) {
    EACH(c, a.channels) {
        float all = 0.0f;
        for (int split = 0; split < a.splits; split++) all += a.sums[(c * a.splits + split) * a.each + a.which];
        a.sum[c] = all;
    }
}

// dx from the sums.
struct batch_norm_gradient_args {
    Maps maps;
    Int activation;
    In x, dy, gamma, mean, inverse, beta, dgamma, dbeta;
    Out dx;
};
KERNEL(batch_norm_gradient) {
    float count = (float)(a.maps.images * a.maps.pixels);
    EACH(i, elements(a.maps)) {
        int c = place_of(a.maps, i).channel;
        float dy = a.dy[i], normal = (a.x[i] - a.mean[c]) * a.inverse[c];
        if (a.beta) dy = before_norm(a.activation, dy, normal * a.gamma[c] + a.beta[c]);
        a.dx[i] = a.gamma[c] * a.inverse[c] * (dy - a.dbeta[c] / count - normal * a.dgamma[c] / count);
    }
}

// Folds a batch norm into the weights [channels, inner] and the bias, which may be null, of the layer before it.
struct fold_batch_norm_args {
    Int channels, inner;
    double epsilon;
    In weight, gamma, beta, mean, variance, bias;
    Out folded_weight, folded_bias;
};
KERNEL(fold_batch_norm) {
    EACH(i, a.channels * a.inner) {
        int c = i / a.inner;
        float scale = a.gamma[c] / sqrtf(a.variance[c] + (float)a.epsilon);
        a.folded_weight[i] = a.weight[i] * scale;
        if (i % a.inner == 0) a.folded_bias[c] = ((a.bias ? a.bias[c] : 0.0f) - a.mean[c]) * scale + a.beta[c];
    }
}

// The sum of x, or of x·y if y is not null, over each part.
struct channel_sum_args {
    Maps maps;
    Int splits;
    In x, y;
    float *sums;
};
KERNEL(channel_sum) {
    SHARED float part[THREADS];
    Part p = part_of(a.maps, a.splits, block_index);
    PHASE {
        float sum = 0.0f;
        for (int i = thread; i < p.count; i += THREADS) {
            int at = in_part(a.maps, p, i);
            sum += a.y ? a.x[at] * a.y[at] : a.x[at];
        }
        part[thread] = sum;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.sums[block_index] = part[0];
}

// y = weight·x + bias with a weight and a bias, which may be null, for each channel.
struct scale_args {
    Maps maps;
    In x, weight, bias;
    Out y;
};
KERNEL(scale) {
    EACH(i, elements(a.maps)) {
        int c = place_of(a.maps, i).channel;
        a.y[i] = a.weight[c] * a.x[i] + (a.bias ? a.bias[c] : 0.0f);
    }
}

// Local response normalization: y = x·d^-beta, d = k + share · the sum of x² over the neighboring channels.
struct Lrn {
    Maps maps;
    Int half;
    double share, beta, k;
};

DEVICE float lrn_denominator(const Lrn &l, const In &x, Place p) {
    float squares = 0.0f;
    int first = p.channel > l.half ? p.channel - l.half : 0;
    for (int c = first; c <= p.channel + l.half && c < l.maps.channels; c++) {
        float value = x[offset(l.maps, p.image, c, p.pixel)];
        squares += value * value;
    }
    return (float)l.k + (float)l.share * squares;
}

struct lrn_args {
    Lrn lrn;
    In x;
    Out y;
};
KERNEL(lrn) {
    EACH(i, elements(a.lrn.maps)) {
        float d = lrn_denominator(a.lrn, a.x, place_of(a.lrn.maps, i));
        a.y[i] = a.x[i] * powf(d, -(float)a.lrn.beta);
    }
}

struct lrn_gradient_args {
    Lrn lrn;
    In x, dy;
    Out dx;
};
KERNEL(lrn_gradient) {
    EACH(i, elements(a.lrn.maps)) {
        Place p = place_of(a.lrn.maps, i), other = p;
        float sum = 0.0f, beta = (float)a.lrn.beta;
        int first = p.channel > a.lrn.half ? p.channel - a.lrn.half : 0;
        for (int c = first; c <= p.channel + a.lrn.half && c < a.lrn.maps.channels; c++) {
            other.channel = c;
            float d = lrn_denominator(a.lrn, a.x, other);
            int at = offset(a.lrn.maps, p.image, c, p.pixel);
            sum += a.dy[at] * a.x[at] * powf(d, -beta) / d;
        }
        float d = lrn_denominator(a.lrn, a.x, p), factor = (float)(-2.0 * a.lrn.beta * a.lrn.share);
        a.dx[i] = a.dy[i] * powf(d, -beta) + factor * a.x[i] * sum;
    }
}
