/* Steps built libraries in every way of edgelstm.h, and compares the ways: for each LIBRARY SAMPLES ANSWERS of the command line, float32
 * samples are read from one file and the answers written to the other. Says what failed, and ends with 1, or with 0. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgelstm.h"

#define FUNCTION(name) __typeof__(edgelstm_##name) *name = (__typeof__(edgelstm_##name) *)dlsym(library, "edgelstm_" #name)
#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            printf("%s: line %d: %s\n", path, __LINE__, #condition); \
            return 1; \
        } \
    } while (0)

static char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) return NULL;
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = aligned_alloc(64, (*size + 63) / 64 * 64);
    if (fread(data, 1, *size, file) != *size) return NULL;
    fclose(file);
    return data;
}

/* Whether a group of streams, two full ones and a rest, each begun a sample later than the one before, answer as they do alone. */
static int many_agree(const char *path, void *library, const float *x, size_t steps) {
    enum { STREAMS = 101, TIMES = 3 };
    FUNCTION(arena_bytes);
    FUNCTION(snapshot_bytes);
    FUNCTION(input_size);
    FUNCTION(output_size);
    FUNCTION(init);
    FUNCTION(step);
    FUNCTION(step_many);
    FUNCTION(snapshot);
    size_t inputs = input_size(), outputs = output_size(), apart = (arena_bytes() + 64) / 64 * 64, state = snapshot_bytes();
    unsigned char *every = aligned_alloc(64, 2 * STREAMS * apart), *blob = malloc(2 * state);
    float *samples = malloc(STREAMS * inputs * sizeof(float)), *answers = malloc(STREAMS * outputs * sizeof(float));
    float *alone = malloc(outputs * sizeof(float));
    void *arenas[STREAMS];
    memset(every, 0xA5, 2 * STREAMS * apart);
    for (size_t k = 0; k < 2 * STREAMS; k++) REQUIRE(init(every + k * apart) == 0);
    for (size_t k = 0; k < STREAMS; k++) arenas[k] = every + k * 37 % STREAMS * apart; /* in no order */
    for (size_t t = 0; t < TIMES; t++) {
        for (size_t k = 0; k < STREAMS; k++) memcpy(samples + k * inputs, x + (k + t) % steps * inputs, inputs * sizeof(float));
        REQUIRE(step_many(arenas, samples, answers, STREAMS) == STREAMS);
        for (size_t k = 0; k < STREAMS; k++) {
            void *twin = every + (STREAMS + k) * apart;
            REQUIRE(step(twin, samples + k * inputs, alone) == 0 && !memcmp(alone, answers + k * outputs, outputs * sizeof(float)));
            REQUIRE(snapshot(twin, blob) == state && snapshot(arenas[k], blob + state) == state && !memcmp(blob, blob + state, state));
        }
    }
    free(every), free(blob), free(samples), free(answers), free(alone);
    return 0;
}

