// Updates of variables.

// g += decay·p; v = momentum·v + g; p -= rate·(nesterov ? g + momentum·v : v). The momenta v may be null.
struct sgd_args {
    Int count, nesterov;
    double momentum, decay;
    In g, rate;
    Out p, v;
};
KERNEL(sgd) {
    float momentum = (float)a.momentum;
    EACH(i, a.count) {
        float g = a.g[i] + (float)a.decay * a.p[i], step = g;
        if (a.v) {
            float v = momentum * a.v[i] + g;
            a.v[i] = v;
            step = a.nesterov ? g + momentum * v : v;
        }
        a.p[i] = a.p[i] - a.rate[0] * step;
    }
}

struct adam_args {
    Int count, decoupled;
    double beta1, beta2, epsilon, decay;
    In g, rate;
    const Int *step;
    Out p, m, v;
};
KERNEL(adam) {
    double t = (double)(a.step[0] + 1);
    float correction1 = (float)(1.0 - pow(a.beta1, t)), correction2 = (float)sqrt(1.0 - pow(a.beta2, t));
    float beta1 = (float)a.beta1, beta2 = (float)a.beta2, rate = a.rate[0];
    EACH(i, a.count) {
        float g = a.g[i], p = a.p[i];
        if (a.decoupled) {
            p -= rate * (float)a.decay * p;
        } else {
            g += (float)a.decay * p;
        }
        float m = beta1 * a.m[i] + (1.0f - beta1) * g, v = beta2 * a.v[i] + (1.0f - beta2) * g * g;
        a.m[i] = m, a.v[i] = v;
        a.p[i] = p - rate / correction1 * m / (sqrtf(v) / correction2 + (float)a.epsilon);
    }
}

// g += decay·p; s = a·s + (1 - a)·g²; d = g/(√s + ε); v = momentum·v + d; p -= rate·v. The momenta v may be null.
struct rms_prop_args {
    Int count;
    double mean_decay, epsilon, momentum, decay;
    In g, rate;
    Out p, s, v;
};
KERNEL(rms_prop) {
    float kept = (float)a.mean_decay, rest = (float)(1.0 - a.mean_decay);
    EACH(i, a.count) {
        float g = a.g[i] + (float)a.decay * a.p[i], s = kept * a.s[i] + rest * g * g;
        a.s[i] = s;
        float step = g / (sqrtf(s) + (float)a.epsilon);
        if (a.v) {
            step = (float)a.momentum * a.v[i] + step;
            a.v[i] = step;
        }
        a.p[i] = a.p[i] - a.rate[0] * step;
    }
}

// average = keep·average + share·x.
struct average_args {
    Int count;
    In x, keep, share;
    Out average;
};
KERNEL(average) {
    float keep = a.keep[0], share = a.share[0];
    EACH(i, a.count) a.average[i] = keep * a.average[i] + share * a.x[i];
}

// The sum of the squares of each of the blocks' shares, in a fixed number of blocks.
struct square_sums_args {
    Int count;
    In g;
    double *sums;
};
KERNEL(square_sums) {
    SHARED double part[THREADS];
    PHASE {
        double sum = 0.0;
        for (int i = block_index * THREADS + thread; i < a.count; i += SHARES * THREADS) sum += (double)a.g[i] * a.g[i];
        part[thread] = sum;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.sums[block_index] = part[0];
}

// trust·‖p‖/(‖g‖ + decay·‖p‖) from the sums of both, or 1 if a norm is zero. One block.
struct trust_ratio_args {
    double trust, decay;
    const double *p_sums, *g_sums;
    double *ratio;
};
KERNEL(trust_ratio) {
    SHARED double p_part[THREADS], g_part[THREADS];
    PHASE {
        p_part[thread] = thread < SHARES ? a.p_sums[thread] : 0.0;
        g_part[thread] = thread < SHARES ? a.g_sums[thread] : 0.0;
    }
    ADD_PARTS(p_part)
    ADD_PARTS(g_part)
    PHASE if (thread == 0) {
        double p = sqrt(p_part[0]), g = sqrt(g_part[0]);
        a.ratio[0] = p == 0.0 || g == 0.0 ? 1.0 : a.trust * p / (g + a.decay * p + 1e-8);
    }
}

// g = ratio·(g + decay·p); v = momentum·v + g; p -= rate·(nesterov ? g + momentum·v : v). The momenta v may be null.
struct lars_args {
    Int count, nesterov;
    double momentum, decay;
    const double *ratio;
    In g, rate;
    Out p, v;
};
KERNEL(lars) {
    float momentum = (float)a.momentum, ratio = (float)a.ratio[0];
    EACH(i, a.count) {
        float g = ratio * (a.g[i] + (float)a.decay * a.p[i]), step = g;
        if (a.v) {
            float v = momentum * a.v[i] + g;
            a.v[i] = v;
            step = a.nesterov ? g + momentum * v : v;
        }
        a.p[i] = a.p[i] - a.rate[0] * step;
    }
}

// The norm from these sums. One block.
struct gradient_norm_args {
    const double *sums;
    Out norm;
};
KERNEL(gradient_norm) {
    SHARED double part[THREADS];
    PHASE part[thread] = thread < SHARES ? a.sums[thread] : 0.0;
    ADD_PARTS(part)
    PHASE if (thread == 0) a.norm[0] = (float)sqrt(part[0]);
}

// Multiplies the gradients so that their norm is at most `largest`.
struct clip_norm_args {
    Int count;
    double largest;
    In norm;
    Out g;
};
KERNEL(clip_norm) {
    float norm = a.norm[0], largest = (float)a.largest;
    if (!(norm > largest)) return;
    EACH(i, a.count) a.g[i] = a.g[i] * (largest / norm);
}

// For each of the blocks' shares, whether it contains a number that is not finite.
struct find_non_finite_args {
    Int count;
    In x;
    Int *found;
};
KERNEL(find_non_finite) {
    SHARED int part[THREADS];
    PHASE {
        int found = 0;
        for (Int i = block_index * THREADS + thread; i < a.count; i += SHARES * THREADS) {
            // Infinity minus infinity is no number.
            if (a.x[i] - a.x[i] != 0.0f) found = 1;
        }
        part[thread] = found;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.found[block_index] = part[0];
}
