"""Convolutions, pooling and windows along time: whole = chunked = stepped, and as torch and Keras have them on the whole signal."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from conftest import lstm_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import uniform

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.lowering import rule
from edgelstm.compiler.targets import host

TOLERANCE = 1e-6


def worst(model, xs):
    """Largest difference of the compiled model from its twin, relative to max(1, |y|)."""
    expected = reference.run(model, xs)
    got = el.Stream(model).process(xs)
    assert got.shape == expected.shape
    return float((np.abs(got - expected) / np.maximum(1, np.abs(expected))).max(initial=0))


def signal(steps, channels, seed=5):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, channels)).astype(np.float32)


def ones(taps, **options):
    return el.Model([el.Conv1D(np.ones((1, 1, taps)), **options)])


def test_the_alignments_of_strided_causal_windows():
    """Kernel of four ones, stride 2: Keras' causal convolution gives [1, 6], and right-aligned streaming [3, 10]."""
    xs = np.array([[1], [2], [3], [4]])
    assert el.Stream(ones(4, stride=2)).process(xs).ravel().tolist() == [1, 6]
    assert el.Stream(ones(4, stride=2, align="last")).process(xs).ravel().tolist() == [3, 10]
    assert el.Stream(ones(4, padding="valid")).process(xs).ravel().tolist() == [10]
    assert el.Stream(ones(4, padding="same")).process(xs).ravel().tolist() == [6, 10, 9, 7]
    assert el.Stream(ones(4, padding="same_lower")).process(xs).ravel().tolist() == [3, 6, 10, 9]
    assert el.Stream(ones(4, padding=(1, 1))).process(xs).ravel().tolist() == [6, 10, 9]
    assert el.Stream(ones(4, padding=(2, 0))).process(xs).ravel().tolist() == [3, 6, 10]


@st.composite
def stacks(draw, whole=False):
    """(layers, channels of the input)."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    channels = first = draw(st.integers(1, 5))
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["conv", "conv", "max", "mean", "window", "largest", "average"]))
        stride, taps, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
        words = ["causal", "valid", *(["same", "same_lower", (1, 1), (0, 2)] if whole else [])]
        padding = draw(st.sampled_from(words))
        padding = padding if isinstance(padding, str) or sum(padding) <= dilation * (taps - 1) else "valid"
        pool_padding = padding if isinstance(padding, str) or sum(padding) < taps else "valid"
        align = draw(st.sampled_from(["first", "last"]))
        around = {"stride": stride, "dilation": dilation, "padding": padding, "align": align}
        if kind == "conv":
            groups = draw(st.sampled_from([g for g in (1, 2, channels) if channels % g == 0]))
            outputs = groups * draw(st.integers(1, 4))
            layers.append(el.Conv1D(uniform(rng, outputs, channels // groups, taps), uniform(rng, outputs), groups=groups, **around))
            channels = outputs
        elif kind == "window":
            layers.append(el.Window(taps, **around))
            channels *= taps
        else:
            pools = {"largest": el.GlobalMaxPool1D, "average": el.GlobalAveragePool1D}
            windows = {"max": el.MaxPool1D, "mean": el.AveragePool1D}
            layers.append(pools[kind]() if kind in pools else windows[kind](taps, stride, pool_padding, align))
    if not isinstance(layers[0], el.Conv1D):
        layers.insert(0, el.Normalizer(np.zeros(first), np.ones(first)))
    return layers, first


@settings(deadline=None, max_examples=4)
@given(stacks(), st.lists(st.integers(0, 48), max_size=5))
def test_random_stacks_give_the_same_bits_whole_cut_and_stepped(stack, cuts):
    layers, channels = stack
    model, xs = el.Model(layers), signal(48, channels)
    assert worst(model, xs) <= TOLERANCE
    whole = el.Stream(model).process(xs)
    cut, stepped = el.Stream(model), el.Stream(model)
    np.testing.assert_array_equal(np.concatenate([cut.process(piece) for piece in np.split(xs, sorted(cuts))]), whole)
    steps = [y.copy() for x in xs if (y := stepped.step(x)) is not None]
    np.testing.assert_array_equal(np.array(steps).reshape(whole.shape), whole)


@pytest.mark.slow
@settings(deadline=None, max_examples=4)
@given(stacks(whole=True), st.integers(24, 48))
def test_random_stacks_over_whole_recordings_stay_with_the_twin(stack, steps):
    layers, channels = stack
    rng = np.random.default_rng(0)
    sizes = [channels]
    for layer in layers:
        sizes.append(layer.output_size(sizes[-1:]))
    layers[-1] = replace(layers[-1], name="front")
    sums = el.Dense(uniform(rng, 3, sizes[-1]), name="sums", inputs=("front",))
    behind = el.Bidirectional(*lstm_layers(rng, 3, 4, 1), *lstm_layers(rng, 3, 4, 1), inputs=("sums",))
    model = el.Model([*layers, sums, *behind])
    if model.output_wire.first <= steps:
        assert worst(model, signal(steps, channels)) <= TOLERANCE


def test_a_recording_that_ends_before_the_first_answer_is_refused():
    rng = np.random.default_rng(0)
    both = lstm_layers(rng, 3, 4, 1) * 2
    front = el.Conv1D(uniform(rng, 3, 2, 5), padding="valid", name="front")
    layers = [front, *el.Bidirectional(*both, sequences=False, inputs=("front",))]
    stream = el.Stream(el.Model(layers))
    assert stream.process(signal(5, 2)).shape == (1, 8)
    with pytest.raises(el.InputError, match="at least 5 samples; got 4"):
        stream.process(signal(4, 2))


def test_flattening_time_is_a_window_as_long_as_its_stride():
    """The head of TensorFlow Lite's LSTM for handwritten digits: 28 rows, flattened, one Dense layer."""
    rng = np.random.default_rng(1)
    head = el.Dense(uniform(rng, 10, 28 * 6), uniform(rng, 10))
    rows = lstm_layers(rng, 28, 6, 1)
    model = el.Model([*rows, el.Window(28, stride=28, padding="valid"), head, el.Softmax()])
    images = signal(2 * 28, 28)
    hidden = reference.run(el.Model(rows), images).reshape(2, 28 * 6)
    z = hidden @ head.weight.T + head.bias
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert np.abs(el.Stream(model).process(images) - expected).max() < TOLERANCE


