"""The emulated Raspberry Pi of tools/: what it is, that its counts are exact, and that edgelstm compiles and steps there.

``$EDGELSTM_EMULATED_PI`` names the folder of a built one: ``python tools/emulated_pi.py build DIR --with-numba``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

import emulated_pi  # noqa: E402
import emulated_system  # noqa: E402
import static_cycles  # noqa: E402
from emulated_system import BOARDS, EmulationError  # noqa: E402
from execution_profile import Block, Profile, read_profile  # noqa: E402

FOLDER = os.environ.get("EDGELSTM_EMULATED_PI")

boards = pytest.mark.parametrize("cpu", BOARDS)

#: Loops in assembly, counting %0 down: five instructions of known classes, and one that only some CPUs have.
FIVE_A64 = '"1: fmla v0.4s, v1.4s, v2.4s; ldr q3, [sp]; add x1, x1, #1; subs %0, %0, #1; b.ne 1b" : "+r"(n) :: "x1", "v0", "v3", "cc"'
SDOT_A64 = '"1: sdot v0.4s, v1.16b, v2.16b; subs %0, %0, #1; b.ne 1b" : "+r"(n) :: "v0", "cc"'
CHAIN_A64 = '"1: fadd s0, s0, s1; subs %0, %0, #1; b.ne 1b" : "+r"(n) :: "v0", "cc"'
THREE_ARM = '"1: vmla.f32 q0, q1, q2; subs %0, %0, #1; bne 1b" : "+r"(n) :: "q0", "cc"'
THREE_RISCV = '"1: addi t0, t0, 1; addi %0, %0, -1; bnez %0, 1b" : "+r"(n) :: "t0"'
THREE_RISCV_V = '".option arch, +v; vsetivli t0, 4, e32, m1, ta, ma; 1: vadd.vv v0, v1, v2; addi %0, %0, -1; bnez %0, 1b" : "+r"(n) :: "t0"'

SCRIPT = """
import platform, sys
import edgelstm
part, = {line.split()[-1] for line in open("/proc/cpuinfo") if line.startswith("CPU part")}
print(platform.machine(), part, *sys.argv[1:])
sys.exit(7)
"""

STEPPED = """
import numpy as np
import edgelstm as el
from edgelstm import reference
rng = np.random.default_rng(20261123)
lstm = el.LSTM(*(rng.uniform(-0.5, 0.5, shape) for shape in ((20, 3), (20, 5), (20,))))
model = el.Model([lstm, el.Dense(rng.uniform(-0.5, 0.5, (2, 5)), rng.uniform(-0.5, 0.5, 2))])
xs = rng.uniform(-1, 1, (50, 3)).astype(np.float32)
stream = el.Stream(model)
ys = stream.process(xs)
stream.reset()
assert np.array_equal(ys, [stream.step(x).copy() for x in xs]), "process and step differ"
assert np.abs(ys - reference.run(model, xs)).max() < 1e-6, np.abs(ys - reference.run(model, xs)).max()
print(stream.program.about().cpu, type(stream.step).__name__)
"""

INT8 = """
import numpy as np
import edgelstm as el
rng = np.random.default_rng(20261123)
def drawn(*shape):
    return rng.integers(-127, 128, shape).astype(np.int8)
def lstm(inputs, hidden, **options):
    scale, bias = rng.uniform(0.5, 1, 4 * hidden) / 900, rng.uniform(-0.5, 0.5, 4 * hidden)
    return el.LSTMInt8("int8-dynamic", drawn(4 * hidden, inputs), drawn(4 * hidden, hidden), scale, bias, **options)
