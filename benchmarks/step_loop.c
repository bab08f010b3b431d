/* A C program's loop over edgelstm_step(): what a step costs without Python. */
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* n steps: xs [n][inputs] to ys [n]. Returns nanoseconds. */
double step_loop(int (*step)(void *, const float *, float *), void *arena, const float *xs, long inputs, float *ys, long n) {
    const double start = now();
    for (long t = 0; t < n; t++) step(arena, xs + t * inputs, ys + t);
    return now() - start;
}