def spoilt(layer, xs, last, back):
    """Answers of the twin behind row number `last`, from 1, where of what it keeps there the row `back` rows before that one is another."""
    twin, found = reference.twin(layer), []
    state = twin.start(layer)
    for number, x in enumerate(xs, 1):
        y, state = twin.step(layer, [x], state)
        if number == last and back < layer.history:
            kept = state[0].copy()
            kept[len(kept) - 1 - back] += 100
            state = (kept, *state[1:])
        if number > last and y is not None:
            found.append(y)
    return np.array(found)


@pytest.mark.parametrize(
    "around", [{"align": "first"}, {"align": "last"}, {"padding": "valid"}, {"padding": (1, 0)}], ids=["first", "last", "valid", "some"]
)
def test_rows_that_are_kept(around, rng):
    """Behind an answer, later ones read ``max(d (k - 1) - (s - 1), 0)`` of the rows that were; just before one, all ``d (k - 1)``.

    Rows come one by one, so that so many are kept, whatever the stride s is. Two taps and the stride 2 are the smallest layer that shows
    the difference: behind an answer it needs no row, and one row later that row.
    """
    for taps, spacing, stride in product((1, 2, 4), (1, 2, 3), (1, 2, 5)):
        reach = spacing * (taps - 1)
        if sum(around.get("padding", ()) if "valid" not in around.values() else ()) > reach:
            continue
        layer = el.Conv1D(np.ones((1, 1, taps)), dilation=spacing, stride=stride, **around)
        assert layer.history == rule(layer).lower(layer, [1], host()).state.size == reach
        behind = max(layer.history - (layer.stride - 1), 0)
        due = layer.rate[1] + stride * -(-reach // stride)
        xs = rng.uniform(-1, 1, (due + reach + 2 * stride, 1))
        plain = spoilt(layer, xs, due, reach)
        assert len(plain) >= 2
        read = [not np.array_equal(spoilt(layer, xs, due, back), plain) for back in range(reach)]
        assert not any(read[behind:])
        assert not behind or read[behind - 1]
        soon = due + stride - 1
        assert not reach or not np.array_equal(spoilt(layer, xs, soon, reach - 1), spoilt(layer, xs, soon, reach))


@pytest.mark.parametrize(
    ("padding", "stride", "dilation", "groups"),
    [
        (padding, stride, dilation, groups)
        for padding in ("valid", "same", (2, 2), (4, 0))
        for stride, dilation, groups in ((1, 1, 1), (1, 2, 2), (2, 1, 4), (3, 1, 1))
        if padding != "same" or stride == 1  # torch has no other
    ],
)
def test_convolutions_are_those_of_torch(padding, stride, dilation, groups):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    weight, bias, xs = uniform(rng, 8, 4 // groups, 5), uniform(rng, 8), signal(37, 4)
    x = torch.from_numpy(xs.T[None])
    asked = (0, 0) if isinstance(padding, str) else padding
    x = torch.nn.functional.pad(x, asked)
    taken = "same" if padding == "same" else 0
    wanted = torch.nn.functional.conv1d(x.double(), torch.tensor(weight), torch.tensor(bias), stride, taken, dilation, groups)
    model = el.Model([el.Conv1D(weight, bias, stride=stride, dilation=dilation, groups=groups, padding=padding)])
    expected = wanted[0].T.numpy()
    assert np.abs(reference.run(model, xs) - expected).max() < 1e-5
    if stride != 3:
        assert np.abs(el.Stream(model).process(xs) - expected).max() < 1e-5


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (1, 3, 1), (2, 1, 1), (3, 1, 2)])
def test_convolutions_are_those_of_keras(padding, stride, dilation, groups, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    xs = signal(36 + stride, 4)
    options = {"strides": stride, "dilation_rate": dilation, "groups": groups, "padding": padding}
    layer = keras.layers.Conv1D(6, 4, **options)
    expected = layer(xs[None])[0].detach().numpy()
    kernel, bias = (w.value.detach().numpy() for w in layer.weights)  # (taps, inputs / groups, outputs)
    record = el.Conv1D(kernel.transpose(2, 1, 0), bias, stride=stride, dilation=dilation, groups=groups, padding=padding)
    assert np.abs(reference.run(el.Model([record]), xs) - expected).max() < 1e-5


@pytest.mark.parametrize(("size", "stride", "pad"), [(2, 2, 0), (3, 2, 1), (4, 3, 1)])
def test_pooling_is_that_of_torch(size, stride, pad):
    torch = pytest.importorskip("torch")
    xs = signal(25, 3) - 2
    x = torch.from_numpy(xs.T[None].astype(np.float64))
    padding = (pad, pad) if pad else "valid"
    for record, function in ((el.MaxPool1D, torch.nn.functional.max_pool1d), (el.AveragePool1D, torch.nn.functional.avg_pool1d)):
        model = el.Model([el.Normalizer(np.zeros(3), np.ones(3)), record(size, stride, padding)])
        expected = function(x, size, stride, pad)[0].T.numpy()
        assert np.abs(reference.run(model, xs) - expected).max() < 1e-6
        assert np.abs(el.Stream(model).process(xs) - expected).max() < 1e-6


def test_wrong_options_are_refused_by_name():
    weight = np.ones((4, 2, 3))
    for options, said in (
        ({"padding": "full"}, "padding must be one of causal, valid, same, same_lower; got 'full'"),
        ({"padding": (2, 1)}, "fewer than the 3 that the window spans"),
        ({"align": "middle"}, "align must be one of first, last"),
        ({"stride": 0}, "stride must be a whole number from 1"),
        ({"dilation": 1.5}, "dilation must be a whole number from 1"),
    ):
        with pytest.raises((el.ShapeError, el.UnsupportedModelError), match=said):
            el.Conv1D(weight, **options)
    with pytest.raises(el.ShapeError, match="keeps 1998000 values of earlier rows"):
        el.Model([el.Normalizer(np.zeros(2000), np.ones(2000)), el.Window(1000)])
    with pytest.raises(el.ModelFileError, match="for the first time at step 5000"):
        el.build(el.Model([el.Conv1D(np.ones((1, 1, 5000)), padding="valid")]))
    with pytest.raises(el.ShapeError, match="4 outputs must fall into 3 groups"):
        el.Conv1D(weight, groups=3)


def test_int8_is_what_torch_rounds_and_convolves():
    """Rows rounded by torch's quantiser, and weights that are integers times scales; a step of a power of two, so that nothing is near."""
    torch, rng = pytest.importorskip("torch"), np.random.default_rng(2)
    scale, bias = rng.uniform(0.5, 1, 6) / 100, rng.uniform(-1, 1, 6)
    weight = rng.integers(-127, 128, (6, 4, 3)).astype(np.int8)
    xs = 2.5 * signal(40, 8)
    given = {"groups": 2, "dilation": 2}
    rounded = torch.fake_quantize_per_tensor_affine(torch.tensor(xs.T), 1 / 64, 0, -127, 127)
    for scheme, step, seen in (("int8-dynamic", [1 / 64], rounded), ("int8-weight", None, torch.tensor(xs.T))):
        layer = el.Conv1DInt8(scheme, weight, scale, bias, step, padding="valid", **given)
        arrays = (torch.tensor(weight * layer.scale[:, None, None].astype(np.float64)), torch.tensor(layer.bias.astype(np.float64)))
        expected = torch.nn.functional.conv1d(seen.double(), *arrays, **given).numpy().T
        np.testing.assert_allclose(reference.run(el.Model([layer]), xs), expected, rtol=0, atol=1e-9)
        assert np.abs(xs).max() > 127 / 64


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weight": np.full((2, 3, 2), -128, np.int8)}, "holds -128"),
        ({"weight": np.ones((2, 3, 2))}, "must be int8"),
        ({"scale": [1.0, 0.0]}, "scale must be positive"),
        ({"scale": [1.0]}, "scale must have shape"),
        ({"input_scale": [1.0]}, "takes no input_scale"),
        ({"scheme": "int8-static"}, "scheme 'int8-static' is not one of"),
        ({"groups": 3}, "3 groups"),
        ({"weight": np.ones((2, 1 << 15, 3), np.int8)}, "can overflow an integer sum"),
    ],
)
def test_records_of_int8_that_are_none(options, told):
    with pytest.raises(el.EdgeLSTMError, match=told):
        el.Conv1DInt8(**{"scheme": "int8-weight", "weight": np.ones((2, 3, 2), np.int8), "scale": [1.0, 1.0], **options})
