"""What the pages show works as printed: every command and block is executed, or stands in the list of `documents.NOT_EXECUTED`."""

import getpass
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_calls import call
from documents import (
    ELSEWHERE,
    LONG_PAGES,
    NOT_EXECUTED,
    NOT_RUN_AT_ALL,
    PAGES,
    ROOT,
    blocks,
    commands,
    environment,
    put_programs,
    reason,
    script,
)
from library_models import tool

import edgelstm as el
from edgelstm.cli import VERBS, demo_data, main

RECORDING = ROOT / "examples" / "activity" / "data" / "held_out" / "08-badminton.csv"

#: What pages print, where they say it.
PRINTED = {
    "README.md": r"^badminton$",
    "docs/raspberry-pi.md": r"^\(0\.994\d*, 'badminton'\)$",
    "docs/from-training.md": r"^400 answers of 8 recordings compared; largest error \S+e-0[678], ",
    "examples/microcontroller/README.md": r"^cycles a step 4[0-4]\d$",
}

#: Programs that a page's commands call, beside those of this package.
TOOLS = {"cc", "aarch64-linux-gnu-gcc", "rustc", "arm-none-eabi-gcc", "qemu-system-arm"}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def gesture(folder):
    """Models under the names that pages use, and recordings for them."""
    chain = "norm:normalizer, lstm, fc:softmax"
    assert call("convert", ROOT / "examples/activity/data/activity.pt", "-o", folder / "gesture.elstm", "--layers", chain).exit_code == 0
    shutil.copy(folder / "gesture.elstm", folder / "fall.elstm")
    shutil.copy(RECORDING, folder / "recording.csv")
    shutil.copy(RECORDING, folder / "day.csv")


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like the checkout, and may be written to."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copytree(ROOT / "examples", folder / "examples")
    for name in ("benchmarks", "tools", "edgelstm"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").touch()
    return folder


@pytest.fixture
def board(tmp_path):
    folder = tmp_path / "board"
    (folder / "site").mkdir(parents=True)
    for name in ("click", "rich", "pygments", "markdown_it", "mdurl"):
        if spec := importlib.util.find_spec(name):
            (folder / "site" / name).symlink_to(Path(spec.origin).parent)
    return folder


def instead(page, board):
    """What stands for the machines that a page speaks of."""
    if page == "docs/sensor-files.md":  # a serial port
        return {"stty -F /dev/ttyACM0 115200 raw": "true", "/dev/ttyACM0": str(RECORDING)}
    if page != "docs/raspberry-pi.md":
        return {}
    return {
        "--target rpi4": "--target host",
        "/srv/activity": str(board / "srv" / "activity"),
        "python3 -m venv": "if declare -F deactivate; then deactivate; fi; python3 -m venv",
        "edgelstm doctor": f'PYTHONPATH="{board}/site" edgelstm doctor',
        "08-badminton.csv pi@raspberrypi.local:": '08-badminton.csv pi@raspberrypi.local:; cd "$BOARD"; unset PYTHONPATH',
    }


@pytest.mark.parametrize("page", [pytest.param(page, marks=pytest.mark.slow) if page in LONG_PAGES else page for page in PAGES])
def test_a_page_works_as_printed(page, checkout, board, tmp_path):
    if page == "docs/raspberry-pi.md":
        pytest.importorskip("hatchling")
        pytest.importorskip("ensurepip")
    shown = script(page, instead(page, board))
    if "torch" in shown or "train.py" in shown:
        pytest.importorskip("torch")
    for name in sorted(TOOLS & set(shown.split())):
        tool(name)
    folder = checkout
    if page.startswith("examples/from_"):
        folder = checkout / Path(page).parent
    gesture(folder)
    programs = tmp_path / "programs"
    programs.mkdir()
    put_programs(programs)
    more = {"BOARD": str(board), "USER": getpass.getuser(), "CHECKOUT": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", shown], cwd=folder, env=environment(programs, **more), capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    if page in PRINTED:
        assert re.search(PRINTED[page], done.stdout + done.stderr, re.MULTILINE), done.stdout[-3000:]


@pytest.fixture(scope="module")
def activity(tmp_path_factory):
    """The example's network in the schemes that the microcontroller page measures."""
    path = tmp_path_factory.mktemp("activity") / "activity.elstm"
    folder = demo_data.activity_folder()
    source = folder / "activity.pt"
    assert call("convert", source, "-o", path, "--layers", "norm:normalizer, lstm, fc:softmax").exit_code == 0
    model = el.load(path)
    held_out = [recording.samples for recording in demo_data.read_recordings(folder)]
    return {"f32": model, "int8-static": el.quantize(model, held_out, scheme="int8-static")}


@pytest.mark.parametrize("target", ["cortex-m4f", "cortex-m7", "cortex-m33", "cortex-m3"])
@pytest.mark.parametrize("scheme", ["f32", "int8-static"])
def test_the_sizes_on_the_microcontroller_page(activity, target, scheme):
    """To the byte with the LLVM that the page names; others lay out code within a few percent of it."""
    binding = pytest.importorskip("llvmlite.binding")
    text = text_of("examples/microcontroller/README.md")
    (line,) = re.findall(rf"^\| {target} \| {scheme} \|.*$", text, re.MULTILINE)
    made = el.build(activity[scheme], target)
    sizes = made.weight_bytes + made.code_bytes, made.weight_bytes, made.arena_bytes
    right = f"| {target} | {scheme} | " + " | ".join(f"{size:,}" for size in sizes) + " |"
    if int(re.search(r"as LLVM (\d+) compiles", text)[1]) == binding.llvm_version_info[0]:
        assert line == right
    printed = [int(cell.replace(",", "")) for cell in line.split("|")[3:6]]
    assert printed[1:] == list(sizes[1:])
    assert abs(printed[0] - sizes[0]) < 0.05 * sizes[0]


def test_what_is_not_executed_is_on_its_page():
    """The list holds nothing that no page shows, and every shell command is executed or in it."""
    for page, entries in NOT_EXECUTED.items():
        shown = [command for block in blocks(page) for command in commands(block)]
        assert [begin for begin in entries if not any(reason(page, c) == entries[begin] and c.startswith(begin) for c in shown)] == []
    for page, language in NOT_RUN_AT_ALL:
        assert language in {block.language for block in blocks(page)}
    known = {"sh", "console", "python", "text", ""} | {language for _, language in NOT_RUN_AT_ALL}
    assert {block.language for page in PAGES for block in blocks(page) if not block.name} <= known
    ours = [(c, reason(page, c)) for page in PAGES for b in blocks(page) for c in commands(b) if c.startswith("edgelstm ")]
    assert [c for c, why in ours if why and not why.startswith(ELSEWHERE)] == []
    named = [why.removeprefix(ELSEWHERE).partition(",")[0] for _, why in ours if why]
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


def test_a_wrong_command_is_seen(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text('```sh\nedgelstm convert\necho after\n```\n```python\nprint("x")\n```\n', encoding="utf-8")
    monkeypatch.setattr("documents.ROOT", tmp_path)
    put_programs(tmp_path)
    done = subprocess.run(
        ["bash", "-c", script("page.md", {})],
        cwd=tmp_path,
        env=environment(tmp_path, PYTHONPATH=str(ROOT)),
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert b"after\n" not in done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_bare_commands_says_what_makes_them_known(page):
    bare = [c for block in blocks(page) for c in commands(block) if re.match(r"edgelstm |python examples", c)]
    assert not bare or ". .venv/bin/activate" in text_of(page) or "[README's environment]" in text_of(page)


def options_of(words):
    """Options in a command's words, and those that its verb has."""
    verb = main.get_command(None, words[1])
    known = {option for parameter in verb.params for option in parameter.opts} | {"--help", "-h"}
    return [word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)], known


def test_every_option_that_prose_and_help_name_exists():
    spans = [span for page in PAGES for span in re.findall(r"`(edgelstm [^`]+)`", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL))]
    spans += [line.strip() for verb in VERBS for line in call(verb, "--help").stdout.splitlines() if line.startswith("    edgelstm ")]
    assert len(spans) > 30
    for span in spans:
        words = span.split()
        assert words[1] in VERBS or not words[1].isalpha(), span
        if words[1] in VERBS:
            asked, known = options_of(words)
            assert [option for option in asked if option not in known] == [], span


SCALERS = {
    "StandardScaler()": lambda x: (SimpleNamespace(mean_=x.mean(0), scale_=x.std(0)), (x - x.mean(0)) / x.std(0)),
    "StandardScaler(with_mean=False)": lambda x: (SimpleNamespace(mean_=x.mean(0), scale_=x.std(0)), x / x.std(0)),
    "StandardScaler(with_std=False)": lambda x: (SimpleNamespace(mean_=x.mean(0), scale_=None), x - x.mean(0)),
    "MinMaxScaler()": lambda x: (
        SimpleNamespace(scale_=1 / np.ptp(x, 0), min_=-x.min(0) / np.ptp(x, 0)),
        (x - x.min(0)) / np.ptp(x, 0),
    ),
    "MaxAbsScaler()": lambda x: (SimpleNamespace(scale_=abs(x).max(0)), x / abs(x).max(0)),
    "RobustScaler()": lambda x: (SimpleNamespace(center_=np.median(x, 0), scale_=x.std(0)), (x - np.median(x, 0)) / x.std(0)),
}


@pytest.mark.parametrize("name", SCALERS)
def test_the_line_of_each_scaler(name, tmp_path, monkeypatch, rng):
    """The scalers here are stand-ins with scikit-learn's formulas and attributes, or scikit-learn's own where it is installed."""
    lines = dict(re.findall(r"^\| `(\w+\([^)]*\))` \| `([^`]+)` \|$", text_of("docs/from-training.md"), re.MULTILINE))
    assert list(lines) == list(SCALERS)
    xs = rng.normal([20, -5, 1000], [5, 0.2, 40], (200, 3))
    scaler, expected = SCALERS[name](xs)
    if importlib.util.find_spec("sklearn"):
        from sklearn import preprocessing

        scaler = eval(name, vars(preprocessing)).fit(xs)
        expected = scaler.transform(xs)
    monkeypatch.chdir(tmp_path)
    exec(lines[name], {"np": np, "scaler": scaler})
    with np.load("scaler.npz") as file:
        model = el.Model([el.Dense(np.eye(3))]).with_normalizer(file["mean"], file["scale"])
    np.testing.assert_allclose(el.Stream(model).process(xs), expected, atol=2e-5 * abs(expected).max())


def test_batch_normalisation_and_scaled_targets_of_the_page(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    code = [block.text for block in blocks("docs/from-training.md") if block.language == "python"]
    (norm_code,) = [text for text in code if "BatchNorm1d" in text]
    (target_code,) = [text for text in code if "fc2.weight.mul_" in text]
    monkeypatch.chdir(tmp_path)
    norm = torch.nn.BatchNorm1d(6)
    xs = torch.randn(400, 6) * 7 + 3
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-1, 1)
    for _ in range(50):
        norm(xs)
    network = SimpleNamespace(fc2=torch.nn.Linear(3, 4), state_dict=lambda: {"norm.weight": 1, "fc2.weight": 2})
    session = {"torch": torch, "nn": SimpleNamespace(BatchNorm1d=lambda _: norm), "np": np, "network": network}
    exec(norm_code, session)
    assert torch.load("bare.pt") == {"fc2.weight": 2}
    with np.load("norm.npz") as file:
        model = el.Model([el.Dense(np.eye(6))]).with_normalizer(file["mean"], file["scale"])
    with torch.no_grad():
        np.testing.assert_allclose(el.Stream(model).process(xs.numpy()), norm.eval()(xs).numpy(), atol=1e-5)
        ys = network.fc2(xs[:, :3])
        exec(target_code, session)
        np.testing.assert_allclose(network.fc2(xs[:, :3]).numpy(), (ys * session["s"] + session["m"]).numpy(), atol=1e-4)


def test_attributes_that_prose_names_exist(activity):
    """Written as `stream.…` and `model.…` in README and docs."""
    owners = {"stream": el.Stream(activity["f32"]), "model": activity["f32"]}
    named = {(page, name) for page in PAGES for name in re.findall(r"`((?:stream|model)\.[a-z_][\w.]*)", text_of(page))}
    named = {(page, name) for page, name in named if not re.search(r"\.(elstm|pt|so|bin|eval|state_dict)$", name)}
    assert len(named) > 8
    for page, name in sorted(named):
        owner, *parts = name.split(".")
        found = owners[owner]
        for part in parts:
            assert hasattr(found, part), f"{page}: {name}"
            found = getattr(found, part)


def test_the_first_mistakes_of_the_readme_are_as_told(activity):
    told = text_of("README.md").split("**First mistakes**")[1].split("\n\n`edgelstm quantize")[0]
    wrong, right = "[stream.step(x) for x in xs]", "[stream.step(x).copy() for x in xs]"
    assert all(
        f"`{code}`" in told for code in (wrong, right, "stream.process(xs)", "stream.process(x)", "stream.step(x)", "stream.reset()")
    )
    xs = np.loadtxt(RECORDING, np.float32, delimiter=",", skiprows=1)
    stream = el.Stream(activity["f32"])
    first = stream.process(xs)
    assert not np.array_equal(stream.process(xs), first)  # the second recording begins where the first one ended
    stream.reset()
    np.testing.assert_array_equal(eval(right, {"stream": stream, "xs": xs}), first)
    stream.reset()
    np.testing.assert_array_equal(eval(wrong, {"stream": stream, "xs": xs}), np.tile(first[-1], (len(xs), 1)))
    with pytest.raises(el.InputError):
        stream.process(xs[0])


def test_the_readme_explains_the_demo_with_the_tables_figure():
    table = text_of("README.md").split("<!-- figures:begin -->")[1].splitlines()
    head, row = (next(line for line in table if line.startswith(begin)) for begin in ("|  | 1,8,1", "| **edgelstm step(x)**"))
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=False))
    said = re.search(r"has (\S+) ns for a network of this size", text_of("README.md"))[1]
    assert cells["6,32,1"] == f"**{said}**"


def test_the_service_of_the_page_waits_and_steps(tmp_path):
    """`serve.py` runs for ever; here it is stopped after a second."""
    (loop,) = [block for block in blocks("docs/raspberry-pi.md") if block.file == "serve.py"]
    el.build(el.Model([el.Dense(np.eye(3))]), "host").write(tmp_path / "activity.so")
    (tmp_path / "serve.py").write_text(loop.text.replace("[0.0] * stream.input_size", "print(1, flush=True) or [0.0] * stream.input_size"))
    with subprocess.Popen(
        [sys.executable, "serve.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    ) as process:
        assert [process.stdout.readline() for _ in range(5)] == [b"1\n"] * 5
        assert process.poll() is None
        process.terminate()
