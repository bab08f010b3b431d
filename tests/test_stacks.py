"""Random stacks of streaming layers: whole = chunked = stepped, and what torch computes over the whole signal."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import uniform

import edgelstm as el
from edgelstm import reference
from edgelstm.cli.timing import timings

#: Samples of a signal, and their width.
STEPS, WIDTH = 40, 4


def convolution(rng, width):
    """A record, and what it gives of a whole signal (width, time) by torch."""
    functional = pytest.importorskip("torch").nn.functional
    groups = int(rng.choice([g for g in (1, 2, width) if width % g == 0]))
    outputs, taps, stride, dilation = groups * int(rng.integers(1, 4)), *(int(n) for n in rng.integers(1, 4, 3))
    padding, align = str(rng.choice(["causal", "valid"])), str(rng.choice(["first", "last"]))
    weight, bias = uniform(rng, outputs, width // groups, taps), uniform(rng, outputs)
    given = {"stride": stride, "dilation": dilation, "groups": groups}
    layer = el.Conv1D(weight, bias, padding=padding, align=align if padding == "causal" else "first", **given)
    reach = dilation * (taps - 1)

    def whole(x):
        arrays = tensor(layer.weight), tensor(layer.bias)
        if padding == "valid":
            return functional.conv1d(x, *arrays, **given)
        if align == "first":
            return functional.conv1d(functional.pad(x, (reach, 0)), *arrays, **given)
        dense = functional.conv1d(functional.pad(x, (reach, 0)), *arrays, dilation=dilation, groups=groups)
        return dense[:, stride - 1 :: stride]

    return layer, outputs, whole


def pool(rng, width):
    functional = pytest.importorskip("torch").nn.functional
    size, stride, largest = int(rng.integers(1, 4)), int(rng.integers(1, 4)), rng.random() < 0.5
    run = functional.max_pool1d if largest else functional.avg_pool1d
    return (el.MaxPool1D if largest else el.AveragePool1D)(size, stride), width, lambda x: run(x[None], size, stride)[0]


def window(rng, width):
    steps, dilation = (int(n) for n in rng.integers(1, 4, 2))
    reach = dilation * (steps - 1)
    layer = el.Window(steps, dilation=dilation, padding="valid")
    return layer, width * steps, lambda x: stacked([x[:, j * dilation : x.shape[1] - reach + j * dilation] for j in range(steps)])


def running_mean(rng, width):
    return el.GlobalAveragePool1D(), width, lambda x: x.cumsum(1) / tensor(np.arange(1, x.shape[1] + 1))


def running_largest(rng, width):
    return el.GlobalMaxPool1D(), width, lambda x: x.cummax(1).values


def magnitude(rng, width):
    if width % 2:
        return function(rng, width)
    half = width // 2
    return el.Magnitude(half), half, lambda x: (x[:half] ** 2 + x[half:] ** 2).sqrt()


def overlap(rng, width):
    hop = int(rng.integers(1, width + 1))

    def whole(x):
        total = tensor(np.zeros(x.shape[1] * hop + width))
        for t in range(x.shape[1]):
            total[t * hop : t * hop + width] += x[:, t]
        return total[: x.shape[1] * hop].reshape(-1, hop).T

    return el.OverlapAdd(width, hop), hop, whole


def norm(rng, width):
    functional = pytest.importorskip("torch").nn.functional
    layer = el.LayerNorm(uniform(rng, width), uniform(rng, width), epsilon=0.1)
    arrays = tensor(layer.weight), tensor(layer.bias)
    return layer, width, lambda x: functional.layer_norm(x.T, (width,), *arrays, eps=float(layer.epsilon)).T


def scaled(rng, width):
    layer = el.BatchNorm(uniform(rng, width), uniform(rng, width))
    return layer, width, lambda x: tensor(layer.scale)[:, None] * x + tensor(layer.offset)[:, None]


def function(rng, width):
    return el.Activation("tanh"), width, lambda x: x.tanh()


def lstm(rng, width):
    torch = pytest.importorskip("torch")
    net = torch.nn.LSTM(width, 3).double()
    arrays = [uniform(rng, *shape) for shape in ((12, width), (12, 3), (12,))]
    layer = el.LSTM(*arrays)
    with torch.no_grad():
        for name, value in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), (layer.weight_ih, layer.weight_hh, layer.bias), strict=True):
            getattr(net, name).copy_(tensor(value))
        net.bias_hh_l0.zero_()
    return layer, 3, lambda x: net(x.T)[0].T.detach()


def attention(rng, width):
    functional = pytest.importorskip("torch").nn.functional
    if width < 3:
        return function(rng, width)
    query, steps = int(rng.integers(1, (width + 1) // 2)), int(rng.integers(1, 7))
    size = width - 2 * query

    def whole(x):
        rows = (part[None] for part in x.T.split([query, query, size], dim=1))
        before = np.subtract.outer(np.arange(x.shape[1]), np.arange(x.shape[1]))
        near = tensor((before >= 0) & (before < steps)).bool()
        return functional.scaled_dot_product_attention(*rows, attn_mask=near, scale=0.75)[0].T

    return el.WindowAttention(query, steps, scale=0.75), size, whole


MAKERS = (convolution, pool, window, running_mean, running_largest, magnitude, overlap, norm, scaled, function, attention, lstm)

#: Which layers, and the seed of their sizes and numbers.
STACKS = st.lists(st.sampled_from(MAKERS), min_size=1, max_size=5), st.integers(0, 1 << 30)


def tensor(array):
    return pytest.importorskip("torch").from_numpy(np.asarray(array, np.float64).copy())


def stacked(parts):
    return pytest.importorskip("torch").cat(parts)


def stack(makers, seed):
    """A model, a signal (time, width), and what torch gives of all of it."""
    rng = np.random.default_rng(seed)
    xs = rng.uniform(-1, 1, (STEPS, WIDTH)).astype(np.float32)
    layers, width, whole = [el.Normalizer(np.zeros(WIDTH), np.ones(WIDTH))], WIDTH, tensor(xs.T)
    for make in makers:
        layer, width, over = make(rng, width)
        layers.append(layer)
        whole = over(whole) if whole is not None and whole.shape[1] >= layer.receptive_field else None
    return el.Model(layers), xs, np.zeros((0, width)) if whole is None else whole.numpy().T


def holds_for_the_twin(makers, seed):
    model, xs, expected = stack(makers, seed)
    found = reference.run(model, xs)
    assert len(found) == model.output_wire.due(STEPS)
    if len(expected):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def holds_compiled(makers, seed):
    model, xs, expected = stack(makers, seed)
    whole = el.Stream(model).process(xs)
    steps = el.Stream(model)
    stepped = [y.copy() for x in xs if (y := steps.step(x)) is not None]
    np.testing.assert_array_equal(np.reshape(stepped, whole.shape), whole)
    chunks, cuts = el.Stream(model), np.random.default_rng(seed).integers(0, STEPS, 4)
    parts = [chunks.process(xs[a:b]).copy() for a, b in pairwise([0, *np.sort(cuts).tolist(), STEPS]) if b > a]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    if len(expected):
        np.testing.assert_allclose(whole, expected, atol=2e-5)


@given(*STACKS)
@settings(max_examples=30, deadline=None)
def test_stacks_answer_as_torch_does_over_the_whole_signal(makers, seed):
    holds_for_the_twin(makers, seed)


@pytest.mark.slow
@given(*STACKS)
@settings(max_examples=1000, deadline=None)
def test_a_thousand_stacks_answer_as_torch_does(makers, seed):
    holds_for_the_twin(makers, seed)


@pytest.mark.parametrize(
    ("makers", "seed"),
    [((convolution, pool, lstm), 3), ((window, magnitude, overlap, norm, convolution), 5), ((window, attention, convolution), 4)],
    ids=["convolution first", "window first", "attention between"],
)
def test_whole_chunked_and_stepped_are_the_same_bits(makers, seed):
    holds_compiled(makers, seed)


@pytest.mark.slow
@given(*STACKS)
@settings(max_examples=60, deadline=None)
def test_random_stacks_compiled(makers, seed):
    holds_compiled(makers, seed)


#: Modules of continual-inference, and the same here: (taps, stride) of convolutions, or the name of a pool with its size and stride.
CONTINUAL = {
    "a convolution": [(5, 1)],
    "strides": [(5, 3), (3, 1)],
    "behind each other": [(3, 1), (5, 2), ("average", 3, 3)],
    "a pool between": [(3, 2), ("max", 2, 2), (3, 1)],
    "a pool alone": [("average", 4, 1)],
}


@pytest.mark.parametrize("name", CONTINUAL)
def test_delay_and_receptive_field_are_those_of_continual_inference(name):
    continual = pytest.importorskip("continual")
    theirs, ours = [], [el.Normalizer(np.zeros(3), np.ones(3))]
    for first, *rest in CONTINUAL[name]:
        if isinstance(first, str):
            pools = {"average": (continual.AvgPool1d, el.AveragePool1D), "max": (continual.MaxPool1d, el.MaxPool1D)}[first]
            theirs.append(pools[0](rest[0], stride=rest[1]))
            ours.append(pools[1](*rest))
        else:
            theirs.append(continual.Conv1d(3, 3, first, stride=rest[0]))
            ours.append(el.Conv1D(np.ones((3, 3, first)), stride=rest[0], padding="valid"))
    whole, model = continual.Sequential(*theirs), el.Model(ours)
    told = timings(model)[model.layers[-1].name]
    assert (told.receptive_field, told.delay, told.every) == (whole.receptive_field, whole.delay, *whole.stride)


def test_both_alignments_of_a_strided_causal_convolution():
    """A kernel of four ones, stride 2, over 1 2 3 4: Keras answers at the first row of each stride, right-aligned streaming at the last."""
    xs = np.arange(1, 5, dtype=np.float32)[:, None]
    for align, expected in (("first", [1, 6]), ("last", [3, 10])):
        layer = el.Conv1D(np.ones((1, 1, 4)), stride=2, align=align)
        assert reference.run(el.Model([layer]), xs).ravel().tolist() == expected
