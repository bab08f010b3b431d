"""What a console, a notebook, `help` and a type checker show of the objects that users hold."""

import inspect
import pydoc
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import lstm_layers, lstm_model
from library_models import built, model_of

import edgelstm as el
from edgelstm import device
from edgelstm.compiler.targets import TARGETS, TargetName
from edgelstm.quantization import SchemeName
from edgelstm.quantization.schemes import SCHEMES
from edgelstm.runtime.samples import NanPolicy, NanPolicyName


@pytest.fixture
def path(tmp_path):
    built("f32-odd", "host").write(tmp_path / "a.so")
    return tmp_path / "a.so"


def test_one_line_says_what_an_object_is(rng, path):
    model = lstm_model(rng, 2, 32, 2, outputs=1)
    stream = el.Stream(model)
    stream.process(np.zeros((17, 2)))
    assert repr(stream) == "Stream(2 → 1, LSTM 32 ×2, f32, 17 steps)"
    assert repr(model) == "Model(2 → 1, LSTM 32 ×2, f32)"
    assert repr(el.build(model, "x86-64-v3")).startswith("Build(2 → 1, LSTM 32 ×2, f32, for x86-64-v3, ")
    for kind in (el.Stream, device.Stream):
        opened = kind(path)
        opened.step([0] * 7)
        assert repr(opened) == "Stream(7 → 3, LSTM 41 ×2, f32, 1 step)"
    assert repr(el.Model([el.Dense(np.zeros((4, 3)), np.zeros(4))])) == "Model(3 → 4, Dense 4, f32)"
    assert repr(model_of("f32-table")) == "Model(index of 7 → 2, LSTM 3, f32)"
    assert repr(model_of("int8-dynamic")) == "Model(7 → 5, LSTM 41, LSTM 6, int8-dynamic)"


def test_notebooks_show_layers_names_and_sizes(rng, path):
    named = el.Model(
        [*lstm_layers(rng, 2, 5, 1), el.Dense(np.zeros((2, 5)), np.zeros(2), name="<b>&head")],
        input_names=("<script>alert(1)</script>", "y"),
        labels=("a&b", '"'),
    )
    shown = [named, el.Stream(named), el.build(named), el.Stream(path), device.Stream(path), model_of("f32-all-layers")]
    for each in shown:
        page = ElementTree.fromstring(each._repr_html_())
        assert page.findall(".//{http://www.w3.org/2000/svg}rect")
        assert page.findall(".//td")
        assert repr(each).split("(")[0] in page.find("b").text
    text = "".join(ElementTree.fromstring(named._repr_html_()).itertext())
    assert "<b>&head" in text
    assert "<script>" in text
    assert "<script" not in named._repr_html_()


def test_names_from_files_stay_printable_in_a_repr(rng):
    model = lstm_model(rng, 2, 4)
    assert repr(el.Model(model.layers, labels=("\x1b[2J", "\n"))).isprintable()
    assert repr(el.Probe(np.zeros((2, 2)), np.zeros((2, 2)), "\n" * 500)).isprintable()


def test_help_shows_step_and_short_signatures():
    for kind in (el.Stream, device.Stream):
        text = pydoc.plain(pydoc.render_doc(kind))
        assert "\n |  step" in text
        assert "valid until the next step" in text.lower()
        assert "_SupportsArray" not in text
        assert "ndarray[" not in text


def test_literals_name_what_there_is():
    assert get_args(NanPolicyName) == tuple(policy.value for policy in NanPolicy)
    assert get_args(SchemeName) == (*SCHEMES, "auto")
    assert get_args(TargetName) == ("host", *TARGETS)
    assert inspect.signature(el.Stream).parameters["nan_policy"].annotation == "NanPolicyName"
    assert inspect.signature(el.quantize).parameters["scheme"].annotation is SchemeName
    assert set(get_args(TargetName)) <= {
        name for part in get_args(inspect.signature(el.build).parameters["target"].annotation) for name in get_args(part)
    }


