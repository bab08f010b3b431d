/* The C interface of a model that edgelstm built ahead of time, version 1.
 *
 * A library or object file is one model with its weights. All memory is the caller's: a stream is one block of
 * edgelstm_arena_bytes() bytes, aligned to 8 (64 is fastest), and nothing is kept elsewhere, so that streams are independent and one
 * thread may step one stream while another steps another. No function allocates, locks, or calls anything.
 * What this header says of return values is all that is checked. A pointer is not: none may be NULL, but those to no rows (n is 0); each
 * points to as much memory as is said here; and an arena was made ready by edgelstm_init of the same model. An arena belongs to one thread at
 * a time, and a library opened with dlopen stays open while one of its functions runs.
 * Two models in one program: build each with `--prefix NAME`, which writes this header with names of its own.
 *
 *     static _Alignas(64) unsigned char arena[EDGELSTM_ARENA_BYTES];   // or aligned_alloc(64, ...)
 *     if (edgelstm_abi() != EDGELSTM_ABI || edgelstm_init(arena)) return 1;
 *     for (;;) {
 *         read_sensor(x);                                              // edgelstm_input_size() floats
 *         if (edgelstm_step(arena, x, y)) continue;                    // a NaN: the state is as it was; or no answer is due yet
 *         use(y);                                                      // edgelstm_output_size() floats
 *     }
 *
 * Licence: Apache-2.0.
 */
#ifndef EDGELSTM_H
#define EDGELSTM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGELSTM_ABI 1

/* Version of this interface that the model was built with; compare with EDGELSTM_ABI. */
int32_t edgelstm_abi(void);

/* What the model is, as JSON text: sizes, names of inputs, labels and layers, scheme, target, the model's digest. */
const char *edgelstm_info(void);

size_t edgelstm_arena_bytes(void);
size_t edgelstm_snapshot_bytes(void);
size_t edgelstm_input_size(void);
size_t edgelstm_output_size(void);

/* Make an arena ready. 0: done; 1: the arena is not aligned to 8 bytes. */
int32_t edgelstm_init(void *arena);

/* Back to the state before the first step. */
void edgelstm_reset(void *arena);

/* One timestep. x: input_size floats; y: output_size floats, and may be x. Maps are flat: rows, columns, channels, the last fastest.
 * 0: done; 1: x holds a NaN, an infinity, a value too large for float32 sums or an index outside the model's table, and nothing changed;
 * 2: done, and no answer is due, y is as it was. Only models that do not answer each step give 2: their own header has
 * EDGELSTM_EVERY and EDGELSTM_FIRST, the steps from one answer to the next, and to the first after a reset.
 * 3: this model reads whole recordings and cannot step; nothing changed. See edgelstm_process_recording. */
int32_t edgelstm_step(void *arena, const float *x, float *y);

/* A timestep of n streams: x row k of input_size floats goes into arenas[k], and its answer to y row k of output_size floats; to the last bit
 * what n calls of edgelstm_step give, in this order. x and y must not overlap. Rows of y whose answers are not due stay as they were.
 * Returns n; or the number of the first row that edgelstm_step would refuse, and nothing changed. Layers that gain by it read their weights
 * once for a group of streams: this takes up to 34 kB of stack, and is quickest where each arena stands once.
 * Object files for microcontrollers do not have this function. */
size_t edgelstm_step_many(void *const *arenas, const float *x, float *y, size_t n);

/* n timesteps, to the last bit what n steps give. x: n rows of input_size floats; y: n rows of output_size floats; they must not overlap.
 * Returns n; or the number of the first row that edgelstm_step would refuse, and nothing changed.
 * y of a model that does not answer each step: edgelstm_due(arena, n) rows, asked before. */
size_t edgelstm_process(void *arena, const float *x, float *y, size_t n);

/* How many answers the next n steps give, or a recording of n rows. Only models that do not answer each step have this function. */
size_t edgelstm_due(const void *arena, size_t n);

/* Text from a model that reads what it answers: `token` as the sample of a step, the next token drawn from the answer, and so on, up to n
 * tokens. One of `stops` ends it and is not among `tokens`; the last one drawn has not been read. Returns how many were drawn; -1: `token` is
 * no index, and nothing changed. temperature: 0 for the likeliest token each time, else 1e-4 to 1e4; top_k: draw one of so many likeliest, 0
 * for all; top_p: of those that together have this probability, above 0 up to 1. Draws depend on the seed and on the number of steps taken.
 * Only models that read an index and answer a number for each have this function. */
int32_t edgelstm_generate(void *arena, int32_t token, int32_t *tokens, size_t n, const int32_t *stops, size_t stop_count, uint64_t seed,
                          float temperature, uint32_t top_k, float top_p);

/* The state as edgelstm_snapshot_bytes() bytes, for another process, another day or another machine. blob is aligned to 4.
 * Returns the number of bytes. Python's Stream.snapshot() gives the same. */
size_t edgelstm_snapshot(const void *arena, void *blob);

/* Take up the state of a snapshot. 0: done; 1: it is damaged; 2: it is of another model. Where it is not 0, nothing changed. */
int32_t edgelstm_restore(void *arena, const void *blob, size_t size);

/* Of models that read whole recordings, since a layer begins at the end of one or needs later rows: these two functions, and neither
 * edgelstm_process nor snapshots. Nothing is kept from one recording to the next. Their own header has EDGELSTM_ROW_BYTES, and
 * EDGELSTM_SUMS_UP where a recording gets one answer, or EDGELSTM_ANSWERS, another number of them that every recording gets.
 *
 * Bytes of work memory that a recording of n rows needs: n times EDGELSTM_ROW_BYTES. One block of it serves all streams of a thread. */
size_t edgelstm_work_bytes(size_t n);

/* A whole recording, from the initial state. work: work_bytes bytes, aligned to 8 (64 is fastest), and need not be clear. x: n rows of
 * input_size floats; y: n rows of output_size floats, or edgelstm_due(arena, n) where the model has that function; none of them overlap.
 * Returns n; the number of the first row that holds what edgelstm_step would refuse, and y is as it was; or SIZE_MAX where n rows need more
 * work memory than there is. A recording shorter than EDGELSTM_FIRST rows has no answer, and y is as it was. */
size_t edgelstm_process_recording(void *arena, void *work, size_t work_bytes, const float *x, float *y, size_t n);

#ifdef __cplusplus
}
#endif

#endif
