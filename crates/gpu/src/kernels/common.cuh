// What all kernels share.
//
// A kernel takes one struct of arguments, whose fields are 8 bytes each: whole numbers, numbers in double precision,
// addresses, each of which is followed by the type of its numbers if these may be f32 or bf16. `lower` fills it in the
// same order. A kernel is written for a block of THREADS threads, in one of two ways: as an EACH loop, whose passes are
// independent, or as a sequence of PHASEs, after each of which the threads of the block wait for each other. What
// threads tell each other is SHARED; variables outside of phases have the same value in all threads. No result depends
// on the order in which threads and blocks run, and no kernel uses atomics.
//
// The same text is compiled for GPUs and, in tests, for the CPU, where a loop over threads takes the place of each
// phase. It runs backward if DESCENDING is defined, so that a phase that reads what another thread writes in it shows.

// A field of arguments.
typedef long long Int;
// The number of an element; the plan refuses values of 2^31 elements or more. Divisions of 32 bits are much faster.
typedef unsigned int Index;

#define THREADS 256
// The blocks among which a sum over a whole slice is divided.
#define SHARES 128

#ifdef EMULATED
#include <cmath>
#define DEVICE static inline
#define METHOD inline
#define SHARED static thread_local
static thread_local int block_index, block_count;
#define KERNEL(name)                                                                                                   \
    static void name##_block(const name##_args &a);                                                                    \
    extern "C" void name(const void *words, Int block, Int blocks) {                                                   \
        block_index = (int)block, block_count = (int)blocks;                                                           \
        name##_block(*(const name##_args *)words);                                                                     \
    }                                                                                                                  \
    static void name##_block(const name##_args &a)
#ifdef DESCENDING
#define PHASE for (int thread = THREADS - 1; thread >= 0; thread--)
#else
#define PHASE for (int thread = 0; thread < THREADS; thread++)
#endif
#define EACH(i, count)                                                                                                 \
    for (Index first = block_index * THREADS; first < (Index)(count); first += block_count * THREADS)                  \
        for (Index i = first; i < (Index)(count) && i < first + THREADS; i++)