def test_a_checker_refuses_what_there_is_not(tmp_path):
    api = pytest.importorskip("mypy.api")
    wrong = [
        'el.Stream(m, nan_policy="ignore")',
        'el.quantize(m, [], "int8")',
        'el.build(m, "rpi6")',
        "el.Stream(m).stp",
    ]
    right = ['el.Stream(m, nan_policy="hold").step([1]).sum()', 'el.quantize(m, [], "auto")', 'el.build(m, "rpi5")', "el.Stream(m).step()"]
    (tmp_path / "use.py").write_text("\n".join(["import edgelstm as el", 'm = el.load("m")', *right, *wrong]) + "\n")
    out, _, _ = api.run([str(tmp_path / "use.py"), "--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}"])
    lines = {int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line}
    assert lines == set(range(3 + len(right), 3 + len(right) + len(wrong))), out


def test_changing_the_import_changes_no_code(path):
    """A stream of the standard library has the other one's attributes, but those of compiling, of layers by their names, and of arrays."""
    public = {name for name in dir(el.Stream(path)) if not name.startswith("_")}
    of_layers, of_arrays = {"attend", "set_state", "start_from", "state"}, {"statistics"}
    assert public - {"model", "plan", "program"} - of_layers - of_arrays <= set(dir(device.Stream(path)))


def test_both_streams_answer_alike(tmp_path):
    names = ("x", "y", "z")
    model = lstm_model(np.random.default_rng(6), 3, 8, names=names)
    place = tmp_path / "a.so"
    el.build(model).write(place)
    rows = np.random.default_rng(7).uniform(-1, 1, (9, 3)).astype(np.float32)
    one, other = el.Stream(place), device.Stream(place)
    forms = [
        lambda x: x,
        list,
        lambda x: dict(zip(names, x.tolist(), strict=True)),
        lambda x: dict(zip(names[::-1], x[::-1].tolist(), strict=True)) | {"note": "wet"},
        lambda x: np.ma.masked_array(x, False),
    ]
    for t, x in enumerate(rows):
        np.testing.assert_array_equal(one.step(forms[t % 5](x)), other.step(forms[t % 5](x)))
    for block in (rows, rows.tolist(), rows.astype(np.float64), list(rows), [forms[2](x) for x in rows], rows[:0]):
        np.testing.assert_array_equal(one.process(block), np.reshape(other.process(block), (-1, 2)))
    assert (one.steps, one.labels, one.input_names, one.bad_inputs) == (other.steps, other.labels, other.input_names, other.bad_inputs)
    before = other.snapshot()
    other.warmup()
    assert other.snapshot() == before == one.snapshot()
    for wrong in (np.ma.masked_array(rows[0], True), {"x": 1, "y": 2}, {0: 1, 1: 2, 2: 3}, {1.0, 2.0, 3.0}):
        for stream in (one, other):
            with pytest.raises(el.InputError):
                stream.step(wrong)
    with pytest.raises(el.InputError, match="process takes"):
        other.process(np.zeros((3, 2), np.float32).reshape(2, 3).T.copy())


def test_what_is_done_to_a_view_of_the_standard_library_stays_there(path):
    stream = device.Stream(path)
    with stream.step([0.5] * 7) as answer:
        kept = answer.tolist()
    stream.input.release()
    stream.output.release()
    stream.reset()
    assert stream.step([0.5] * 7).tolist() == kept


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_done_to_the_answer_is_not_done_to_the_state(rng):
    """Its shape is the user's own; what is computed does not rest on it."""
    model = lstm_model(rng, 3, 8)
    xs = rng.uniform(-1, 1, (4, 3))
    whole = el.Stream(model).process(xs)
    stream = el.Stream(model)
    stream.step(xs[0]).strides = (0,)
    stream.input.strides = (0,)
    for x in xs[1:3]:
        stream.step(x)
    np.testing.assert_array_equal(stream.process(xs[3:]), whole[3:])
    assert "same object" in stream.step.__doc__
    assert "same object" in inspect.getdoc(el.Stream.step)
