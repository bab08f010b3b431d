"""The linker: libraries load and answer right on every machine, and it refuses what it cannot do."""

import ctypes
import os
import re
import struct
import subprocess
import sys
from contextlib import contextmanager

import llvmlite.binding as llvm
import pytest
from library_models import tool

import edgelstm as el
from edgelstm.compiler import object_code
from edgelstm.compiler.elf import link as elf
from edgelstm.compiler.elf.relocations import MACHINES
from edgelstm.compiler.targets import host, named

ARM, X86_64, AARCH64, RISCV = 40, 62, 183, 243

#: By target: ELF's number of the machine, readelf's words for machine and flags, GNU's name of the toolchain, qemu with its options.
TARGETS = {
    "x86-64-v2": (X86_64, "Advanced Micro Devices X86-64", "0x0", "x86_64-linux-gnu", "qemu-x86_64"),
    "rpi4": (AARCH64, "AArch64", "0x0", "aarch64-linux-gnu", "qemu-aarch64"),
    "armv7": (ARM, "ARM", "0x5000000, Version5 EABI", "arm-linux-gnueabihf", "qemu-arm"),
    "riscv64": (RISCV, "RISC-V", "0x5, RVC, double-float ABI", "riscv64-linux-gnu", "qemu-riscv64"),
    "riscv64-v": (RISCV, "RISC-V", "0x5, RVC, double-float ABI", "riscv64-linux-gnu", "qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0"),
}

NUMBERS = [(i * 7919) % 1009 for i in range(3000)]
SHOWN = [10, -20, 30, 2_000_000_000]
EXPORTS = ("product", "chosen", "third", "shown_at", "shown", "again", "inner_again")


def _array(values):
    return f"[{len(values)} x i32] [{', '.join(f'i32 {v}' for v in values)}]"


#: Functions that read constants, switch, and call each other; @numbers lies beyond the first page of constants.
MODULE = f"""
@first = internal constant {_array([5] * 1500)}
@numbers = internal constant {_array(NUMBERS)}
@shown = constant {_array(SHOWN)}
define internal i32 @number(i32 %i) noinline {{
  %p = getelementptr i32, ptr @numbers, i32 %i
  %q = getelementptr i32, ptr @first, i32 %i
  %v = load volatile i32, ptr %p
  %w = load volatile i32, ptr %q
  %s = add i32 %v, %w
  ret i32 %s
}}
define i32 @product(i32 %i) {{
  %a = call i32 @number(i32 %i)
  %next = add i32 %i, 1
  %b = call i32 @number(i32 %next)
  %c = mul i32 %a, %b
  ret i32 %c
}}
define i32 @again(i32 %i) {{
  %a = tail call i32 @number(i32 %i)
  ret i32 %a
}}
define i32 @inner_again(i32 %i) {{
  %a = call i32 @again(i32 %i)
  %b = sub i32 %a, 1
  ret i32 %b
}}
define i32 @shown_at(i32 %i) {{
  %p = getelementptr i32, ptr @shown, i32 %i
  %v = load i32, ptr %p
  ret i32 %v
}}
define i32 @chosen(i32 %i) {{
  switch i32 %i, label %other [ i32 0, label %a i32 1, label %b i32 2, label %c i32 3, label %d i32 4, label %e i32 5, label %f ]
a:
  %x = call i32 @number(i32 7)
  ret i32 %x
b:
  ret i32 %i
c:
  %y = call i32 @shown_at(i32 1)
  ret i32 %y
d:
  %z = mul i32 %i, %i
  ret i32 %z
e:
  %u = call i32 @product(i32 %i)
  ret i32 %u
f:
  ret i32 77
other:
  ret i32 -1
}}
define double @third(double %x) {{
  %y = fmul double %x, 0x3FD5555555555555
  ret double %y
}}
"""

