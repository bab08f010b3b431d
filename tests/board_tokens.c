/* Draws tokens on a board, once with each sampler of given.h, from the initial state each time; says them one behind the other. */
#include "model.h"
#include "given.h"
#include "semihosting.h"

static _Alignas(64) unsigned char arena[EDGELSTM_ARENA_BYTES];
static int32_t tokens[COUNT];

int main(void)
{
    for (unsigned i = 0; i < sizeof samplers / sizeof *samplers; i++) {
        if (edgelstm_init(arena))
            return 1;
        const struct sampler *s = samplers + i;
        if (edgelstm_generate(arena, FIRST, tokens, COUNT, 0, 0, s->seed, s->temperature, s->top_k, s->top_p) != COUNT)
            return 2;
        for (unsigned k = 0; k < COUNT; k++) {
            say_number((uint32_t)tokens[k]);
            say(" ");
        }
    }
    return 0;
}
