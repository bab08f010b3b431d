"""Libraries for other machines, emulated: built here, stepped there, in Python and in C.

``$EDGELSTM_EMULATED_PI`` names the folder of an emulated Raspberry Pi for the 64-bit ARM targets (`tools/emulated_pi.py`); 32-bit ARM and
RISC-V run a C program under user-mode QEMU with their cross compiler's C library.
"""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from int8_records import hidden_int8, integers, lstm_int8
from library_models import LIMIT, MODELS, built, model_of, same_integers, samples_of, tool, worst

import edgelstm as el
from edgelstm import device
from edgelstm.compiler.targets import named

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS.parent / "tools"))

import emulated_pi  # noqa: E402

FOLDER = os.environ.get("EDGELSTM_EMULATED_PI")
HEADER = TESTS.parent / "edgelstm" / "include"

#: Target, and the cores that must run it; all but two at night, since each takes some minutes.
ARM64 = [
    ("rpi4", "cortex-a72"),
    ("rpi5", "cortex-a76"),
    *(
        pytest.param(target, core, marks=pytest.mark.nightly)
        for target, core in (("rpi3", "cortex-a53"), *(("aarch64", f"cortex-{number}") for number in ("a53", "a72", "a76")))
    ),
]

#: Target, GNU's name of its toolchain, and the emulator.
IN_C = [
    ("rpi4", "aarch64-linux-gnu", ["qemu-aarch64", "-cpu", "cortex-a72"]),
    ("armv7", "arm-linux-gnueabihf", ["qemu-arm", "-cpu", "cortex-a7"]),
    ("riscv64", "riscv64-linux-gnu", ["qemu-riscv64"]),
    ("riscv64-v", "riscv64-linux-gnu", ["qemu-riscv64", "-cpu", "rv64,v=true,vext_spec=v1.0"]),
]

#: Steps every library of a folder in all ways that Python has, compares the ways, and leaves answers and snapshots there.
SCRIPT = """
import array, os, sys
from edgelstm import device
from edgelstm.compiler.targets import named
folder, kind = sys.argv[1:]
for name in sorted(os.listdir(folder)):
    if not name.endswith(".so"):
        continue
    place = os.path.join(folder, name.removesuffix(".so"))
    xs = array.array("f", open(place + ".in", "rb").read())
    stream = device.Stream(place + ".so")
    inputs, outputs = stream.input_size, stream.output_size
    steps, half = len(xs) // inputs, len(xs) // inputs // 2
    ys = array.array("f", bytes(4 * steps * outputs))
    stream.process(xs, ys)
    stream.reset()
    for t in range(steps):
        if t == half:
            blob = stream.snapshot()
        answer = bytes(stream.step(xs[t * inputs : (t + 1) * inputs]))
        assert answer == ys[t * outputs : (t + 1) * outputs].tobytes(), (name, t)
    stream.restore(open(place + ".blob", "rb").read())
    rest = array.array("f", bytes(4 * (steps - half) * outputs))
    stream.process(xs[half * inputs :], rest)
    if kind == "numpy":
        import numpy as np
        import edgelstm as el
        rows = np.array(xs, np.float32).reshape(steps, inputs)
        stream = el.Stream(place + ".so")
        assert stream.process(rows).tobytes() == ys.tobytes(), name
        stream.reset()
        assert np.array([stream.step(x).copy() for x in rows]).tobytes() == ys.tobytes(), name
        assert type(stream.step).__name__ == "builtin_function_or_method"
        stream.reset()
        stream.process(rows[:half])
        assert stream.snapshot() == blob, name
    else:
        assert "numpy" not in sys.modules
    for ending, data in ((".out", ys.tobytes()), (".half", blob), (".rest", rest.tobytes())):
        with open(place + ending, "wb") as file:
            file.write(data)
print("done")
"""


@pytest.fixture(scope="module")
def pi():
    if FOLDER is None:
        pytest.skip("EDGELSTM_EMULATED_PI names no emulated Pi")
    return Path(FOLDER)


