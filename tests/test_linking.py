"""Programs linked with what `build` makes: by a path, statically, two models in one; and what is refused before it writes anything."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli_calls import call, refused
from library_models import model_of, samples_of, tool

import edgelstm as el
from edgelstm import building, device
from edgelstm.compiler.targets import named

INTERFACE = Path(__file__).parents[1] / "edgelstm" / "include"
FIRST, SECOND = "f32-odd", "int8-dynamic"

#: GNU's name of the toolchain and what runs its programs, by target.
MACHINES = {
    "host": ("", []),
    "rpi4": ("aarch64-linux-gnu-", ["qemu-aarch64", "-cpu", "cortex-a72"]),
    "armv7": ("arm-linux-gnueabihf-", ["qemu-arm", "-cpu", "cortex-a7"]),
    "riscv64": ("riscv64-linux-gnu-", ["qemu-riscv64"]),
}

#: Steps models over samples that it holds, and prints the answers as C writes exact numbers.
PROGRAM = """
#include <stdio.h>
{includes}
{arrays}
int main(void) {{
{bodies}
    return 0;
}}
"""

BODY = """
    {{
        static _Alignas(64) unsigned char arena[{big}_ARENA_BYTES];
        float y[{big}_OUTPUT_SIZE];
        if ({small}_abi() != {big}_ABI || {small}_arena_bytes() != {big}_ARENA_BYTES || {small}_init(arena)) return 1;
        for (int t = 0; t < 20; t++) {{
            if ({small}_step(arena, {small}_x + t * {big}_INPUT_SIZE, y)) return 2;
            for (int k = 0; k < {big}_OUTPUT_SIZE; k++) printf("%a\\n", y[k]);
        }}
    }}
"""


def program(place, models, includes):
    """Source of a program that steps models, given by prefix and name."""
    arrays = [f"static const float {p}_x[] = {{{','.join(float(v).hex() for v in samples_of(n)[:20].ravel())}}};" for p, n in models]
    bodies = "".join(BODY.format(small=prefix, big=prefix.upper()) for prefix, _ in models)
    lines = "\n".join(f'#include "{name}"' for name in includes)
    place.write_text(PROGRAM.format(includes=lines, arrays="\n".join(arrays), bodies=bodies))


def run(*words, **options):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False, **options)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def answers(text):
    return np.array([float.fromhex(line) for line in text.split()], np.float32)


def expected(*names):
    return np.concatenate([el.Stream(model_of(name)).process(samples_of(name)[:20]).ravel() for name in names])


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Both models as files."""
    folder = tmp_path_factory.mktemp("models")
    for name in (FIRST, SECOND):
        el.save(model_of(name), folder / f"{name}.elstm")
    return folder


def make(stored, name, *words):
    result = call("build", stored / f"{name}.elstm", *words)
    assert result.exit_code == 0, result.output


def test_a_program_starts_wherever_its_library_lies(stored, tmp_path):
    """Linked by a path, run from another folder: the program asks for the library's name, not for that path."""
    (tmp_path / "out").mkdir()
    make(stored, FIRST, "-o", tmp_path / "out" / "gesture.so", "--header", tmp_path / "own.h", "--prefix", "own")
    shown = run(tool("readelf"), "-W", "-d", tmp_path / "out" / "gesture.so")
    assert re.findall(r"\(SONAME\).*\[(.*)\]", shown) == ["gesture.so"]
    program(tmp_path / "main.c", [("own", FIRST)], ["own.h"])
    run(tool("gcc"), "main.c", "out/gesture.so", "-o", "out/main", "-Wl,-rpath,$ORIGIN", cwd=tmp_path)
    np.testing.assert_array_equal(answers(run(tmp_path / "out" / "main", cwd="/")), expected(FIRST))
    for kind in (el.Stream, device.Stream):
        assert len(bytes(kind(tmp_path / "out" / "gesture.so").step(samples_of(FIRST)[0]))) == 12


@pytest.mark.parametrize("name", ["a.so", "ü ö.so", "n" * 252 + ".so", os.fsdecode(b"\xff.so"), "lib.so.1", "no-ending"])
def test_any_file_name_is_a_librarys_name(tmp_path, name):
    made = el.build(model_of("f32-activations"))
    made.write(tmp_path / name)
    assert f"\0{name}\0".encode("utf-8", "surrogateescape") in (tmp_path / name).read_bytes()
    el.Stream(tmp_path / name).step([1.0])


