/* A hand-written streaming GRU with a Dense layer of one output: what a careful C programmer gets with a compiler alone.
 *
 * INPUT, HIDDEN and LAYERS are compile-time constants, so one library serves one size and holds one stream.
 * Weights of a layer: for each tile the biases [4][LANES] of r, z, n and of what r multiplies in n, then [K][3][LANES], K = inputs + HIDDEN,
 * in the order r z n. After the layers: Dense weights [TILES * LANES] and bias [1]. The gates of a tile stay in registers over all k.
 * LANES is one vector register of the CPU: compilers spill vectors that are wider.
 */
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

enum {
    TILES = (HIDDEN + LANES - 1) / LANES,
    PADDED = TILES * LANES,
    ROW = 3 * LANES,
    FIRST = TILES * (4 * LANES + (INPUT + HIDDEN) * ROW),
    NEXT = TILES * (4 * LANES + 2 * HIDDEN * ROW),
    DENSE = FIRST + (LAYERS - 1) * NEXT,
    WEIGHTS = DENSE + PADDED + 1,
    WIDEST = (INPUT > HIDDEN ? INPUT : HIDDEN) + PADDED,
};

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int mask __attribute__((vector_size(4 * LANES)));

static struct {
    float weights[WEIGHTS] __attribute__((aligned(64)));
    float xh[LAYERS][WIDEST] __attribute__((aligned(64))); /* inputs, then the layer's h */
    float h[LAYERS][PADDED] __attribute__((aligned(64)));
} stream;

static inline lanes load(const float *p) { return *(const lanes *)p; }
static inline void store(float *p, lanes v) { *(lanes *)p = v; }

static inline lanes clamp(lanes x, float limit) {
    const lanes high = (lanes){} + limit, low = -high;
    const mask above = x > high, below = x < low;
    x = (lanes)(((mask)x & ~above) | ((mask)high & above));
    return (lanes)(((mask)x & ~below) | ((mask)low & below));
}

/* Rational approximation, degree 13 over 6, absolute error about 1e-7; the coefficients are those of Eigen's generic float tanh. */
static inline lanes tanh_of(lanes x) {
    x = clamp(x, 7.90531110763549805f);
    const lanes y = x * x;
    lanes p = y * -2.76076847742355e-16f + 2.00018790482477e-13f;
    p = p * y - 8.60467152213735e-11f;
    p = p * y + 5.12229709037114e-08f;
    p = p * y + 1.48572235717979e-05f;
    p = p * y + 6.37261928875436e-04f;
    p = p * y + 4.89352455891786e-03f;
    lanes q = y * 1.19825839466702e-06f + 1.18534705686654e-04f;
    q = q * y + 2.26843463243900e-03f;
    q = q * y + 4.89352518554385e-03f;
    return p * x / q;
}
static inline lanes sigmoid(lanes x) { return 0.5f * tanh_of(0.5f * x) + 0.5f; }

#define ACCUMULATE(r, z, n, w, v) (r += load(w) * (v), z += load((w) + LANES) * (v), n += load((w) + 2 * LANES) * (v))

static inline __attribute__((always_inline)) void layer(const float *w, int inputs, float *xh, float *h) {
    const int K = inputs + HIDDEN;
    for (int tile = 0; tile < PADDED; tile += LANES) {
        lanes r = load(w), z = load(w + LANES), x = load(w + 2 * LANES), n = load(w + 3 * LANES);
        lanes r2 = {}, z2 = {}, x2 = {}, n2 = {}; /* a second chain: no sum waits for the one before */
        int k = 0;
        w += 4 * LANES;
        for (; k + 1 < inputs; k += 2, w += 2 * ROW) {
            ACCUMULATE(r, z, x, w, xh[k]);
            ACCUMULATE(r2, z2, x2, w + ROW, xh[k + 1]);
        }
        if (k < inputs) {
            ACCUMULATE(r, z, x, w, xh[k]);
            k++, w += ROW;
        }
        for (; k + 1 < K; k += 2, w += 2 * ROW) {
            ACCUMULATE(r, z, n, w, xh[k]);
            ACCUMULATE(r2, z2, n2, w + ROW, xh[k + 1]);
        }
        if (k < K) {
            ACCUMULATE(r, z, n, w, xh[k]);
            w += ROW;
        }
        const lanes candidate = tanh_of(x + x2 + sigmoid(r + r2) * (n + n2));
        store(h + tile, candidate + sigmoid(z + z2) * (load(h + tile) - candidate));
    }
    memcpy(xh + inputs, h, sizeof(float) * HIDDEN);
}

static inline __attribute__((always_inline)) float step(const float *x) {
    memcpy(stream.xh[0], x, sizeof(float) * INPUT);
    layer(stream.weights, INPUT, stream.xh[0], stream.h[0]);
    for (int l = 1; l < LAYERS; l++) {
        memcpy(stream.xh[l], stream.h[l - 1], sizeof(float) * HIDDEN);
        layer(stream.weights + FIRST + (l - 1) * NEXT, HIDDEN, stream.xh[l], stream.h[l]);
    }
    float y = stream.weights[DENSE + PADDED];
    for (int j = 0; j < HIDDEN; j++) y += stream.weights[DENSE + j] * stream.h[LAYERS - 1][j];
    return y;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* Units of a tile. */
int panel_lanes(void) { return LANES; }

/* Number of floats that panel_load() reads. */
int panel_size(void) { return WEIGHTS; }

/* Takes the weights and puts the stream into its initial state. */
void panel_load(const float *weights) {
    memset(&stream, 0, sizeof stream);
    memcpy(stream.weights, weights, sizeof stream.weights);
}

/* n steps: xs [n][INPUT] to ys [n]. Returns nanoseconds. */
double panel_run(const float *xs, float *ys, long n) {
    const double start = now();
    for (long t = 0; t < n; t++) ys[t] = step(xs + t * INPUT);
    return now() - start;
}
