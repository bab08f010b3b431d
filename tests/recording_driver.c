/* Puts built libraries through recordings in C: driver LIBRARY SAMPLES ANSWERS, three words a library. Silent where all is well. */
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

enum { GUARD = 64 };

static unsigned char *guarded(size_t size) {
    unsigned char *memory = aligned_alloc(64, (size + GUARD + 63) / 64 * 64);
    memset(memory, 0xA5, size + GUARD);
    return memory;
}

static int whole(const unsigned char *memory, size_t size) {
    for (size_t at = size; at < size + GUARD; at++)
        if (memory[at] != 0xA5) return 0;
    return 1;
}

static int try_one(const char *path, const char *samples, const char *answers) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(library);
    FUNCTION(abi);
    FUNCTION(arena_bytes);
    FUNCTION(input_size);
    FUNCTION(output_size);
    FUNCTION(init);
    FUNCTION(step);
    FUNCTION(due);
    FUNCTION(work_bytes);
    FUNCTION(process_recording);
    REQUIRE(abi() == EDGELSTM_ABI && !dlsym(library, "edgelstm_process") && !dlsym(library, "edgelstm_snapshot"));

    FILE *file = fopen(samples, "rb");
    REQUIRE(file && !fseek(file, 0, SEEK_END));
    size_t size = (size_t)ftell(file), inputs = input_size(), outputs = output_size(), rows = size / sizeof(float) / inputs;
    float *x = malloc(size);
    rewind(file);
    REQUIRE(fread(x, 1, size, file) == size && !fclose(file));
    size_t count = due ? due(NULL, rows) : rows, answer_bytes = count * outputs * sizeof(float), room = work_bytes(rows);
    unsigned char *arena = guarded(arena_bytes()), *work = guarded(room), *once = guarded(answer_bytes), *again = guarded(answer_bytes);
    float *y = (float *)once, *other = (float *)again;

    REQUIRE(init(arena + 4) == 1 && init(arena) == 0 && step(arena, x, y) == 3);
    REQUIRE(process_recording(arena, work, room, x, y, rows) == rows);
    if (room) REQUIRE(process_recording(arena, work, room - 1, x, other, rows) == SIZE_MAX && again[0] == 0xA5);
    REQUIRE(process_recording(arena, work, room, x, other, rows / 2) == rows / 2);
    REQUIRE(process_recording(arena, work, room, x, other, rows) == rows && !memcmp(once, again, answer_bytes));
    float kept = x[size / sizeof(float) - 1];
    memset(x + size / sizeof(float) - 1, 0xFF, sizeof(float)); /* a NaN */
    REQUIRE(process_recording(arena, work, room, x, other, rows) == rows - 1 && !memcmp(once, again, answer_bytes));
    x[size / sizeof(float) - 1] = kept;
    REQUIRE(whole(arena, arena_bytes()) && whole(work, room) && whole(once, answer_bytes) && whole(again, answer_bytes));
    file = fopen(answers, "wb");
    REQUIRE(file && fwrite(y, 1, answer_bytes, file) == answer_bytes && !fclose(file));
    return 0;
}

int main(int count, char **words) {
    for (int i = 1; i + 2 < count; i += 3)
        if (try_one(words[i], words[i + 1], words[i + 2])) return 1;
    return 0;
}
