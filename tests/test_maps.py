"""Layers over the map of one timestep: twins against frameworks, kernels against twins in odd sizes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import TOLERANCE, samples
from kinds import uniform

import edgelstm as el
from edgelstm import reference

#: A place of padding on every side.
AROUND = ((1, 1), (1, 1))

#: Shape of the map, window, channels of the answer, and options.
CONVOLUTIONS = {
    "one of each": ((1, 1, 1), (1, 1), 1, {}),
    "odd": ((5, 7, 3), (3, 2), 5, {"padding": "same"}),
    "strides": ((9, 8, 2), (3, 3), 35, {"strides": (2, 3), "padding": "same"}),
    "dilation": ((9, 8, 2), (3, 3), 6, {"dilation": 2}),
    "given padding": ((7, 5, 2), (3, 3), 4, {"padding": ((2, 0), (1, 3))}),
    "groups": ((6, 5, 6), (3, 3), 9, {"groups": 3, "padding": "same", "strides": 2}),
    "groups apart": ((6, 5, 4), (2, 2), 6, {"groups": 2, "dilation": 2}),
    "depthwise": ((6, 5, 70), (3, 3), 70, {"groups": 70, "padding": "same", "dilation": (1, 2)}),
    "depthwise, twice the channels": ((6, 5, 3), (3, 3), 6, {"groups": 3, "padding": "same"}),
    "a line": ((65, 1), (16,), 20, {"strides": 7}),
    "taps that meet nothing": ((2, 6), (3,), 4, {"strides": 2, "padding": ((1, 1),)}),
    "taps that meet nothing on both sides": ((1, 2, 3), (5, 3), 4, {"padding": ((2, 2), (2, 1)), "dilation": (1, 2)}),
    "a line of channels": ((12, 40), (1,), 33, {}),
}
TRANSPOSED = {
    "a line": ((6, 3), (4,), 5, {"strides": 2, "cropping": ((1, 1),)}),
    "cropped beyond the window": ((6, 3), (2,), 5, {"strides": 3, "cropping": ((4, 2),)}),
    "more than it reaches": ((5, 3), (3,), 17, {"strides": 2, "cropping": ((1, -1),)}),
    "dilation": ((4, 5, 2), (3, 2), 3, {"strides": (1, 2), "dilation": (2, 1)}),
    "no strides": ((4, 5, 2), (3, 3), 33, {"cropping": AROUND}),
}
POOLS = {
    "max": ((6, 7, 3), {"function": "max", "size": 2}),
    "max, same": ((6, 7, 70), {"function": "max", "size": (3, 2), "strides": (2, 1), "padding": "same"}),
    "mean, same": ((6, 7, 3), {"function": "average", "size": 3, "strides": 2, "padding": "same"}),
    "mean, whole windows": ((6, 7, 3), {"function": "average", "size": 3, "padding": AROUND, "include_padding": True}),
    "dilation": ((9, 4), {"function": "max", "size": 3, "strides": 2, "dilation": 2}),
    "all of it": ((4, 5, 6), {"function": "average", "size": (4, 5)}),
}


def convolution(rng, shape, window, channels, options):
    taken = shape[-1] // options.get("groups", 1)
    kernel = uniform(rng, *window, taken, channels) / np.sqrt(taken * np.prod(window))
    return el.MapConv(kernel, uniform(rng, channels), shape=shape, **options)


def transposed(rng, shape, window, channels, options):
    kernel = uniform(rng, *window, shape[-1], channels) / np.sqrt(shape[-1] * np.prod(window))
    return el.MapConvTranspose(kernel, uniform(rng, channels), shape=shape, **options)


MAKERS = {
    **{f"convolution: {name}": (convolution, case) for name, case in CONVOLUTIONS.items()},
    **{f"transposed: {name}": (transposed, case) for name, case in TRANSPOSED.items()},
    **{f"pool: {name}": (lambda _, shape, options: el.MapPool(shape=shape, **options), case) for name, case in POOLS.items()},
}


@pytest.fixture(scope="module")
def answers():
    """By case: the layer, samples and what one stream of all of them answers."""
    rng = np.random.default_rng(8)
    made = {name: make(rng, *case) for name, (make, case) in MAKERS.items()}
    sizes = np.cumsum([0, *(layer.input_width for layer in made.values())])
    parts = [el.Slice(int(start), int(stop), name=f"slice {k}", inputs=["x"]) for k, (start, stop) in enumerate(pairwise(sizes))]
    layers = [replace(layer, name=f"layer {k}", inputs=[f"slice {k}"]) for k, layer in enumerate(made.values())]
    first = el.Normalizer(np.zeros(sizes[-1]), np.ones(sizes[-1]), name="x")
    model = el.Model([first, *parts, *layers, el.Concat(inputs=[layer.name for layer in layers])])
    xs = samples(rng, model, 5)
    ys = el.Stream(model).process(xs)
    ends = np.cumsum([0, *(np.prod(layer.answer_shape) for layer in layers)])
    found = zip(made.values(), sizes, sizes[1:], ends, ends[1:], strict=False)
    return {name: (layer, xs[:, a:b], ys[:, c:d]) for name, (layer, a, b, c, d) in zip(made, found, strict=True)}


@pytest.mark.parametrize("case", MAKERS)
def test_the_kernel_stays_with_the_twin(answers, case):
    layer, xs, ys = answers[case]
    expected = reference.run(el.Model([layer]), xs)
    assert np.abs(ys - expected).max() <= TOLERANCE["f32"] * max(1, np.abs(expected).max())


def channels_first(array):
    return np.moveaxis(array, -1, 0)


def answer(layer, x):
    return reference.run(el.Model([layer]), x.reshape(1, -1))[0].reshape(layer.answer_shape)


@pytest.mark.parametrize("case", [name for name, (_, _, _, o) in CONVOLUTIONS.items() if o.get("padding", "valid") == "valid"])
def test_torch_convolves_alike(rng, case):
    functional = pytest.importorskip("torch").nn.functional
    import torch

    layer = convolution(rng, *CONVOLUTIONS[case])
    x = rng.uniform(-1, 1, layer.shape)
    run = functional.conv2d if len(layer.shape) == 3 else functional.conv1d
    weight = np.moveaxis(layer.kernel, (-1, -2), (0, 1)).astype(np.float64)
    given = [torch.from_numpy(np.ascontiguousarray(a)) for a in (channels_first(x)[None], weight, layer.bias.astype(np.float64))]
    expected = run(*given, stride=layer.strides, dilation=layer.dilation, groups=layer.groups)[0].numpy()
    np.testing.assert_allclose(channels_first(answer(layer, x)), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "window", "padding", "extra", "strides", "dilation"),
    [((6, 3), (4,), 1, 0, 2, 1), ((5, 3), (3,), 1, 1, 2, 1), ((4, 5, 2), (3, 2), 0, 0, (1, 2), (2, 1)), ((4, 3, 2), (2, 2), 1, 1, 3, 1)],
    ids=str,
)
def test_torch_transposes_alike(rng, shape, window, padding, extra, strides, dilation):
    functional = pytest.importorskip("torch").nn.functional
    import torch

    cropping = ((padding, padding - extra),) * len(window)
    layer = transposed(rng, shape, window, 5, {"strides": strides, "dilation": dilation, "cropping": cropping})
    x = rng.uniform(-1, 1, shape)
    run = functional.conv_transpose2d if len(shape) == 3 else functional.conv_transpose1d
    weight = np.moveaxis(layer.kernel, (-2, -1), (0, 1)).astype(np.float64)
    given = [torch.from_numpy(np.ascontiguousarray(a)) for a in (channels_first(x)[None], weight, layer.bias.astype(np.float64))]
    expected = run(*given, stride=strides, padding=padding, output_padding=extra, dilation=dilation)[0].numpy()
    np.testing.assert_allclose(channels_first(answer(layer, x)), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "ours"),
    [
        ("max_pool2d", {"kernel_size": 2}, {"function": "max", "size": 2}),
        (
            "max_pool2d",
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"function": "max", "size": 3, "strides": 2, "padding": AROUND},
        ),
        (
            "avg_pool2d",
            {"kernel_size": 3, "padding": 1},
            {"function": "average", "size": 3, "padding": AROUND, "include_padding": True},
        ),
        (
            "avg_pool2d",
            {"kernel_size": 3, "padding": 1, "count_include_pad": False},
            {"function": "average", "size": 3, "padding": AROUND},
        ),
        ("max_pool2d", {"kernel_size": 2, "stride": 1, "dilation": 2}, {"function": "max", "size": 2, "strides": 1, "dilation": 2}),
    ],
    ids=str,
)
def test_torch_pools_alike(rng, name, options, ours):
    torch = pytest.importorskip("torch")
    x = rng.uniform(-1, 1, (7, 9, 3))
    expected = getattr(torch.nn.functional, name)(torch.from_numpy(np.ascontiguousarray(channels_first(x))[None]), **options)[0].numpy()
    np.testing.assert_allclose(channels_first(answer(el.MapPool(shape=x.shape, **ours), x)), expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("Conv2D", {"kernel_size": (3, 2), "padding": "same", "strides": 2}, (7, 6, 2)),
        ("Conv2D", {"kernel_size": 2, "padding": "same", "dilation_rate": 2}, (7, 6, 2)),
        ("Conv1D", {"kernel_size": 4, "padding": "same", "strides": 3}, (10, 2)),
        ("MaxPooling2D", {"pool_size": 2, "padding": "same", "strides": 2}, (7, 5, 2)),
        ("AveragePooling2D", {"pool_size": 3, "padding": "same", "strides": 2}, (7, 5, 2)),
    ],
    ids=str,
)
def test_keras_has_the_same_windows(rng, monkeypatch, name, options, shape):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras")
    x = rng.uniform(-1, 1, shape).astype(np.float32)
    if "Conv" in name:
        layer = getattr(keras.layers, name)(5, **options)
        layer.build((1, *shape))
        given = {"strides": options.get("strides", 1), "dilation": options.get("dilation_rate", 1), "padding": "same"}
        ours = el.MapConv(*layer.get_weights(), shape=shape, **given)
    else:
        layer = getattr(keras.layers, name)(**options)
        function = "max" if "Max" in name else "average"
        ours = el.MapPool(function, options["pool_size"], shape=shape, strides=options["strides"], padding="same")
    expected = keras.ops.convert_to_numpy(layer(x[None]))[0]
    np.testing.assert_allclose(answer(ours, x), expected, atol=2e-6)


def test_a_map_goes_through_convolutions_to_an_lstm(rng):
    """Frames in, a vector behind: shapes follow from layer to layer."""
    layers = [
        el.MapConv(uniform(rng, 3, 3, 1, 4), shape=(8, 6, 1), padding="same"),
        el.Activation("relu"),
        el.MapPool("max", 2, shape=(8, 6, 4)),
        el.LSTM(uniform(rng, 20, 48) / 7, uniform(rng, 20, 5)),
    ]
    stream = el.Stream(el.Model(layers))
    frames = rng.uniform(-1, 1, (9, 8, 6, 1)).astype(np.float32)
    whole = stream.process(frames)
    stream.reset()
    np.testing.assert_array_equal([stream.step(frame).copy() for frame in frames], whole)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: el.MapConv(np.ones((3, 2, 4)), shape=(9, 3)), r"kernel must have shape \(3, 3, 4\)"),
        (lambda: el.MapConv(np.ones((3, 1, 4)), shape=(9, 3), groups=3), "groups must divide the 3 and 4 channels"),
        (lambda: el.MapConv(np.ones((3, 3, 4)), shape=(2, 3)), "a window of 3 does not fit axis 0"),
        (lambda: el.MapConv(np.ones((3, 3, 4)), shape=(9, 3), padding=((1, -1),)), "padding must be 'same', 'valid' or 1 pair"),
        (lambda: el.MapConv(np.ones((1, 1, 65000)), shape=(9, 1)), "more than 65536 values"),
        (lambda: el.MapConvTranspose(np.ones((2, 3, 4)), shape=(3, 3), cropping=((2, 2),)), "leaves nothing of the map"),
        (lambda: el.MapConvTranspose(np.ones((2, 3, 4)), shape=(3, 3), cropping=(1,)), "cropping must be 1 pair"),
        (lambda: el.MapPool("median", 2, shape=(4, 4, 1)), "function must be max or average"),
        (lambda: el.MapPool("max", 2, shape=(4, 4, 1), include_padding=1), "include_padding must be False or True"),
        (lambda: el.MapPool("max", 2, shape=(4, 4, 1), padding=((2, 0), (0, 0))), "windows that meet nothing"),
        (lambda: el.Gather([0.5]), "indices must be"),
        (lambda: el.Gather([-1]), "indices must be"),
        (lambda: el.Model([el.Dense(np.ones((4, 2))), el.Gather([0, 4])]), "takes place 4 of 4 values"),
    ],
)
def test_what_does_not_fit_is_refused(make, says):
    with pytest.raises((el.ShapeError, el.UnsupportedModelError), match=says):
        make()