def test_two_libraries_of_one_name_are_two(tmp_path):
    """Loaders may take libraries of one name for one; Python does not."""
    places = [tmp_path / part / "model.so" for part in ("a", "b")]
    for place, name in zip(places, (FIRST, SECOND), strict=True):
        place.parent.mkdir()
        el.build(model_of(name)).write(place)
    for kind in (el.Stream, device.Stream):
        for place, name in zip(places, (FIRST, SECOND), strict=True):
            np.testing.assert_array_equal(np.array(kind(place).step(samples_of(name)[0])), expected(name)[: kind(place).output_size])


@pytest.mark.parametrize("ending", [".so", ".a", ".o"])
def test_two_models_in_one_program(stored, tmp_path, ending):
    for prefix, name in (("one", FIRST), ("Two_2", SECOND)):
        make(stored, name, "--prefix", prefix, "-o", tmp_path / f"{prefix}{ending}", "--header", tmp_path / f"{prefix}.h")
    program(tmp_path / "main.c", [("one", FIRST), ("Two_2", SECOND)], ["one.h", "Two_2.h"])
    warnings = ["-Wall", "-Wextra", "-Wundef", "-Werror"]
    run(tool("gcc"), *warnings, "main.c", f"./one{ending}", f"./Two_2{ending}", "-o", "main", "-Wl,-rpath,$ORIGIN", cwd=tmp_path)
    np.testing.assert_array_equal(answers(run(tmp_path / "main")), expected(FIRST, SECOND))
    shown = run(tool("nm"), "-D" if ending == ".so" else "-g", tmp_path / f"one{ending}")
    names = {line.split()[-1] for line in shown.splitlines() if len(line.split()) == 3}
    assert {name for name in names if name.startswith("edgelstm")} <= {
        f"edgelstm_{n}" for n in ("run", "python_step", "weights", "initial_state")
    }
    assert not (ending != ".so" and {name for name in names if not name.startswith("one_")})


@pytest.mark.slow
@pytest.mark.parametrize("standard", ["-std=c99", "-std=c23", "c++"])
def test_the_header_of_a_prefix_is_clean(stored, tmp_path, standard):
    make(stored, FIRST, "--prefix", "one", "-o", tmp_path / "one.a", "--target", "rpi4")
    text = (tmp_path / "one.h").read_text()
    assert not re.search("edgelstm_|EDGELSTM_", text)
    assert "#ifndef ONE_H" in text
    (tmp_path / "main.c").write_text('#include "one.h"\n#include "one.h"\nint main(void) { return (int)one_arena_bytes(); }\n')
    words = ["-x", "c++", "-std=c++98"] if standard == "c++" else ["-std=c2x" if standard == "-std=c23" else standard]
    compiler = tool("g++" if standard == "c++" else "gcc")
    run(compiler, *words, "-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror", "-c", "main.c", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".a", ".o"])
@pytest.mark.parametrize("target", MACHINES)
def test_static_programs(stored, tmp_path, target, ending):
    prefix, emulator = MACHINES[target]
    compiler = tool(f"{prefix}gcc")
    make(stored, FIRST, "--target", target, "-o", tmp_path / f"m{ending}")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["edgelstm.h", f"m{ending}", "m.h"])
    program(tmp_path / "main.c", [("edgelstm", FIRST)], ["m.h"])
    run(compiler, "-static", "-Wall", "-Werror", "main.c", f"m{ending}", "-o", "main", cwd=tmp_path)
    if emulator:
        tool(emulator[0])
    got = answers(run(*emulator, tmp_path / "main"))
    assert np.abs(got - expected(FIRST)).max() <= 1e-6


@pytest.mark.parametrize("static", [[], ["-static"]])
def test_programs_of_another_c_library(stored, tmp_path, static):
    make(stored, FIRST, "-o", tmp_path / "m.a")
    program(tmp_path / "main.c", [("edgelstm", FIRST)], ["m.h"])
    run(tool("musl-gcc"), *static, "main.c", "m.a", "-o", "main", cwd=tmp_path)
    np.testing.assert_array_equal(answers(run(tmp_path / "main")), expected(FIRST))


