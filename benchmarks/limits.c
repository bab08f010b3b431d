/* What one core can do at best: clock, multiply-adds from registers, reading a buffer again and again. Times in nanoseconds. */
#include <stdint.h>

#include "lanes.h"

enum { CHAINS = 12, STREAMS = 8 }; /* chains cover two units with a latency of up to six cycles and leave four of sixteen registers */

typedef uint32_t words __attribute__((vector_size(4 * LANES)));

/* `count` rotations, each waiting for the one before: one cycle each on every CPU of interest. */
double rotations(long count, uint64_t *sink) {
    uint64_t x = *sink;
    const double start = now();
    for (long n = 0; n < count; n += 8)
        for (int k = 0; k < 8; k++) {
            x = (x << 1) | (x >> 63);
            __asm__ volatile("" : "+r"(x));
        }
    const double spent = now() - start;
    *sink = x;
    return spent;
}

int flops_of_round(void) { return 2 * LANES * CHAINS; }

/* `rounds` times CHAINS independent vector multiply-adds. */
double multiply_adds(long rounds, float *sink) {
    const lanes scale = (lanes){} + sink[0], shift = (lanes){} + sink[1];
    lanes a[CHAINS];
    for (int k = 0; k < CHAINS; k++) a[k] = scale * (float)k; /* all different, or the compiler would merge them */
    const double start = now();
    for (long n = 0; n < rounds; n++)
        for (int k = 0; k < CHAINS; k++) a[k] = a[k] * scale + shift;
    const double spent = now() - start;
    for (int k = 0; k < CHAINS; k++) sink[2] += a[k][0];
    return spent;
}

/* Reads `bytes` (a multiple of 4096, 64-byte aligned) `passes` times, in one loop: a mispredicted end of every pass would cost a tenth in L1. */
double reads(const float *buffer, long bytes, long passes, uint32_t *sink) {
    words seen[STREAMS] = {};
    const words *begin = (const words *)buffer, *end = begin + bytes / (long)sizeof(words), *p = begin;
    const double start = now();
    for (long n = passes * (bytes / (long)sizeof(words) / STREAMS); n > 0; n--) {
        for (int k = 0; k < STREAMS; k++) seen[k] |= p[k];
        p += STREAMS;
        p = p == end ? begin : p;
    }
    const double spent = now() - start;
    for (int k = 0; k < STREAMS; k++) *sink |= seen[k][0];
    return spent;
}
