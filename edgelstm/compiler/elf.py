"""A linker for one case: an ELF object without undefined symbols or writable data -> a shared library. No toolchain is needed.

The code and constants that LLVM emits for a fused model call nothing and own no variables, so that linking is placing sections,
filling in distances between them, and writing a symbol table (System V ABI, ELF-64; relocations of the x86-64 and AArch64 psABIs).
The library has one read-and-execute segment, one small writable one for the dynamic loader's own table, and no executable stack.
"""

import struct
from dataclasses import dataclass

from ..errors import CompileError

X86_64, AARCH64 = 62, 183
_PAGE = 0x10000  # 64 KiB: the largest page of any AArch64 kernel
_ALLOC, _EXECUTE, _WRITE = 2, 4, 1
_PROGBITS, _SYMTAB, _RELA, _NOBITS = 1, 2, 4, 8
_PCREL32 = {2, 4}  # R_X86_64_PC32, R_X86_64_PLT32
_ADR_PAGE = 275  # R_AARCH64_ADR_PREL_PG_HI21
_LOW12 = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4}  # R_AARCH64_{ADD,LDST*}_ABS_LO12_NC: shift of the immediate
_BRANCH26 = {282, 283}  # R_AARCH64_JUMP26, R_AARCH64_CALL26


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


@dataclass(frozen=True)
class _Symbol:
    name: str
    info: int
    section: int
    value: int
    size: int


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


def _sections(data: bytes) -> list[_Section]:
    (table,) = struct.unpack_from("<Q", data, 40)
    count, names = struct.unpack_from("<HH", data, 60)
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * i) for i in range(count)]
    base = rows[names][4]
    return [_Section(_text(data, base + r[0]), r[1], r[2], r[4], r[5], r[6], r[7], max(1, r[8])) for r in rows]


def _symbols(data: bytes, sections: list[_Section]) -> list[_Symbol]:
    table = next(s for s in sections if s.kind == _SYMTAB)
    strings = sections[table.link].offset
    rows = [struct.unpack_from("<IBBHQQ", data, table.offset + at) for at in range(0, table.size, 24)]
    return [_Symbol(_text(data, strings + r[0]), r[1], r[3], r[4], r[5]) for r in rows]


def _place(data: bytes, sections: list[_Section], base: int) -> tuple[bytearray, dict[int, int]]:
    """Code and constants one behind the other, and the address of each section."""
    body, addresses = bytearray(), {}
    for index, section in enumerate(sections):
        if not section.flags & _ALLOC or not section.size or section.name == ".eh_frame":
            continue
        if section.flags & _WRITE or section.kind == _NOBITS:
            raise CompileError(f"the generated code has writable data ({section.name}), which a plan may not own. Please report this.")
        body += bytes(-(base + len(body)) % section.align)
        addresses[index] = base + len(body)
        body += data[section.offset : section.offset + section.size]
    return body, addresses


def _patch(body: bytearray, at: int, kind: int, machine: int, target: int, place: int) -> None:
    """Fill in one distance: `target` as seen from `place`, at offset `at` of the body."""
    (word,) = struct.unpack_from("<I", body, at)
    if machine == X86_64 and kind in _PCREL32:
        word = (target - place) & 0xFFFFFFFF
    elif machine == AARCH64 and kind == _ADR_PAGE:
        pages = (target >> 12) - (place >> 12)
        word = word & 0x9F00001F | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5
    elif machine == AARCH64 and kind in _LOW12:
        word = word & ~(0xFFF << 10) | (target & 0xFFF) >> _LOW12[kind] << 10
    elif machine == AARCH64 and kind in _BRANCH26:
        word = word & 0xFC000000 | (target - place >> 2) & 0x3FFFFFF
    else:
        raise CompileError(f"the generated code needs relocation {kind} of machine {machine}, which is not known here. Please report this.")
    struct.pack_into("<I", body, at, word)


