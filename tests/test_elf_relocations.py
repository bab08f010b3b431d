"""Relocations: their arithmetic is GNU ld's, their reach is the psABIs'."""

import re

import pytest
from library_models import tool
from test_elf import AARCH64, ARM, RISCV, TARGETS, X86_64, run

import edgelstm as el
from edgelstm.compiler.elf import link as elf
from edgelstm.compiler.elf.relocations import MACHINES, Reference, relocate

#: By toolchain: code with every relocation known here, forwards and backwards, with and without addends. `far` lies in another section.
ASSEMBLY = {
    "x86_64-linux-gnu": """
        lea wide+3(%rip), %rax; call far; call far@PLT; mov table(%rip), %eax; mov wide(%rip), %eax
        .section .text.far,"ax"; far: call code; jmp code+5; .long table - .; .long wide + 4 - .
    """,
    "aarch64-linux-gnu": """
        adrp x0, wide+0x5005; add x0, x0, :lo12:wide+0x5005; ldrb w1, [x0, :lo12:wide+1]; ldrh w1, [x0, :lo12:wide+2]
        ldr w1, [x0, :lo12:wide+4]; ldr x1, [x0, :lo12:wide+8]; ldr q1, [x0, :lo12:wide+16]; b far; bl far+8; adrp x3, table
        .section .text.far,"ax"; far: b code; bl code+4; adrp x0, code; add x0, x0, :lo12:code; .word table + 4 - .; .word code - .
    """,
    "arm-linux-gnueabihf": """
        .arm; bl far; b far + 4; blne far; movw r0, #:lower16:(wide - . - 8); movt r0, #:upper16:(wide - . - 8)
        movw r1, #:lower16:(wide + 0x5123 - . - 8); movt r1, #:upper16:(wide + 0x5123 - . - 8); .word wide - .
        .section .text.far,"ax"; .arm; far: bl code; beq code + 8; .word table + 5 - .; .word code - . - 8; movw r2, #:lower16:(code - .)
        movt r2, #:upper16:(code - .)
    """,
    "riscv64-linux-gnu": """
        .option norelax; 1: auipc a0, %pcrel_hi(wide+4); addi a0, a0, %pcrel_lo(1b); sw a1, %pcrel_lo(1b)(a0)
        jal ra, far+4; call far; 2: auipc a0, %pcrel_hi(table); fld fa0, %pcrel_lo(2b)(a0)
        .reloc ., R_RISCV_CALL, wide; auipc ra, 0; jalr ra, 0(ra)
        .reloc ., R_RISCV_BRANCH, far; .4byte 0x00b50063; .reloc ., R_RISCV_RVC_BRANCH, far+2; .2byte 0xc101
        .reloc ., R_RISCV_RVC_JUMP, far; .2byte 0xa001
        .section .text.far,"ax"; far: .option norelax; c.nop; nop; jal ra, code; call code; .4byte table - code, code - wide
        .reloc ., R_RISCV_32_PCREL, code+6; .4byte 0
        .reloc ., R_RISCV_BRANCH, code; .4byte 0x00b51063; .reloc ., R_RISCV_RVC_BRANCH, code; .2byte 0xe101
        .reloc ., R_RISCV_RVC_JUMP, code; .2byte 0xa001
    """,
}
CONSTANTS = "\n.section .rodata; .balign 16; table: .space 0x1d980, 7; wide: .space 64, 9\n"
SECTIONS = {".text": "code", ".text.far": "far", ".rodata": "table"}


@pytest.mark.parametrize("toolchain", ASSEMBLY)
def test_every_relocation_as_gnu_ld(tmp_path, toolchain):
    """Byte for byte, at the same addresses; every relocation of the table occurs, so that none can be added untested."""
    for name in ("as", "ld", "objcopy", "readelf"):
        tool(f"{toolchain}-{name}")
    (tmp_path / "a.s").write_text(f".text; .globl code, far, table, wide; code: {ASSEMBLY[toolchain]}{CONSTANTS}")
    run(f"{toolchain}-as", *(["-march=rv64gc"] if "riscv" in toolchain else []), "-o", tmp_path / "a.o", tmp_path / "a.s")
    (number,) = {row[0] for row in TARGETS.values() if row[3] == toolchain}
    shown = set(re.findall(r" (R_[A-Z]\w+)", run(f"{toolchain}-readelf", "-W", "-r", tmp_path / "a.o")))
    assert shown >= {field.name for field in MACHINES[number].fields.values()}
    library = elf.link((tmp_path / "a.o").read_bytes(), tuple(SECTIONS.values()))
    (tmp_path / "a.so").write_bytes(library)
    symbols = run(f"{toolchain}-readelf", "-W", "-D", "-s", tmp_path / "a.so")
    places = {section: int(re.search(rf" (\w+) .* {symbol}$", symbols, re.MULTILINE)[1], 16) for section, symbol in SECTIONS.items()}
    script = "".join(f"{section} {place} : {{ *({section}) }}\n" for section, place in places.items())
    (tmp_path / "script").write_text(f"SECTIONS {{\n{script}/DISCARD/ : {{ *(.note*) *(.ARM*) *(.riscv*) }} }}\n")
    run(f"{toolchain}-ld", "--no-relax", "-e", "code", "-T", tmp_path / "script", "-o", tmp_path / "a.elf", tmp_path / "a.o")
    for section, place in places.items():
        run(f"{toolchain}-objcopy", "-O", "binary", "-j", section, tmp_path / "a.elf", tmp_path / "bytes")
        expected = (tmp_path / "bytes").read_bytes()
        assert expected
        assert library[place : place + len(expected)].hex(" ", 4) == expected.hex(" ", 4), section