#else
#define DEVICE __device__ inline
#define METHOD __device__ inline
#define SHARED __shared__
#define block_index ((int)blockIdx.x)
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(THREADS) name(const name##_args a)
#define PHASE for (int thread = threadIdx.x, once = 1; once; once = 0, __syncthreads())
#define EACH(i, count)                                                                                                 \
    for (Index i = blockIdx.x * THREADS + threadIdx.x; i < (Index)(count); i += gridDim.x * THREADS)
#endif

// The bits of an f32.
union Bits {
    float value;
    unsigned int word;
};

DEVICE float from_bf16(unsigned short narrow) {
    Bits bits;
    bits.word = (unsigned int)narrow << 16;
    return bits.value;
}

// Rounds to the nearest number, to even ones between two. NaN stays NaN.
DEVICE unsigned short to_bf16(float value) {
    Bits bits;
    bits.value = value;
    if (value != value) return (unsigned short)(bits.word >> 16 | 0x40);
    return (unsigned short)((bits.word + 0x7fff + (bits.word >> 16 & 1)) >> 16);
}

// Numbers that a kernel reads: f32, or bf16 if `is_narrow`; null if there are none. All arithmetic is in f32.
struct In {
    const void *at;
    Int is_narrow;

    METHOD float operator[](Int i) const {
        return is_narrow ? from_bf16(((const unsigned short *)at)[i]) : ((const float *)at)[i];
    }
    METHOD In operator+(Int count) const {
        In rest = {(const char *)at + count * (is_narrow ? 2 : 4), is_narrow};
        return rest;
    }
    METHOD explicit operator bool() const { return at != 0; }
};

// Numbers that a kernel writes, and may have read before.
struct Out {
    void *at;
    Int is_narrow;

    struct Element {
        const Out &out;
        Int i;

        METHOD operator float() const {
            return out.is_narrow ? from_bf16(((unsigned short *)out.at)[i]) : ((float *)out.at)[i];
        }
        METHOD void operator=(float value) const {
            if (out.is_narrow) {
                ((unsigned short *)out.at)[i] = to_bf16(value);
            } else {
                ((float *)out.at)[i] = value;
            }
        }
    };

    METHOD Element operator[](Int i) const {
        Element element = {*this, i};
        return element;
    }
    METHOD Out operator+(Int count) const {
        Out rest = {(char *)at + count * (is_narrow ? 2 : 4), is_narrow};
        return rest;
    }
    METHOD explicit operator bool() const { return at != 0; }
};

// The most numbers that a thread handles at once: 16 bytes of bf16.
#define WIDTH 8

template <int N> struct Numbers {
    float v[N];
};

// The N numbers from number i on, which is a multiple of N.
template <int N> DEVICE Numbers<N> read(const In &x, Index i) {
    Numbers<N> numbers;
#ifndef EMULATED
    if (N == WIDTH && x.is_narrow) {
        uint4 packed = ((const uint4 *)x.at)[i / WIDTH];
        unsigned int words[4] = {packed.x, packed.y, packed.z, packed.w};
        for (int k = 0; k < N; k++) numbers.v[k] = from_bf16((unsigned short)(words[k / 2] >> k % 2 * 16));
        return numbers;
    }
    if (N == WIDTH) {
        for (int k = 0; k < N; k += 4) {
            float4 four = ((const float4 *)x.at)[(i + k) / 4];
            numbers.v[k] = four.x, numbers.v[(k + 1) % N] = four.y;
            numbers.v[(k + 2) % N] = four.z, numbers.v[(k + 3) % N] = four.w;
        }
        return numbers;
    }
#endif
    for (int k = 0; k < N; k++) numbers.v[k] = x[i + k];
    return numbers;
}

// Writes N numbers from number i on, which is a multiple of N.
template <int N> DEVICE void write(const Out &y, Index i, const Numbers<N> &numbers) {
#ifndef EMULATED
    if (N == WIDTH && y.is_narrow) {
        unsigned int words[4] = {0, 0, 0, 0};
        for (int k = 0; k < N; k++) words[k / 2] |= (unsigned int)to_bf16(numbers.v[k]) << k % 2 * 16;
        ((uint4 *)y.at)[i / WIDTH] = make_uint4(words[0], words[1], words[2], words[3]);
        return;
    }
    if (N == WIDTH) {
        const float *v = numbers.v;
        for (int k = 0; k < N; k += 4) {
            ((float4 *)y.at)[(i + k) / 4] = make_float4(v[k], v[(k + 1) % N], v[(k + 2) % N], v[(k + 3) % N]);
        }
        return;
    }
#endif
    for (int k = 0; k < N; k++) y[i + k] = numbers.v[k];
}

// A kernel whose function name##_each<N> handles N numbers at once, where its first argument is N.
#define WIDE(name)                                                                                                     \
    KERNEL(name) {                                                                                                     \
        if (a.width == WIDTH) {                                                                                        \
            name##_each<WIDTH>(a);                                                                                     \
        } else {                                                                                                       \
            name##_each<1>(a);                                                                                         \
        }                                                                                                              \
    }

// The larger number; NaN if either is.
DEVICE float maximum(float a, float b) { return a > b || a != a ? a : b; }
// The smaller number; NaN if either is.
DEVICE float minimum(float a, float b) { return a < b || a != a ? a : b; }

// The activations, in the order of `lower::activation`.
enum { IDENTITY, RELU, RELU6, TANH, SIGMOID, SCALED_TANH };
// LeCun et al., 1998, appendix A.
#define AMPLITUDE 1.7159f
#define SLOPE (2.0f / 3.0f)

DEVICE float activate(int activation, float x) {
    switch (activation) {
    case RELU: return maximum(x, 0.0f);
    case RELU6: return minimum(maximum(x, 0.0f), 6.0f);
    case TANH: return tanhf(x);
    case SIGMOID: return 1.0f / (1.0f + expf(-x));
    case SCALED_TANH: return AMPLITUDE * tanhf(SLOPE * x);
    default: return x;
    }
}

// The derivative where the activation's value is y.
DEVICE float activation_derivative(int activation, float y) {
    switch (activation) {
    case RELU: return y > 0.0f ? 1.0f : 0.0f;
    case RELU6: return y > 0.0f && y < 6.0f ? 1.0f : 0.0f;
    case TANH: return 1.0f - y * y;
    case SIGMOID: return y * (1.0f - y);
    case SCALED_TANH: return AMPLITUDE * SLOPE - SLOPE / AMPLITUDE * (y * y);
    default: return 1.0f;
    }
}

// A value [images, channels, pixels], in any order.
struct Maps {
    Int images, channels, pixels;
    // The distances between neighbors.
    Int image, channel, pixel;
};

struct Place {
    int image, channel, pixel;
};

// The place of element number `index` in memory order.
DEVICE Place place_of(const Maps &m, Index index) {
    Index channels = (Index)m.channels, pixels = (Index)m.pixels, image = index / (channels * pixels);
    Index rest = index - image * (channels * pixels);
    Index channel = m.channel == 1 ? rest % channels : rest / pixels;
    Index pixel = m.channel == 1 ? rest / channels : rest % pixels;
    Place p = {(int)image, (int)channel, (int)pixel};
    return p;
}

DEVICE int offset(const Maps &m, int image, int channel, int pixel) {
    return image * (int)m.image + channel * (int)m.channel + pixel * (int)m.pixel;
}

// The channels of adjacent elements: the first one, and the step to the next.
struct Channels {
    int first, step;

    METHOD int operator[](int k) const { return first + k * step; }
};

// The channels of N elements from element number `index` on.
DEVICE Channels channels_of(const Maps &m, Index index) {
    Index channels = (Index)m.channels;
    bool is_last = m.channel == 1;
    Channels c = {(int)(is_last ? index % channels : index / (Index)m.pixels % channels), is_last};
    return c;
}

DEVICE int elements(const Maps &m) { return m.images * m.channels * m.pixels; }

// The most axes of a value that kernels index axis by axis; fewer are preceded by axes of extent 1.
#define AXES 8

// The offset of element number `index` of a value with these extents.
DEVICE int strided(Index index, const Int *shape, const Int *strides) {
    int at = 0;
    for (int axis = AXES - 1; axis >= 0; axis--) {
        Index extent = (Index)shape[axis];
        at += (int)(index % extent) * (int)strides[axis];
        index /= extent;
    }
    return at;
}

// A window that moves over volumes, maps or signals.
struct Window {
    // Extents along depth, rows and columns.
    Int input[3], output[3], kernel[3], stride[3], dilation[3], padding[3];
};

struct Axes {
    int a[3];
};

DEVICE Axes axes_of(Index index, const Int *extents) {
    Index rows = (Index)extents[1], columns = (Index)extents[2];
    Axes axes = {{(int)(index / (rows * columns)), (int)(index / columns % rows), (int)(index % columns)}};
    return axes;
}

// The pixel of the input that an output sees through a tap; -1 if that is padding.
DEVICE int input_of(const Window &w, Axes output, Axes tap) {
    int at = 0;
    for (int axis = 0; axis < 3; axis++) {
        int i = output.a[axis] * (int)w.stride[axis] + tap.a[axis] * (int)w.dilation[axis] - (int)w.padding[axis];
        if (i < 0 || i >= w.input[axis]) return -1;
        at = at * (int)w.input[axis] + i;
    }
    return at;
}

// The pixel of the output that sees an input through a tap; -1 if there is none.
DEVICE int output_of(const Window &w, Axes input, Axes tap) {
    int at = 0;
    for (int axis = 0; axis < 3; axis++) {
        int o = input.a[axis] + (int)w.padding[axis] - tap.a[axis] * (int)w.dilation[axis];
        int stride = (int)w.stride[axis];
        if (o < 0 || o % stride != 0 || o / stride >= w.output[axis]) return -1;
        at = at * (int)w.output[axis] + o / stride;
    }
    return at;
}

DEVICE int volume(const Int *extents) { return extents[0] * extents[1] * extents[2]; }

// Adds `part[thread]` of all threads with the same remainder by `lanes`, a power of 2, in a fixed order; the sums are
// then in the first `lanes` parts.
#define ADD_LANES(part, lanes)                                                                                         \
    for (int half = THREADS / 2; half >= (lanes); half /= 2) {                                                         \
        PHASE if (thread < half) part[thread] += part[thread + half];                                                  \
    }
// Adds `part[thread]` of all threads; the sum is then in `part[0]`.
#define ADD_PARTS(part) ADD_LANES(part, 1)