def _relocate(data: bytes, machine: int, sections: list[_Section], body: bytearray, addresses: dict[int, int], base: int) -> None:
    symbols = _symbols(data, sections)
    for section in sections:
        if section.kind != _RELA or section.info not in addresses:
            continue
        for row in range(section.offset, section.offset + section.size, 24):
            offset, info, addend = struct.unpack_from("<QQq", data, row)
            symbol = symbols[info >> 32]
            if symbol.section not in addresses:
                raise CompileError(f"the generated code refers to {symbol.name!r}, which no part of it defines. Please report this.")
            place = addresses[section.info] + offset
            _patch(body, place - base, info & 0xFFFFFFFF, machine, addresses[symbol.section] + symbol.value + addend, place)


def _symbol_tables(exports: list[tuple[str, int, int, int]]) -> tuple[bytes, bytes, bytes]:
    """Dynamic symbols, their names, and the hash table (of one bucket) of exported (name, info, address, size)."""
    symbols, names = bytes(24), b"\0"
    for name, info, address, size in exports:
        symbols += struct.pack("<IBBHQQ", len(names), info, 0, 1, address, size)
        names += name.encode() + b"\0"
    count = len(exports)
    chain = [0, *(i + 2 if i + 1 < count else 0 for i in range(count))]
    return symbols, names, struct.pack(f"<{4 + count}I", 1, count + 1, min(1, count), *chain)


def _headers(machine: int, code_end: int, dynamic: int, dynamic_size: int) -> bytes:
    address = dynamic + _PAGE
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, code_end, code_end, _PAGE)  # PT_LOAD, read and execute
    header += struct.pack("<IIQQQQQQ", 1, 6, dynamic, address, address, dynamic_size, dynamic_size, _PAGE)  # PT_LOAD, read and write
    header += struct.pack("<IIQQQQQQ", 2, 6, dynamic, address, address, dynamic_size, dynamic_size, 8)  # PT_DYNAMIC
    return header + struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK, not executable


def link(data: bytes, exports: tuple[str, ...]) -> bytes:
    """An object file as a shared library.

    Parameters
    ----------
    data : bytes
        ELF-64 relocatable object, little-endian, for x86-64 or AArch64.
    exports : tuple of str
        Functions and constants that the library shows.

    Raises
    ------
    CompileError
        If the object has writable data, undefined symbols or relocations of another kind.
    """
    (machine,) = struct.unpack_from("<H", data, 18)
    sections = _sections(data)
    room = 64 + 4 * 56 + sum(24 + len(name) + 1 + 4 for name in exports) + 64
    base = -(-room // 64) * 64
    body, addresses = _place(data, sections, base)
    _relocate(data, machine, sections, body, addresses, base)
    shown = {s.name: s for s in _symbols(data, sections) if s.name in exports and s.section in addresses}
    if missing := [name for name in exports if name not in shown]:
        raise CompileError(f"the generated code lacks {', '.join(missing)}. Please report this.")
    kept = [(n, 0x10 | shown[n].info & 0xF, addresses[shown[n].section] + shown[n].value, shown[n].size) for n in exports]
    symbols, names, table = _symbol_tables(kept)
    at_symbols = 64 + 4 * 56
    at_names = at_symbols + len(symbols)
    at_table = -(-(at_names + len(names)) // 8) * 8
    code_end = base + len(body)
    dynamic = -(-code_end // 16) * 16
    entries = ((4, at_table), (5, at_names), (6, at_symbols), (10, len(names)), (11, 24), (0, 0))  # DT_HASH STRTAB SYMTAB STRSZ SYMENT NULL
    dynamic_bytes = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    library = bytearray(_headers(machine, code_end, dynamic, len(dynamic_bytes)) + symbols + names)
    library += bytes(at_table - len(library)) + table
    if len(library) > base:
        raise CompileError(f"the tables of {len(exports)} exports do not fit before the code. Please report this.")
    library += bytes(base - len(library)) + body
    return bytes(library + bytes(dynamic - len(library)) + dynamic_bytes)


def loaded_bytes(data: bytes) -> int:
    """Bytes of an object file that code and data fill in memory or flash."""
    return sum(s.size for s in _sections(data) if s.flags & _ALLOC and s.name != ".eh_frame")