CALLS = ["product 3", "product 998", "again 1499", "inner_again 0", "shown_at 3", *(f"chosen {i}" for i in range(7))]
ANSWERS = [
    *((NUMBERS[i] + 5) * (NUMBERS[i + 1] + 5) for i in (3, 998)),
    *(NUMBERS[1499] + 5, NUMBERS[0] + 4, SHOWN[3]),
    *(NUMBERS[7] + 5, 1, SHOWN[1], 9, (NUMBERS[4] + 5) * (NUMBERS[5] + 5), 77, -1),
]

#: Opens a library; prints what functions answer and a constant holds, and that an internal function is not found.
DRIVER = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {
    void *library = dlopen(words[1], RTLD_NOW);
    if (!library) { puts(dlerror()); return 1; }
    for (int i = 2; i < count; i += 2) {
        int (*function)(int) = (int (*)(int))dlsym(library, words[i]);
        if (!function) { puts(dlerror()); return 1; }
        printf("%d\n", function(atoi(words[i + 1])));
    }
    double (*third)(double) = (double (*)(double))dlsym(library, "third");
    int *shown = dlsym(library, "shown");
    printf("%.17g\n%d\n%d\n", third(2), shown[1], dlsym(library, "number") == NULL);
    return 0;
}
"""


def run(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **options).stdout


def linked(text, target="x86-64-v2", exports=("f",)):
    return elf.link(object_code.emit([text], named(target), exports), exports)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The module's library by target, as a file."""
    folder = tmp_path_factory.mktemp("libraries")
    files = {target: folder / f"{target}.so" for target in TARGETS}
    for target, file in files.items():
        file.write_bytes(linked(MODULE, target, EXPORTS))
    return files


@pytest.mark.parametrize("target", TARGETS)
def test_libraries_load_and_answer(libraries, tmp_path, target):
    """Under glibc's loader, on this machine or emulated."""
    toolchain, emulator = TARGETS[target][3:]
    native = toolchain.startswith(os.uname().machine)
    (tmp_path / "driver.c").write_text(DRIVER)
    run(tool(f"{toolchain}-gcc"), "-O1", "-o", tmp_path / "driver", tmp_path / "driver.c", "-ldl")
    command = [] if native else [tool(emulator.split()[0]), *emulator.split()[1:], "-L", f"/usr/{toolchain}"]
    printed = run(*command, tmp_path / "driver", libraries[target], *" ".join(CALLS).split()).split()
    assert printed == [*map(str, ANSWERS), f"{2 * (1 / 3):.17g}", str(SHOWN[1]), "1"]


@pytest.mark.parametrize("target", TARGETS)
def test_headers_are_sane(libraries, target):
    """Machine and flags; segments that no page of 64 KiB makes writable and executable at once; no symbol but the exports."""
    _, machine, flags, *_ = TARGETS[target]
    shown = run(tool("readelf"), "-W", "-h", "-l", "-d", "-D", "-s", libraries[target])
    assert re.search(r"Type:\s+DYN", shown)
    assert re.search(rf"Machine:\s+{re.escape(machine)}$", shown, re.MULTILINE)
    assert re.search(rf"Flags:\s+{re.escape(flags)}$", shown, re.MULTILINE)
    loads = re.findall(r"LOAD\s+(\w+) (\w+) \w+ (\w+) (\w+) ([RWE ]{3}) (\w+)", shown)
    assert [flags for *_, flags, _ in loads] == ["R E", "RW "]
    (code, dynamic) = [[int(number, 16) for number in (*row[:4], row[5])] for row in loads]
    assert code[:2] == [0, 0]
    assert code[2] == code[3]
    for offset, address, _, _, align in (code, dynamic):
        assert align == 0x10000
        assert address % align == offset % align
    assert code[3] // 0x10000 < dynamic[1] // 0x10000
    assert re.search(r"GNU_STACK .* RW +0x10$", shown, re.MULTILINE)
    assert re.search(r"DYNAMIC\s", shown)
    assert "(HASH)" in shown
    symbols = dict(re.findall(r"\s(\w+)\s+(?:\d+|0x\w+) (?:FUNC|OBJECT)\s+GLOBAL DEFAULT\s+1 (\w+)", shown))
    assert set(symbols.values()) == set(EXPORTS)
    if target == "armv7":
        assert not [name for address, name in symbols.items() if int(address, 16) & 3]


