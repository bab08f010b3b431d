"""Targets: the int8 products of a host and of a changed target."""

import pytest
from boards import PC

from edgelstm.compiler import targets

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