def test_an_archive_is_what_ar_makes(stored, tmp_path):
    make(stored, FIRST, "-o", tmp_path / "m.a")
    make(stored, FIRST, "-o", tmp_path / "m.o")
    (member,) = run(tool("ar"), "t", tmp_path / "m.a").split()
    run(tool("ar"), "x", "m.a", cwd=tmp_path)
    assert (tmp_path / member).read_bytes() == (tmp_path / "m.o").read_bytes()
    shown = run(tool("nm"), "--print-armap", tmp_path / "m.a")
    assert all(f"{name} in {member}" in shown for name in ("edgelstm_step", "edgelstm_info", "edgelstm_restore"))


def test_two_models_in_a_firmware(stored, tmp_path):
    linker = tool("arm-none-eabi-ld")
    for prefix, name in (("one", FIRST), ("two", SECOND)):
        for ending in (".o", ".a"):
            make(stored, name, "--target", "cortex-m4f", "--prefix", prefix, "-o", tmp_path / f"{prefix}{ending}")
    for ending in (".o", ".a"):
        run(linker, "-r", "--whole-archive", f"one{ending}", f"two{ending}", "-o", "both.o", cwd=tmp_path)
    assert "#define TWO_ARENA_BYTES" in (tmp_path / "two.h").read_text()
    assert not (tmp_path / "edgelstm.h").exists()


@pytest.mark.parametrize("prefix", ["", "3d", "_x", "a-b", "a b", "ä", "x" * 41, "a\nb", "x;"])
def test_what_no_c_name_begins_with_is_refused(prefix):
    with pytest.raises(el.UsageError, match="a prefix is a name in C"):
        el.build(model_of(FIRST), prefix=prefix)


CLASHES = [
    (["--target", "cortex-m4f", "-o", "x.so"], "named as a shared library"),
    (["--target", "cortex-m3", "-o", "edgelstm.o"], "header of this model and that of the interface"),
    (["--target", "cortex-m4f", "-o", "./edgelstm.a"], "header of this model and that of the interface"),
    (["-o", "edgelstm.a"], "header of this model and that of the interface"),
    (["-o", "edgelstm.o"], "header of this model and that of the interface"),
    (["-o", "m.a", "--header", "m.h"], "header of this model and that of the interface"),
    (["-o", "m.a", "--header", "sub/../m.h"], "written already"),
    (["-o", "m.so", "--header", "m.so"], "written already"),
    (["-o", "m.so", "--header", "link.so"], "written already"),
    (["-o", "m.a", "--prefix", "m", "--header", "m.a"], "written already"),
    (["--target", "cortex-m4f", "-o", "m.h"], "ends in .h, as nothing"),
    (["-o", "model.elstm"], "the model itself"),
    (["-o", "again"], "the model itself"),
    (["-o", "hard"], "the model itself"),
    (["-o", "m.so", "--header", "again"], "the model itself"),
    (["-o", "m.a", "--header", "sub/../model.elstm"], "the model itself"),
]


@pytest.mark.parametrize(("words", "message"), CLASHES, ids=[" ".join(words) for words, _ in CLASHES])
def test_nothing_is_written_over_another(stored, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    data = (stored / f"{FIRST}.elstm").read_bytes()
    (tmp_path / "model.elstm").write_bytes(data)
    (tmp_path / "again").symlink_to("model.elstm")
    os.link("model.elstm", "hard")
    (tmp_path / "link.so").symlink_to("m.so")
    before = sorted(tmp_path.iterdir())
    assert re.search(message, refused(call("build", "model.elstm", *words), 2))
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "model.elstm").read_bytes() == data


def test_the_models_header_asks_for_the_interfaces_by_its_name(stored, tmp_path):
    make(stored, FIRST, "--target", "cortex-m4f", "-o", tmp_path / "edgelstm.o", "--header", tmp_path / "interface.h")
    assert '#include "interface.h"' in (tmp_path / "edgelstm.h").read_text()
    assert "#define EDGELSTM_ARENA_BYTES" in (tmp_path / "edgelstm.h").read_text()
    assert "edgelstm_step" in (tmp_path / "interface.h").read_text()


