// Batch normalization, local response normalization, and sums over channels.

struct batch_norm_args {
    Int width;
    Maps maps;
    double epsilon;
    In x, gamma, beta, mean, variance;
    Out y;
};
template <int N> DEVICE void batch_norm_each(const batch_norm_args &a) {
    EACH(group, elements(a.maps) / N) {
        Index i = group * N;
        Channels channels = channels_of(a.maps, i);
        Numbers<N> x = read<N>(a.x, i);
        for (int k = 0; k < N; k++) {
            int c = channels[k];
            float scale = a.gamma[c] / sqrtf(a.variance[c] + (float)a.epsilon);
            x.v[k] = (x.v[k] - a.mean[c]) * scale + a.beta[c];
        }
        write(a.y, i, x);
    }
}
WIDE(batch_norm)

// How sums over images and pixels are divided: into parts of the images, and groups of channels. A block adds up one
// part of one group, with THREADS / lanes threads for each channel.
struct Division {
    Maps maps;
    // Parts of the images, and channels of a group.
    Int splits, lanes;
};

// What a block adds up.
struct Part {
    // The first channel, and the number of channels.
    int channel, channels;
    // Elements of a channel: the number of the first one, and how many.
    int first, count;
};

// The first image of a split.
DEVICE int first_image(const Maps &m, Int splits, int split) { return (int)(m.images * split / splits); }

// The number of elements of a channel in a split.
DEVICE int split_size(const Maps &m, Int splits, int split) {
    return (first_image(m, splits, split + 1) - first_image(m, splits, split)) * (int)m.pixels;
}

DEVICE Part part_of(const Division &d, int block) {
    int split = block % (int)d.splits, channel = block / (int)d.splits * (int)d.lanes;
    int rest = (int)d.maps.channels - channel, lanes = (int)d.lanes;
    int first = first_image(d.maps, d.splits, split) * (int)d.maps.pixels;
    Part p = {channel, rest < lanes ? rest : lanes, first, split_size(d.maps, d.splits, split)};
    return p;
}

// The offset of element number `index` of a channel in a part.
DEVICE int in_part(const Maps &m, Part p, int channel, int index) {
    Index at = (Index)(p.first + index), pixels = (Index)m.pixels;
    // With channels last, images follow each other as pixels do.
    if (m.channel == 1) return (int)at * (int)m.pixel + channel;
    return offset(m, (int)(at / pixels), channel, (int)(at % pixels));
}

// Runs the statement for each element of the thread's channel in the part that is the thread's, with `channel`, and its
// offset `at`.
#define EACH_IN_PART(d, p)                                                                                             \
    if (int channel = p.channel + thread % (int)d.lanes; thread % (int)d.lanes < p.channels)                           \
        for (int i = thread / (int)d.lanes, at; i < p.count && (at = in_part(d.maps, p, channel, i), true);            \
             i += THREADS / (int)d.lanes)

// Where a block leaves number `which` of the `each` sums of the thread's channel.
DEVICE Index sum_at(const Division &d, Part p, int thread, int each, int which) {
    return ((p.channel + thread) * d.splits + block_index % (int)d.splits) * each + which;
}

// The mean and the squared deviations of each part.
struct batch_moments_args {
    Division division;
    In x;
    float *moments;
};
KERNEL(batch_moments) {
    SHARED float part[THREADS], mean[THREADS];
    int lanes = (int)a.division.lanes;
    Part p = part_of(a.division, block_index);
    PHASE {
        float sum = 0.0f;
        EACH_IN_PART(a.division, p) sum += a.x[at];
        part[thread] = sum;
    }
    ADD_LANES(part, lanes)
    PHASE if (thread < lanes) mean[thread] = part[thread] / (float)p.count;
    PHASE {
        float sum = 0.0f;
        EACH_IN_PART(a.division, p) {
            float deviation = a.x[at] - mean[channel - p.channel];
            sum += deviation * deviation;
        }
        part[thread] = sum;
    }
    ADD_LANES(part, lanes)
    PHASE if (thread < p.channels) {
        a.moments[sum_at(a.division, p, thread, 2, 0)] = mean[thread];
        a.moments[sum_at(a.division, p, thread, 2, 1)] = part[thread];
    }
}

// Mean and 1/sqrt(variance + epsilon) of each channel from the moments of its parts (Chan, Golub and LeVeque, 1979);
// updates the running statistics, the variance unbiased. A block for each channel.
struct batch_statistics_args {
    Maps maps;
    Int splits;
    double epsilon, momentum;
    const float *moments;
    Out mean, inverse, running_mean, running_variance;
};
KERNEL(batch_statistics) {
    SHARED float part[THREADS], mean;
    int c = block_index;
    float count = (float)(a.maps.images * a.maps.pixels);
    const float *moments = a.moments + 2 * c * a.splits;
    PHASE {
        float sum = 0.0f;
        for (int split = thread; split < a.splits; split += THREADS) {
            sum += moments[2 * split] * ((float)split_size(a.maps, a.splits, split) / count);
        }
        part[thread] = sum;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) mean = part[0];
    PHASE {
        float sum = 0.0f;
        for (int split = thread; split < a.splits; split += THREADS) {
            float deviation = moments[2 * split] - mean, size = (float)split_size(a.maps, a.splits, split);
            sum += moments[2 * split + 1] + deviation * deviation * size;
        }
        part[thread] = sum;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) {
        float all = part[0];
        float momentum = (float)a.momentum, keep = (float)(1.0 - a.momentum);
        float unbiased = all / (count > 2.0f ? count - 1.0f : 1.0f);
        a.mean[c] = mean;
        a.inverse[c] = 1.0f / sqrtf(all / count + (float)a.epsilon);
        a.running_mean[c] = keep * a.running_mean[c] + momentum * mean;
        a.running_variance[c] = keep * a.running_variance[c] + momentum * unbiased;
    }
}

