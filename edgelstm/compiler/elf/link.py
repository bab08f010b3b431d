"""A linker for one case: an ELF object without undefined symbols or writable data -> a shared library. No toolchain is needed.

The code and constants that LLVM emits for a fused model call nothing and own no variables, so that linking is placing sections,
filling in distances between them (`relocations`), and writing a symbol table (System V ABI, ELF-32 and ELF-64, little-endian).
A library file holds, in this order: headers; symbols, their names and hash table; code and constants; the dynamic loader's own table;
section headers, which only linkers of C programs read. What stands before the loader's table is one segment, to read and execute; that
table is another, to read and write. The stack is not executable.
"""

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import CompileError
from .relocations import MACHINES, Machine, Reference, relocate

_PAGE = 0x10000  # 64 KiB: the largest page of any kernel for these machines
_LINE = 64  # where code begins: a multiple of this many bytes
_RELOCATABLE, _SHARED = 1, 3
_WRITE, _ALLOC, _EXECUTE = 1, 2, 4
_PROGBITS, _SYMTAB, _STRTAB, _RELA, _HASH, _DYNAMIC, _NOBITS, _REL, _DYNSYM = 1, 2, 3, 4, 5, 6, 8, 9, 11
_UNWINDING = (".eh_frame", ".ARM.exidx", ".ARM.extab")  # tables that only exceptions read
_PT_LOAD, _PT_DYNAMIC, _PT_GNU_STACK = 1, 2, 0x6474E551
_DT_NULL, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT, _DT_SONAME = 0, 4, 5, 6, 10, 11, 14

#: Bytes that a library which may be named keeps behind the names of its symbols: those of the longest file name, and a zero.
_NAME_ROOM = 256


#: Names of a library's sections: none, code and constants, symbols, their names, hash table, the dynamic loader's table, these names.
_SECTION_NAMES = b"\0.text\0.dynsym\0.dynstr\0.hash\0.dynamic\0.shstrtab".ljust(48, b"\0")


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


class _Symbol(NamedTuple):
    name: str
    info: int
    section: int
    value: int
    size: int


class _Class(NamedTuple):
    """ELF-32 or ELF-64: formats of their tables' rows, as `struct` takes them, and the order of fields where it differs."""

    number: int
    header: str
    section: str
    symbol: str
    symbol_order: tuple[int, ...]  # of name, info, other, section, value, size
    program: str
    program_order: tuple[int, ...]  # of type, flags, offset, address, physical address, size in file, size in memory, align
    dynamic: str
    relocation: str  # place, symbol and kind; in ELF-64 the addend
    kind_bits: int


_CLASSES = {
    32: _Class(1, "<16sHHIIIIIHHHHHH", "<10I", "<IIIBBH", (0, 4, 5, 1, 2, 3), "<8I", (0, 2, 3, 4, 5, 6, 1, 7), "<iI", "<II", 8),
    64: _Class(2, "<16sHHIQQQIHHHHHH", "<IIQQQQIIQQ", "<IBBHQQ", tuple(range(6)), "<IIQQQQQQ", tuple(range(8)), "<qQ", "<QQq", 32),
}


def _identity(layout: _Class) -> bytes:
    """How a file begins: its class, little-endian, version 1."""
    return b"\x7fELF" + bytes((layout.number, 1, 1))


