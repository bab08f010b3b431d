"""The examples in C and Rust, compiled and run as their READMEs say: the numbers of Python, and a state that outlives the process."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from library_models import built, model_of, samples_of, tool

import edgelstm as el
from edgelstm import device

ROOT = Path(__file__).parents[1]
NAME = "f32-odd"


def commands(folder):
    """The shell commands of an example's README that compile it."""
    text = (ROOT / "examples" / folder / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"```sh\n(.*?)```", text, re.DOTALL)[1].splitlines()
    assert [line.split()[0] for line in lines] == ["edgelstm", lines[1].split()[0], "./stream"]
    return lines[1]


@pytest.fixture(scope="module", params=["from_c", "from_rust"])
def example(request, tmp_path_factory):
    """A folder with an example, compiled."""
    folder = tmp_path_factory.mktemp(request.param) / "example"
    shutil.copytree(ROOT / "examples" / request.param, folder)
    shutil.copy(ROOT / "edgelstm" / "include" / "edgelstm.h", folder)
    built(NAME, "host").write(folder / "gesture.so")
    command = commands(request.param)
    compiler = tool(shlex.split(command)[0])
    tool("cc")
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), compiler
    return folder


def stream(folder, text, state="state.bin"):
    return subprocess.run([folder / "stream", state], cwd=folder, input=text, capture_output=True, text=True, check=False)


def lines(xs):
    return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in xs)


def rows(text):
    return np.array([line.split(",") for line in text.splitlines()], np.float32)


def test_a_run_goes_on_where_the_last_ended(example):
    xs = samples_of(NAME)
    whole = el.Stream(example / "gesture.so").process(xs)
    (example / "state.bin").unlink(missing_ok=True)
    first, second = stream(example, lines(xs[:25])), stream(example, lines(xs[25:]))
    assert (first.returncode, first.stderr, second.returncode, second.stderr) == (0, "", 0, "")
    np.testing.assert_array_equal(np.concatenate([rows(first.stdout), rows(second.stdout)]), whole)
    later = device.Stream(example / "gesture.so")
    later.restore((example / "state.bin").read_bytes())
    python = el.Stream(model_of(NAME))
    python.process(xs)
    assert later.snapshot() == python.snapshot()


def test_a_header_before_the_first_sample_is_skipped(example):
    xs = samples_of(NAME)[:5]
    whole = el.Stream(example / "gesture.so").process(xs)
    for number, header in enumerate(("a,b,c,d,e,f,g\n", "acc x, acc y,z,inf_x,nano,e5,x1\r\n", "time\n")):
        done = stream(example, header + lines(xs), f"header{number}.bin")
        assert (done.returncode, done.stderr) == (0, "")
        np.testing.assert_array_equal(rows(done.stdout), whole)
    for text in ("a,b,c\nd,e,f\n", lines(xs[:1]) + "a,b,c,d,e,f,g\n", "a,b,c,d,e,f,g\n\n"):
        done = stream(example, text, "refused.bin")
        assert (done.returncode, done.stderr.startswith("line 2: ")) == (1, True), text
    assert stream(example, "\n" + lines(xs), "refused.bin").stderr.startswith("line 1: ")


def test_what_is_wrong_is_said(example):
    xs = samples_of(NAME)[:3]
    (example / "state.bin").unlink(missing_ok=True)
    done = stream(example, lines(xs[:1]) + "nan,0,0,0,0,0,0\n" + lines(xs[1:]))
    assert (done.returncode, done.stderr.count("line 2: a value that must not enter the state")) == (0, 1)
    np.testing.assert_array_equal(rows(done.stdout), el.Stream(example / "gesture.so").process(xs))
    for text in ("1,2,3\n", "1,2,3,4,5,6,x\n", "1,2,3,4,5,6,7,8\n"):
        done = stream(example, text, "other.bin")
        assert done.returncode == 1
        assert done.stderr.startswith("line 1: ")
    whole = (example / "state.bin").read_bytes()
    for damaged in (whole[:-1], whole + b"\0", b"", whole[:90] + b"\xff" + whole[91:]):
        (example / "damaged.bin").write_bytes(damaged)
        done = stream(example, lines(xs), "damaged.bin")
        assert (done.returncode, done.stdout) == (1, "")
        assert "damaged" in done.stderr.lower()
    (example / "damaged.bin").write_bytes(el.Stream(_alike()).snapshot())
    assert re.search("another model|Foreign", stream(example, lines(xs), "damaged.bin").stderr)
    assert subprocess.run([example / "stream"], capture_output=True, check=False).returncode == 2


def _alike():
    """Another model of the same sizes."""
    model = model_of(NAME)
    head = model.layers[-1]
    return el.Model([*model.layers[:-1], el.Dense(head.weight, head.bias + np.float32(1))])


def test_the_rust_wrapper_passes_its_own_tests(tmp_path):
    rustc = tool("rustc")
    shutil.copytree(ROOT / "examples" / "from_rust", tmp_path, dirs_exist_ok=True)
    built(NAME, "host").write(tmp_path / "gesture.so")
    flags = [
        "--edition",
        "2021",
        "-D",
        "warnings",
        "--test",
        "-o",
        "tests",
        "main.rs",
        "-C",
        "link-arg=gesture.so",
        "-C",
        "link-arg=-Wl,-rpath,$ORIGIN",
    ]
    subprocess.run([rustc, *flags], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "tests"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("target", "toolchain", "emulator"),
    [
        ("rpi4", "aarch64-linux-gnu", "qemu-aarch64"),
        ("riscv64", "riscv64-linux-gnu", "qemu-riscv64"),
        ("armv7", "arm-linux-gnueabihf", "qemu-arm"),
    ],
)
def test_the_c_example_is_cross_compiled(tmp_path, target, toolchain, emulator):
    """By GNU ld, against the library itself."""
    compiler, runner = tool(f"{toolchain}-gcc"), tool(emulator)
    built(NAME, target).write(tmp_path / "gesture.so")
    words = [*shlex.split(commands("from_c")), "-Wall", "-Wextra", "-Werror"]
    shutil.copytree(ROOT / "examples" / "from_c", tmp_path, dirs_exist_ok=True)
    shutil.copy(ROOT / "edgelstm" / "include" / "edgelstm.h", tmp_path)
    subprocess.run([compiler, *words[1:]], cwd=tmp_path, check=True)
    xs = samples_of(NAME)
    done = subprocess.run(
        [runner, "-L", f"/usr/{toolchain}", tmp_path / "stream", "state.bin"],
        cwd=tmp_path,
        input=lines(xs),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert np.abs(rows(done.stdout) - el.Stream(model_of(NAME)).process(xs)).max() < 1e-5
    here = el.Stream(model_of(NAME))
    here.restore((tmp_path / "state.bin").read_bytes())
    assert here.steps == len(xs)
