/* A hand-written streaming LSTM with a Dense layer of one output: what a careful C programmer gets with a compiler alone.
 *
 * INPUT, HIDDEN and LAYERS are compile-time constants, so one library serves one size and holds one stream.
 * Weights of a layer: [TILES][1 + K][4][LANES], K = inputs + HIDDEN, row 0 of a tile its bias; gates in the order i f g o.
 * After the layers: Dense weights [TILES * LANES] and bias [1]. The four gates of a tile stay in registers over all k.
 * LANES is one vector register of the CPU: compilers spill vectors that are wider.
 */
#include <string.h>

#include "panel_lanes.h"

enum {
    TILES = (HIDDEN + LANES - 1) / LANES,
    PADDED = TILES * LANES,
    ROW = 4 * LANES,
    FIRST = TILES * (1 + INPUT + HIDDEN) * ROW,
    NEXT = TILES * (1 + 2 * HIDDEN) * ROW,
    DENSE = FIRST + (LAYERS - 1) * NEXT,
    WEIGHTS = DENSE + PADDED + 1,
    WIDEST = (INPUT > HIDDEN ? INPUT : HIDDEN) + PADDED,
};

static struct {
    float weights[WEIGHTS] __attribute__((aligned(64)));
    float xh[LAYERS][WIDEST] __attribute__((aligned(64))); /* inputs, then the layer's h */
    float c[LAYERS][PADDED] __attribute__((aligned(64)));
    float h[PADDED] __attribute__((aligned(64)));
} stream;

#define ACCUMULATE(a, w, v) \
    (a##i += load(w) * (v), a##f += load((w) + LANES) * (v), a##g += load((w) + 2 * LANES) * (v), a##o += load((w) + 3 * LANES) * (v))

static inline __attribute__((always_inline)) void layer(const float *w, int inputs, float *xh, float *c) {
    const int K = inputs + HIDDEN;
    for (int tile = 0; tile < PADDED; tile += LANES) {
        lanes ai = load(w), af = load(w + LANES), ag = load(w + 2 * LANES), ao = load(w + 3 * LANES);
        w += ROW;
        lanes bi = {}, bf = {}, bg = {}, bo = {}; /* a second chain: no sum waits for the one before */
        int k = 0;
        for (; k + 1 < K; k += 2, w += 2 * ROW) {
            ACCUMULATE(a, w, xh[k]);
            ACCUMULATE(b, w + ROW, xh[k + 1]);
        }
        if (k < K) {
            ACCUMULATE(a, w, xh[k]);
            w += ROW;
        }
        ai += bi, af += bf, ag += bg, ao += bo;
        const lanes cell = sigmoid(af) * load(c + tile) + sigmoid(ai) * tanh_of(ag);
        store(c + tile, cell);
        store(stream.h + tile, sigmoid(ao) * tanh_of(cell));
    }
    memcpy(xh + inputs, stream.h, sizeof(float) * HIDDEN);
}

static inline __attribute__((always_inline)) float step(const float *x) {
    memcpy(stream.xh[0], x, sizeof(float) * INPUT);
    layer(stream.weights, INPUT, stream.xh[0], stream.c[0]);
    for (int l = 1; l < LAYERS; l++) {
        memcpy(stream.xh[l], stream.h, sizeof(float) * HIDDEN);
        layer(stream.weights + FIRST + (l - 1) * NEXT, HIDDEN, stream.xh[l], stream.c[l]);
    }
    float y = stream.weights[DENSE + PADDED];
    for (int j = 0; j < HIDDEN; j++) y += stream.weights[DENSE + j] * stream.h[j];
    return y;
}

#include "panel_calls.h"
