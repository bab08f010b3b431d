/* Steps a built model over lines of numbers, and carries its state from one run to the next.
 *
 *     ./stream state.bin < samples.csv
 *
 * A first line without any number is a header, and is skipped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgelstm.h"

/* Whether a line of cells between commas holds no number at all. */
static int is_header(const char *line) {
    if (!line[strspn(line, " \r\n")]) return 0;
    for (const char *cell = line; cell; cell = strchr(cell, ','), cell = cell ? cell + 1 : NULL) {
        char *end;
        strtof(cell, &end);
        if (end != cell && strchr(", \r\n", *end)) return 0;
    }
    return 1;
}

/* Reads one line of comma-separated numbers. 1: a sample; 0: the end; -1: the line is none; 2: it is a header, which only `first` may be. */
static int read_sample(float *x, size_t count, int first) {
    char line[65536], *at = line;
    if (!fgets(line, sizeof line, stdin)) return 0;
    if (first && is_header(line)) return 2;
    for (size_t k = 0; k < count; k++) {
        char *end;
        x[k] = strtof(at, &end);
        while (*end == ' ' || *end == '\r' || *end == '\n') end++;
        if (end == at || *end != (k + 1 < count ? ',' : '\0')) return -1;
        at = end + 1;
    }
    return 1;
}

/* Takes up the state of the last run. A file that is not there is a first run. */
static int resume(void *arena, const char *path, void *blob, size_t size) {
    FILE *file = fopen(path, "rb");
    if (!file) return errno == ENOENT ? 0 : -1;
    size_t got = fread(blob, 1, size, file);
    int longer = fgetc(file) != EOF;
    fclose(file);
    return longer ? 1 : edgelstm_restore(arena, blob, got);
}

static int keep(const void *arena, const char *path, void *blob) {
    size_t size = edgelstm_snapshot(arena, blob);
    FILE *file = fopen(path, "wb");
    if (!file) return -1;
    size_t put = fwrite(blob, 1, size, file);
    return fclose(file) || put != size ? -1 : 0;
}

int main(int count, char **words) {
    if (count != 2) return fprintf(stderr, "usage: %s STATE < samples.csv\n", words[0]), 2;
    if (edgelstm_abi() != EDGELSTM_ABI) return fprintf(stderr, "this library has another interface than edgelstm.h\n"), 1;

    size_t inputs = edgelstm_input_size(), outputs = edgelstm_output_size();
    /* aligned_alloc takes a multiple of the alignment. */
    void *arena = aligned_alloc(64, (edgelstm_arena_bytes() + 63) / 64 * 64), *blob = malloc(edgelstm_snapshot_bytes());
    float *x = malloc(inputs * sizeof(float)), *y = malloc(outputs * sizeof(float));
    if (!arena || !blob || !x || !y || edgelstm_init(arena)) return fprintf(stderr, "not enough memory\n"), 1;

    int taken = resume(arena, words[1], blob, edgelstm_snapshot_bytes());
    if (taken < 0) return perror(words[1]), 1;
    if (taken) return fprintf(stderr, "%s is %s\n", words[1], taken == 2 ? "of another model" : "damaged"), 1;

    int kind;
    for (long line = 1; (kind = read_sample(x, inputs, line == 1)); line++) {
        if (kind == 2) continue;
        if (kind < 0) return fprintf(stderr, "line %ld: expected %zu numbers\n", line, inputs), 1;
        if (edgelstm_step(arena, x, y)) {
            fprintf(stderr, "line %ld: a value that must not enter the state; skipped\n", line);
            continue;
        }
        for (size_t k = 0; k < outputs; k++) printf("%.9g%c", y[k], k + 1 < outputs ? ',' : '\n');
    }
    if (keep(arena, words[1], blob)) return perror(words[1]), 1;
    return 0;
}
