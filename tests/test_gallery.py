"""The examples: every figure on a page is of a result file, the network beats the naive way, and measuring again gives the same."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from cli_calls import call
from documents import ROOT
from example_modules import script

import edgelstm as el
from edgelstm.errors import ModelFileError
from edgelstm.gallery import naive
from edgelstm.gallery.example import nanoseconds
from edgelstm.gallery.result import Measure, folders, read

sys.path.insert(0, str(ROOT / "tools"))

import gallery

RESULTS = gallery.results()

#: Examples whose figures another test measures again, and which.
MEASURED_ELSEWHERE = {
    "activity": "test_int8_tasks.py",
    "chorales": "test_chorales_example.py",
    "forecast": "test_gallery.py",  # by the command
    "guitar": "test_guitar_example.py",
    "keyboard": "test_keyboard_example.py",
    "recommend": "test_recommend_example.py",
    "text": "test_text_example.py",
    "translate": "test_translate_example.py",
    "video": "test_video_example.py",
    "voice": "test_voice.py",
    "vowels": "test_int8_tasks.py",
}

#: The example that is streamed again wherever tests run; the others are where slow ones do.
QUICK = "stock"


MEASURED_HERE = [
    pytest.param(name, marks=[] if name == QUICK else [pytest.mark.slow]) for name in sorted(RESULTS.keys() - MEASURED_ELSEWHERE.keys())
]


@pytest.mark.parametrize("name", MEASURED_HERE)
def test_the_network_reaches_its_figures_again(name):
    """On the data in the folder, streamed; and beats the naive way, as it was measured."""
    made, result = script(name).EXAMPLE, RESULTS[name]
    found = made.network()
    assert [measure.text(figure) for measure, figure in zip(made.measures, found, strict=True)] == result.cells()[0][1:]
    assert result.measures[0].beats(found[0], result.baseline[1])
    assert (made.does, made.held_back, tuple(made.measures), made.seconds) == (
        result.does,
        result.held_back,
        result.measures,
        result.seconds,
    )


@pytest.mark.parametrize("name", RESULTS)
def test_an_example_has_the_form(name):
    result, folder = RESULTS[name], ROOT / "examples" / name
    assert result.beaten
    assert result.does.endswith(".")
    assert 0 < result.step.ns < 1e9
    if name != "voice":  # whose networks are files of packages
        assert result.model_bytes <= 300_000
    assert (folder / f"{name}.png").stat().st_size <= 60_000
    assert (folder / "README.md").read_text(encoding="utf-8").count(f"]({name}.png)") == 1
    assert (ROOT / "tests" / MEASURED_ELSEWHERE.get(name, "test_gallery.py")).is_file()


@pytest.mark.parametrize("name", RESULTS)
def test_a_page_has_the_figures_of_its_file(name):
    page = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    assert page.count(gallery.BEGIN) == page.count(gallery.END) == 1
    assert gallery.filled(page, gallery.block(RESULTS[name])) == page, "run: python tools/gallery.py"


def test_the_gallery_has_the_figures_of_the_files():
    page = gallery.PAGE.read_text(encoding="utf-8")
    assert gallery.gallery(RESULTS) == page, "run: python tools/gallery.py"
    other = {**RESULTS, "activity": replace(RESULTS["activity"], rows={"the network": (1.0, 2.0), "chance": (0.5, None)})}
    assert gallery.gallery(other) != page


def test_the_verb_lists_them():
    told = json.loads(call("examples", "--json").stdout)
    assert list(told) == list(RESULTS)
    assert told["forecast"]["rows"]["the network"] == RESULTS["forecast"].rows["the network"]
    shown = call("examples").stdout
    for name in RESULTS:
        assert name in shown
        assert told[name]["command"].split()[-1] in shown.replace("\n", "") or name == "activity"
    assert folders().keys() == RESULTS.keys()


@pytest.mark.parametrize(
    ("arguments", "complaint"), [(["demo", "none"], "no example 'none'"), (["demo", "forecast", "--plain"], "takes no --plain")]
)
def test_what_demo_refuses(arguments, complaint):
    done = call(*arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_a_damaged_result_is_named(tmp_path):
    shutil.copy(ROOT / "examples" / "forecast" / "result.json", tmp_path)
    told = json.loads((tmp_path / "result.json").read_text())
    del told["step"]["ns"]
    (tmp_path / "result.json").write_text(json.dumps(told))
    with pytest.raises(ModelFileError, match=r"run\.py --write"):
        read(tmp_path)


def test_a_damaged_model_is_said_in_one_line(tmp_path):
    (tmp_path / "water.elstm").write_bytes(b"no model")
    damaged = replace(script("water").EXAMPLE, network=lambda: el.load(tmp_path / "water.elstm"), look=None)
    with pytest.raises(SystemExit, match=r"^water: .*water\.elstm"):
        damaged.main([])


def test_measures_compare_and_print():
    error, share = Measure("error", "MWh", "lower"), Measure("right")
    assert (error.beats(1, 2), error.beats(2, 2), share.beats(2, 1), share.beats(1, 2)) == (True, False, True, False)
    assert (error.head, share.head, error.text(-1234.56), share.text(95), share.text(None)) == (
        "error, MWh",
        "right",
        "−1,234.6",
        "95.0 %",
        "—",
    )


def test_a_steps_time_is_of_one_step():
    calls = []
    assert 0 < nanoseconds(calls.append, [1, 2]) < 1e5
    assert calls[:4] == [1, 2, 1, 2]


def test_a_step_is_measured_again_alone(tmp_path):
    """Its time and the instructions of all models that it steps, so often each; the figures stay."""
    shutil.copy(ROOT / "examples" / "forecast" / "result.json", tmp_path)
    made = script("forecast").EXAMPLE
    model = made.load()
    once, often = (
        replace(made, folder=tmp_path, load=lambda loaded=loaded: loaded, steps=lambda: (abs, [1])).write_step()
        for loaded in (model, [(model, 2.0), (model, 0.5)])
    )
    assert often.a72_instructions == pytest.approx(2.5 * once.a72_instructions, abs=1)
    assert 0 < once.a76_instructions <= once.a72_instructions
    assert read(tmp_path) == replace(RESULTS["forecast"], step=often)


def test_time_warping_is_that_of_the_definition(rng):
    def distance(a, b):
        sums = np.full((len(a) + 1, len(b) + 1), np.inf)
        sums[0, 0] = 0
        for i, j in np.ndindex(len(a), len(b)):
            sums[i + 1, j + 1] = ((a[i] - b[j]) ** 2).sum() + min(sums[i, j], sums[i, j + 1], sums[i + 1, j])
        return sums[-1, -1]

    one, others = rng.normal(size=(7, 2)), [rng.normal(size=(n, 2)) for n in (3, 7, 12)]
    np.testing.assert_allclose(naive.time_warped(one, others), [distance(one, other) for other in others])
    assert naive.time_warped(one, [np.repeat(one, 3, axis=0)]) == 0


def test_scores_against_pairs_counted_one_by_one(rng):
    wanted, scores = rng.random(60) < 0.3, rng.integers(0, 12, 60)
    pairs = [(a > b) + (a == b) / 2 for a in scores[wanted] for b in scores[~wanted]]
    assert naive.area_under_curve(wanted, scores) == pytest.approx(np.mean(pairs))
    precisions = [wanted[scores >= score].mean() for score in scores[wanted]]
    assert naive.average_precision(wanted, scores) == pytest.approx(np.mean(precisions))
    assert naive.average_precision([1, 0, 1, 0], [4, 3, 2, 1]) == pytest.approx((1 + 2 / 3) / 2)
    assert naive.average_precision([1, 0, 0, 0], [0, 0, 0, 0]) == pytest.approx(0.25)


@pytest.mark.slow
def test_demo_runs_an_example_by_its_name():
    done = subprocess.run([sys.executable, "-m", "edgelstm", "demo", "forecast"], capture_output=True, text=True, check=True, cwd=ROOT)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["the", "network", *RESULTS["forecast"].cells()[0][1:]] in rows
    assert "A step reads an hour" in done.stdout
