/* Puts a recording through a model's C interface on a board and says, line by line, a name and a number; of the answers their bits.
 *
 * given.h holds ROWS, DUE (the answers to them) and rows[ROWS * inputs].
 */
#include "model.h"
#include "given.h"
#include "semihosting.h"
#include "stack.h"

enum { IN = EDGELSTM_INPUT_SIZE, OUT = EDGELSTM_OUTPUT_SIZE, WORK = ROWS * EDGELSTM_ROW_BYTES, GUARD = 64 };

static struct {
    _Alignas(64) unsigned char arena[EDGELSTM_ARENA_BYTES];
    unsigned char behind_arena[GUARD];
    _Alignas(64) unsigned char work[WORK + 1];
    unsigned char behind_work[GUARD];
} memory;
static float answers[DUE * OUT], again[DUE * OUT];

static void number(const char *name, uint32_t value)
{
    say(name);
    say(" ");
    say_number(value);
    say("\n");
}

static uint32_t bits(float value)
{
    union {
        float value;
        uint32_t bits;
    } both = {value};
    return both.bits;
}

int main(void)
{
    for (uint32_t i = 0; i < GUARD; i++)
        memory.behind_arena[i] = memory.behind_work[i] = 0xA5;
    number("sizes_wrong", edgelstm_abi() != EDGELSTM_ABI || edgelstm_arena_bytes() != EDGELSTM_ARENA_BYTES || edgelstm_input_size() != IN
                              || edgelstm_output_size() != OUT || edgelstm_work_bytes(ROWS) != WORK);
    number("init", (uint32_t)edgelstm_init(memory.arena));
    number("step", (uint32_t)edgelstm_step(memory.arena, rows, answers));
    number("too_little", edgelstm_process_recording(memory.arena, memory.work, WORK - 1, rows, answers, ROWS) == SIZE_MAX);
    paint_stack();
    number("done", edgelstm_process_recording(memory.arena, memory.work, WORK, rows, answers, ROWS));
    number("stack", deepest_stack());
    edgelstm_process_recording(memory.arena, memory.work, WORK, rows, again, ROWS / 2);
    number("again", edgelstm_process_recording(memory.arena, memory.work, WORK, rows, again, ROWS));
    uint32_t differing = 0, overwritten = 0;
    for (uint32_t i = 0; i < DUE * OUT; i++)
        differing += bits(answers[i]) != bits(again[i]);
    for (uint32_t i = 0; i < GUARD; i++)
        overwritten += (memory.behind_arena[i] != 0xA5) + (memory.behind_work[i] != 0xA5);
    number("differing", differing);
    number("overwritten", overwritten);
    for (uint32_t i = 0; i < DUE * OUT; i++)
        number("answer", bits(answers[i]));
    return 0;
}