static int try_one(const char *path, const char *samples, const char *answers) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        printf("%s\n", dlerror());
        return 1;
    }
    FUNCTION(abi);
    FUNCTION(info);
    FUNCTION(arena_bytes);
    FUNCTION(snapshot_bytes);
    FUNCTION(input_size);
    FUNCTION(output_size);
    FUNCTION(init);
    FUNCTION(reset);
    FUNCTION(step);
    FUNCTION(step_many);
    FUNCTION(process);
    FUNCTION(snapshot);
    FUNCTION(restore);
    REQUIRE(abi() == EDGELSTM_ABI && info()[0] == '{');

    size_t size, inputs = input_size(), outputs = output_size();
    float *x = (float *)read_all(samples, &size);
    REQUIRE(x);
    size_t steps = size / sizeof(float) / inputs, half = steps / 2, answer_bytes = steps * outputs * sizeof(float);
    float *whole = malloc(answer_bytes), *single = malloc(answer_bytes);
    unsigned char *arena = aligned_alloc(64, arena_bytes() + 128), *other = aligned_alloc(64, arena_bytes() + 128);
    memset(arena, 0xA5, arena_bytes() + 128); /* an arena need not be clear; what lies behind it must stay */
    memset(other, 0x5A, arena_bytes() + 128);
    REQUIRE(init(arena + 4) == 1 && init(arena + 8) == 0 && init(arena) == 0 && init(other) == 0);

    REQUIRE(process(arena, x, whole, steps) == steps && process(arena, x, whole, 0) == 0);
    reset(arena);
    size_t blob_bytes = snapshot_bytes();
    unsigned char *blob = malloc(blob_bytes + 4), *later = malloc(blob_bytes), *fresh = malloc(blob_bytes);
    blob[blob_bytes] = 77;
    REQUIRE(snapshot(other, fresh) == blob_bytes && snapshot(arena, later) == blob_bytes && !memcmp(fresh, later, blob_bytes));
    for (size_t t = 0; t < steps; t++) {
        float both[1024];
        memcpy(both, x + t * inputs, inputs * sizeof(float));
        REQUIRE(step(arena, both, both) == 0); /* the answer in the sample's place */
        memcpy(single + t * outputs, both, outputs * sizeof(float));
        if (t + 1 == half) REQUIRE(snapshot(arena, blob) == blob_bytes && blob[blob_bytes] == 77);
    }
    REQUIRE(!memcmp(whole, single, answer_bytes));

    REQUIRE(restore(other, blob, blob_bytes) == 0);
    memset(single, 0, answer_bytes);
    REQUIRE(process(other, x + half * inputs, single, steps - half) == steps - half);
    REQUIRE(!memcmp(whole + half * outputs, single, (steps - half) * outputs * sizeof(float)));

    void *arenas[] = {arena, other, arena}; /* one of them twice, for the first and the second sample */
    float *three = malloc(3 * inputs * sizeof(float));
    memcpy(three, x, inputs * sizeof(float));
    memcpy(three + inputs, x, 2 * inputs * sizeof(float));
    reset(arena);
    reset(other);
    REQUIRE(step_many(arenas, three, single, 3) == 3 && step_many(arenas, three, single, 0) == 0);
    REQUIRE(!memcmp(single, whole, outputs * sizeof(float)) && !memcmp(single + outputs, whole, 2 * outputs * sizeof(float)));

    if (many_agree(path, library, x, steps)) return 1;

    float *bad = malloc(3 * inputs * sizeof(float));
    memcpy(bad, x, 3 * inputs * sizeof(float));
    memset(bad + 3 * inputs - 1, 0xFF, sizeof(float)); /* a NaN */
    snapshot(other, later);
    REQUIRE(step(other, bad + 2 * inputs, single) == 1 && process(other, bad, single, 3) == 2);
    REQUIRE(step_many(arenas, bad, single, 3) == 2);
    for (size_t at = 0; at < blob_bytes; at++) {
        blob[at] ^= (unsigned char)(1u << at % 8);
        REQUIRE(restore(other, blob, blob_bytes) == 1);
        blob[at] ^= (unsigned char)(1u << at % 8);
    }
    REQUIRE(restore(other, blob, blob_bytes - 1) == 1 && restore(other, blob, 0) == 1);
    REQUIRE(snapshot(other, blob) == blob_bytes && !memcmp(blob, later, blob_bytes)); /* nothing changed */

    for (size_t at = arena_bytes(); at < arena_bytes() + 128; at++) REQUIRE(other[at] == 0x5A && (at < arena_bytes() + 8 || arena[at] == 0xA5));
    FILE *file = fopen(answers, "wb");
    REQUIRE(file && fwrite(whole, 1, answer_bytes, file) == answer_bytes && !fclose(file));
    return 0;
}

int main(int count, char **words) {
    for (int i = 1; i + 2 < count; i += 3)
        if (try_one(words[i], words[i + 1], words[i + 2])) return 1;
    return 0;
}