class _Object:
    """A relocatable object file, read.

    Raises
    ------
    CompileError
        If it is none, or for a machine that is not known here.
    """

    def __init__(self, data: bytes) -> None:
        self.number = int.from_bytes(data[18:20], "little")
        if (machine := MACHINES.get(self.number)) is None or data[:7] != _identity(_CLASSES[machine.bits]) or data[16] != _RELOCATABLE:
            known = ", ".join(machine.name for machine in MACHINES.values())
            raise CompileError(f"expected an ELF object for {known}; the generated code begins with {data[:20].hex()}. Please report this.")
        self.data = data
        self.machine: Machine = machine
        self.layout = _CLASSES[machine.bits]
        header = struct.unpack_from(self.layout.header, data)
        self.flags: int = header[7]
        self.sections = self._sections(header[6], header[12], header[13])
        self.symbols = self._symbols()

    def _text(self, start: int) -> str:
        return self.data[start : self.data.index(b"\0", start)].decode()

    def _sections(self, table: int, count: int, names: int) -> list[_Section]:
        row = struct.Struct(self.layout.section)
        rows = [row.unpack_from(self.data, table + row.size * i) for i in range(count)]
        base = rows[names][4]
        return [_Section(self._text(base + r[0]), r[1], r[2], r[4], r[5], r[6], r[7], max(1, r[8])) for r in rows]

    def _symbols(self) -> list[_Symbol]:
        table = next(s for s in self.sections if s.kind == _SYMTAB)
        strings = self.sections[table.link].offset
        name, info, section, value, size = (self.layout.symbol_order.index(i) for i in (0, 1, 3, 4, 5))
        rows = struct.iter_unpack(self.layout.symbol, self.data[table.offset : table.offset + table.size])
        return [_Symbol(self._text(strings + r[name]), r[info], r[section], r[value], r[size]) for r in rows]

    def places(self, start: int) -> tuple[dict[int, int], int]:
        """Address of each section of code or constants, one behind the other from `start`, and where the last one ends."""
        addresses = {}
        for index, section in enumerate(self.sections):
            if not section.flags & _ALLOC or not section.size or section.name.startswith(_UNWINDING):
                continue
            if section.flags & _WRITE or section.kind == _NOBITS:
                raise CompileError(f"the generated code has writable data ({section.name}), which a plan may not own. Please report this.")
            if section.align > _PAGE:
                raise CompileError(
                    f"the generated code aligns {section.name} to {section.align} bytes, more than {_PAGE}. Please report this."
                )
            addresses[index] = -(-start // section.align) * section.align
            start = addresses[index] + section.size
        return addresses, start

    def references(self, addresses: dict[int, int]) -> Iterator[Reference]:
        """All relocations of the placed sections."""
        for section in self.sections:
            if section.kind not in (_REL, _RELA) or section.info not in addresses:
                continue
            if section.kind != (_REL if self.machine.rel else _RELA):
                raise CompileError(f"the generated code for {self.machine.name} has relocations of the other form. Please report this.")
            rows = struct.iter_unpack(self.layout.relocation, self.data[section.offset : section.offset + section.size])
            for offset, info, *addend in rows:
                symbol = self.symbols[info >> self.layout.kind_bits]
                if symbol.section not in addresses:
                    raise CompileError(f"the generated code refers to {symbol.name!r}, which no part of it defines. Please report this.")
                kind = info & (1 << self.layout.kind_bits) - 1
                yield Reference(kind, addresses[section.info] + offset, addresses[symbol.section] + symbol.value + sum(addend))


def _symbol_tables(layout: _Class, exports: list[tuple[str, int, int, int]]) -> tuple[bytes, bytes, bytes]:
    """Dynamic symbols, their names, and the hash table (of one bucket) of exported (name, info, address, size)."""
    symbols, names = bytes(struct.calcsize(layout.symbol)), b"\0"
    for name, info, address, size in exports:
        row = (len(names), info, 0, 1, address, size)
        symbols += struct.pack(layout.symbol, *(row[i] for i in layout.symbol_order))
        names += name.encode() + b"\0"
    count = len(exports)
    chain = [0, *(i + 2 if i + 1 < count else 0 for i in range(count))]
    return symbols, names, struct.pack(f"<{4 + count}I", 1, count + 1, min(1, count), *chain)


def _section_headers(layout: _Class, places: list[tuple[int, int]]) -> bytes:
    """Rows for `_SECTION_NAMES`, which begin and are as large as `places` says, but for the first, which is none."""
    symbol, dynamic = struct.calcsize(layout.symbol), struct.calcsize(layout.dynamic)
    kinds = (  # type, flags, section of names or symbols, first global symbol, size of a row, bytes further on in memory
        (_PROGBITS, _ALLOC | _EXECUTE, 0, 0, 0, 0),
        (_DYNSYM, _ALLOC, 3, 1, symbol, 0),
        (_STRTAB, _ALLOC, 0, 0, 0, 0),
        (_HASH, _ALLOC, 2, 0, 4, 0),
        (_DYNAMIC, _ALLOC | _WRITE, 3, 0, dynamic, _PAGE),
        (_STRTAB, 0, 0, 0, 0, 0),
    )
    rows = [(0,) * 10]
    at = 0
    for (kind, flags, link, info, row, further), (offset, size) in zip(kinds, places, strict=True):
        at = _SECTION_NAMES.index(b"\0", at) + 1
        address = offset + further if flags else 0
        rows.append((at, kind, flags, address, offset, size, link, info, 8 if flags else 1, row))
    return b"".join(struct.pack(layout.section, *row) for row in rows)


def _headers(number: int, flags: int, layout: _Class, dynamic: int, end: int) -> bytes:
    """ELF header and segments of a file whose dynamic table stands from `dynamic` to `end`, and is loaded one page further on.

    The names of sections follow on a multiple of 8, and their headers.
    """
    first, entry = struct.calcsize(layout.header), struct.calcsize(layout.program)
    address, size = dynamic + _PAGE, end - dynamic
    segments = (
        (_PT_LOAD, 5, 0, 0, 0, dynamic, dynamic, _PAGE),  # to read and execute
        (_PT_LOAD, 6, dynamic, address, address, size, size, _PAGE),  # to read and write
        (_PT_DYNAMIC, 6, dynamic, address, address, size, size, 8),
        (_PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 16),  # not to execute
    )
    count, sections = _SECTION_NAMES.rstrip(b"\0").count(b"\0") + 1, _up(end, 8) + len(_SECTION_NAMES)
    row = (_SHARED, number, 1, 0, first, sections, flags, first, entry, len(segments), struct.calcsize(layout.section), count, count - 1)
    header = struct.pack(layout.header, _identity(layout), *row)
    return header + b"".join(struct.pack(layout.program, *(row[i] for i in layout.program_order)) for row in segments)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def link(data: bytes, exports: tuple[str, ...], *, nameable: bool = False) -> bytes:
    """An object file as a shared library.

    Parameters
    ----------
    data : bytes
        Relocatable object, little-endian: ELF-64 for x86-64, AArch64 or RISC-V (without relaxation), or ELF-32 for ARM (ARM mode).
    exports : tuple of str
        Functions and constants that the library shows. The code must reach them directly: in the IR they are `protected` or `dso_local`.
    nameable : bool
        Whether `with_soname` is to find room.

    Raises
    ------
    CompileError
        If the object has writable data, undefined symbols or relocations of another kind, or is too large for its relocations.
    """
    source = _Object(data)
    layout, symbols = source.layout, source.symbols
    at_symbols = len(_headers(0, 0, layout, 0, 0))
    at_names = at_symbols + (1 + len(exports)) * struct.calcsize(layout.symbol)
    names_size = 1 + sum(len(name.encode()) + 1 for name in exports) + _NAME_ROOM * nameable
    at_hash = _up(at_names + names_size, 8)
    at_code = _up(at_hash + 4 * (4 + len(exports)), _LINE)
    addresses, end = source.places(at_code)
    shown = {s.name: s for s in symbols if s.name in exports and s.section in addresses}
    if missing := [name for name in exports if name not in shown]:
        raise CompileError(f"the generated code lacks {', '.join(missing)}. Please report this.")
    kept = [(n, 0x10 | shown[n].info & 0xF, addresses[shown[n].section] + shown[n].value, shown[n].size) for n in exports]
    tables = _symbol_tables(layout, kept)
    entries = [(_DT_HASH, at_hash), (_DT_STRTAB, at_names), (_DT_SYMTAB, at_symbols), (_DT_STRSZ, names_size)]
    entries += [(_DT_SYMENT, struct.calcsize(layout.symbol)), *[(_DT_NULL, 0)] * (1 + nameable)]
    dynamic = b"".join(struct.pack(layout.dynamic, *entry) for entry in entries)
    at_dynamic = _up(end, 16)
    end_dynamic = at_dynamic + len(dynamic)
    places = [(at_code, end - at_code), (at_symbols, len(tables[0])), (at_names, names_size), (at_hash, len(tables[2]))]
    places += [(at_dynamic, len(dynamic)), (_up(end_dynamic, 8), len(_SECTION_NAMES))]
    library = bytearray(places[-1][0]) + _SECTION_NAMES + _section_headers(layout, places)
    headers = _headers(source.number, source.flags, layout, at_dynamic, end_dynamic)
    for at, part in ((0, headers), *zip((at_symbols, at_names, at_hash), tables, strict=True), (at_dynamic, dynamic)):
        library[at : at + len(part)] = part
    for index, address in addresses.items():
        section = source.sections[index]
        library[address : address + section.size] = memoryview(data)[section.offset : section.offset + section.size]
    relocate(source.machine, library, source.references(addresses))
    return bytes(library)


def with_soname(library: bytes, name: str) -> bytes:
    """A library that `link` made `nameable`, and what may follow it, with a name by which programs that are linked with it ask for it.

    Without one, a linker writes the path that it was given into the program, folder and all, and the program starts from there alone.

    Parameters
    ----------
    library : bytes
    name : str
        The file's name, without folder; one that has no form in the system's encoding, or too long a one, gives no name.
    """
    text = os.fsencode(name)
    layout = next(known for known in _CLASSES.values() if known.number == library[4])
    segments = struct.iter_unpack(layout.program, library[struct.calcsize(layout.header) :][: 4 * struct.calcsize(layout.program)])
    kind, place = (layout.program_order.index(i) for i in (0, 2))
    dynamic = next(row[place] for row in segments if row[kind] == _PT_DYNAMIC)
    row = struct.Struct(layout.dynamic)
    entries: dict[int, int] = {}
    while (entry := row.unpack_from(library, dynamic))[0] != _DT_NULL:
        entries[entry[0]] = entry[1]
        dynamic += row.size
    at = entries[_DT_STRSZ] - _NAME_ROOM
    if not 0 < len(text) < _NAME_ROOM:
        return library
    named = bytearray(library)
    row.pack_into(named, dynamic, _DT_SONAME, at)
    struct.pack_into(f"{len(text)}s", named, entries[_DT_STRTAB] + at, text)
    return bytes(named)


def loaded_bytes(data: bytes) -> int:
    """Bytes of an object file that code and data fill in memory or flash."""
    return sum(s.size for s in _Object(data).sections if s.flags & _ALLOC and not s.name.startswith(_UNWINDING))


def undefined(data: bytes) -> tuple[str, ...]:
    """What an object file calls and does not define."""
    return tuple(sorted(s.name for s in _Object(data).symbols if s.name and not s.section))
