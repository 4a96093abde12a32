// Operations on every element.

struct activation_args {
    Int width, count, activation;
    In x;
    Out y;
};
template <int N> DEVICE void activation_each(const activation_args &a) {
    EACH(group, a.count / N) {
        Numbers<N> x = read<N>(a.x, group * N);
        for (int k = 0; k < N; k++) x.v[k] = activate(a.activation, x.v[k]);
        write(a.y, group * N, x);
    }
}
WIDE(activation)

// dx from y and dy.
struct activation_gradient_args {
    Int width, count, activation;
    In y, dy;
    Out dx;
};
template <int N> DEVICE void activation_gradient_each(const activation_gradient_args &a) {
    EACH(group, a.count / N) {
        Numbers<N> y = read<N>(a.y, group * N), dy = read<N>(a.dy, group * N);
        for (int k = 0; k < N; k++) dy.v[k] *= activation_derivative(a.activation, y.v[k]);
        write(a.dx, group * N, dy);
    }
}
WIDE(activation_gradient)

// The functions, in the order of `lower::function`.
enum { LEAKY_RELU, ELU, HARD_SIGMOID, HARD_SWISH, GELU, GELU_TANH, EXP, LOG, SQRT, ABS, ERF, POWER, STEP };

#define SQRT_HALF 0.70710678118654752f
#define GELU_FACTOR 0.7978845608028654f
#define GELU_CUBIC 0.044715f

DEVICE float gelu_argument(float x) { return GELU_FACTOR * (x + GELU_CUBIC * (x * x * x)); }

DEVICE float function_value(int function, float p, float q, float r, float x) {
    switch (function) {
    case LEAKY_RELU: return x > 0.0f ? x : p * x;
    case ELU: return x > 0.0f ? q * x : q * (p * expm1f(r * x));
    case HARD_SIGMOID: return minimum(maximum(p * x + q, 0.0f), 1.0f);
    case HARD_SWISH: return x * minimum(maximum(x / 6.0f + 0.5f, 0.0f), 1.0f);
    case GELU: return 0.5f * x * (1.0f + erff(x * SQRT_HALF));
    // (1 + tanh u)/2 is the sigmoid of 2u, which avoids the cancellation where tanh u is close to -1.
    case GELU_TANH: return x / (1.0f + expf(-2.0f * gelu_argument(x)));
    case EXP: return expf(x);
    case LOG: return logf(x);
    case SQRT: return sqrtf(x);
    case ABS: return fabsf(x);
    case ERF: return erff(x);
    case STEP: return x > p ? 1.0f : 0.0f;
    default: return powf(x, p);
    }
}

DEVICE float function_derivative(int function, float p, float q, float r, float x) {
    switch (function) {
    case LEAKY_RELU: return x > 0.0f ? 1.0f : p;
    case ELU: return x > 0.0f ? q : q * (p * r) * expf(r * x);
    case HARD_SIGMOID: {
        float y = p * x + q;
        return y > 0.0f && y < 1.0f ? p : 0.0f;
    }
    case HARD_SWISH: return x < -3.0f ? 0.0f : x > 3.0f ? 1.0f : x / 3.0f + 0.5f;
    case GELU: return 0.5f * (1.0f + erff(x * SQRT_HALF)) + x * 0.39894228040143268f * expf(-0.5f * x * x);
    case GELU_TANH: {
        float cdf = 1.0f / (1.0f + expf(-2.0f * gelu_argument(x)));
        return cdf + x * (cdf * (1.0f - cdf)) * (2.0f * GELU_FACTOR * (1.0f + 3.0f * GELU_CUBIC * (x * x)));
    }
    case EXP: return expf(x);
    case LOG: return 1.0f / x;
    case SQRT: return 0.5f / sqrtf(x);
    case ABS: return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
    case ERF: return 1.1283791670955126f * expf(-x * x);
    case STEP: return 0.0f;
    default: return p * powf(x, p - 1.0f);
    }
}

struct function_args {
    Int count, function;
    double p, q, r;
    In x;
    Out y;
};
KERNEL(function) {
    EACH(i, a.count) a.y[i] = function_value(a.function, (float)a.p, (float)a.q, (float)a.r, a.x[i]);
}

struct function_gradient_args {
    Int count, function;
    double p, q, r;
    In x, dy;
    Out dx;
};
KERNEL(function_gradient) {
    EACH(i, a.count) {
        a.dx[i] = a.dy[i] * function_derivative(a.function, (float)a.p, (float)a.q, (float)a.r, a.x[i]);
    }
}

struct add_args {
    Int width, count;
    In x, y;
    Out sum;
};
template <int N> DEVICE void add_each(const add_args &a) {
    EACH(group, a.count / N) {
        Numbers<N> x = read<N>(a.x, group * N), y = read<N>(a.y, group * N);
        for (int k = 0; k < N; k++) x.v[k] += y.v[k];
        write(a.sum, group * N, x);
    }
}
WIDE(add)

