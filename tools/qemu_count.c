/* Counts what an emulated program executes: a plugin for QEMU's user-mode emulators (plugin API 1: QEMU 4.2 to 8.2).
 *
 *     cc -O2 -shared -fPIC -o qemu_count.so qemu_count.c
 *     qemu-aarch64 -plugin qemu_count.so,out=FILE program ...
 *
 * FILE gets one line for each translated block that ran: its address, how often it ran, and its instructions as hexadecimal bytes in
 * the order of memory, separated by dots. Instructions are told apart in emulated_pi.py, not here.
 *
 * The counters are not atomic: counts are exact for programs of one thread. A block that a signal leaves half-way counts as whole.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The part of qemu-plugin.h that is used here; Debian's qemu-user does not ship that header. */
typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

/* QEMU may translate the same code many times; all translations share one counter. */
struct block {
    struct block *next;
    uint64_t address, executions;
    char text[]; /* instructions, as they are written to the file */
};

enum { BUCKETS = 1 << 18, LONGEST_BLOCK = 1 << 16 };
static struct block *table[BUCKETS];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *out_path;
static pid_t first_process;

/* The block's instructions as text, zero-terminated; NULL for a block longer than QEMU makes. */
static char *written(const struct qemu_plugin_tb *translated, char text[LONGEST_BLOCK])
{
    size_t at = 0, count = qemu_plugin_tb_n_insns(translated);
    for (size_t i = 0; i < count; i++) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, i);
        const unsigned char *bytes = qemu_plugin_insn_data(instruction);
        size_t size = qemu_plugin_insn_size(instruction);
        if (at + 2 * size + 2 > LONGEST_BLOCK)
            return NULL;
        if (i)
            text[at++] = '.';
        for (size_t k = 0; k < size; k++)
            at += (size_t)sprintf(text + at, "%02x", bytes[k]);
    }
    text[at] = 0;
    return text;
}

static struct block *found_or_made(uint64_t address, const char *text)
{
    struct block **bucket = &table[(address >> 1) * 0x9E3779B97F4A7C15u >> 46];
    for (struct block *known = *bucket; known; known = known->next)
        if (known->address == address && !strcmp(known->text, text))
            return known;
    struct block *made = malloc(sizeof *made + strlen(text) + 1);
    if (!made)
        abort();
    made->next = *bucket;
    made->address = address;
    made->executions = 0;
    strcpy(made->text, text);
    return *bucket = made;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *translated)
{
    char buffer[LONGEST_BLOCK], *text = written(translated, buffer);
    (void)id;
    if (!text) {
        fputs("qemu_count: a translated block is longer than expected\n", stderr);
        abort();
    }
    pthread_mutex_lock(&table_lock);
    struct block *block = found_or_made(qemu_plugin_tb_vaddr(translated), text);
    pthread_mutex_unlock(&table_lock);
    qemu_plugin_register_vcpu_tb_exec_inline(translated, QEMU_PLUGIN_INLINE_ADD_U64, &block->executions, 1);
}

static void on_exit_of_guest(qemu_plugin_id_t id, void *unused)
{
    (void)id, (void)unused;
    if (getpid() != first_process) /* a fork of the guest */
        return;
    FILE *file = fopen(out_path, "w");
    if (!file) {
        perror(out_path);
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct block *block = table[i]; block; block = block->next)
            if (block->executions)
                fprintf(file, "%llx %llu %s\n", (unsigned long long)block->address, (unsigned long long)block->executions, block->text);
    if (fputs("end\n", file) < 0 || fclose(file))
        perror(out_path);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char **arguments)
{
    (void)info;
    if (count != 1 || strncmp(arguments[0], "out=", 4)) {
        fputs("qemu_count: expected one argument, out=FILE\n", stderr);
        return 1;
    }
    out_path = strdup(arguments[0] + 4);
    first_process = getpid();
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
    return 0;
}
