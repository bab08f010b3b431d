"""Parts of random stacks: layers, and what PyTorch gives of a whole signal for them.

A maker takes a generator, the width of what it reads and the name of the layer that gives it. It returns layers, the last of which answers,
their width, and a function of the whole signal (width, time) in float64.
"""

import numpy as np
import pytest
from kinds import uniform

import edgelstm as el


def tensor(array):
    return pytest.importorskip("torch").from_numpy(np.asarray(array, np.float64).copy())


def functional():
    return pytest.importorskip("torch").nn.functional


def convolution(rng, width, before):
    """Dilated, strided, grouped, of each channel alone; causal by either alignment, valid, or with fewer zeros than the window reaches."""
    groups = int(rng.choice([g for g in (1, 2, width) if width % g == 0]))
    outputs, taps, stride, dilation = groups * int(rng.integers(1, 4)), *(int(n) for n in rng.integers(1, 4, 3))
    padding, align = str(rng.choice(["causal", "valid", "some"])), str(rng.choice(["first", "last"]))
    weight, bias = uniform(rng, outputs, width // groups, taps), uniform(rng, outputs)
    given = {"stride": stride, "dilation": dilation, "groups": groups}
    reach = dilation * (taps - 1)
    zeros = {"causal": reach, "valid": 0, "some": int(rng.integers(0, reach + 1))}[padding]
    align = align if padding == "causal" else "first"
    layer = el.Conv1D(weight, bias, padding=(zeros, 0) if padding == "some" else padding, align=align, **given)

    def whole(x):
        arrays = tensor(layer.weight), tensor(layer.bias)
        x = functional().pad(x, (zeros, 0))
        if align == "first":
            return functional().conv1d(x, *arrays, **given)
        return functional().conv1d(x, *arrays, dilation=dilation, groups=groups)[:, stride - 1 :: stride]

    return [layer], outputs, whole


def transposed(rng, width, before):
    """Along time: each step's block of rows, added where blocks overlap. The rows of a step stand side by side."""
    outputs, taps, stride = (int(n) for n in rng.integers(1, 4, 3))
    stride = min(stride, taps)
    weight, bias = uniform(rng, width, outputs, taps), uniform(rng, outputs)
    layers = el.Conv1DTranspose(weight, bias, stride=stride, inputs=(before,), name=f"{before}.wider")

    def whole(x):
        y = functional().conv_transpose1d(x, tensor(np.float32(weight)), tensor(np.float32(bias)), stride=stride)
        return y[:, : x.shape[1] * stride].reshape(outputs, -1, stride).permute(2, 0, 1).reshape(stride * outputs, -1)

    return layers, stride * outputs, whole


def pool(rng, width, before):
    size, stride, largest = int(rng.integers(1, 4)), int(rng.integers(1, 4)), rng.random() < 0.5
    run = functional().max_pool1d if largest else functional().avg_pool1d
    return [(el.MaxPool1D if largest else el.AveragePool1D)(size, stride)], width, lambda x: run(x[None], size, stride)[0]


def window(rng, width, before):
    steps, dilation = (int(n) for n in rng.integers(1, 4, 2))
    reach = dilation * (steps - 1)

    def whole(x):
        return stacked([x[:, j * dilation : x.shape[1] - reach + j * dilation] for j in range(steps)])

    return [el.Window(steps, dilation=dilation, padding="valid")], width * steps, whole


def stacked(parts):
    return pytest.importorskip("torch").cat(parts)


def running_mean(rng, width, before):
    return [el.GlobalAveragePool1D()], width, lambda x: x.cumsum(1) / tensor(np.arange(1, x.shape[1] + 1))


def running_largest(rng, width, before):
    return [el.GlobalMaxPool1D()], width, lambda x: x.cummax(1).values


def magnitude(rng, width, before):
    if width % 2:
        return function(rng, width, before)
    half = width // 2
    return [el.Magnitude(half)], half, lambda x: (x[:half] ** 2 + x[half:] ** 2).sqrt()


def overlap(rng, width, before):
    hop = int(rng.integers(1, width + 1))

    def whole(x):
        total = tensor(np.zeros(x.shape[1] * hop + width))
        for t in range(x.shape[1]):
            total[t * hop : t * hop + width] += x[:, t]
        return total[: x.shape[1] * hop].reshape(-1, hop).T

    return [el.OverlapAdd(width, hop)], hop, whole


def norm(rng, width, before):
    """DTLN's instant layer norm, which is a layer norm of each step, or the root of the mean square alone."""
    weight, bias = np.float32(uniform(rng, width)), np.float32(uniform(rng, width))
    if rng.random() < 0.5:
        return [el.RMSNorm(weight, epsilon=0.1)], width, lambda x: functional().rms_norm(x.T, (width,), tensor(weight), 0.1).T
    layer = el.LayerNorm(weight, bias, epsilon=0.1)
    return [layer], width, lambda x: functional().layer_norm(x.T, (width,), tensor(weight), tensor(bias), float(layer.epsilon)).T


def scaled(rng, width, before):
    layer = el.BatchNorm(uniform(rng, width), uniform(rng, width))
    return [layer], width, lambda x: tensor(layer.scale)[:, None] * x + tensor(layer.offset)[:, None]


def function(rng, width, before):
    return [el.Activation("tanh")], width, lambda x: x.tanh()


def gated(rng, width, before):
    """A skip connection, and one that multiplies."""
    join = el.Mul if rng.random() < 0.5 else el.Add
    dense = el.Dense(uniform(rng, width, width), uniform(rng, width), name=f"{before}.gate")

    def whole(x):
        gate = tensor(dense.weight) @ x + tensor(dense.bias)[:, None]
        return gate * x if join is el.Mul else gate + x

    return [dense, join(inputs=(before, f"{before}.gate"))], width, whole


def rearranged(rng, width, before):
    """A part of the values beside all of them."""
    stop = int(rng.integers(1, width + 1))
    start = int(rng.integers(0, stop))
    cut = el.Slice(start, stop, name=f"{before}.part")
    return [cut, el.Concat(inputs=(f"{before}.part", before))], width + stop - start, lambda x: stacked([x[start:stop], x])


def along_features(rng, width, before):
    """A step's values as one row of a map of one channel."""
    taps = int(rng.integers(1, width + 1))
    kernel, bias = np.float32(uniform(rng, taps, 1, 2)), np.float32(uniform(rng, 2))
    layer = el.MapConv(kernel, bias, shape=(width, 1), padding=((taps // 2, 0),))

    def whole(x):
        y = functional().pad(x.T[:, None], (taps // 2, 0))
        y = functional().conv1d(y, tensor(kernel).permute(2, 1, 0), tensor(bias))  # (time, 2, places)
        return y.permute(2, 1, 0).reshape(-1, x.shape[1])

    return [layer], 2 * (width + taps // 2 - taps + 1), whole


def frames(rng, width, before):
    """A two-dimensional convolution of each step's map."""
    if width % 2:
        return along_features(rng, width, before)
    kernel = np.float32(uniform(rng, 2, 2, 1, 3))
    layer = el.MapConv(kernel, shape=(2, width // 2, 1), padding=((1, 0), (0, 1)))

    def whole(x):
        y = functional().pad(x.T.reshape(-1, 1, 2, width // 2), (0, 1, 1, 0))
        y = functional().conv2d(y, tensor(kernel).permute(3, 2, 0, 1))  # (time, 3, 2, width / 2)
        return y.permute(2, 3, 1, 0).reshape(3 * width, -1)

    return [layer], 3 * width, whole


def lstm(rng, width, before):
    arrays = [uniform(rng, *shape) for shape in ((12, width), (12, 3), (12,))]
    layer = el.LSTM(*arrays)
    return [layer], 3, recurrent("LSTM", width, layer.weight_ih, layer.weight_hh, layer.bias, 0 * layer.bias)


def gru(rng, width, before):
    arrays = [uniform(rng, *shape) for shape in ((9, width), (9, 3), (9,), (9,))]
    layer = el.GRU(*arrays)
    return [layer], 3, recurrent("GRU", width, layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh)


def recurrent(kind, width, *arrays):
    torch = pytest.importorskip("torch")
    net = getattr(torch.nn, kind)(width, 3).double()
    with torch.no_grad():
        for name, value in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), arrays, strict=True):
            getattr(net, name).copy_(tensor(value))
    return lambda x: net(x.T)[0].T.detach()


def attention(rng, width, before):
    if width < 3:
        return function(rng, width, before)
    query, steps = int(rng.integers(1, (width + 1) // 2)), int(rng.integers(1, 7))
    size = width - 2 * query
    vector = np.float32(uniform(rng, query))
    additive = rng.random() < 0.5

    def whole(x):
        rows = [part[None] for part in x.T.split([query, query, size], dim=1)]
        before = np.subtract.outer(np.arange(x.shape[1]), np.arange(x.shape[1]))
        near = tensor((before >= 0) & (before < steps)).bool()
        if not additive:
            return functional().scaled_dot_product_attention(*rows, attn_mask=near, scale=0.75)[0].T
        scores = 0.75 * ((rows[0][0][:, None] + rows[1][0]).tanh() @ tensor(vector))  # (time, time)
        return (scores.masked_fill(~near, -np.inf).softmax(1) @ rows[2][0]).T

    given = {"score": "additive", "vector": vector} if additive else {}
    return [el.WindowAttention(query, steps, scale=0.75, **given)], size, whole


MAKERS = (
    *(convolution, transposed, pool, window, running_mean, running_largest, magnitude, overlap, norm, scaled, function),
    *(gated, rearranged, along_features, frames, attention, lstm, gru),
)
