/* A C program's loop over edgelstm_step(), or edgelstm_process() of BLOCK steps, of a library built for 64-bit ARM, to be counted: arm_instructions.py compiles and runs it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h" /* the sizes, made by the build; defines of the command line: LIBRARY, INPUTS (a file), ROWS (a power of two), BLOCK */

static _Alignas(64) unsigned char arena[EDGELSTM_ARENA_BYTES];
static float xs[ROWS * EDGELSTM_INPUT_SIZE];

/* Arguments: the number of steps, and anything more to print every answer. */
int main(int count, char **arguments) {
    void *library = dlopen(LIBRARY, RTLD_NOW);
    FILE *inputs = fopen(INPUTS, "rb");
    if (!library || !inputs || fread(xs, sizeof xs, 1, inputs) != 1) return 1;
    int32_t (*init)(void *) = dlsym(library, "edgelstm_init");
    int32_t (*step)(void *, const float *, float *) = dlsym(library, "edgelstm_step");
    size_t (*process)(void *, const float *, float *, size_t) = dlsym(library, "edgelstm_process");
    if (!init || !step || !process || init(arena)) return 1;
    const long steps = atol(arguments[1]);
    float y[BLOCK * EDGELSTM_OUTPUT_SIZE];
    for (long t = 0; t < steps; t += BLOCK) {
        const float *x = xs + t % ROWS * EDGELSTM_INPUT_SIZE;
        if (BLOCK > 1 ? process(arena, x, y, BLOCK) != BLOCK : step(arena, x, y)) return 1;
        for (int k = 0; count > 2 && k < BLOCK; k++) printf("%.9g\n", y[k * EDGELSTM_OUTPUT_SIZE]);
    }
    return 0;
}
