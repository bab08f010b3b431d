/* What the panel kernels compute with: lanes of a vector register. */
#include "lanes.h"

typedef int mask __attribute__((vector_size(4 * LANES)));

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
