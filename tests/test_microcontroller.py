"""Objects for microcontrollers, linked and run: every layer kind and scheme on QEMU's boards against this machine and the reference."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from conftest import TOLERANCE
from library_models import made_once
from microcontroller_boards import BOARDS, COMPILER, EMULATOR, EXAMPLE, emulated, linked, need
from microcontroller_models import STEPS, TURN, case, twin

import edgelstm as el
from edgelstm import building, reference
from edgelstm.compiler import fuse
from edgelstm.compiler.targets import TARGETS
from edgelstm.runtime import snapshot
from edgelstm.runtime.library_file import FUNCTIONS

CHECK = Path(__file__).with_name("board_check.c")
ROOT = str(EXAMPLE.parents[1])
SCHEME_NAMES = ("f32", "f16-weight", "int8-weight", "int8-dynamic", "int8-static")

#: Bytes of stack that no call passes; the example's README promises it.
STACK = 1024

#: What objects may call: for integers of 64 bits; for float32 where there is no FPU.
WIDE_HELPERS = {f"__aeabi_{name}" for name in ("ldivmod", "l2f", "ul2f", "f2lz", "f2ulz")}
FLOAT_HELPERS = {
    f"__aeabi_{name}" for name in ("fadd", "fsub", "fmul", "fdiv", "fcmpeq", "fcmplt", "fcmple", "fcmpge", "fcmpgt", "f2iz", "i2f", "ui2f")
}

each_board = pytest.mark.parametrize("target", BOARDS)
each_model = pytest.mark.parametrize("kind", ["vectors", "indices"])
each_scheme = pytest.mark.parametrize("scheme", SCHEME_NAMES)


def run_here(target, kind, scheme, rows):
    """Answers of the first rows on this machine, and the state after them."""
    stream = twin(kind, scheme, TARGETS[target].fma)
    stream.reset()
    return stream.process(case(kind, scheme)[1][:rows]), stream.snapshot()


@cache
def built(kind, scheme, target):
    return made_once(f"board {kind} {scheme} {target}", lambda: building.build(case(kind, scheme)[0], target))


def c_array(kind, name, values):
    return f"static const {kind} {name}[] = {{{', '.join(values)}}};\n"


def given(kind, xs, foreign, alien):
    """What `board_check.c` includes."""
    unfit = "11.0f" if kind == "indices" else '__builtin_nanf("")'
    return (
        f"enum {{ STEPS = {STEPS}, TURN = {TURN} }};\nstatic const float unfit = {unfit};\n"
        + c_array("float", "rows", (f"{float(x).hex()}f" for x in xs.ravel()))
        + c_array("_Alignas(4) unsigned char", "foreign", map(str, foreign))
        + c_array("_Alignas(4) unsigned char", "alien", map(str, alien))
    )


def found_on(target, kind, scheme, folder):
    """What `board_check.c` says of a model on a board, by name."""
    made, board = built(kind, scheme, target), BOARDS[target]
    _, foreign = run_here(target, kind, scheme, TURN)
    state = np.frombuffer(foreign[48:-4], np.uint8)
    (folder / "model.h").write_text(made.header)
    (folder / "edgelstm.h").write_bytes((Path(el.__file__).parent / "include" / "edgelstm.h").read_bytes())
    (folder / "given.h").write_text(given(kind, case(kind, scheme)[1], foreign, snapshot.pack(state, "12" * 32)))
    made.write(folder / "model.o")
    said, code = emulated(board, linked(board, [CHECK, folder / "model.o"], folder, folder / "check.elf"))
    assert code == 0, said
    found = dict(line.split(" ", 1) for line in said.splitlines())
    return {name: bytes.fromhex(text) if name in ("info", "snapshot", "answers") else int(text) for name, text in found.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """`found_on` of a target, kind and scheme; each runs once."""
    need(COMPILER, EMULATOR)

    def run_once(*key):
        return made_once(f"found {' '.join(key)}", lambda: found_on(*key, tmp_path_factory.mktemp("board")))

    return cache(run_once)


@pytest.fixture
def shown(tmp_path):
    """What one of the GNU tools says of an object file."""

    def said(tool, options, made):
        need(f"arm-none-eabi-{tool}")
        made.write(tmp_path / "model.o")
        command = [f"arm-none-eabi-{tool}", *options.split(), tmp_path / "model.o"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return said


def same_bits(kind, scheme):
    """Whether the board rounds as this machine does. Here the float products of int8-weight stand in a table, rounded once from float64."""
    return scheme.startswith("int8") and (kind, scheme) != ("indices", "int8-weight")


@pytest.mark.slow
@each_scheme
@each_model
@each_board
def test_answers_are_those_of_this_machine_and_of_the_reference(found, target, kind, scheme):
    model, xs = case(kind, scheme)
    answers = np.frombuffer(found(target, kind, scheme)["answers"], np.float32).reshape(STEPS, -1)
    here, _ = run_here(target, kind, scheme, STEPS)
    assert np.abs(answers - here).max() < TOLERANCE["f32"]
    assert np.abs(answers - reference.run(model, xs)).max() < TOLERANCE["f32"]
    if same_bits(kind, scheme):
        assert answers.tobytes() == here.tobytes()


@pytest.mark.slow
@each_scheme
@each_model
@each_board
def test_a_snapshot_of_the_board_goes_on_here(found, target, kind, scheme):
    blob = found(target, kind, scheme)["snapshot"]
    _, ours = run_here(target, kind, scheme, TURN)
    if same_bits(kind, scheme):
        assert blob == ours
    stream = twin(kind, scheme, TARGETS[target].fma)
    stream.restore(blob)
    assert stream.snapshot() == blob
    assert stream.steps == TURN
    later = np.frombuffer(found(target, kind, scheme)["answers"], np.float32).reshape(STEPS, -1)[TURN:]
    assert np.abs(stream.process(case(kind, scheme)[1][TURN:]) - later).max() < TOLERANCE["f32"]


@pytest.mark.slow
@each_scheme
@each_model
@each_board
def test_the_interface_keeps_its_word(found, target, kind, scheme):
    said = dict(found(target, kind, scheme))
    assert json.loads(said.pop("info")) == built(kind, scheme, target).info
    del said["answers"], said["snapshot"]
    assert 0 < said.pop("stack_step") <= said.pop("stack_all") < STACK
    refusals = {"unfit_step": 1, "unfit_row": STEPS // 2, "changed_by_unfit": 0, "answers_by_unfit": 0}
    refusals |= {"short": 1, "damaged": 1, "alien": 2, "changed_by_refused": 0, "misaligned": 1}
    deeds = {"init": 0, "restored": 0, "changed_by_restore": 0, "restored_foreign": 0, "changed_in_foreign": 0}
    deeds |= {"processed": STEPS, "changed_by_process": 0, "overwritten": 0, "sizes_wrong": 0}
    assert said == refusals | deeds


@pytest.mark.slow
@each_scheme
@each_model
@each_board
def test_an_object_is_code_and_constants_alone(shown, target, kind, scheme):
    made = built(kind, scheme, target)
    rows = re.findall(r"^ *\[ *\d+\] (\S+) +\S+ +\S+ \S+ (\S+) \S+ +([A-Z]+)", shown("readelf", "-SW", made), re.MULTILINE)
    memory = {name: (int(size, 16), flags) for name, size, flags in rows if "A" in flags}
    assert {name: flags for name, (_, flags) in memory.items()} == {".text": "AX", ".ARM.exidx": "AL", ".rodata": "A"}
    assert memory[".text"][0] + memory[".rodata"][0] == made.weight_bytes + made.code_bytes
    symbols = {line.split()[-1]: line.split()[-2] for line in shown("nm", "", made).splitlines()}
    assert symbols["edgelstm_weights"] == "r"
    functions = {f"edgelstm_{name}" for name in FUNCTIONS} - {"edgelstm_step_many"}  # a board steps one stream
    assert {name for name, letter in symbols.items() if letter.isupper()} == {*functions, *made.helpers}


@pytest.mark.slow
@each_scheme
@each_model
@each_board
def test_an_object_keeps_to_its_fpu(shown, target, kind, scheme):
    made, fpu = built(kind, scheme, target), TARGETS[target].fma
    words = re.findall(r"^ *[0-9a-f]+:\t[0-9a-f ]+\t(\S+)", shown("objdump", "-d", made), re.MULTILINE)
    floating = [word for word in words if word.startswith("v")]
    assert len(words) > 500
    assert bool(floating) == fpu
    assert not [word for word in floating if "f64" in word]
    assert set(made.helpers) <= (WIDE_HELPERS if fpu else WIDE_HELPERS | FLOAT_HELPERS)
    attributes = shown("readelf", "-A", made)
    assert ("Tag_ABI_VFP_args: VFP registers" in attributes) == fpu
    assert ("Tag_ABI_HardFP_use: SP only" in attributes) == fpu


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "kind", "scheme"),
    [
        *((target, "without_cell", scheme) for target in ("cortex-m4f", "cortex-m3") for scheme in ("f32", "int8-weight", "int8-dynamic")),
        *((target, "options", scheme) for target in ("cortex-m4f", "cortex-m3") for scheme in ("f32", "int8-weight")),
        # Without a fused multiply-add the twin of so many rounding layers answers beside its probe.
        ("cortex-m4f", "widths", "int8-dynamic"),
    ],
)
def test_other_layers_answer_as_here(found, target, kind, scheme):
    """Layers without a cell, those with options, maps, and LSTM layers of widths from 12 to 24."""
    model, xs = case(kind, scheme)
    said = found(target, kind, scheme)
    answers = np.frombuffer(said["answers"], np.float32).reshape(STEPS, -1)
    here, _ = run_here(target, kind, scheme, STEPS)
    assert np.abs(answers - here).max() < TOLERANCE["f32"]
    assert np.abs(answers - reference.run(model, xs)).max() < TOLERANCE["f32"]
    assert 0 < said["stack_step"] <= said["stack_all"] < STACK


def test_a_call_of_what_a_microcontroller_may_lack_is_refused(monkeypatch):
    plain = fuse.fuse

    def calling(layout, **options):
        first, *rest = plain(layout, **options)
        first = first.replace(
            "  ret void", "  %k = load float, ptr %x\n  %s = call float @llvm.sin.f32(float %k)\n  store float %s, ptr %y\n  ret void", 1
        )
        return [first + "declare float @llvm.sin.f32(float)\n", *rest]

    monkeypatch.setattr(fuse, "fuse", calling)
    with pytest.raises(el.CompileError, match="calls sinf, which"):
        building.build(case("indices", "f32")[0], "cortex-m4f")


def test_targets_name_the_boards_that_they_were_tried_on():
    bare = {name: target.tested for name, target in TARGETS.items() if target.bare_metal}
    assert bare == {name: f"emulated, qemu-system-arm {board.machine}" for name, board in BOARDS.items()}


@pytest.mark.slow
def test_the_example_runs_as_its_readme_says(tmp_path):
    need(COMPILER, EMULATOR)
    (commands,) = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    shutil.copytree(EXAMPLE.parents[1] / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("training"))
    python = f'edgelstm() {{ "{sys.executable}" -m edgelstm "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-ec", python + commands],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    assert done.returncode == 0, done.stderr
    *answers, cycles, stack = (done.stdout + done.stderr).splitlines()[-22:]
    assert answers[-1] == "running 999"
    assert 0 < int(cycles.split()[-1]) < int(1e6)
    assert int(stack.split()[1]) < STACK
