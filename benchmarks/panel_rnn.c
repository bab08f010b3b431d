/* A hand-written streaming Elman network with a Dense layer of one output: what a careful C programmer gets with a compiler alone.
 *
 * INPUT, HIDDEN and LAYERS are compile-time constants, so one library serves one size and holds one stream.
 * Weights of a layer: for each tile the bias [LANES], then [K][LANES], K = inputs + HIDDEN. After the layers: Dense weights
 * [TILES * LANES] and bias [1]. A tile is summed in four chains: a step of few units waits for its sums, not for its products.
 */
#include <string.h>

#include "panel_lanes.h"

enum {
    TILES = (HIDDEN + LANES - 1) / LANES,
    PADDED = TILES * LANES,
    FIRST = PADDED * (1 + INPUT + HIDDEN),
    NEXT = PADDED * (1 + 2 * HIDDEN),
    DENSE = FIRST + (LAYERS - 1) * NEXT,
    WEIGHTS = DENSE + PADDED + 1,
};

static struct {
    float weights[WEIGHTS] __attribute__((aligned(64)));
    float h[LAYERS][2][PADDED] __attribute__((aligned(64))); /* of the step before and of this one, in turns */
    int turn;
} stream;

#define ACCUMULATE(sum, k) (sum += load(w + (k) * LANES) * x[k])

static inline __attribute__((always_inline)) lanes product(lanes a, const float *w, const float *x, int count) {
    lanes b = {}, c = {}, d = {};
    int k = 0;
    for (; k + 3 < count; k += 4) {
        ACCUMULATE(a, k);
        ACCUMULATE(b, k + 1);
        ACCUMULATE(c, k + 2);
        ACCUMULATE(d, k + 3);
    }
    for (; k < count; k++) ACCUMULATE(a, k);
    return (a + b) + (c + d);
}

static inline __attribute__((always_inline)) void layer(const float *w, const float *x, int inputs, const float *h, float *y) {
    for (int tile = 0; tile < PADDED; tile += LANES, w += LANES * (1 + inputs + HIDDEN)) {
        const lanes of_x = product(load(w), w + LANES, x, inputs);
        store(y + tile, tanh_of(product(of_x, w + LANES * (1 + inputs), h, HIDDEN)));
    }
}

static inline __attribute__((always_inline)) float step(const float *x) {
    const int before = stream.turn, after = 1 - before;
    layer(stream.weights, x, INPUT, stream.h[0][before], stream.h[0][after]);
    for (int l = 1; l < LAYERS; l++) {
        const float *w = stream.weights + FIRST + (l - 1) * NEXT;
        layer(w, stream.h[l - 1][after], HIDDEN, stream.h[l][before], stream.h[l][after]);
    }
    stream.turn = after;
    float y = stream.weights[DENSE + PADDED];
    for (int j = 0; j < HIDDEN; j++) y += stream.weights[DENSE + j] * stream.h[LAYERS - 1][after][j];
    return y;
}

#include "panel_calls.h"
