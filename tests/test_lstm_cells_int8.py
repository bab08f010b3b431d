"""Options of an LSTM cell in layers with int8 weights, and what schemes lack."""

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
    xs = windows[0]
    twin, exact = reference.run(small, xs), reference.run(model, xs)
    assert np.abs(twin - exact).max() <= 0.01
    error = np.abs(el.Stream(small).process(xs) - twin).max(axis=1)
    assert np.mean(error <= TOLERANCE["f32"]) > 0.95
    assert error.max() <= 0.01


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
