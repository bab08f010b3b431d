/* Puts a model through its C interface on a board and says, line by line, a name and what was found: bytes in hexadecimal, or a number.
 *
 * given.h holds STEPS and TURN (where the run is cut in two), rows[STEPS * inputs], unfit (a value that must be refused),
 * foreign (a snapshot that another machine took at TURN), and alien (a snapshot of another model, as large).
 */
#include "model.h"
#include "given.h"
#include "semihosting.h"
#include "stack.h"

enum { IN = EDGELSTM_INPUT_SIZE, OUT = EDGELSTM_OUTPUT_SIZE, GUARD = 64 };

static struct {
    unsigned char before[GUARD];
    _Alignas(64) unsigned char arena[EDGELSTM_ARENA_BYTES];
    unsigned char after[GUARD];
} memory;
static _Alignas(4) unsigned char blob[EDGELSTM_SNAPSHOT_BYTES], again[EDGELSTM_SNAPSHOT_BYTES];
static float stepped[STEPS * OUT], processed[STEPS * OUT], resumed[STEPS * OUT], spoiled[STEPS * IN];

static void number(const char *name, uint32_t value)
{
    say(name);
    say(" ");
    say_number(value);
    say("\n");
}

static void bytes(const char *name, const void *data, uint32_t count)
{
    static const char digits[] = "0123456789abcdef";
    char text[65];
    say(name);
    say(" ");
    for (uint32_t at = 0, fill = 0; at < count; at++) {
        unsigned char byte = ((const unsigned char *)data)[at];
        text[fill++] = digits[byte >> 4];
        text[fill++] = digits[byte & 15];
        if (fill == 64 || at + 1 == count) {
            text[fill] = 0;
            say(text);
            fill = 0;
        }
    }
    say("\n");
}

static uint32_t differing(const void *a, const void *b, uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += ((const unsigned char *)a)[i] != ((const unsigned char *)b)[i];
    return found;
}

static uint32_t overwritten(void)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < GUARD; i++)
        found += (memory.before[i] != 0xA5) + (memory.after[i] != 0xA5);
    return found;
}

static void steps(float *answers, uint32_t from, uint32_t to)
{
    for (uint32_t t = from; t < to; t++)
        if (edgelstm_step(memory.arena, rows + t * IN, answers + t * OUT))
            number("refused_step", t);
}

/* Values that must not enter: one step with one, and one in the midst of many steps. */
static void refusals(void)
{
    float answer[OUT];
    for (uint32_t i = 0; i < STEPS * IN; i++)
        spoiled[i] = i == (STEPS / 2) * IN + IN - 1 ? unfit : rows[i];
    for (uint32_t i = 0; i < OUT; i++)
        answer[i] = 7;
    edgelstm_snapshot(memory.arena, blob);
    number("unfit_step", (uint32_t)edgelstm_step(memory.arena, spoiled + (STEPS / 2) * IN, answer));
    number("unfit_row", edgelstm_process(memory.arena, spoiled, processed, STEPS));
    edgelstm_snapshot(memory.arena, again);
    number("changed_by_unfit", differing(blob, again, sizeof blob));
    uint32_t touched = 0;
    for (uint32_t i = 0; i < OUT; i++)
        touched += answer[i] != 7;
    number("answers_by_unfit", touched);
}

static void restores(void)
{
    number("restored_foreign", (uint32_t)edgelstm_restore(memory.arena, foreign, sizeof foreign));
    edgelstm_snapshot(memory.arena, again);
    number("changed_in_foreign", differing(foreign, again, sizeof again));
    number("alien", (uint32_t)edgelstm_restore(memory.arena, alien, sizeof alien));
    number("short", (uint32_t)edgelstm_restore(memory.arena, blob, sizeof blob - 4));
    blob[sizeof blob / 2] ^= 1;
    number("damaged", (uint32_t)edgelstm_restore(memory.arena, blob, sizeof blob));
    edgelstm_snapshot(memory.arena, again);
    number("changed_by_refused", differing(foreign, again, sizeof again));
}

int main(void)
{
    for (uint32_t i = 0; i < GUARD; i++)
        memory.before[i] = memory.after[i] = 0xA5;
    const char *info = edgelstm_info();
    uint32_t length = 0;
    while (info[length])
        length++;
    bytes("info", info, length);
    number("sizes_wrong", edgelstm_abi() != EDGELSTM_ABI || edgelstm_arena_bytes() != EDGELSTM_ARENA_BYTES || edgelstm_input_size() != IN
                              || edgelstm_output_size() != OUT || edgelstm_snapshot_bytes() != EDGELSTM_SNAPSHOT_BYTES);
    number("misaligned", (uint32_t)edgelstm_init(memory.arena + 4));
    number("init", (uint32_t)edgelstm_init(memory.arena));
    paint_stack();
    steps(stepped, 0, TURN);
    number("stack_step", deepest_stack());
    bytes("snapshot", blob, edgelstm_snapshot(memory.arena, blob));
    steps(stepped, TURN, STEPS);
    bytes("answers", stepped, sizeof stepped);

    paint_stack();
    number("restored", (uint32_t)edgelstm_restore(memory.arena, blob, sizeof blob));
    steps(resumed, TURN, STEPS);
    number("changed_by_restore", differing(stepped + TURN * OUT, resumed + TURN * OUT, (STEPS - TURN) * OUT * sizeof(float)));
    edgelstm_reset(memory.arena);
    number("processed", edgelstm_process(memory.arena, rows, processed, STEPS));
    number("changed_by_process", differing(stepped, processed, sizeof stepped));
    refusals();
    restores();
    number("stack_all", deepest_stack());
    number("overwritten", overwritten());
    return 0;
}
