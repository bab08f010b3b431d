/* A hand-written streaming GRU with a Dense layer of one output: what a careful C programmer gets with a compiler alone.
 *
 * INPUT, HIDDEN and LAYERS are compile-time constants, so one library serves one size and holds one stream.
 * Weights of a layer: for each tile the biases [4][LANES] of r, z, n and of what r multiplies in n, then [K][3][LANES], K = inputs + HIDDEN,
 * in the order r z n. After the layers: Dense weights [TILES * LANES] and bias [1]. The gates of a tile stay in registers over all k.
 * LANES is one vector register of the CPU: compilers spill vectors that are wider.
 */
#include <string.h>

#include "panel_lanes.h"

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

static struct {
    float weights[WEIGHTS] __attribute__((aligned(64)));
    float xh[LAYERS][WIDEST] __attribute__((aligned(64))); /* inputs, then the layer's h */
    float h[LAYERS][PADDED] __attribute__((aligned(64)));
} stream;

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

#include "panel_calls.h"
