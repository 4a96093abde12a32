// Softmax and the losses. A row of scores is the work of a block.

#define LARGEST_PART(part)                                                                                             \
    for (int half = THREADS / 2; half > 0; half /= 2) {                                                                \
        PHASE if (thread < half) part[thread] = maximum(part[thread], part[thread + half]);                            \
    }

// Sets `largest` to the largest of the scores x and `start`, and `sum` to the sum of e^(x - largest), to which the term
// of `start` is added if it is finite.
#define LOG_SUM(x, classes, start)                                                                                     \
    PHASE {                                                                                                            \
        float most = (start);                                                                                          \
        for (int i = thread; i < (classes); i += THREADS) most = maximum(most, (x)[i]);                                \
        part[thread] = most;                                                                                           \
    }                                                                                                                  \
    LARGEST_PART(part)                                                                                                 \
    PHASE if (thread == 0) largest = part[0];                                                                          \
    PHASE {                                                                                                            \
        float all = thread == 0 ? expf((start) - largest) : 0.0f;                                                      \
        for (int i = thread; i < (classes); i += THREADS) all += expf((x)[i] - largest);                               \
        part[thread] = all;                                                                                            \
    }                                                                                                                  \
    ADD_PARTS(part)                                                                                                    \
    PHASE if (thread == 0) sum = part[0];

#define NOTHING (-1.0f / 0.0f)

struct softmax_args {
    Int classes, is_log;
    In x;
    Out y;
};
KERNEL(softmax) {
    SHARED float part[THREADS], largest, sum;
    In x = a.x + block_index * a.classes;
    Out y = a.y + block_index * a.classes;
    LOG_SUM(x, a.classes, NOTHING)
    PHASE for (int i = thread; i < a.classes; i += THREADS) {
        y[i] = a.is_log ? x[i] - (largest + logf(sum)) : expf(x[i] - largest) / sum;
    }
}

struct softmax_gradient_args {
    Int classes, is_log;
    In y, dy;
    Out dx;
};
KERNEL(softmax_gradient) {
    SHARED float part[THREADS];
    int first = block_index * a.classes;
    In y = a.y + first, dy = a.dy + first;
    PHASE {
        float all = 0.0f;
        for (int i = thread; i < a.classes; i += THREADS) all += a.is_log ? dy[i] : dy[i] * y[i];
        part[thread] = all;
    }
    ADD_PARTS(part)
    PHASE for (int i = thread; i < a.classes; i += THREADS) {
        a.dx[first + i] = a.is_log ? dy[i] - expf(y[i]) * part[0] : y[i] * (dy[i] - part[0]);
    }
}

// The target probability of a class: label smoothing distributes a share evenly.
DEVICE float smoothed(int classes, double smoothing, int i, int label) {
    double share = smoothing / (double)classes;
    return (float)(i == label ? 1.0 - smoothing + share : share);
}

