"""What `edgelstm quantize` reads: errors name file, line and channel, and no file is left half written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_calls import arrays, call, make_model, refused

import edgelstm as el
from edgelstm.cli import quantize_data
from edgelstm.runners.reading import Reading

ROWS = np.random.default_rng(3).normal(size=(400, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr("edgelstm.quantization.speed.SECONDS", 0.01)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("quantize") / "model.elstm"
    el.save(make_model(), file)
    return file


def lines_of(rows=ROWS, *more, header="ax,ay,az"):
    """CSV; `more`: cells of further columns, one sequence each."""
    cells = [map(repr, row) for row in rows.tolist()]
    extra = zip(*more, strict=True) if more else [()] * len(rows)
    return [header, *(",".join([*row, *rest]) for row, rest in zip(cells, extra, strict=True))]


def write(folder, name, lines, end="\n"):
    (folder / name).write_text("\n".join(lines) + end)
    return folder / name


def quantise(path, folder, files, *options):
    given = [part for file in files for part in ("--data", file)]
    return call("quantize", path, *given, "-o", folder / "small.elstm", *options)


@pytest.mark.parametrize(("cell", "says"), [("nan", "is nan"), ("", "is nan"), ("inf", "is inf"), ("1e300", "is inf")])
def test_a_bad_value_is_named_by_file_line_and_channel(path, tmp_path, cell, says):
    good, bad = lines_of(), lines_of()
    bad[99] = f"0.1,{cell},0.3"
    files = [write(tmp_path, "monday.csv", good), write(tmp_path, "tuesday.csv", bad)]
    said = refused(quantise(path, tmp_path, files), 1)
    assert f"{files[1]}, line 100, channel 1 (ay) {says}" in said
    assert not (tmp_path / "small.elstm").exists()


def test_a_bad_value_in_an_array_is_named_by_its_window(path, tmp_path):
    windows = ROWS.reshape(4, 100, 3).copy()
    windows[2, 57, 2] = np.nan
    np.savez(tmp_path / "w.npz", windows=windows)
    said = refused(quantise(path, tmp_path, [tmp_path / "w.npz"]), 1)
    assert f"{tmp_path / 'w.npz'}, window 2, step 57, channel 2 (az) is nan" in said
    np.savez(tmp_path / "a.npz", quiet=ROWS, loud=np.vstack([ROWS[:33], windows[2, 57:58]]))
    assert "a.npz, array loud, step 33, channel 2 (az)" in refused(quantise(path, tmp_path, [tmp_path / "a.npz"]), 1)


@pytest.mark.parametrize(
    ("label", "says"), [("7", "whole numbers from 0 to 1"), ("0.5", "got 0.5"), ("inf", "got inf"), ("run", "'run' is not known")]
)
def test_a_wrong_label_is_named_by_file_and_line(path, tmp_path, label, says):
    labels = ["rest"] * 400
    good = write(tmp_path, "a.csv", lines_of(ROWS, labels, header="ax,ay,az,truth"))
    labels[48] = label
    bad = write(tmp_path, "b.csv", lines_of(ROWS, labels, header="ax,ay,az,truth"))
    said = refused(quantise(path, tmp_path, [good, bad], "--labels-column", "truth"), 1)
    assert str(bad) in said
    assert "line 50" in said
    assert says in said


@pytest.mark.parametrize("end", ["\n", "\n\n", "\n   \n", "\n \t\r\n\n", "\r\n"])
def test_blank_lines_at_the_end_are_no_labels(path, tmp_path, end):
    file = write(tmp_path, "a.csv", lines_of(ROWS, ["walk"] * 400, header="ax,ay,az,truth"), end)
    windows, labels = quantize_data.read([file], el.load(path), Reading(), "truth", None)
    assert sum(map(len, windows)) == sum(map(len, labels)) == 400
    assert set(np.concatenate(labels)) == {1.0}


def test_a_line_of_another_width_is_named(path, tmp_path):
    lines = lines_of(ROWS, ["walk"] * 400, header="ax,ay,az,truth")
    lines[9] += ",1"
    said = refused(quantise(path, tmp_path, [write(tmp_path, "a.csv", lines)], "--labels-column", "truth"), 1)
    assert "line 10: 5 columns, where the first line has 4" in said


def test_two_columns_of_the_labels_name_are_refused(path, tmp_path):
    file = write(tmp_path, "a.csv", lines_of(ROWS, ["walk"] * 400, ["rest"] * 400, header="ax,ay,az,truth,truth"))
    assert "column 'truth' is more than once in the header" in refused(quantise(path, tmp_path, [file], "--labels-column", "truth"), 2)
    assert quantise(path, tmp_path, [file], "--labels-column", "5").exit_code == 0


def test_nobody_is_told_to_have_chosen_columns_who_has_not(path, tmp_path):
    file = write(tmp_path, "a.csv", lines_of(np.hstack([ROWS[:, :1], ROWS]), ["walk"] * 400, header="time,x,y,z,truth"))
    said = refused(quantise(path, tmp_path, [file], "--labels-column", "5"), 1)
    assert "chooses" not in said
    assert "names none of the model's inputs" in said
    assert "for example --columns 2-4" in said
    assert quantise(path, tmp_path, [file], "--labels-column", "5", "--columns", "2,3,4").exit_code == 0


def test_recordings_with_and_without_labels_are_named(path, tmp_path):
    np.savez(tmp_path / "with.npz", windows=ROWS[None], labels=np.zeros((1, 400)))
    np.savez(tmp_path / "without.npz", windows=ROWS[None])
    said = refused(quantise(path, tmp_path, [tmp_path / "with.npz", tmp_path / "without.npz"]), 1)
    assert "with.npz" in said
    assert "without.npz" in said


def test_arrays_are_read_as_the_same_lines_are(path, tmp_path):
    """Of one recording and of several, with a name or without."""
    model, csv = el.load(path), write(tmp_path, "a.csv", lines_of())
    np.save(tmp_path / "whole.npy", ROWS.astype(float))
    np.save(tmp_path / "windows.npy", ROWS.reshape(20, 20, 3))
    np.savez(tmp_path / "named.npz", day=ROWS.reshape(20, 20, 3))
    wanted, _ = quantize_data.read([csv], model, Reading(), None, None)
    for name, place in (("whole.npy", "whole.npy"), ("windows.npy", "windows.npy, window 0"), ("named.npz", "array day, window 0")):
        places = []
        windows, labels = quantize_data.read([tmp_path / name], model, Reading(), None, None, places)
        np.testing.assert_array_equal(windows, wanted)
        assert labels is None
        assert places[0].name.endswith(place)
    alone = el.Model([el.Dense(np.ones((1, 1)))])
    np.save(tmp_path / "alone.npy", ROWS[:, 0])
    (rows,), _ = quantize_data.read([tmp_path / "alone.npy"], alone, Reading(), None, None)
    assert rows.shape == (400, 1)


def test_every_verb_that_takes_recordings_takes_arrays(path, tmp_path):
    np.save(tmp_path / "a.npy", ROWS.reshape(4, 100, 3))
    write(tmp_path, "a.csv", lines_of())
    made = [quantise(path, tmp_path, [tmp_path / name], "--json", "--window", "100") for name in ("a.npy", "a.csv")]
    of_array, of_lines = ([layer["options"] for layer in json.loads(result.stdout)["layers"]] for result in made)
    assert of_array == of_lines
    np.savez(tmp_path / "trained.npz", **arrays())
    words = ["convert", tmp_path / "trained.npz", "--layers", "lstm, fc", "-o", tmp_path / "s.elstm"]
    for name in ("a.npy", "a.csv"):
        assert call(*words, "--input-names", "ax,ay,az", "--stats", tmp_path / name).exit_code == 0
        np.testing.assert_allclose(el.load(tmp_path / "s.elstm").statistics.mean, ROWS.mean(axis=0), rtol=1e-5)
    bad = ROWS.copy()
    bad[57, 2] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    assert "bad.npy, step 57, channel 2 (az) is nan" in refused(quantise(path, tmp_path, [tmp_path / "bad.npy"]), 1)


def zipped(folder):
    np.savez(folder / "e.npz", windows=np.zeros((2, 5, 3), "f4"))
    return (folder / "e.npz").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, at: data[: at + 8] + b"\1\0" + data[at + 10 :],  # encrypted
        lambda data, at: data[: at + 8] + b"\x20\0" + data[at + 10 :],  # compressed patched data
        lambda data, at: data[: at + 6] + b"\xff" + data[at + 7 :],  # version of the zip format
        lambda data, at: data[: at + 10] + b"\x63\0" + data[at + 12 :],  # method of compression
        lambda data, at: data.replace(b"(2, 5, 3)", b"((((((((("),
        lambda data, at: data.replace(b"(2, 5, 3)", b"(9**9999)"),
        lambda data, at: data.replace(b"(2, 5, 3)", b"(2, 5,-3)"),
        lambda data, at: data.replace(b"(2, 5, 3)", b"(2,10**9)"),
        lambda data, at: data.replace(b"'<f4'", b"'|O8'"),
    ],
)
def test_a_damaged_npz_is_an_input_error(path, tmp_path, damage):
    data = zipped(tmp_path)
    (tmp_path / "e.npz").write_bytes(damage(data, data.index(b"PK\1\2")))
    with pytest.raises(el.InputError) as raised:
        quantize_data.read([tmp_path / "e.npz"], el.load(path), (), None, None)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("arrays", [{"windows": np.float32(1)}, {"a": np.float32(1)}, {"windows": ROWS, "labels": np.float32(1)}, {}])
def test_an_odd_npz_is_an_input_error(path, tmp_path, arrays):
    np.savez(tmp_path / "odd.npz", **arrays)
    assert "odd.npz: " in refused(quantise(path, tmp_path, [tmp_path / "odd.npz"]), 1)


def test_the_report_names_windows_by_their_files(path, tmp_path):
    for name in ("01-rest.csv", "02-walk.csv"):
        write(tmp_path, name, lines_of())
    page = tmp_path / "page.html"
    done = quantise(path, tmp_path, [tmp_path / "01-rest.csv", tmp_path / "02-walk.csv"], "--report", page)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert "window 0" not in text
    assert "0" in text.split("walk.csv, line ")[-1][:4] or "-rest.csv, line " in text
    assert str(tmp_path) not in text
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "01-rest.csv", tmp_path / "other")
    quantise(path, tmp_path, [tmp_path / "01-rest.csv", tmp_path / "other" / "01-rest.csv"], "--report", page)
    assert f"{tmp_path}" in page.read_text(), "two files of one name"


def test_the_report_can_be_read_on_a_phone_and_shows_f32_under_int8(path, tmp_path):
    from edgelstm.quantization.report import svg

    page = tmp_path / "page.html"
    quantise(path, tmp_path, [write(tmp_path, "a.csv", lines_of())], "--report", page)
    text = page.read_text()
    phone = text.split("@media")[1]
    pixels = float(phone.split("svg text { font-size: ")[1].split("px")[0])
    assert pixels * 340 / svg.WIDTH >= 10
    assert 'class="f32 under"' in text
    assert text.index('class="f32 under" points') < text.index('class="int8" points', text.index("Around the worst"))


FULL = """
import resource, sys
from edgelstm.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (12000, 12000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
main(sys.argv[1:])
"""


@pytest.mark.parametrize("verb", ["quantize", "bench"])
def test_a_page_or_picture_that_cannot_be_written_is_named_and_leaves_nothing(path, tmp_path, verb):
    """A limit on the size of files stands for a full disk."""
    if verb == "bench":
        pytest.importorskip("matplotlib")
    write(tmp_path, "a.csv", lines_of())
    target = tmp_path / ("page.html" if verb == "quantize" else "times.png")
    options = {
        "quantize": ["quantize", path, "--data", tmp_path / "a.csv", "-o", tmp_path / "small.elstm", "--report", target],
        "bench": ["bench", path, "--rate", "2000", "--steps", "50", "--plot", target],
    }[verb]
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", FULL, *map(str, options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert str(target) in done.stderr.splitlines()[-1]
    assert "standard input" not in done.stderr
    assert {file.name for file in tmp_path.iterdir()} <= {"a.csv", "small.elstm"}
