/* How deep the stack has ever been: it is filled with a pattern at reset, and what has lost the pattern was used. */
#ifndef STACK_H
#define STACK_H

#include <stdint.h>

extern uint32_t stack_bottom[], stack_top[]; /* from the linker script */

enum { PAINT = 0x5AFEC0DE };

/* Paint all below the caller's own frame. */
static inline void paint_stack(void)
{
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = stack_bottom; word < here;)
        *word++ = PAINT;
}

/* Bytes between the deepest word that was written since, and the caller's own frame. */
static inline uint32_t deepest_stack(void)
{
    uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    const volatile uint32_t *word = stack_bottom;
    while (word < here && *word == PAINT)
        word++;
    return 4 * (uint32_t)(here - word);
}

#endif