struct multiply_by_args {
    Int count;
    double factor;
    In x;
    Out y;
};
KERNEL(multiply_by) {
    EACH(i, a.count) a.y[i] = (float)a.factor * a.x[i];
}

struct clip_args {
    Int count;
    double low, high;
    In x;
    Out y;
};
KERNEL(clip) {
    EACH(i, a.count) a.y[i] = minimum((float)a.high, maximum((float)a.low, a.x[i]));
}

struct clip_gradient_args {
    Int count;
    double low, high;
    In x, dy;
    Out dx;
};
KERNEL(clip_gradient) {
    EACH(i, a.count) a.dx[i] = (float)a.low <= a.x[i] && a.x[i] <= (float)a.high ? a.dy[i] : 0.0f;
}

typedef unsigned int Word;

struct Words {
    Word w[4];
};

// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011: Philox 4x32 with 10 rounds.
DEVICE Words philox(Word key0, Word key1, Words c) {
    for (int round = 0; round < 10; round++) {
        unsigned long long p = 0xD2511F53ull * c.w[0], q = 0xCD9E8D57ull * c.w[2];
        Words next = {{(Word)(q >> 32) ^ c.w[1] ^ key0, (Word)q, (Word)(p >> 32) ^ c.w[3] ^ key1, (Word)p}};
        c = next;
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    return c;
}

// The mask is that of the CPU: a function of seed, step, layer (its salt) and the element's number in plain order.
struct dropout_args {
    Maps maps;
    double scale;
    Int threshold, salt, stream;
    In x;
    const Int *seed, *step;
    Out y;
};
KERNEL(dropout) {
    Words salt = {{(Word)a.salt, (Word)(a.salt >> 32), (Word)a.stream, 0u}};
    Words key = philox((Word)a.seed[0], (Word)(a.seed[0] >> 32), salt);
    EACH(i, elements(a.maps)) {
        Place p = place_of(a.maps, i);
        int number = (p.image * (int)a.maps.channels + p.channel) * (int)a.maps.pixels + p.pixel;
        Words counter = {{(Word)(number / 4), 0u, (Word)a.step[0], (Word)(a.step[0] >> 32)}};
        Word word = philox(key.w[0], key.w[1], counter).w[number % 4];
        a.y[i] = word >= (Word)a.threshold ? a.x[i] * (float)a.scale : 0.0f;
    }
}

// The arithmetic operations, in the order of `lower::arithmetic`.
enum { ADD, SUB, MUL, DIV, MAX, MIN };

struct arithmetic_args {
    Int count, operation, shape[AXES], x_strides[AXES], y_strides[AXES];
    In x, y;
    Out result;
};
KERNEL(arithmetic) {
    EACH(i, a.count) {
        float x = a.x[strided(i, a.shape, a.x_strides)], y = a.y[strided(i, a.shape, a.y_strides)], result;
        switch (a.operation) {
        case ADD: result = x + y; break;
        case SUB: result = x - y; break;
        case MUL: result = x * y; break;
        case DIV: result = x / y; break;
        case MAX: result = maximum(x, y); break;
        default: result = minimum(x, y);
        }
        a.result[i] = result;
    }
}

// The gradient of max(x, y) or min(x, y) with respect to x; equal operands share it.
struct extremum_gradient_args {
    Int count, operation, shape[AXES], x_strides[AXES], y_strides[AXES];
    In x, y, dresult;
    Out dx;
};
KERNEL(extremum_gradient) {
    EACH(i, a.count) {
        float x = a.x[strided(i, a.shape, a.x_strides)], y = a.y[strided(i, a.shape, a.y_strides)];
        bool is_selected = a.operation == MIN ? x < y : x > y;
        a.dx[i] = is_selected ? a.dresult[i] : x == y ? 0.5f * a.dresult[i] : 0.0f;
    }
}

// Sums all elements of x that correspond to the same element of y, times the factor.
struct sum_to_args {
    Int count, inner, outer_shape[AXES], outer_strides[AXES], inner_shape[AXES], inner_strides[AXES];
    double factor;
    In x;
    Out y;
};
KERNEL(sum_to) {
    EACH(i, a.count) {
        In x = a.x + strided(i, a.outer_shape, a.outer_strides);
        float sum = 0.0f, part = 0.0f;
        for (int k = 0; k < a.inner; k++) {
            part += x[strided(k, a.inner_shape, a.inner_strides)];
            // Parts, because the rounding error grows with the number of terms of a sum.
            if (k % 256 == 255) sum += part, part = 0.0f;
        }
        a.y[i] = (sum + part) * (float)a.factor;
    }
}

// Copies to each element of y the corresponding element of x, times the factor.
struct broadcast_to_args {
    Int count, shape[AXES], strides[AXES];
    double factor;
    In x;
    Out y;
};
KERNEL(broadcast_to) {
    EACH(i, a.count) a.y[i] = a.x[strided(i, a.shape, a.strides)] * (float)a.factor;
}
