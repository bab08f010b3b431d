"""The relocations that LLVM's code for a fused model needs, one table a machine, and how one is filled in.

Names, numbers, fields and reaches: "System V ABI, AMD64 Architecture Processor Supplement", 4.4.1; "ELF for the Arm 64-bit Architecture"
(AAELF64), 5.7; "ELF for the Arm Architecture" (AAELF32), 5.6; "RISC-V ABIs Specification", 8.4. Relocations that go through a global
offset table are left out: code that defines all it uses has none, if what it exports is `protected` or `dso_local` in the IR.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...errors import CompileError


class Field(NamedTuple):
    """One kind of relocation.

    Parameters
    ----------
    name : str
        As the psABI calls it.
    value : function of (addend, target, place)
        What is filled in. The addend is 0 where `target` already holds it.
    bits : int
        Width of the signed number that the value must fit; 13 for the lower 12 bits of an address, which always do.
    step : int
        What the value must be a multiple of.
    pieces : tuple of (int, int, int)
        Where it goes: (lowest bit of the value, number of bits, lowest bit in the little-endian code).
    held : bool
        Whether the addend lies in these pieces (REL), as a signed number of their width.
    """

    name: str
    value: Callable[[int, int, int], int]
    bits: int
    step: int
    pieces: tuple[tuple[int, int, int], ...]
    held: bool = False


class Reference(NamedTuple):
    """One relocation: its number, where it is, and what it refers to, an explicit addend included. Addresses in bytes."""

    kind: int
    place: int
    target: int


class Machine(NamedTuple):
    """A processor as ELF sees it: 32 or 64 bits a word; whether addends lie in the code (REL) or beside it (RELA)."""

    name: str
    bits: int
    rel: bool
    fields: dict[int, Field]


def _distance(addend: int, target: int, place: int) -> int:
    return target + addend - place


def _pages(addend: int, target: int, place: int) -> int:
    return (target >> 12) - (place >> 12)


def _in_page(addend: int, target: int, place: int) -> int:
    return target & 0xFFF


def _lower_half(addend: int, target: int, place: int) -> int:
    return _signed(target + addend - place, 16)


def _upper_half(addend: int, target: int, place: int) -> int:
    return (target + addend - place) >> 16


def _added(addend: int, target: int, place: int) -> int:
    return addend + target


def _subtracted(addend: int, target: int, place: int) -> int:
    return addend - target


def _split(addend: int, target: int, place: int) -> int:
    """A distance as `auipc` needs it: the upper 20 bits are one more where the lower 12, which are signed, count as negative."""
    distance = target - place
    return (distance + 0x800 & ~0xFFF) + (distance & 0xFFF)


_WORD = ((0, 32, 0),)

_X86_64 = {
    2: Field("R_X86_64_PC32", _distance, 32, 1, _WORD),
    4: Field("R_X86_64_PLT32", _distance, 32, 1, _WORD),
}

_AARCH64 = {
    261: Field("R_AARCH64_PREL32", _distance, 32, 1, _WORD),
    275: Field("R_AARCH64_ADR_PREL_PG_HI21", _pages, 21, 1, ((0, 2, 29), (2, 19, 5))),
    277: Field("R_AARCH64_ADD_ABS_LO12_NC", _in_page, 13, 1, ((0, 12, 10),)),
    278: Field("R_AARCH64_LDST8_ABS_LO12_NC", _in_page, 13, 1, ((0, 12, 10),)),
    282: Field("R_AARCH64_JUMP26", _distance, 28, 4, ((2, 26, 0),)),
    283: Field("R_AARCH64_CALL26", _distance, 28, 4, ((2, 26, 0),)),
    284: Field("R_AARCH64_LDST16_ABS_LO12_NC", _in_page, 13, 2, ((1, 12, 10),)),
    285: Field("R_AARCH64_LDST32_ABS_LO12_NC", _in_page, 13, 4, ((2, 12, 10),)),
    286: Field("R_AARCH64_LDST64_ABS_LO12_NC", _in_page, 13, 8, ((3, 12, 10),)),
    299: Field("R_AARCH64_LDST128_ABS_LO12_NC", _in_page, 13, 16, ((4, 12, 10),)),
}

_HALF = ((0, 12, 0), (12, 4, 16))

_ARM = {
    3: Field("R_ARM_REL32", _distance, 32, 1, _WORD, held=True),
    28: Field("R_ARM_CALL", _distance, 26, 4, ((2, 24, 0),), held=True),
    29: Field("R_ARM_JUMP24", _distance, 26, 4, ((2, 24, 0),), held=True),
    45: Field("R_ARM_MOVW_PREL_NC", _lower_half, 16, 1, _HALF, held=True),
    46: Field("R_ARM_MOVT_PREL", _upper_half, 16, 1, _HALF, held=True),
}

_CALL = ((12, 20, 12), (0, 12, 52))

_RISCV = {
    16: Field("R_RISCV_BRANCH", _distance, 13, 2, ((12, 1, 31), (5, 6, 25), (1, 4, 8), (11, 1, 7))),
    17: Field("R_RISCV_JAL", _distance, 21, 2, ((20, 1, 31), (1, 10, 21), (11, 1, 20), (12, 8, 12))),
    18: Field("R_RISCV_CALL", _split, 32, 1, _CALL),
    19: Field("R_RISCV_CALL_PLT", _split, 32, 1, _CALL),
    23: Field("R_RISCV_PCREL_HI20", _split, 32, 1, ((12, 20, 12),)),
    24: Field("R_RISCV_PCREL_LO12_I", _split, 32, 1, ((0, 12, 20),)),
    25: Field("R_RISCV_PCREL_LO12_S", _split, 32, 1, ((5, 7, 25), (0, 5, 7))),
    35: Field("R_RISCV_ADD32", _added, 32, 1, _WORD, held=True),
    39: Field("R_RISCV_SUB32", _subtracted, 32, 1, _WORD, held=True),
    44: Field("R_RISCV_RVC_BRANCH", _distance, 9, 2, ((8, 1, 12), (3, 2, 10), (6, 2, 5), (1, 2, 3), (5, 1, 2))),
    45: Field(
        "R_RISCV_RVC_JUMP", _distance, 12, 2, ((11, 1, 12), (4, 1, 11), (8, 2, 9), (10, 1, 8), (6, 1, 7), (7, 1, 6), (1, 3, 3), (5, 1, 2))
    ),
    57: Field("R_RISCV_32_PCREL", _distance, 32, 1, _WORD),
}
_PCREL_HI20 = 23
_PCREL_LO12 = (24, 25)

#: By ELF's number of the machine (e_machine).
MACHINES = {
    40: Machine("32-bit ARM", 32, True, _ARM),
    62: Machine("x86-64", 64, False, _X86_64),
    183: Machine("AArch64", 64, False, _AARCH64),
    243: Machine("RISC-V 64", 64, False, _RISCV),
}


def _signed(value: int, bits: int) -> int:
    return (value & (1 << bits) - 1) - ((value & 1 << bits - 1) << 1)


def _spread(value: int, field: Field) -> int:
    code = 0
    for low, count, to in field.pieces:
        code |= (value >> low & (1 << count) - 1) << to
    return code


def _gathered(code: int, field: Field) -> int:
    value = 0
    for low, count, to in field.pieces:
        value |= (code >> to & (1 << count) - 1) << low
    return _signed(value, field.bits)


def _fill(library: bytearray, field: Field, place: int, target: int, seen_from: int) -> None:
    code = int.from_bytes(library[place : place + 8], "little")  # more than the field has: the rest goes back as it was
    value = field.value(_gathered(code, field) if field.held else 0, target, seen_from)
    if not -1 << field.bits - 1 <= value < 1 << field.bits - 1:
        raise CompileError(
            f"the generated code needs {field.name} with the value {value}, which is beyond its {field.bits} bits. "
            "The model is too large for one library on this CPU."
        )
    if value % field.step:
        raise CompileError(f"the generated code needs {field.name} with {value}, no multiple of {field.step}. Please report this.")
    code = code & ~_spread(-1, field) | _spread(value, field)
    library[place : place + 8] = code.to_bytes(8, "little")


def relocate(machine: Machine, library: bytearray, references: Iterable[Reference]) -> None:
    """Fill in what the code's parts must know of each other's places.

    Parameters
    ----------
    machine : Machine
    library : bytearray
        Code and constants at their addresses, which count from the library's first byte, and at least 8 bytes behind them. Changed.
    references : iterable of Reference

    Raises
    ------
    CompileError
        If a relocation is not known, or a value does not fit its field.
    """
    references = list(references)
    # A lower half on RISC-V refers to the auipc that holds the upper half, and means what that one refers to, as seen from there.
    upper = {r.place: r.target for r in references if r.kind == _PCREL_HI20} if machine.fields is _RISCV else {}
    for kind, place, target in references:
        if (field := machine.fields.get(kind)) is None:
            raise CompileError(
                f"the generated code needs relocation {kind} of {machine.name}, which is not known here. Please report this."
            )
        if machine.fields is not _RISCV or kind not in _PCREL_LO12:
            _fill(library, field, place, target, place)
        elif target in upper:
            _fill(library, field, place, upper[target], target)
        else:
            raise CompileError(f"the generated code has {field.name} without its R_RISCV_PCREL_HI20. Please report this.")
