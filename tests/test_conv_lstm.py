"""Convolutional LSTM layers: the twin against Keras and against identities, the kernel against the twin in odd sizes."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import TOLERANCE, samples
from kinds import conv_lstm, conv_lstm_int8, uniform

import edgelstm as el
from edgelstm import reference

#: Shape of the map, channels, window, and options: strides, dilation, paddings, windows as large as the map, one channel and many.
CASES = {
    "one of each": ((1, 1, 1), 1, (1, 1), {}),
    "odd": ((5, 7, 3), 5, (3, 2), {"peephole": "maps"}),
    "even window": ((6, 4, 2), 17, (2, 4), {"peephole": "channels"}),
    "strides": ((9, 8, 2), 6, (3, 3), {"strides": (2, 3)}),
    "dilation": ((9, 8, 2), 6, (3, 3), {"dilation": 2, "peephole": "maps"}),
    "valid": ((7, 9, 2), 3, (3, 4), {"padding": "valid", "strides": (1, 2)}),
    "given padding": ((7, 5, 2), 4, (3, 3), {"padding": ((2, 0), (1, 3))}),
    "larger than the map": ((2, 3, 1), 4, (5, 5), {}),
    "a line": ((19, 2), 9, (4,), {"strides": 2, "peephole": "maps"}),
    "a wide line": ((40, 1), 33, (3,), {"dilation": 3, "peephole": "channels"}),
    "other functions": (
        (4, 4, 2),
        5,
        (3, 3),
        {"gate_activation": "hard_sigmoid", "cell_activation": "relu", "output_activation": "softsign"},
    ),
    "trained start": ((4, 4, 2), 5, (3, 3), {"started": True, "peephole": "maps"}),
}


def layer_of(rng, shape, channels, window, options):
    options = dict(options)
    plain = {key: value for key, value in options.items() if key not in ("peephole", "started")}
    out = conv_lstm(rng, shape, channels, window, **plain).answer_shape
    if kind := options.pop("peephole", None):
        options["peephole"] = uniform(rng, 3, *(out if kind == "maps" else out[-1:]))
    if options.pop("started", False):
        options |= {"h0": uniform(rng, *out), "c0": uniform(rng, *out)}
    return conv_lstm(rng, shape, channels, window, **options)


@pytest.mark.parametrize("case", CASES)
def test_the_kernel_stays_with_the_twin(rng, case):
    model = el.Model([layer_of(rng, *CASES[case])])
    xs = samples(rng, model, 100)
    expected = reference.run(model, xs)
    answers = el.Stream(model).process(xs)
    assert answers.shape == (100, *model.layers[0].answer_shape)
    assert np.abs(answers.reshape(100, -1) - expected).max() <= TOLERANCE["f32"] * max(1, np.abs(expected).max())


@pytest.mark.parametrize("case", ["odd", "strides", "a wide line", "other functions", "trained start"])
def test_int8_kernels_stay_with_their_twin_and_near_the_float_layer(rng, case):
    plain = el.Model([layer_of(rng, *CASES[case])])
    xs = samples(rng, plain, 100)
    model = el.quantize(plain, xs, "int8-weight")
    (layer,) = model.layers
    assert (model.scheme, layer.kernel.dtype, layer.recurrent_kernel.dtype) == ("int8-weight", np.int8, np.int8)
    expected = reference.run(model, xs)
    answers = el.Stream(model).process(xs).reshape(100, -1)
    assert np.abs(answers - expected).max() <= TOLERANCE["f32"] * max(1, np.abs(expected).max())
    floats = reference.run(plain, xs)
    assert np.abs(floats - expected).max() <= 0.02 * np.abs(floats).max()


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-static", "f16-weight"])
def test_schemes_without_a_rule_are_refused_by_name(rng, scheme):
    model = el.Model([layer_of(rng, *CASES["one of each"])])
    with pytest.raises(el.UnsupportedModelError, match=rf"conv_lstm.*{scheme}.*kept in f32"):
        el.quantize(model, [samples(rng, model, 40)], scheme)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kernel": np.zeros((3, 2, 3, 20), np.float32)}, "must be int8"),
        ({"kernel": np.zeros((6, 3, 20), np.int8)}, "4 axes"),
        ({"scale": np.ones(19)}, r"\(20,\)"),
        ({"recurrent_scale": np.zeros(20)}, "must be positive"),
    ],
)
def test_wrong_integers_are_refused(rng, change, match):
    layer = conv_lstm_int8(rng, (5, 7, 3), 5, (3, 2))
    with pytest.raises(el.EdgeLSTMError, match=match):
        replace(layer, **change)


def keras_layer(monkeypatch, shape, channels, window, **options):
    """A Keras layer with random weights, and the record of the same."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras")
    kind = keras.layers.ConvLSTM2D if len(shape) == 3 else keras.layers.ConvLSTM1D
    given = {"kernel_size": window, "return_sequences": True, **options}
    layer = kind(channels, **given)
    layer.build((1, None, *shape))
    rng = np.random.default_rng(5)
    layer.set_weights([rng.uniform(-0.5, 0.5, w.shape) for w in layer.get_weights()])
    words = {"activation": "tanh", "recurrent_activation": "sigmoid", **options}
    spelled = {"hard_sigmoid": "hard_sigmoid(0.16666667, 0.5)"}
    record = el.ConvLSTM(
        *layer.get_weights(),
        shape=shape,
        strides=options.get("strides", 1),
        dilation=options.get("dilation_rate", 1),
        padding=options.get("padding", "valid"),
        gate_activation=spelled.get(words["recurrent_activation"], words["recurrent_activation"]),
        cell_activation=words["activation"],
        output_activation=words["activation"],
    )
    return keras, layer, record


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize(
    ("shape", "channels", "window", "options"),
    [
        ((6, 5, 2), 3, (3, 2), {"padding": "same"}),
        ((6, 5, 2), 3, (2, 3), {}),
        ((7, 8, 1), 4, (3, 3), {"padding": "same", "strides": 2}),
        ((7, 8, 1), 4, (3, 3), {"strides": (2, 1)}),
        ((8, 7, 2), 3, (3, 2), {"padding": "same", "dilation_rate": 2}),
        ((9, 2), 3, (4,), {"padding": "same", "strides": 2}),
        ((9, 2), 3, (3,), {"recurrent_activation": "hard_sigmoid", "activation": "relu"}),
    ],
    ids=str,
)
def test_keras_gives_the_same(monkeypatch, shape, channels, window, options):
    keras, layer, record = keras_layer(monkeypatch, shape, channels, window, **options)
    model = el.Model([record])
    xs = np.random.default_rng(1).uniform(-1, 1, (6, *shape)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(layer(xs[None]))[0]
    assert expected.shape[1:] == record.answer_shape
    answers = reference.run(model, xs.reshape(6, -1))
    np.testing.assert_allclose(answers, expected.reshape(6, -1), atol=1e-5 * max(1, np.abs(expected).max()))


def test_peepholes_of_zeros_change_nothing(rng):
    plain = layer_of(rng, (4, 3, 2), 3, (3, 3), {})
    parts = {**plain.arrays(), **plain.options()}
    seen = [el.ConvLSTM(**parts, peephole=np.zeros(shape)) for shape in ((3, 3), (3, 4, 3, 3))]
    xs = rng.uniform(-1, 1, (20, 24))
    expected = reference.run(el.Model([plain]), xs)
    for layer in seen:
        np.testing.assert_array_equal(reference.run(el.Model([layer]), xs), expected)


@pytest.mark.parametrize("kind", ["maps", "channels"])
def test_a_map_of_one_place_is_an_lstm_with_peepholes(rng, kind):
    """The middle of the window is all that meets a map of one place."""
    convolutional = layer_of(rng, (1, 1, 3), 4, (3, 3), {"peephole": kind, "started": True})
    middle = {name: getattr(convolutional, name)[1, 1].T for name in ("kernel", "recurrent_kernel")}
    start = [getattr(convolutional, name).ravel() for name in ("h0", "c0")]
    peephole = convolutional.peephole.reshape(3, 4)
    lstm = el.LSTM(middle["kernel"], middle["recurrent_kernel"], convolutional.bias, *start, peephole=peephole)
    xs = rng.uniform(-1, 1, (50, 3))
    np.testing.assert_allclose(reference.run(el.Model([convolutional]), xs), reference.run(el.Model([lstm]), xs), rtol=1e-12)


def test_peepholes_of_channels_are_maps_that_are_the_same_everywhere(rng):
    layer = layer_of(rng, (3, 4, 2), 5, (3, 3), {"peephole": "channels"})
    parts = {**layer.arrays(), **layer.options()}
    full = np.broadcast_to(layer.peephole[:, None, None], (3, 3, 4, 5))
    xs = rng.uniform(-1, 1, (20, 24))
    answers = [reference.run(el.Model([made]), xs) for made in (layer, el.ConvLSTM(**{**parts, "peephole": full}))]
    np.testing.assert_array_equal(*answers)


def test_a_cell_without_bound_stays_finite(rng):
    layer = layer_of(rng, (3, 3, 1), 2, (3, 3), {"cell_activation": "relu", "output_activation": "relu"})
    grown = {**layer.arrays(), "recurrent_kernel": 10 * np.abs(layer.recurrent_kernel)}
    stream = el.Stream(el.Model([el.ConvLSTM(**{**layer.options(), **grown})]))
    assert np.isfinite(stream.process(np.ones((300, 9), np.float32))).all()
    stream.restore(stream.snapshot())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": (4, 4)}, "must be an array of numbers with 3|must have 3 dimension"),
        ({"shape": (4, 4, 3)}, r"kernel must have shape \(3, 3, 3, 8\)"),
        ({"shape": (4, 0, 1)}, "shape must be"),
        ({"shape": (300, 300, 1)}, "more than 65536 values"),
        ({"strides": (1, 2, 3)}, "strides must be 2 whole number"),
        ({"dilation": 0}, "dilation must be 2 whole number"),
        ({"padding": "full"}, "padding must be 'same', 'valid'"),
        ({"padding": "valid", "dilation": 3}, "a window of 7 does not fit axis 0"),
        ({"peephole": np.zeros((3, 3))}, r"peephole must have shape \(3, 2\)"),
        ({"peephole": np.zeros((3, 4, 4, 3))}, r"peephole must have shape \(3, 4, 4, 2\)"),
        ({"c0": np.zeros((4, 4, 3))}, r"c0 must have shape \(4, 4, 2\)"),
        ({"bias": np.zeros(7)}, r"bias must have shape \(8,\)"),
        ({"gate_activation": "sigmoidal"}, "gate_activation must be one of"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(rng, change, says):
    layer = layer_of(rng, (4, 4, 1), 2, (3, 3), {})
    with pytest.raises((el.ShapeError, el.UnsupportedModelError), match=says):
        el.ConvLSTM(**{**layer.arrays(), **layer.options(), **change})


def test_gates_without_bound_are_refused(rng):
    layer = layer_of(rng, (4, 4, 1), 2, (3, 3), {"gate_activation": "relu"})
    with pytest.raises(el.CompileError, match="gate_activation relu has no bound"):
        el.Stream(el.Model([layer]))


def test_windows_of_maps_are_taken_in_every_form(rng):
    model = el.Model([layer_of(rng, *CASES["one of each"]), el.Dense(uniform(rng, 2, 1))])
    maps = rng.uniform(-1, 1, (30, 1, 1, 1)).astype(np.float32)
    made = [el.quantize(model, windows, "int8-weight") for windows in (maps, [maps, maps], np.stack([maps, maps]), maps.reshape(30, 1))]
    for other in made[1:]:
        np.testing.assert_array_equal(other.layers[0].kernel, made[0].layers[0].kernel)
    with pytest.raises(el.InputError, match=r"\(time, 1, 1, 1\)"):
        el.quantize(model, [maps[..., 0, 0, 0][None, None, None]], "int8-weight")