// Writes the probabilities and the loss of each row.
struct cross_entropy_args {
    Int classes;
    double smoothing;
    In x;
    const Int *labels;
    Out probabilities;
    float *row_loss;
};
KERNEL(cross_entropy) {
    SHARED float part[THREADS], largest, sum;
    int first = block_index * a.classes;
    In x = a.x + first;
    LOG_SUM(x, a.classes, NOTHING)
    PHASE {
        float log_sum = logf(sum) + largest, all = 0.0f;
        for (int i = thread; i < a.classes; i += THREADS) {
            all += smoothed(a.classes, a.smoothing, i, a.labels[block_index]) * (log_sum - x[i]);
            a.probabilities[first + i] = expf(x[i] - largest) / sum;
        }
        part[thread] = all;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.row_loss[block_index] = part[0];
}

struct cross_entropy_gradient_args {
    Int rows, classes;
    double smoothing, scale;
    In probabilities;
    const Int *labels;
    Out dx;
};
KERNEL(cross_entropy_gradient) {
    EACH(i, a.rows * a.classes) {
        float target = smoothed(a.classes, a.smoothing, i % a.classes, a.labels[i / a.classes]);
        a.dx[i] = (a.probabilities[i] - target) * (float)(a.scale / (double)a.rows);
    }
}

// As cross_entropy, with a target for each class.
struct soft_cross_entropy_args {
    Int classes;
    In x, targets;
    Out probabilities;
    float *row_loss;
};
KERNEL(soft_cross_entropy) {
    SHARED float part[THREADS], largest, sum;
    int first = block_index * a.classes;
    In x = a.x + first;
    LOG_SUM(x, a.classes, NOTHING)
    PHASE {
        float log_sum = logf(sum) + largest, all = 0.0f;
        for (int i = thread; i < a.classes; i += THREADS) {
            all += a.targets[first + i] * (log_sum - x[i]);
            a.probabilities[first + i] = expf(x[i] - largest) / sum;
        }
        part[thread] = all;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.row_loss[block_index] = part[0];
}

struct soft_cross_entropy_gradient_args {
    Int classes;
    double factor;
    In probabilities, targets;
    Out dx;
};
KERNEL(soft_cross_entropy_gradient) {
    SHARED float part[THREADS];
    int first = block_index * a.classes;
    PHASE {
        float all = 0.0f;
        for (int i = thread; i < a.classes; i += THREADS) all += a.targets[first + i];
        part[thread] = all;
    }
    ADD_PARTS(part)
    PHASE for (int i = thread; i < a.classes; i += THREADS) {
        a.dx[first + i] = (a.probabilities[first + i] * part[0] - a.targets[first + i]) * (float)a.factor;
    }
}

// Adds the losses of all rows, times the factor. One block.
struct total_loss_args {
    Int rows;
    double factor;
    const float *row_loss;
    Out loss;
};
KERNEL(total_loss) {
    SHARED float part[THREADS];
    PHASE {
        float all = 0.0f;
        for (int i = thread; i < a.rows; i += THREADS) all += a.row_loss[i];
        part[thread] = all;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) a.loss[0] = part[0] * (float)a.factor;
}

// The criteria, in the order of `lower::loss`.
enum { BINARY_CROSS_ENTROPY, MEAN_SQUARED, HINGE, RBF, PERCEPTRON };

// max(0, margin - x[label] + x[i])
DEVICE float excess(double margin, const In &x, int label, int i) {
    return maximum((float)margin - x[label] + x[i], 0.0f);
}

// Writes what takes the place of probabilities, and the loss of each row.
struct class_loss_args {
    Int classes, criterion, power;
    double margin, j;
    In x;
    const Int *labels;
    Out probabilities;
    float *row_loss;
};
KERNEL(class_loss) {
    SHARED float part[THREADS], largest, sum;
    int first = block_index * a.classes, label = a.labels[block_index];
    In x = a.x + first;
    Out probabilities = a.probabilities + first;
    // The criterion of distances has a class of score -j, which is none of the classes.
    LOG_SUM(x, a.classes, a.criterion == RBF ? -(float)a.j : NOTHING)
    PHASE {
        float all = 0.0f;
        for (int i = thread; i < a.classes; i += THREADS) {
            float target = i == label ? 1.0f : 0.0f;
            switch (a.criterion) {
            case BINARY_CROSS_ENTROPY:
                // max(x, 0) - x·t + log(1 + e^-|x|), which cannot overflow.
                all += maximum(x[i], 0.0f) - x[i] * target + logf(1.0f + expf(-maximum(x[i], -x[i])));
                probabilities[i] = activate(SIGMOID, x[i]);
                break;
            case MEAN_SQUARED:
                all += (x[i] - target) * (x[i] - target);
                probabilities[i] = x[i];
                break;
            case HINGE: {
                float within = i == label ? 0.0f : excess(a.margin, x, label, i);
                all += a.power == 2 ? within * within : within;
                probabilities[i] = expf(x[i] - largest) / sum;
                break;
            }
            case PERCEPTRON:
                if (i == label) all += largest - x[i];
                probabilities[i] = expf(x[i] - largest) / sum;
                break;
            default:
                if (i == label) all += logf(sum) + largest - x[i];
                probabilities[i] = expf(x[i] - (logf(sum) + largest));
            }
        }
        part[thread] = all;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0) {
        bool is_sum = a.criterion == RBF || a.criterion == PERCEPTRON;
        a.row_loss[block_index] = is_sum ? part[0] : part[0] / (float)a.classes;
    }
}

struct class_loss_gradient_args {
    Int classes, criterion, power;
    double margin, j, factor;
    In x;
    const Int *labels;
    Out dx;
};
KERNEL(class_loss_gradient) {
    SHARED float part[THREADS], largest, sum;
    int first = block_index * a.classes, label = a.labels[block_index];
    In x = a.x + first;
    Out dx = a.dx + first;
    float mean = 1.0f / (float)a.classes;
    LOG_SUM(x, a.classes, a.criterion == RBF ? -(float)a.j : NOTHING)
    PHASE {
        float others = 0.0f;
        for (int i = thread; i < a.classes; i += THREADS) {
            float target = i == label ? 1.0f : 0.0f, d;
            switch (a.criterion) {
            case BINARY_CROSS_ENTROPY: d = (activate(SIGMOID, x[i]) - target) * mean; break;
            case MEAN_SQUARED: d = 2.0f * (x[i] - target) * mean; break;
            case HINGE: {
                float within = i == label ? 0.0f : excess(a.margin, x, label, i);
                d = a.power == 2 ? 2.0f * within * mean : within > 0.0f ? mean : 0.0f;
                others += d;
                break;
            }
            case PERCEPTRON: d = 0.0f; break;
            default: d = expf(x[i] - (logf(sum) + largest)) - target;
            }
            dx[i] = d * (float)a.factor;
        }
        part[thread] = others;
    }
    ADD_PARTS(part)
    PHASE if (thread == 0 && a.criterion == HINGE) dx[label] = -part[0] * (float)a.factor;
    PHASE if (thread == 0 && a.criterion == PERCEPTRON) {
        int best = 0;
        for (int i = 1; i < a.classes; i++) best = x[i] > x[best] ? i : best;
        if (best != label) {
            dx[best] = (float)a.factor;
            dx[label] = -(float)a.factor;
        }
    }
}