def test_a_name_that_says_another_form_is_refused(tmp_path):
    made = el.build(model_of("f32-activations"))
    with pytest.raises(el.UsageError, match=r"an archive .*form='archive'"):
        made.write(tmp_path / "m.a")
    with pytest.raises(el.UsageError, match="no system that loads a library"):
        el.build(model_of("f32-activations"), "cortex-m3", form="library")
    with pytest.raises(el.UsageError, match="form is one of"):
        el.build(model_of("f32-activations"), form="dll")
    assert building.form_of("m", named("cortex-m3")) == "object"


@pytest.mark.parametrize(
    ("target", "wish"),
    [
        ("cortex-m4f", {"cpu": "cortex-m0"}),
        ("cortex-m4f", {"cpu": "cortex-m3"}),
        ("cortex-m7", {"cpu": "cortex-m0plus"}),
        ("cortex-m33", {"features": "-fpregs"}),
        ("aarch64", {"features": "-neon"}),
        ("rpi4", {"features": "-fp-armv8"}),
        ("riscv64", {"features": "-d"}),
        ("riscv64", {"features": "-f"}),
        ("x86-64-v4", {"features": "-avx512f"}),
        ("x86-64-v3", {"cpu": "x86-64"}),
        ("x86-64-v3", {"features": "-fma"}),
    ],
)
def test_a_cpu_that_lacks_what_kernels_use_is_told_in_a_sentence(target, wish):
    with pytest.raises(el.CompileError) as caught:
        el.build(model_of("f32"), named(target, **wish))
    said = str(caught.value)
    assert re.match(
        r"LLVM cannot compile for .*: it lacks instructions that the kernels of \S+ are made of\. Check --cpu and --features: ", said
    )
    assert not re.search(r"report|ssertion|LLVM ERROR|\.cpp|/", said)
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("features", ["dotprod", "+dotprod;-crc", "+a,b", "+", "+a b", "+help"])
def test_features_without_a_sign_are_refused(features):
    with pytest.raises(el.UsageError, match="--features"):
        named("aarch64", features=features)


@pytest.mark.parametrize(
    ("target", "wish", "needed", "not_needed"),
    [
        ("armv7", {}, {"neon", "vfpv4"}, set()),
        ("armv7", {"features": "-neon"}, {"vfpv4"}, {"neon"}),
        ("armv7", {"cpu": "cortex-a53"}, {"neon", "vfpv4"}, set()),
        ("aarch64", {"features": "-crc"}, set(), {"asimddp"}),
        ("aarch64", {"cpu": "cortex-a76"}, {"asimddp"}, {"sve"}),
        ("rpi5", {"features": "-dotprod"}, set(), {"asimddp"}),
        ("rpi4", {"cpu": "neoverse-v1"}, {"asimddp", "sve", "i8mm"}, {"sve2"}),
        ("riscv64", {"features": "+v"}, {"v"}, set()),
        ("riscv64-v", {"features": "-v"}, set(), {"v"}),
        ("x86-64-v2", {"cpu": "haswell"}, {"avx2", "fma", "bmi2", "abm"}, {"avx512f"}),
        ("x86-64-v2", {"features": "+avx2"}, {"avx", "avx2"}, {"fma"}),
        ("x86-64-v3", {"features": "-avx2"}, {"avx", "fma"}, {"avx2"}),
        ("x86-64-v4", {"features": "-avx512cd"}, {"avx512f", "avx512vl"}, {"avx512cd"}),
        ("x86-64-v2", {"cpu": "znver5"}, {"avx512_vnni", "avx512_bf16", "gfni"}, {"xop"}),
    ],
)
def test_a_library_demands_what_its_code_may_use(target, wish, needed, not_needed):
    made = el.build(model_of("f32-activations"), named(target, **wish))
    assert needed <= set(made.target.needs)
    assert not not_needed & set(made.target.needs)
    assert len(made.target.needs) == len(set(made.target.needs))
    field = made.data[-336:]
    assert all(need.encode() in made.data[-500:] for need in made.target.needs), field


def test_describe_says_how_c_calls_a_library(stored, tmp_path):
    make(stored, FIRST, "-o", tmp_path / "m.so")
    make(stored, FIRST, "-o", tmp_path / "own.so", "--prefix", "own")
    shown = " ".join(call("describe", tmp_path / "m.so").stdout.split())
    assert "edgelstm_step" in shown
    assert "--prefix" in shown
    shown = " ".join(call("describe", tmp_path / "own.so").stdout.split())
    assert "own_step" in shown
    assert "--prefix" not in shown
