"""Built libraries that answer whole recordings, on other machines, emulated: in C and, on the emulated Pi, in Python."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from library_models import tool
from microcontroller_boards import BOARDS, COMPILER, EMULATOR, emulated, linked, need
from recording_models import RECORDINGS, recording, recording_model
from test_emulated_libraries import HEADER, IN_C
from test_emulated_libraries import pi as pi  # noqa: PLC0414

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.targets import TARGETS, host

TESTS = Path(__file__).parent

#: Largest difference from the float64 reference, relative to max(1, |y|), over a recording.
LIMIT = 1e-6

pytestmark = pytest.mark.slow


def compare(name, answers, *, fma=True):
    """With the reference, or where sums are of integers with this machine: to the last bit where both round a multiply-add once."""
    expected = reference.run(recording_model(name), recording(name))
    assert answers.shape == expected.shape
    if name == "integers":
        here = el.Stream(recording_model(name)).process(recording(name))
        np.testing.assert_allclose(answers, here, rtol=0, atol=0 if fma == host().fma else LIMIT)
    else:
        assert (np.abs(answers - expected) / np.maximum(1, np.abs(expected))).max() <= LIMIT


def packed(folder, target):
    for name in RECORDINGS:
        el.build(recording_model(name), target).write(folder / f"{name}.so")
        recording(name).tofile(folder / f"{name}.in")


def read(folder, name):
    return np.fromfile(folder / f"{name}.out", np.float32).reshape(-1, recording_model(name).output_size)


@pytest.mark.parametrize(("target", "toolchain", "emulator"), IN_C, ids=[target for target, *_ in IN_C])
def test_c_programs_answer_recordings(tmp_path, target, toolchain, emulator):
    compiler, runner = tool(f"{toolchain}-gcc"), tool(emulator[0])
    packed(tmp_path, target)
    driver, source = tmp_path / "driver", TESTS / "recording_driver.c"
    subprocess.run([compiler, "-std=gnu11", "-O1", "-Wall", "-Werror", "-I", HEADER, "-o", driver, source, "-ldl"], check=True)
    words = [tmp_path / f"{name}.{ending}" for name in RECORDINGS for ending in ("so", "in", "out")]
    done = subprocess.run([runner, *emulator[1:], "-L", f"/usr/{toolchain}", driver, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for name in RECORDINGS:
        compare(name, read(tmp_path, name))


SCRIPT = """
import array, os, sys
from edgelstm import device
folder, kind = sys.argv[1:]
for name in sorted(os.listdir(folder)):
    if not name.endswith(".so"):
        continue
    place = os.path.join(folder, name.removesuffix(".so"))
    xs = array.array("f", open(place + ".in", "rb").read())
    stream = device.Stream(place + ".so")
    rows = len(xs) // stream.input_size
    ys = array.array("f", bytes(4 * stream.due(rows) * stream.output_size))
    stream.process(xs, ys)
    if kind == "numpy":
        import numpy as np
        import edgelstm as el
        assert el.Stream(place + ".so").process(np.array(xs, np.float32).reshape(rows, -1)).tobytes() == ys.tobytes(), name
    else:
        assert "numpy" not in sys.modules
    with open(place + ".out", "wb") as file:
        file.write(ys.tobytes())
print("done")
"""


@pytest.mark.parametrize("packages", ["none", "numpy"])
@pytest.mark.parametrize(("target", "core"), [("rpi4", "cortex-a72"), ("rpi5", "cortex-a76")])
def test_the_emulated_pi_answers_recordings(pi, tmp_path, target, core, packages):
    import emulated_pi

    packed(tmp_path, target)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = emulated_pi.run(pi, core, script, [str(tmp_path), packages], packages=packages, capture=True)
    assert (done.returncode, done.stdout.split()) == (0, ["done"]), done.stderr
    for name in RECORDINGS:
        compare(name, read(tmp_path, name))


@pytest.mark.parametrize("name", ["tags", "sum", "newer", "seldom", "integers"])
@pytest.mark.parametrize("target", ["cortex-m4f", "cortex-m3"])
def test_a_microcontroller_answers_a_recording(tmp_path, target, name):
    need(COMPILER, EMULATOR)
    model, xs = recording_model(name), recording(name)
    made = el.build(model, target)
    made.write(tmp_path / "model.o")
    (tmp_path / "model.h").write_text(made.header)
    (tmp_path / "edgelstm.h").write_bytes((HEADER / "edgelstm.h").read_bytes())
    due = len(reference.run(model, xs))
    values = ", ".join(f"{float(x).hex()}f" for x in xs.ravel())
    (tmp_path / "given.h").write_text(f"enum {{ ROWS = {len(xs)}, DUE = {due} }};\nstatic const float rows[] = {{{values}}};\n")
    sources = [TESTS / "recording_check.c", tmp_path / "model.o"]
    said, code = emulated(BOARDS[target], linked(BOARDS[target], sources, tmp_path, tmp_path / "check.elf"))
    assert code == 0, said
    lines = [line.split() for line in said.splitlines()]
    answers = np.array([int(value) for key, value in lines if key == "answer"], np.uint32).view(np.float32)
    compare(name, answers.reshape(due, -1), fma=TARGETS[target].fma)
    found = {key: int(value) for key, value in lines if key != "answer"}
    assert 0 < found.pop("stack") < 1024
    wanted = {"sizes_wrong": 0, "init": 0, "step": 3, "too_little": 1, "done": len(xs), "again": len(xs), "differing": 0, "overwritten": 0}
    assert found == wanted
