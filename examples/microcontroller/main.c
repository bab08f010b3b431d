/* Two seconds of a smart watch, one sample at a time, through the model that edgelstm built into activity.o. */
#include "activity.h" /* from `edgelstm build`: the sizes of this model, and edgelstm.h */
#include "samples.h"  /* what a sensor driver would give */
#include "semihosting.h"
#include "stack.h"

static const char *const labels[] = {"standing", "running", "walking", "badminton"};

enum { STEPS = sizeof samples / sizeof *samples };

static _Alignas(64) unsigned char arena[EDGELSTM_ARENA_BYTES];

/* SysTick, which every Cortex-M has: 24 bits that count the core's cycles down. */
#define SYST_CSR (*(volatile uint32_t *)0xE000E010)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018)

static void show(const float answer[EDGELSTM_OUTPUT_SIZE])
{
    unsigned best = 0;
    for (unsigned i = 1; i < EDGELSTM_OUTPUT_SIZE; i++)
        if (answer[i] > answer[best])
            best = i;
    say(labels[best]);
    say(" ");
    say_number((uint32_t)(1000 * answer[best]));
    say("\n");
}

int main(void)
{
    if (edgelstm_abi() != EDGELSTM_ABI || edgelstm_arena_bytes() != sizeof arena)
        return 1; /* activity.h and activity.o are of two builds */
    if (edgelstm_init(arena))
        return 2;
    SYST_RVR = 0xFFFFFF;
    SYST_CVR = 0;
    SYST_CSR = 5; /* on, counting cycles, no interrupt */
    uint32_t cycles = 0;
    for (unsigned t = 0; t < STEPS; t++) {
        float answer[EDGELSTM_OUTPUT_SIZE];
        uint32_t before = SYST_CVR;
        if (edgelstm_step(arena, samples[t], answer))
            continue; /* a NaN: the state is as it was */
        cycles += (before - SYST_CVR) & 0xFFFFFF;
        show(answer);
    }
    say("cycles a step ");
    say_number(cycles / STEPS);
    say("\nstack ");
    say_number(deepest_stack());
    say(" bytes\n");
    return 0;
}