DEVICE float normalized(float x, float mean, float inverse, float gamma, float beta) {
    return (x - mean) * inverse * gamma + beta;
}

// y = activation(norm(x) + residual) with the statistics of the batch. The residual may be null.
struct normalize_args {
    Int width;
    Maps maps;
    Int activation;
    In x, gamma, beta, residual, mean, inverse;
    Out y;
};
template <int N> DEVICE void normalize_each(const normalize_args &a) {
    EACH(group, elements(a.maps) / N) {
        Index i = group * N;
        Channels channels = channels_of(a.maps, i);
        Numbers<N> x = read<N>(a.x, i), residual = {};
        if (a.residual) residual = read<N>(a.residual, i);
        for (int k = 0; k < N; k++) {
            int c = channels[k];
            float y = normalized(x.v[k], a.mean[c], a.inverse[c], a.gamma[c], a.beta[c]);
            x.v[k] = activate(a.activation, y + residual.v[k]);
        }
        write(a.y, i, x);
    }
}
WIDE(normalize)

// The gradient before an activation with the value y: dy, plus the addend, which may be null, times its derivative.
struct before_activation_args {
    Int width, count, activation;
    In y, dy, addend;
    Out before;
};
template <int N> DEVICE void before_activation_each(const before_activation_args &a) {
    EACH(group, a.count / N) {
        Index i = group * N;
        Numbers<N> y = read<N>(a.y, i), dy = read<N>(a.dy, i), addend = {};
        if (a.addend) addend = read<N>(a.addend, i);
        for (int k = 0; k < N; k++) {
            dy.v[k] = (dy.v[k] + addend.v[k]) * activation_derivative(a.activation, y.v[k]);
        }
        write(a.before, i, dy);
    }
}
WIDE(before_activation)

// The gradient before the activation of a normalized value, whose gradient is dy.
DEVICE float before_norm(Int activation, float dy, float y) {
    return dy * activation_derivative(activation, activate(activation, y));
}

// The sums of dy and of dy times the normalized x of each part. If beta is not null, dy is the gradient after the
// activation of the normalized value.
struct batch_norm_sums_args {
    Division division;
    Int activation;
    In x, dy, gamma, mean, inverse, beta;
    float *sums;
};
KERNEL(batch_norm_sums) {
    SHARED float sums[THREADS], products[THREADS];
    int lanes = (int)a.division.lanes;
    Part p = part_of(a.division, block_index);
    PHASE {
        float sum = 0.0f, product = 0.0f;
        EACH_IN_PART(a.division, p) {
            float dy = a.dy[at], normal = (a.x[at] - a.mean[channel]) * a.inverse[channel];
            if (a.beta) dy = before_norm(a.activation, dy, normal * a.gamma[channel] + a.beta[channel]);
            sum += dy;
            product += dy * normal;
        }
        sums[thread] = sum, products[thread] = product;
    }
    ADD_LANES(sums, lanes)
    ADD_LANES(products, lanes)
    PHASE if (thread < p.channels) {
        a.sums[sum_at(a.division, p, thread, 2, 0)] = sums[thread];
        a.sums[sum_at(a.division, p, thread, 2, 1)] = products[thread];
    }
}

// Adds number `which` of the `each` sums of all parts of a channel. A block for each channel.
struct add_splits_args {
    Int splits, each, which;
    const float *sums;
    Out sum;
};
KERNEL(add_splits) {
    SHARED float part[THREADS];
    const float *sums = a.sums + block_index * a.splits * a.each + a.which;
    PHASE {
        float sum = 0.0f;
        for (int split = thread; split < a.splits; split += THREADS) sum += sums[split * a.each];
        part[thread] = sum;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.sum[block_index] = part[0];
}

// dx from the sums.
struct batch_norm_gradient_args {
    Int width;
    Maps maps;
    Int activation;
    In x, dy, gamma, mean, inverse, beta, dgamma, dbeta;
    Out dx;
};
template <int N> DEVICE void batch_norm_gradient_each(const batch_norm_gradient_args &a) {
    float count = (float)(a.maps.images * a.maps.pixels);
    EACH(group, elements(a.maps) / N) {
        Index i = group * N;
        Channels channels = channels_of(a.maps, i);
        Numbers<N> x = read<N>(a.x, i), dy = read<N>(a.dy, i);
        for (int k = 0; k < N; k++) {
            int c = channels[k];
            float normal = (x.v[k] - a.mean[c]) * a.inverse[c], before = dy.v[k];
            if (a.beta) before = before_norm(a.activation, before, normal * a.gamma[c] + a.beta[c]);
            x.v[k] = a.gamma[c] * a.inverse[c] * (before - a.dbeta[c] / count - normal * a.dgamma[c] / count);
        }
        write(a.dx, i, x);
    }
}
WIDE(batch_norm_gradient)

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
    Division division;
    In x, y;
    float *sums;
};
KERNEL(channel_sum) {
    SHARED float part[THREADS];
    int lanes = (int)a.division.lanes;
    Part p = part_of(a.division, block_index);
    PHASE {
        float sum = 0.0f;
        EACH_IN_PART(a.division, p) sum += a.y ? a.x[at] * a.y[at] : a.x[at];
        part[thread] = sum;
    }
    ADD_LANES(part, lanes)
    PHASE if (thread < p.channels) a.sums[sum_at(a.division, p, thread, 1, 0)] = part[thread];
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