def halves(name):
    xs = samples_of(name)
    return xs[: len(xs) // 2], xs[len(xs) // 2 :]


def packed(folder, target):
    """Every model's library for a target, its samples, and a snapshot taken here after half of them."""
    for name in MODELS:
        built(name, target).write(folder / f"{name}.so")
        samples_of(name).tofile(folder / f"{name}.in")
        stream = el.Stream(model_of(name))
        stream.process(halves(name)[0])
        (folder / f"{name}.blob").write_bytes(stream.snapshot())


def compare(folder, name):
    """What a machine answered, with the float64 reference and with this machine: integers to the last bit."""
    answers = np.fromfile(folder / f"{name}.out", np.float32).reshape(-1, model_of(name).output_size)
    assert worst(name, answers) <= LIMIT
    here = el.Stream(model_of(name)).process(samples_of(name))
    if same_integers(name):
        np.testing.assert_array_equal(answers, here)
    return answers


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Folders by target, packed once."""
    made = {}

    def folder(target):
        if target not in made:
            made[target] = tmp_path_factory.mktemp(target)
            packed(made[target], target)
        return made[target]

    return folder


@pytest.mark.slow
@pytest.mark.parametrize("packages", ["none", "numpy"])
@pytest.mark.parametrize(("target", "core"), ARM64)
def test_every_model_on_every_core(pi, libraries, tmp_path, target, core, packages):
    """In the emulated system's Python, with NumPy and with the standard library alone."""
    folder = libraries(target)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = emulated_pi.run(pi, core, script, [str(folder), packages], packages=packages, capture=True)
    assert (done.returncode, done.stdout.split()) == (0, ["done"]), done.stderr
    for name in MODELS:
        answers = compare(folder, name)
        rest = np.fromfile(folder / f"{name}.rest", np.float32).reshape(-1, answers.shape[1])
        stream = el.Stream(model_of(name))
        stream.restore((folder / f"{name}.half").read_bytes())
        here = stream.process(halves(name)[1])
        bound = 0.0 if same_integers(name) else 1e-5 if name.startswith("f32") else 0.05
        assert np.abs(here - answers[len(answers) // 2 :]).max() <= bound, f"{name}: its snapshot, restored here"
        assert np.abs(rest - el.Stream(model_of(name)).process(samples_of(name))[len(answers) // 2 :]).max() <= bound, name


def step_in_c(folder, names, toolchain, emulator):
    """Step the libraries of a folder under glibc's loader; the program compares all ways of edgelstm.h and leaves the answers there."""
    driver = folder / "driver"
    compiler, runner = tool(f"{toolchain}-gcc"), tool(emulator[0])
    source = TESTS / "library_driver.c"
    subprocess.run([compiler, "-std=gnu11", "-O1", "-Wall", "-Werror", "-I", HEADER, "-o", driver, source, "-ldl"], check=True)
    words = [folder / f"{name}.{ending}" for name in names for ending in ("so", "in", "out")]
    done = subprocess.run([runner, *emulator[1:], "-L", f"/usr/{toolchain}", driver, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "toolchain", "emulator"),
    [pytest.param(*row, id=row[0], marks=[pytest.mark.nightly] * (row[0] in ("rpi4", "riscv64"))) for row in IN_C],
)
def test_c_programs_step_every_model(libraries, target, toolchain, emulator):
    folder = libraries(target)
    step_in_c(folder, MODELS, toolchain, emulator)
    for name in MODELS:
        compare(folder, name)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "toolchain", "emulator"), IN_C[2:3], ids=["riscv64"])
@pytest.mark.parametrize("calibrated", [False, True])
def test_every_width_of_int8_without_vectors(tmp_path, target, toolchain, emulator, calibrated):
    """Widths that fill words of activations, quads of words and tiles, and those between: the integers of this machine."""
    rng = np.random.default_rng(20261128)
    widths = [12, *(range(12, 25) if calibrated else (12, 16, 18, 21))]
    layers = [lstm_int8(rng, size, hidden, "int8-dynamic", calibrated=calibrated) for size, hidden in pairwise(widths)]
    if not calibrated:
        layers += [hidden_int8(rng, el.GRUInt8, 21, 16, "int8-dynamic"), hidden_int8(rng, el.RNNInt8, 16, 18, "int8-dynamic")]
        layers += [el.DenseInt8("int8-dynamic", integers(rng, 5, 18), rng.uniform(0.5, 1, 5) / 400)]
    model = el.Model(layers)
    xs = rng.uniform(-1, 1, (30, 12)).astype(np.float32)
    xs.tofile(tmp_path / "widths.in")
    el.build(model, target).write(tmp_path / "widths.so")
    step_in_c(tmp_path, ["widths"], toolchain, emulator)
    answers = np.fromfile(tmp_path / "widths.out", np.float32).reshape(30, -1)
    np.testing.assert_array_equal(answers, el.Stream(model).process(xs))


@pytest.mark.slow
@pytest.mark.parametrize(("target", "toolchain", "emulator"), IN_C, ids=[target for target, *_ in IN_C])
def test_convolutions_of_int8(tmp_path, target, toolchain, emulator):
    """In every form of products: the integers of this machine."""
    rng = np.random.default_rng(20261128)

    def convolution(outputs, inputs, taps, **options):
        scale = rng.uniform(0.5, 1, outputs) / (70 * np.sqrt(inputs * taps))
        return el.Conv1DInt8("int8-dynamic", integers(rng, outputs, inputs, taps), scale, rng.uniform(-1, 1, outputs), **options)

    layers = [convolution(37, 3, 5, input_scale=[1 / 127]), el.Activation("relu"), convolution(12, 37, 2, dilation=3)]
    model = el.Model([*layers, convolution(6, 6, 3, groups=2)])
    xs = rng.uniform(-1, 1, (30, 3)).astype(np.float32)
    xs.tofile(tmp_path / "convolutions.in")
    el.build(model, target).write(tmp_path / "convolutions.so")
    step_in_c(tmp_path, ["convolutions"], toolchain, emulator)
    answers = np.fromfile(tmp_path / "convolutions.out", np.float32).reshape(30, -1)
    np.testing.assert_array_equal(answers, el.Stream(model).process(xs))


@pytest.mark.slow
def test_a_core_without_the_instructions_refuses_the_library(pi, libraries, tmp_path):
    """A Pi 5's library on a Pi 4: a sentence, where the kernel would have ended the process."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom edgelstm import device, errors\n"
        "try:\n    device.Stream(sys.argv[1])\nexcept errors.LibraryError as problem:\n    print(problem)\n"
    )
    for core, said in (("cortex-a72", "needs a CPU with asimddp, which this one lacks"), ("cortex-a76", "")):
        done = emulated_pi.run(pi, core, script, [str(libraries("rpi5") / "f32.so")], packages="none", capture=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
        assert bool(said) == bool(done.stdout)


@pytest.mark.parametrize("target", ["armv7", "rpi4", "riscv64", "riscv64-v"])
def test_this_machine_refuses_them(tmp_path, target):
    built("f32", target).write(tmp_path / "f32.so")
    for kind in (el.Stream, device.Stream):
        with pytest.raises(el.LibraryError, match=r"bit programs on .*Build it for this machine"):
            kind(tmp_path / "f32.so")


def test_boards_with_one_core_get_one_code():
    """A Zero 2 W's library is a Raspberry Pi 3's, which the emulated core runs."""
    assert named("rpi-zero2w")._replace(name="", boards="") == named("rpi3")._replace(name="", boards="")
