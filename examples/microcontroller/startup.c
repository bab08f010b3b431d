/* From reset to main() on a Cortex-M: the FPU on, the stack painted, variables set. A fault ends with exit code 99. */
#include "semihosting.h"
#include "stack.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88) /* who may use coprocessors 10 and 11, which are the FPU */

/* Apart from reset(), so that no register of the FPU is saved before the FPU is on. */
__attribute__((noinline)) static void start(void)
{
    uint32_t *from = data_load;
    for (volatile uint32_t *to = data_start; to < data_end;)
        *to++ = *from++;
    for (volatile uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    paint_stack();
    leave(main());
}

static void reset(void)
{
#ifdef __ARM_FP
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    start();
}

static void fault(void)
{
    say("fault\n");
    leave(99);
}

/* Where the core begins: the stack, reset, and NMI, hard, memory, bus and usage fault. */
__attribute__((section(".vectors"), used)) const void *const vectors[] = {
    stack_top, (const void *)reset, (const void *)fault, (const void *)fault, (const void *)fault, (const void *)fault, (const void *)fault,
};