layers = lstm(6, 20, input_scale=[1 / 127], hidden_scale=[0.8 / 127], input_shift=1), lstm(20, 52, input_shift=-1)
model = el.Model([*layers, el.DenseInt8("int8-dynamic", drawn(3, 52), rng.uniform(0.5, 1, 3) / 900)])
stream = el.Stream(model)
print(stream.plan.target.dot, stream.process(rng.uniform(-1, 1, (40, 6))).tobytes().hex())
"""


@pytest.fixture
def folder():
    if FOLDER is None:
        pytest.skip("EDGELSTM_EMULATED_PI names no emulated Pi")
    return Path(FOLDER)


@pytest.fixture
def program(tmp_path):
    """Compile a static program that runs the given loop as often as its argument says."""

    def compiled(loop, compiler="aarch64-linux-gnu-gcc", *options):
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not here")
        source, made = tmp_path / "loop.c", tmp_path / "loop"
        source.write_text(f"#include <stdlib.h>\nint main(int c, char **v) {{ long n = atol(v[1]); __asm__ volatile({loop}); }}\n")
        subprocess.run([compiler, "-O1", "-static", *options, "-o", made, source], check=True)
        return made

    return compiled


@pytest.mark.slow
@boards
def test_a_script_sees_the_board_and_its_exit_code_returns(folder, tmp_path, cpu):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = emulated_pi.run(folder, cpu, script, ["--steps", "5"], packages="none", capture=True)
    assert (done.returncode, done.stdout.split()) == (7, ["aarch64", BOARDS[cpu].part, "--steps", "5"]), done.stderr


@pytest.mark.slow
def test_packages_are_those_asked_for(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import numpy; print(numpy.arange(4).sum())\ntry: import numba\nexcept ImportError: print('alone')\n")
    assert emulated_pi.run(folder, "cortex-a76", script, capture=True).stdout.split() == ["6", "alone"]
    assert "No module named 'numpy'" in emulated_pi.run(folder, "cortex-a76", script, packages="none", capture=True).stderr


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["cortex-a72", "cortex-a76"])
def test_edgelstm_compiles_and_steps_there(folder, tmp_path, monkeypatch, cpu):
    if not (folder / "packages.numba").is_dir():
        pytest.skip("the emulated Pi was built without --with-numba")
    monkeypatch.setenv("EDGELSTM_CACHE_DIR", str(tmp_path / "cache"))
    script = tmp_path / "script.py"
    script.write_text(STEPPED)
    done = emulated_pi.run(folder, cpu, script, packages="numba", capture=True)
    assert done.stdout.split() == [cpu, "builtin_function_or_method"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("cpu", "dot"), [("cortex-a72", "smlal"), ("cortex-a76", "sdot")])
def test_int8_has_the_bits_of_this_machine(folder, tmp_path, monkeypatch, cpu, dot):
    if not (folder / "packages.numba").is_dir():
        pytest.skip("the emulated Pi was built without --with-numba")
    monkeypatch.setenv("EDGELSTM_CACHE_DIR", str(tmp_path / "cache"))
    script = tmp_path / "script.py"
    script.write_text(INT8)
    this = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    here = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=this).stdout.split()
    there = emulated_pi.run(folder, cpu, script, packages="numba", capture=True)
    assert there.stdout.split() == [dot, here[1]], there.stderr


@pytest.mark.slow
@boards
def test_counts_are_exact_and_repeat(folder, program, cpu):
    loop = program(FIVE_A64)
    step = emulated_pi.count(folder, cpu, loop, 100, 900)
    assert step.instructions == 5
    assert {name: times for name, times in step.mix.items() if times} == {"multiply-add": 1, "load-store": 1, "branch": 1, "integer": 2}
    assert emulated_pi.profile(folder, cpu, loop, ["100"]) == emulated_pi.profile(folder, cpu, loop, ["100"])


@pytest.mark.slow
def test_python_counts_repeat_too(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import os; os._exit(0)")
    first, second, third = (emulated_pi.profile(folder, "cortex-a76", script, packages="none").instructions for _ in range(3))
    assert second == third
    assert 10e6 < third <= first


@pytest.mark.slow
def test_a_board_refuses_what_its_cpu_lacks(folder, program):
    loop = program(SDOT_A64, "aarch64-linux-gnu-gcc", "-march=armv8.2-a+dotprod")
    assert emulated_pi.count(folder, "cortex-a76", loop, 100, 900).mix["dot"] == 1
    with pytest.raises(EmulationError, match="Illegal instruction"):
        emulated_pi.count(folder, "cortex-a72", loop, 100, 900)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "loop", "compiler", "options"),
    [
        ("armv7", THREE_ARM, "arm-linux-gnueabihf-gcc", ["-mfpu=neon-vfpv4", "-marm"]),
        ("riscv64", THREE_RISCV, "riscv64-linux-gnu-gcc", []),
        ("riscv64-v", THREE_RISCV_V, "riscv64-linux-gnu-gcc", []),
    ],
)
def test_other_architectures_count_too(folder, program, arch, loop, compiler, options):
    made = program(loop, compiler, *options)
    assert emulated_pi.run(folder, arch, made, ["100"]).returncode == 0
    assert emulated_pi.count(folder, arch, made, 100, 900).instructions == 3


@pytest.mark.slow
def test_static_cycles_follow_the_core(folder, program):
    if shutil.which("llvm-mca-19") is None:
        pytest.skip("llvm-mca-19 is not here")
    chain = program(CHAIN_A64)
    a72 = static_cycles.cycles(emulated_pi.count(folder, "cortex-a72", chain, 100, 900))
    a76 = static_cycles.cycles(emulated_pi.count(folder, "cortex-a76", chain, 100, 900))
    assert a72 == pytest.approx(5, rel=0.05)  # latency of fadd: Cortex-A57's model
    assert a76 == pytest.approx(2, rel=0.05)  # Neoverse N1's model


def test_a_finished_part_is_kept_and_an_unfinished_one_is_made_again(tmp_path):
    made = []

    def make(place):
        made.append(place)
        (place / "first").touch()
        if len(made) == 1:
            raise KeyboardInterrupt
        (place / "second").touch()

    part = tmp_path / "root"
    with pytest.raises(KeyboardInterrupt):
        emulated_system._part(part, ["a"], make)
    assert not part.exists()
    emulated_system._part(part, ["a"], make)
    emulated_system._part(part, ["a"], make)
    assert len(made) == 2
    assert sorted(p.name for p in part.iterdir()) == [".recipe", "first", "second"]
    emulated_system._part(part, ["b"], make)
    assert len(made) == 3


def test_what_is_missing_is_said_in_a_sentence(tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulationError, match="apt-get install qemu-user"):
        emulated_pi.run(tmp_path, "cortex-a72", script)
    with pytest.raises(EmulationError, match="apt-get install llvm-19"):
        static_cycles.disassemble(["1f2003d5"])
    monkeypatch.setattr(emulated_pi, "emulator", lambda machine: machine.emulator)
    with pytest.raises(EmulationError, match="Build it"):
        emulated_pi.run(tmp_path, "cortex-a72", script)
    with pytest.raises(EmulationError, match="static programs only"):
        emulated_pi.run(tmp_path, "armv7", script)
    with pytest.raises(EmulationError, match="cannot read"):
        emulated_pi.run(tmp_path, "cortex-a72", tmp_path / "absent")


def test_a_profile_cut_short_is_refused(tmp_path):
    path = tmp_path / "profile"
    path.write_text("400580 12 1f2003d5.c0035fd6\nend\n")
    assert read_profile(path, "cortex-a72") == Profile("cortex-a72", {Block(0x400580, "1f2003d5.c0035fd6"): 12})
    path.write_text("400580 12 1f2003d5.c0035fd6\n")
    with pytest.raises(EmulationError, match="incomplete"):
        read_profile(path, "cortex-a72")
    path.unlink()
    with pytest.raises(EmulationError, match="missing"):
        read_profile(path, "cortex-a72")


def test_steps_that_do_not_grow_are_refused(tmp_path):
    with pytest.raises(EmulationError, match="growing step counts"):
        emulated_pi.count(tmp_path, "cortex-a72", tmp_path / "program", 200, 100)


def test_the_archive_is_the_one_of_this_machines_release(monkeypatch):
    monkeypatch.setattr(emulated_system.platform, "freedesktop_os_release", lambda: {"VERSION_CODENAME": "bookworm"})
    lists = "trixie http://other.test/a/\nbookworm-security http://safe.test/b/\nbookworm http://near.test/debian/\n"
    monkeypatch.setattr(emulated_system, "use", lambda command, purpose: lists)
    assert emulated_system.mirror() == "http://near.test/debian/"
    for release in emulated_system.RELEASES.values():
        kind, *_, place, suite, component = emulated_system._sources(release).split()
        assert (kind, place, suite, component) == ("deb", "http://near.test/debian/", release, "main")
    monkeypatch.setattr(emulated_system, "use", lambda command, purpose: "noble http://else.test/ubuntu/\n\n")
    with pytest.raises(EmulationError, match="no archive of Debian's bookworm"):
        emulated_system.mirror()


def test_the_emulated_python_is_todays(folder):
    """Raspberry Pi OS of today stands on Debian 13."""
    assert emulated_system.python(folder / "root").name == "python3.13"


@pytest.mark.parametrize(("debian", "release"), [(12, "bookworm"), (13, "trixie")])
def test_a_folder_holds_the_release_asked_for(tmp_path, monkeypatch, debian, release):
    made = []

    def unpacked(name, root):
        made.append(name)
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/python3.14").touch()

    monkeypatch.setattr(emulated_system, "emulator", lambda machine: machine.emulator)
    monkeypatch.setattr(emulated_system, "_make_userland", unpacked)
    monkeypatch.setattr(emulated_system, "_make_packages", lambda version, requirements, place: made.append(version))
    emulated_system.build(tmp_path, debian=debian)
    emulated_system.build(tmp_path, debian=debian)
    assert made == [release, "3.14"]
    emulated_system.build(tmp_path, debian=25 - debian)
    assert made[2:] == [emulated_system.RELEASES[25 - debian]]
    assert {p.name for p in tmp_path.iterdir()} >= {"root", *(f"root.{name}" for name in BOARDS)}
