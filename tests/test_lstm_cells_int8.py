"""Options of an LSTM cell in layers with int8 weights, and what schemes lack."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import TOLERANCE
from lstm_cells import CLIPS, lstm

import edgelstm as el
from edgelstm import reference


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(7).uniform(-1, 1, (6, 200, 5)).astype(np.float32)


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic"])
@pytest.mark.parametrize(
    "options",
    [{"peephole": True, **CLIPS}, {"projection": 7, "projection_clip": 0.3, "peephole": True, "coupled": "i=1-f"}],
    ids=["clips", "projection"],
)
def test_a_quantised_layer_keeps_its_options(rng, windows, scheme, options):
    model = el.Model([lstm(rng, 5, 14, **options)])
    small = el.quantize(model, windows, scheme=scheme)
    (before,), (after,) = model.layers, small.layers
    assert after.variant == before.variant
    assert after.numbers == scheme
    if after.weight_hr is not None:
        assert after.weight_hr.dtype == np.int8
    xs = windows[0]
    twin, exact = reference.run(small, xs), reference.run(model, xs)
    assert np.abs(twin - exact).max() <= 0.01
    error = np.abs(el.Stream(small).process(xs) - twin).max(axis=1)
    assert np.mean(error <= TOLERANCE["f32"]) > 0.95
    assert error.max() <= 0.01


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic"])
@pytest.mark.parametrize(
    ("hidden", "projection"), [(15, 5), *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((3, 1), (70, 118)))]
)
def test_a_projection_in_integers_stays_with_its_twin(rng, windows, scheme, hidden, projection):
    """In tiles with a tail and without, with a bias and a limit, and beside the same projection in float32, as older files have it."""
    (layer,) = el.quantize(el.Model([lstm(rng, 5, hidden, projection=projection, projection_clip=0.4)]), windows, scheme=scheme).layers
    older = replace(layer, weight_hr=layer.projection_weights, scale_hr=None)
    assert older.weight_hr.dtype == np.float32
    exact = reference.run(el.Model([layer]), windows[0])
    for each in (layer, older):
        error = np.abs(el.Stream(el.Model([each])).process(windows[0]) - exact).max(axis=1)
        assert np.mean(error <= TOLERANCE["f32"]) > 0.95
        assert error.max() <= 0.01


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scale_hr": np.ones(6)}, r"scale_hr must have shape \(7,\)"),
        ({"scale_hr": np.zeros(7)}, "must be positive"),
        ({"weight_hr": np.zeros((7, 14))}, "weight_hr must be int8"),
        ({"weight_hr": None, "bias_hr": None, "weight_hh": np.zeros((56, 14), np.int8), "h0": None}, "scale_hr belongs to a weight_hr"),
    ],
)
def test_a_wrong_projection_is_refused(rng, windows, change, match):
    (layer,) = el.quantize(el.Model([lstm(rng, 5, 14, projection=7)]), windows, scheme="int8-weight").layers
    with pytest.raises(el.EdgeLSTMError, match=match):
        replace(layer, **change)


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic", "int8-static"])
def test_what_int8_lacks_is_refused_by_name_and_can_stay(rng, windows, scheme):
    """A layer that a scheme does not have stays in f32 beside one that it has, if it is named."""
    layers = [
        lstm(rng, 5, 9, norm="tflite", start=False, name="normed"),
        lstm(rng, 9, 12, start=False, name="plain"),
        el.Dense(np.ones((2, 12))),
    ]
    model = el.Model(layers)
    with pytest.raises(el.UnsupportedModelError, match=r"normed.* norm.*f32"):
        el.quantize(model, windows, scheme=scheme)
    if scheme == "int8-static":
        return
    small = el.quantize(model, windows, scheme=scheme, keep=["normed"])
    assert [layer.numbers for layer in small.layers[:2]] == ["f32", scheme]
    assert (
        np.abs(reference.run(small, windows[0]) - reference.run(model, windows[0])).max()
        <= 0.05 * np.abs(reference.run(model, windows[0])).max()
    )


def test_int8_static_takes_a_cells_clip(rng, windows):
    model = el.Model([lstm(rng, 5, 12, cell_clip=0.25, start=False)])
    (layer,) = el.quantize(model, windows, scheme="int8-static").layers
    assert layer.cell_clip == round(0.25 * 2**layer.cell_bits)
