"""Targets: the int8 products of a host and of a changed target, and the CPUs that fetch weights ahead."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from boards import PC
from conftest import lstm_model

import edgelstm as el
from edgelstm.compiler import fuse, lowering, object_code, targets
from edgelstm.compiler.layout import lay_out

AVX512 = f"{PC} avx512f avx512dq avx512bw avx512cd avx512vl"


@pytest.mark.parametrize(
    ("flags", "lanes", "dot"),
    [
        ("fpu sse sse2 ssse3", 4, "pmaddwd"),
        (PC, 8, "pmaddwd"),
        (f"{PC} avx_vnni", 8, "vnni"),
        (AVX512, 16, "pmaddwd"),
        (f"{AVX512} avx_vnni", 16, "pmaddwd"),
        (f"{AVX512} avx512_vnni", 16, "vnni"),
    ],
)
def test_a_pc_multiplies_with_what_it_has(monkeypatch, flags, lanes, dot):
    monkeypatch.setattr(targets, "_architecture", lambda: "x86_64")
    monkeypatch.setattr(targets, "cpuinfo", lambda: {"flags": flags})
    host = targets.host.__wrapped__()
    assert (host.lanes, host.dot) == (lanes, dot)
    assert set(host.needs) == set(flags.split()) & {*targets._V4, *targets._NEWEST}


@pytest.mark.parametrize(
    ("name", "features", "dot", "needed"),
    [
        ("aarch64", "+dotprod", "sdot", "asimddp"),
        ("rpi5", "+dotprod", "sdot", None),
        ("x86-64-v3", "+avxvnni", "vnni", "avx_vnni"),
        ("x86-64-v4", "+avx512vnni", "vnni", "avx512_vnni"),
        ("x86-64-v4", "-avx512cd,+avx512vnni", "vnni", "avx512_vnni"),
        ("x86-64-v3", "+dotprod", "pmaddwd", None),
        ("aarch64", "+avxvnni", "smlal", None),
    ],
)
def test_a_feature_brings_its_products(name, features, dot, needed):
    plain, changed = targets.named(name), targets.named(name, features=features)
    assert changed.dot == dot
    assert changed.needs == (*plain.needs, *([needed] if needed else []))


def code_for(target, inputs, hidden, layers):
    """(IR, object code) of an LSTM for a target."""
    layout = lay_out(lstm_model(np.random.default_rng(0), inputs, hidden, layers), target)
    texts = fuse.fuse(layout)
    return "\n".join(texts), object_code.emit(texts, target, fuse.EXPORTS)


def instructions(code, tmp_path):
    """What a disassembler makes of x86 object code."""
    if shutil.which("objdump") is None:
        pytest.skip("objdump (binutils) is not installed")
    (tmp_path / "code.o").write_bytes(code)
    return subprocess.run(["objdump", "-d", tmp_path / "code.o"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("name", "cpu", "fetches"),
    [
        ("x86-64-v2", "", False),
        ("x86-64-v3", "", False),
        ("x86-64-v4", "", False),
        ("x86-64-v3", "znver3", False),
        ("x86-64-v4", "znver4", False),
        ("x86-64-v4", "znver5", True),
        ("x86-64-v4", "sapphirerapids", False),
    ],
)
def test_only_a_cpu_on_which_it_gained_fetches_ahead(tmp_path, name, cpu, fetches):
    target = targets.named(name, cpu=cpu)
    text, code = code_for(target, 40, 512, 1)
    assert ("@llvm.prefetch" in text) == fetches
    assert ("prefetch" in instructions(code, tmp_path)) == fetches


def test_weights_that_the_caches_hold_are_not_fetched_ahead():
    text, _ = code_for(targets.named("x86-64-v4", cpu="znver5"), 40, 64, 1)
    assert "@llvm.prefetch" not in text


@pytest.mark.parametrize(
    ("vendor", "family", "model", "fetches"),
    [
        ("AuthenticAMD", "26", "2", True),  # EPYC 9005
        ("AuthenticAMD", "26", "68", True),  # Ryzen 9000
        ("AuthenticAMD", "26", "80", False),  # Zen 6
        ("AuthenticAMD", "26", "?", False),
        ("AuthenticAMD", "25", "17", False),  # Zen 4, which weaves
        ("AuthenticAMD", "25", "33", False),  # Zen 3
        ("GenuineIntel", "26", "2", False),
        ("GenuineIntel", "6", "143", False),
        ("", "", "", False),
    ],
)
def test_a_pc_is_known_by_family_and_model(monkeypatch, vendor, family, model, fetches):
    monkeypatch.setattr(targets, "_architecture", lambda: "x86_64")
    for flags in (AVX512, f"{AVX512} avx512vbmi", PC):
        info = {"vendor_id": vendor, "cpu family": family, "model": model, "flags": flags}
        monkeypatch.setattr(targets, "cpuinfo", lambda info=info: info)
        host = targets.host.__wrapped__()
        assert host.fetches == fetches
        assert host.weaves == ((vendor, family, model) == ("AuthenticAMD", "25", "17") and "avx512vbmi" in flags.split())


def test_only_a_cpu_that_has_the_instructions_weaves():
    names = [("x86-64-v4", ""), ("x86-64-v4", "znver4"), ("x86-64-v4", "znver5"), ("x86-64-v3", "znver4")]
    assert [targets.named(name, cpu=cpu).weaves for name, cpu in names] == [False, True, False, False]


def test_this_machine_has_the_name_that_llvm_gives_it():
    assert targets.host().fetches == (object_code.host_cpu() in targets.FETCHING)


#: Constants that were chosen by a stopwatch or a count, by file.
TUNED = {
    "compiler/lowering/__init__.py": ("HOIST_ABOVE", "TURN_ABOVE", "MULTIPLY_ADDS_IN_FLIGHT", "FETCH_ABOVE"),
    "compiler/lowering/feedforward.py": ("FEWEST_COLUMNS",),
    "compiler/lowering/halves.py": ("WIDEST",),
    "compiler/lowering/lstm.py": ("WIDEST",),
    "compiler/lowering/packing.py": ("SHORT",),
    "compiler/lowering/rnn.py": ("CHAINS",),
    "compiler/layout.py": ("LONGEST_BLOCK", "BLOCK_SCRATCH", "FIRST_LEVEL, MOST_CROWDED"),
    "compiler/targets.py": ("FETCHING", "WEAVING", "WIDENING", "FILLING"),
    "kernels/tiles_f32.py": ("LONG",),
    "kernels/together_f32.py": ("TOGETHER",),
    "kernels/tiles_int8.py": ("STRAIGHT",),
    "kernels/simd/dots.py": ("NARROW",),
    "kernels/entry/blocks.py": ("WIDEST",),
}


@pytest.mark.parametrize(("file", "name"), [(file, name) for file, names in TUNED.items() for name in names])
def test_a_tuned_constant_says_on_which_cpu(file, name):
    source = (Path(targets.__file__).parents[1] / file).read_text(encoding="utf-8")
    (comment,) = re.findall(rf"^((?:#:.*\n)+){name}\b.* = ", source, re.MULTILINE)
    assert re.search(r"Zen [45]|Cortex-A7[26]", comment), f"{name} does not say on which CPU it was measured"


@pytest.mark.parametrize(("units", "target", "chains"), [(24, "x86-64-v4", 4), (40, "x86-64-v4", 4), (64, "x86-64-v4", 2), (24, "rpi4", 2)])
def test_narrow_elman_tiles_are_summed_in_four_chains_on_x86_alone(rng, units, target, chains):
    layer = el.RNN(*(rng.uniform(-1, 1, shape) for shape in ((units, 3), (units, units), (units,))))
    _, found, _ = lowering.rule(layer).lower(layer, [3], targets.named(target)).constants["sums"]
    assert found == chains
