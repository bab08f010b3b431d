"""`edgelstm demo`: its data, its figures against the reference, its screen."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from edgelstm import ModelFileError, reference
from edgelstm.cli import demo_data, demo_summary, demo_view
from edgelstm.cli import main as edgelstm
from edgelstm.cli.demo import play_until_interrupted, prepare
from edgelstm.cli.demo_data import LABELS, Outcome, Recording

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return demo_data.read_recordings(demo_data.activity_folder())


@pytest.fixture(scope="module")
def model():
    return demo_data.convert(demo_data.activity_folder())


@pytest.fixture(scope="module")
def expected(model, recordings) -> list[np.ndarray]:
    """The class of each step, as the float64 reference answers: (100,) for each recording."""
    return [reference.run(model, recording.samples).argmax(axis=1) for recording in recordings]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGELSTM_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


def run(*arguments: str):
    result = CliRunner().invoke(edgelstm, ["demo", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_recordings_are_forty_of_ten_seconds_and_six_channels(recordings):
    assert [r.activity for r in recordings] == list(LABELS) * 10
    assert {r.samples.shape for r in recordings} == {(100, 6)}
    assert {r.samples.dtype for r in recordings} == {np.dtype(np.float32)}
    assert all(r.samples.std() > 0 for r in recordings)


def test_recordings_are_those_of_the_example(recordings):
    paths = sorted((demo_data.activity_folder() / "held_out").glob("*.csv"))
    assert [r.name for r in recordings] == [path.stem for path in paths]
    for recording, path in zip(recordings, paths, strict=True):
        assert np.array_equal(recording.samples, np.loadtxt(path, np.float32, delimiter=",", skiprows=1))


def test_no_recording_is_among_those_trained_on(recordings):
    training = demo_data.activity_folder().parent / "training"
    if not training.is_dir():
        pytest.skip("the training recordings are in the checkout only")
    trained = {path.read_text() for path in training.glob("*.csv")}
    held_out = {path.read_text() for path in (demo_data.activity_folder() / "held_out").glob("*.csv")}
    assert len(trained) == len(held_out) == 40
    assert not trained & held_out


def test_checkpoint_converts_to_a_named_model(model):
    assert [layer.kind for layer in model.layers] == ["normalizer", "lstm", "dense", "softmax"]
    assert (model.input_size, model.output_size, model.size_of(model.layers[1].name)) == (6, 4, 32)
    assert (model.labels, model.input_names, model.rate_hz) == (LABELS, CHANNELS, 10.0)
    assert (demo_data.activity_folder() / "activity.pt").stat().st_size < 100_000


def test_json_figures_are_those_of_the_reference(recordings, expected):
    told = json.loads(run("--json", "-").stdout)
    right = [answers == LABELS.index(r.activity) for answers, r in zip(expected, recordings, strict=True)]
    ended = [bool(r[-1]) for r in right]
    assert told["recordings"] == {"right": sum(ended), "total": 40, "accuracy": sum(ended) / 40}
    assert told["steps"]["right"] == int(np.sum(right))
    assert told["steps_after_2s"]["right"] == int(np.sum([r[20:] for r in right]))
    assert told["wrong"] == [r.name for r, ok in zip(recordings, ended, strict=True) if not ok]
    confusion = np.zeros((4, 4), int)
    for recording, answers in zip(recordings, expected, strict=True):
        confusion[LABELS.index(recording.activity), answers[-1]] += 1
    assert [list(row.values()) for row in told["confusion"].values()] == confusion.tolist()
    assert told["latency_ns"]["count"] == told["latency_shown_ns"]["count"] == 4000
    assert 0 < told["latency_ns"]["p50"] <= told["latency_ns"]["p99"] <= told["latency_ns"]["max"]
    assert not told["interrupted"]


def test_plain_prints_a_line_for_each_recording(recordings, expected, tmp_path: Path):
    output = run("--plain", "--recordings", "8", "--json", str(tmp_path / "figures.json")).stdout
    for recording, answers in list(zip(recordings, expected, strict=True))[:8]:
        line = next(line for line in output.splitlines() if line.startswith(recording.name))
        assert LABELS[answers[-1]] in line
        assert ("right" if LABELS[answers[-1]] == recording.activity else "WRONG") in line
    told = json.loads((tmp_path / "figures.json").read_text())
    assert f"{told['recordings']['right']} of 8 held-out recordings right" in output
    assert output.count("edgelstm ") == len(demo_summary.NEXT)
    assert recordings[8].name not in output


def test_ctrl_c_ends_with_the_figures_so_far(recordings):
    stream, phases = prepare(demo_data.activity_folder(), recordings[0].samples[0])

    class Impatient:
        def __enter__(self):
            return self

        def __exit__(self, *problem):
            pass

        def __call__(self, outcomes, probabilities):
            if len(outcomes) == 2 and len(outcomes[-1].answers) == 30:
                raise KeyboardInterrupt

    outcomes = play_until_interrupted(stream, recordings, Impatient())
    told = demo_summary.figures(stream, outcomes, outcomes, phases)
    assert told["interrupted"]
    assert (told["recordings"]["total"], told["steps"]["total"], told["steps_after_2s"]["total"]) == (1, 130, 90)


@pytest.mark.parametrize("arguments", [("--recordings", "0"), ("--speed", "0"), ("--speed", "fast"), ("--json", "no/such/folder/x.json")])
def test_bad_arguments_get_one_line(arguments):
    result = CliRunner().invoke(edgelstm, ["demo", *arguments])
    assert result.exit_code in (1, 2)
    assert len(result.stderr.strip().splitlines()) == 1


def test_missing_data_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(demo_data, "__file__", str(tmp_path / "edgelstm" / "cli" / "demo_data.py"))
    with pytest.raises(ModelFileError, match="install edgelstm again"):
        demo_data.activity_folder()


@pytest.fixture
def scene(model, recordings):
    """The seventh recording at 9 s, the six before it heard out; the fourth was wrong."""
    outcomes = [Outcome(r, [LABELS.index(r.activity)] * 100, [1500] * 100) for r in recordings[:7]]
    outcomes[3].answers[-1] = 0
    del outcomes[6].answers[90:]
    trail = [*recordings[5].samples[-30:], None, *recordings[6].samples[:90]]
    return demo_view.Scene(model, "znver4", 40, outcomes, np.array([0.01, 0.02, 0.9, 0.07], np.float32), trail, 180.0)


def drawn(scene: demo_view.Scene, width: int, height: int) -> list[str]:
    console = Console(record=True, width=width, height=height, file=io.StringIO(), force_terminal=True)
    console.print(demo_view.render(scene, width, height))
    return console.export_text().rstrip().split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (81, 25), (100, 30), (119, 37), (300, 100)])
def test_screen_fits_and_tells_the_essentials(scene, width, height):
    lines = drawn(scene, width, height)
    text = "\n".join(lines)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    for essential in (
        *LABELS,
        "7 of 40",
        "9.0 s of 10 s",
        "5 of 6 recordings",
        "walking ✓",
        "90%",
        "1.5 µs",
        "each after a wait",
        "66,667 ×",
        "✓✓✓✗✓✓▸",
        "Ctrl-C ends",
    ):
        assert essential in text
    for name in CHANNELS:
        assert name.replace("_", " ") in text
    for row in demo_view.big("walking", 44):
        assert row.rstrip() in text


def test_wrong_answers_are_marked_once_they_had_time(scene):
    outcome = scene.outcomes[-1]
    outcome.answers[-1] = LABELS.index("running")
    assert "walking ✗" in "\n".join(drawn(scene, 80, 24))
    del outcome.answers[1:]
    outcome.answers[0] = LABELS.index("running")
    assert "walking …" in "\n".join(drawn(scene, 80, 24))


def test_sparkline_has_a_column_for_each_level():
    assert demo_view.sparkline([0.0, 0.5, 1.0, 9.0, -9.0, None], 1) == ["▁▄▇▇▁┊"]
    assert demo_view.sparkline([0.0, 0.5, 1.0, None], 2) == ["  ▇┊", "▁██┊"]


@pytest.mark.parametrize(("share", "text"), [(0, "    "), (0.5, "██  "), (1, "████"), (1.5, "████"), (0.28, "█▏  ")])
def test_bar_fills_its_share(share, text):
    assert demo_view.bar(share, 4) == text


def test_big_letters_stand_for_every_label_or_give_way():
    for label in LABELS:
        rows = demo_view.big(label, 44)
        assert len(rows) == 3
        assert len({len(row) for row in rows}) == 1
    assert demo_view.big("running", 10) == ["", "RUNNING", ""]


@pytest.mark.parametrize(
    ("fits", "terminal", "encoding", "size", "term"),
    [
        (True, True, "utf-8", (80, 24), "xterm"),
        (False, False, "utf-8", (80, 24), "xterm"),
        (False, True, "ascii", (80, 24), "xterm"),
        (False, True, "utf-8", (79, 24), "xterm"),
        (False, True, "utf-8", (80, 23), "xterm"),
        (False, True, "utf-8", (80, 24), "dumb"),
    ],
)
def test_live_view_needs_a_real_terminal(fits, terminal, encoding, size, term, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_view.shutil, "get_terminal_size", lambda: size)
    monkeypatch.setenv("TERM", term)
    assert demo_view.fits(SimpleNamespace(isatty=lambda: terminal, encoding=encoding)) is fits


def test_live_run_in_a_terminal_ends_with_the_figures():
    """The whole demo inside a pseudo-terminal of 80 x 24."""
    import fcntl
    import os
    import struct
    import termios

    parent, child = os.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1"}
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-m", "edgelstm", "demo", "--recordings", "2", "--speed", "1000"]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)
    shown = b""
    try:
        while block := os.read(parent, 65536):
            shown += block
    except OSError:  # Linux reports the end of a pseudo-terminal as an error
        pass
    os.close(parent)
    assert process.wait(60) == 0, shown.decode()
    text = shown.decode()
    assert "what the network says" in text
    assert "2 of 2 held-out recordings right" in text
    assert "Traceback" not in text