GIB = 1 << 30
#: Machine, relocation, least and most distance from place 0, and what it must be a multiple of, as the psABIs say.
REACH = [
    (X86_64, 2, "R_X86_64_PC32", -2 * GIB, 2 * GIB - 1, 1),
    (X86_64, 4, "R_X86_64_PLT32", -2 * GIB, 2 * GIB - 1, 1),
    (AARCH64, 261, "R_AARCH64_PREL32", -2 * GIB, 2 * GIB - 1, 1),
    (AARCH64, 275, "R_AARCH64_ADR_PREL_PG_HI21", -4 * GIB, 4 * GIB - 1, 1),
    (AARCH64, 282, "R_AARCH64_JUMP26", -(1 << 27), (1 << 27) - 4, 4),
    (AARCH64, 283, "R_AARCH64_CALL26", -(1 << 27), (1 << 27) - 4, 4),
    (ARM, 3, "R_ARM_REL32", -2 * GIB, 2 * GIB - 1, 1),
    (ARM, 28, "R_ARM_CALL", -(1 << 25), (1 << 25) - 4, 4),
    (ARM, 29, "R_ARM_JUMP24", -(1 << 25), (1 << 25) - 4, 4),
    (ARM, 46, "R_ARM_MOVT_PREL", -2 * GIB, 2 * GIB - 1, 1),
    (RISCV, 16, "R_RISCV_BRANCH", -4096, 4094, 2),
    (RISCV, 17, "R_RISCV_JAL", -(1 << 20), (1 << 20) - 2, 2),
    (RISCV, 18, "R_RISCV_CALL", -2 * GIB - 0x800, 2 * GIB - 0x801, 1),
    (RISCV, 19, "R_RISCV_CALL_PLT", -2 * GIB - 0x800, 2 * GIB - 0x801, 1),
    (RISCV, 23, "R_RISCV_PCREL_HI20", -2 * GIB - 0x800, 2 * GIB - 0x801, 1),
    (RISCV, 35, "R_RISCV_ADD32", -2 * GIB, 2 * GIB - 1, 1),
    (RISCV, 39, "R_RISCV_SUB32", 1 - 2 * GIB, 2 * GIB, 1),
    (RISCV, 44, "R_RISCV_RVC_BRANCH", -256, 254, 2),
    (RISCV, 45, "R_RISCV_RVC_JUMP", -2048, 2046, 2),
    (RISCV, 57, "R_RISCV_32_PCREL", -2 * GIB, 2 * GIB - 1, 1),
]


@pytest.mark.parametrize(("machine", "kind", "name", "least", "most", "step"), REACH)
def test_a_distance_that_does_not_fit_is_an_error(machine, kind, name, least, most, step):
    def fill(target):
        relocate(MACHINES[machine], bytearray(16), [Reference(kind, 0, target)])

    for target in (least, 0, most):
        fill(target)
    for target in (least - step, most + step, 1 << 40):
        with pytest.raises(el.CompileError, match=rf"{name} .*beyond its"):
            fill(target)
    if step > 1:
        with pytest.raises(el.CompileError, match=f"{name} .*multiple of {step}"):
            fill(step // 2)


@pytest.mark.parametrize(("kind", "size"), [(284, 2), (285, 4), (286, 8), (299, 16)])
def test_aarch64_loads_want_aligned_constants(kind, size):
    relocate(MACHINES[AARCH64], bytearray(16), [Reference(kind, 0, 5 * GIB + size)])
    with pytest.raises(el.CompileError, match=f"LDST{8 * size}_ABS_LO12_NC .*multiple of {size}"):
        relocate(MACHINES[AARCH64], bytearray(16), [Reference(kind, 0, 5 * GIB + size // 2)])


def test_every_reach_is_tested():
    """The rest has no reach of its own: lower halves, which an upper half with one always precedes."""
    free = {"R_ARM_MOVW_PREL_NC", "R_RISCV_PCREL_LO12_I", "R_RISCV_PCREL_LO12_S"}
    known = {(number, kind, field.name) for number, machine in MACHINES.items() for kind, field in machine.fields.items()}
    assert {name for _, _, name in known - {row[:3] for row in REACH}} == free | {n for *_, n in known if "LO12_NC" in n}


def test_riscv_lower_half_wants_its_upper_half():
    with pytest.raises(el.CompileError, match="without its R_RISCV_PCREL_HI20"):
        relocate(MACHINES[RISCV], bytearray(16), [Reference(24, 4, 0)])
