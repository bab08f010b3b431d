/* Text to the debugger, or to QEMU: ARM semihosting (Arm's document "Semihosting for AArch32 and AArch64").
 *
 * With neither of them listening, a real board stops at the first call: on it, write to a UART instead.
 */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

enum { SEMIHOSTING_WRITE0 = 0x04, SEMIHOSTING_EXIT_EXTENDED = 0x20, SEMIHOSTING_APPLICATION_EXIT = 0x20026 };

static inline int semihosting(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* A zero-terminated text. */
static inline void say(const char *text)
{
    semihosting(SEMIHOSTING_WRITE0, text);
}

/* A number in decimal digits. */
static inline void say_number(uint32_t number)
{
    char text[11], *at = text + 10;
    *at = 0;
    do {
        *--at = (char)('0' + number % 10);
    } while (number /= 10);
    say(at);
}

/* End QEMU with this exit code. */
_Noreturn static inline void leave(int code)
{
    const uintptr_t block[2] = {SEMIHOSTING_APPLICATION_EXIT, (uintptr_t)code};
    for (;;)
        semihosting(SEMIHOSTING_EXIT_EXTENDED, block);
}

#endif
