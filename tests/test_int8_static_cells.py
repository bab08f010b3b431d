"""Integer-only LSTM layers whose cell has options: compiled code against the twin, the twin against LiteRT, and what quantising makes."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import samples
from int8_records import lstm_int8_static, normed, static_of_every_option
from lstm_cells import lstm
from tflite_files import Int8LSTM

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_tflite import file as tflite_file
from edgelstm.importers.from_tflite.chains import from_tflite
from edgelstm.reference import lstm_int8_static as twin
from edgelstm.reference.integers import inverse_root

#: Options of a file's LSTM.
FORMS = {
    "peepholes": {"peephole": True},
    "coupled": {"coupled": True, "peephole": True},
    "projection": {"projected": 3, "hidden": 9, "options": {2: ("f", 0.4)}},
    "projection, peepholes": {"projected": 4, "hidden": 7, "peephole": True, "clip": 0.0},
    "norm": {"norm": True, "hidden": 8},
    "all": {"coupled": True, "peephole": True, "norm": True, "projected": 5, "hidden": 16, "clip": 0.7},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_twin_answers_as_litert(rng, form):
    """Step by step from LiteRT's own state before: its tanh and sigmoid round otherwise, so that an integer may differ by one."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    network = Int8LSTM(steps=60, **FORMS[form]).build()
    data, xs = network.bytes(), rng.integers(-128, 128, (60, 3)).astype(np.int8)
    run = interpreter.Interpreter(model_content=data, experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF)
    run.allocate_tensors()
    run.set_tensor(run.get_input_details()[0]["index"], xs[None])
    run.invoke()
    expected = run.get_tensor(run.get_output_details()[0]["index"])[0].astype(np.int64)  # (60, size of h)
    (layer,) = from_tflite(tflite_file.read(data))[0].layers
    h, c = (state.astype(np.int64) for state in twin.start(layer))
    found = []
    for x, given in zip(xs.astype(np.int64), expected, strict=True):
        h, c = twin.integer_step(layer, x, h, c)
        found.append(h)
        h = given
    difference = np.abs(np.array(found) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.05
    assert np.ptp(expected) > 20


def test_compiled_code_equals_the_twin(rng):
    model = el.Model(static_of_every_option(rng))
    xs, stream = rng.uniform(-3, 3, (80, 3)).astype(np.float32), el.Stream(model)
    whole = stream.process(xs)
    np.testing.assert_array_equal(whole, reference.run(model, xs).astype(np.float32))
    stream.reset()
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)
    assert np.ptp(whole) > 0


def test_inverse_roots_have_nineteen_bits(rng):
    for x in (1, 2, 3, 4, 1000, (1 << 29) - 1, 1 << 29, (1 << 31) - 1, *rng.integers(1, 1 << 31, 200)):
        mantissa, shift = inverse_root(int(x))
        assert abs(mantissa / 2**31 * 2.0**shift * float(x) ** 0.5 - 1) < 2e-6


def test_a_gate_whose_units_agree_takes_its_guard(rng):
    layer = replace(lstm_int8_static(rng, 2, 3), **normed(rng, 3))
    assert (
        twin.normalised(layer, np.full(3, 500), 1) == twin.normalised(replace(layer, norm_weight=0 * layer.norm_weight), np.full(3, 500), 1)
    ).all()


#: Options that integers alone have, of float layers.
CELLS = {
    "projection": {"projection": 6, "peephole": True, "coupled": "i=1-f", "cell_clip": 0.8},
    "clipped": {"projection": 5, "projection_clip": 0.2, "coupled": "f=1-i"},
}


@pytest.mark.parametrize("case", CELLS)
def test_float_layers_with_options_become_integers(rng, case):
    model = el.Model([lstm(rng, 3, 15, **CELLS[case])])
    windows, xs = np.array([samples(rng, model, 100) for _ in range(4)]), samples(rng, model, 200)
    small = el.quantize(model, windows, scheme="int8-static")
    expected, found = reference.run(model, xs), reference.run(small, xs)
    assert small.layers[0].numbers == "int8-static"
    assert np.abs(found - expected).max() < 0.05 * np.ptp(expected)


def test_a_norm_is_kept_in_float(rng):
    model = el.Model([lstm(rng, 3, 8, norm="tflite")])
    with pytest.raises(el.UnsupportedModelError, match=r"does not have norm.*Keep it in f32"):
        el.quantize(model, samples(rng, model, 50)[None], scheme="int8-static")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"peephole": None}, "peephole and mantissa_peephole must both be given"),
        ({"norm_guard": np.zeros(4, np.int32)}, "norm_guard must be 1 and more"),
        ({"weight_hr": None, "mantissa_hr": None, "shift_hr": None}, "weight_hh must|belong to weight_hr|must be int8 of shape|has shape"),
        ({"projection_clip": 128}, "projection_clip"),
        ({"coupled": "both"}, "coupled must be one of"),
    ],
)
def test_options_that_are_not_whole_are_refused(rng, wrong, message):
    with pytest.raises(el.EdgeLSTMError, match=message):
        replace(static_of_every_option(rng)[0], **wrong)
