/* Draws tokens with a built library: LIBRARY TOKEN COUNT SEED TEMPERATURE TOP_K TOP_P; prints them. Ends with 1 where something is wrong. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "edgelstm.h"

#define FUNCTION(name) __typeof__(edgelstm_##name) *name = (__typeof__(edgelstm_##name) *)dlsym(library, "edgelstm_" #name)

int main(int count, char **words) {
    void *library = count == 8 ? dlopen(words[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library) return 1;
    FUNCTION(arena_bytes);
    FUNCTION(init);
    FUNCTION(generate);
    void *arena = aligned_alloc(64, (arena_bytes() + 63) / 64 * 64);
    int32_t n = atoi(words[3]), *tokens = malloc(n * sizeof(int32_t)), end = -1;
    if (init(arena) || generate(arena, 1 << 20, tokens, n, NULL, 0, 0, 0, 0, 1) != -1) return 1;
    uint64_t seed = strtoull(words[4], NULL, 10);
    float temperature = strtof(words[5], NULL), top_p = strtof(words[7], NULL);
    if (generate(arena, atoi(words[2]), tokens, n, &end, 1, seed, temperature, strtoul(words[6], NULL, 10), top_p) != n) return 1;
    for (int32_t k = 0; k < n; k++) printf("%d ", tokens[k]);
    return 0;
}