@pytest.mark.parametrize("target", TARGETS)
def test_linkers_find_sections(libraries, target):
    """What GNU ld reads of a library that a C program is linked with; readelf has nothing to remark."""
    done = subprocess.run([tool("readelf"), "-W", "-S", "-s", "-d", libraries[target]], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    rows = re.findall(r"\[ *\d+\] (\.\w+) +(\w+) +(\w+) (\w+) \w+ \w+ +([WAX]*) +(\d+) +(\d+) +\d+$", done.stdout, re.MULTILINE)
    assert [(name, kind, flags, int(link), int(info)) for name, kind, _, _, flags, link, info in rows] == [
        (".text", "PROGBITS", "AX", 0, 0),
        (".dynsym", "DYNSYM", "A", 3, 1),
        (".dynstr", "STRTAB", "A", 0, 0),
        (".hash", "HASH", "A", 2, 0),
        (".dynamic", "DYNAMIC", "WA", 3, 0),
        (".shstrtab", "STRTAB", "", 0, 0),
    ]
    assert f"Symbol table '.dynsym' contains {len(EXPORTS) + 1} entries" in done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_refusals_on_every_machine(target):
    with pytest.raises(el.CompileError, match=r"writable data \(\.data"):
        linked(
            "@v = global i32 5\ndefine i32 @f() {\n  %x = load volatile i32, ptr @v\n  store volatile i32 %x, ptr @v\n  ret i32 %x\n}\n",
            target,
        )
    with pytest.raises(el.CompileError, match=r"writable data \(\.bss"):
        linked(
            "@v = global i32 0\ndefine i32 @f() {\n  %x = load volatile i32, ptr @v\n  store volatile i32 %x, ptr @v\n  ret i32 %x\n}\n",
            target,
        )
    with pytest.raises(el.CompileError, match=r"writable data \(\.data\.rel\.ro"):
        linked("@a = constant i32 1\n@f = constant [2 x ptr] [ptr @a, ptr @a]\n", target)
    with pytest.raises(el.CompileError, match="refers to 'elsewhere'"):
        linked("@elsewhere = external hidden constant i32\ndefine i32 @f() {\n  %x = load i32, ptr @elsewhere\n  ret i32 %x\n}\n", target)
    with pytest.raises(el.CompileError, match="lacks f"):
        linked("define i32 @g() {\n  ret i32 1\n}\n", target)
    with pytest.raises(el.CompileError, match=r"aligns .* to 131072"):
        linked("@f = constant i32 5, align 131072\n", target)


@pytest.mark.parametrize("target", TARGETS)
def test_unknown_relocations_are_refused(target):
    """Such as those through a global offset table, which a constant of default visibility needs."""
    machine = object_code._machine(named(target))
    module = llvm.parse_assembly("@v = constant i32 5\ndefine i32 @f() {\n  %x = load volatile i32, ptr @v\n  ret i32 %x\n}\n")
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    with pytest.raises(el.CompileError, match=rf"needs relocation \d+ of {MACHINES[TARGETS[target][0]].name}, which is not known"):
        elf.link(machine.emit_object(module), ("f", "v"))


def test_calls_of_the_c_library_are_refused():
    """Those that the IR shows, and those that LLVM makes up where an instruction is missing."""
    with pytest.raises(el.CompileError, match="calls sinf"):
        linked("declare float @sinf(float)\ndefine float @f(float %x) {\n  %y = call float @sinf(float %x)\n  ret float %y\n}\n")
    with pytest.raises(el.CompileError, match="refers to '__aeabi_ldivmod'"):
        linked("define i64 @f(i64 %x, i64 %y) {\n  %z = sdiv i64 %x, %y\n  ret i64 %z\n}\n", "armv7")


@pytest.mark.parametrize("target", TARGETS)
def test_other_files_are_refused(libraries, target):
    library = libraries[target].read_bytes()
    code = object_code.emit(["define i32 @f() {\n  ret i32 1\n}\n"], named(target), ("f",))
    big_endian, other_class, mips = (bytearray(code) for _ in range(3))
    big_endian[5], other_class[4], mips[18] = 2, 3 - code[4], 8
    elf.link(code, ("f",))
    for data in (b"", b"\x7fELF", library, bytes(big_endian), bytes(other_class), bytes(mips)):
        with pytest.raises(el.CompileError, match="expected an ELF object"):
            elf.link(data, ("f",))


def test_relocations_of_the_other_form_are_refused():
    """An object whose addends are not where its machine keeps them would be linked wrongly."""
    code = bytearray(object_code.emit([MODULE], named("x86-64-v2"), EXPORTS))
    (table,) = struct.unpack_from("<Q", code, 40)
    for row in range(table, len(code), 64):
        if struct.unpack_from("<I", code, row + 4) == (4,):
            struct.pack_into("<I", code, row + 4, 9)
    with pytest.raises(el.CompileError, match="relocations of the other form"):
        elf.link(bytes(code), EXPORTS)


def test_nothing_exported_is_a_library_too():
    assert linked("define i32 @f() {\n  ret i32 1\n}\n@v = constant i32 1\n", exports=())[:4] == b"\x7fELF"


@contextmanager
def lines_counted():
    """The lines of the linker that run inside, one entry each; not those of finalizers that a collection happens to run there."""
    lines, before = [], sys.gettrace()
    room = os.path.dirname(elf.__file__)

    def trace(frame, event, _):
        if event == "line" and os.path.dirname(frame.f_code.co_filename) == room:
            lines.append(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def test_large_constants_are_placed_at_once():
    """Linking 5 MB of weights runs as many lines of Python as linking 5 kB: no loop goes over their bytes."""
    ran = []
    for count in (5_000, 5_000_000):
        code = object_code.emit([f'@f = constant [{count} x i8] c"{"ab" * (count // 2)}"\n'], host(), ("f",))
        with lines_counted() as lines:
            library = elf.link(code, ("f",))
        assert b"ab" * (count // 2) in library
        ran.append(len(lines))
    assert ran[0] == ran[1] > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the loader of this system takes no ELF file")
def test_reads_far_into_a_large_constant(tmp_path):
    """40 MB of weights on this machine: the last number, read by code and as an exported constant."""
    count = 10_000_000
    text = (
        f"@weights = constant {{ [{count - 1} x i32], i32 }} {{ [{count - 1} x i32] zeroinitializer, i32 1234 }}\n"
        f"define i32 @f(i64 %i) {{\n  %p = getelementptr i32, ptr @weights, i64 %i\n  %x = load i32, ptr %p\n  ret i32 %x\n}}\n"
    )
    (tmp_path / "large.so").write_bytes(elf.link(object_code.emit([text], host(), ("f", "weights")), ("f", "weights")))
    library = ctypes.CDLL(str(tmp_path / "large.so"))
    library.f.argtypes = [ctypes.c_int64]
    assert [library.f(i) for i in (0, count - 1)] == [0, 1234]
    assert (ctypes.c_int32 * count).in_dll(library, "weights")[count - 1] == 1234


@pytest.mark.parametrize("target", ["cortex-m4f", *TARGETS])
def test_loaded_bytes_count_code_and_constants(target):
    text = f"@v = constant {_array(SHOWN * 25)}\ndefine i32 @f() {{\n  ret i32 1\n}}\n"
    assert 400 < elf.loaded_bytes(object_code.emit([text], named(target), ("f", "v"))) <= 440
