"""Convolutions inside the frame that one timestep is, exported by torch: they become layers over a map."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, exported, imported

import edgelstm as el
from edgelstm import reference

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")
nn, functional = torch.nn, torch.nn.functional


class Frames(nn.Module):
    """A part on each row of 12 features, which gives `width` numbers, in front of an LSTM."""

    def __init__(self, shape, width, function, *modules):
        super().__init__()
        self.shape, self.width, self.function = shape, width, function
        self.parts, self.rnn = nn.ModuleList(modules), nn.LSTM(width, 6, batch_first=True)

    def forward(self, x):
        frames = self.function(x.reshape(-1, *self.shape), *self.parts)
        return self.rnn(frames.reshape(x.shape[0], x.shape[1], self.width))[0]


def normed(size):
    """Batch normalisation as training leaves it."""
    norm = nn.BatchNorm1d(size)
    norm.running_mean, norm.running_var = torch.randn(size), torch.rand(size) + 0.5
    return norm


def convolved(x, c):
    return c(x)


def magnitude(x, c):
    real, imaginary = torch.chunk(c(functional.pad(x, (0, 6), "reflect")), 2, 1)
    return torch.sqrt(real**2 + imaginary**2)


#: By name: the kinds in front of the LSTM, and the network.
FRAMES = {
    "along features": (
        ["map_conv", "activation", "map_conv"],
        lambda: Frames(
            (1, 12), 15, lambda x, a, n, b: b(torch.relu(n(a(x)))), nn.Conv1d(1, 4, 3, padding=1), normed(4), nn.Conv1d(4, 3, 4, 2)
        ),
    ),
    "padded by an operator of its own": (
        ["map_conv"],
        lambda: Frames((1, 12), 42, lambda x, a: a(functional.pad(x, (1, 3))), nn.Conv1d(1, 3, 3)),
    ),
    "each channel by itself": (
        ["normalizer", "gather", "map_conv"],
        lambda: Frames((3, 4), 6, convolved, nn.Conv1d(3, 3, 3, groups=3)),
    ),
    "two rows a step": (
        ["map_conv"],
        lambda: Frames((6,), 20, lambda x, a: a(x[:, None]), nn.Conv1d(1, 2, 2)),
    ),
    "a picture a step": (
        ["map_conv"],
        lambda: Frames((1, 4, 3), 24, convolved, nn.Conv2d(1, 3, (3, 2), padding=(1, 1), stride=(2, 1))),
    ),
    "magnitudes of a mirrored frame": (
        ["normalizer", "gather", "map_conv", "magnitude"],
        lambda: Frames((1, 12), 25, magnitude, nn.Conv1d(1, 10, 6, 3, bias=False)),
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_convolutions_inside_a_frame(tmp_path, name):
    kinds, network = FRAMES[name]
    torch.manual_seed(1)
    network, x = network().eval(), torch.randn(1, 9, 12)
    data = exported(torch, network, (x,), open_time=False)
    session = ort.InferenceSession(data)
    (expected,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    model = imported(tmp_path, data).model
    assert [layer.kind for layer in model.layers][: len(kinds) + 1] == [*kinds, "lstm"]
    assert np.abs(reference.run(model, x[0].numpy()) - expected[0]).max() <= TOLERANCE


class Spectrogram(nn.Module):
    """Convolutions along time and along 12 features at once, in front of an LSTM."""

    def __init__(self, width, function, *modules):
        super().__init__()
        self.function, self.parts, self.rnn = function, nn.ModuleList(modules), nn.LSTM(width, 6, batch_first=True)

    def forward(self, x):
        return self.rnn(self.function(x[:, None], *self.parts).transpose(1, 2).flatten(2))[0]


def normed_2d(size):
    norm = nn.BatchNorm2d(size)
    norm.running_mean, norm.running_var = torch.randn(size), torch.rand(size) + 0.5
    return norm


def earlier(x, rows):
    """x (batch, channels, time, features) behind rows of zeros."""
    return functional.pad(x, (0, 0, rows, 0))


#: By name: the kinds in front of the LSTM, and the network.
SPECTROGRAMS = {
    "causal, normed, pooled": (
        ["window", "map_conv", "activation", "map_pool", "window", "map_conv"],
        lambda: Spectrogram(
            18,
            lambda x, a, n, p, b: b(earlier(p(torch.relu(n(a(earlier(x, 2))))), 1)),
            nn.Conv2d(1, 4, 3, padding=(0, 1)),
            normed_2d(4),
            nn.MaxPool2d((1, 2)),
            nn.Conv2d(4, 6, (2, 3), stride=(1, 2), padding=(0, 1)),
        ),
    ),
    "centred": (["window", "map_conv"], lambda: Spectrogram(24, convolved, nn.Conv2d(1, 2, 3, padding=1))),
    "groups and one row": (
        ["map_conv", "map_conv"],
        lambda: Spectrogram(48, lambda x, a, b: b(a(x)), nn.Conv2d(1, 4, (1, 1)), nn.Conv2d(4, 4, (1, 3), padding=(0, 1), groups=2)),
    ),
    "pooled along both": (["map_pool", "max_pool1d"], lambda: Spectrogram(6, lambda x, p: p(x), nn.MaxPool2d(2))),
    "means along both": (["map_pool", "average_pool1d"], lambda: Spectrogram(4, lambda x, p: p(x), nn.AvgPool2d((2, 3)))),
    "dilated, every other row": (
        ["window", "map_conv"],
        lambda: Spectrogram(16, lambda x, a: a(earlier(x, 4)), nn.Conv2d(1, 2, 3, stride=(2, 1), dilation=(2, 2))),
    ),
}


@pytest.mark.parametrize("name", SPECTROGRAMS)
def test_convolutions_along_time_and_features(tmp_path, name):
    kinds, network = SPECTROGRAMS[name]
    torch.manual_seed(1)
    network, x = network().eval(), torch.randn(1, 14, 12)
    data = exported(torch, network, (x,), open_time=False)
    session = ort.InferenceSession(data)
    (expected,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    model = imported(tmp_path, data).model
    found = [layer.kind for layer in model.layers if layer.kind not in ("normalizer", "gather")]
    assert found == [*kinds, "lstm"]
    assert np.abs(reference.run(model, x[0].numpy())[-expected.shape[1] :] - expected[0]).max() <= TOLERANCE


def test_a_cell_that_reads_a_map_and_its_state_stays_a_cell(tmp_path):
    """A sum of a convolution over the frame and of a matrix times the state."""

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.matrix = nn.Conv1d(1, 2, 3, padding=1), nn.Linear(24, 24)

        def forward(self, x, h):
            h = torch.tanh(self.convolution(x[:, None]).flatten(1) + self.matrix(h))
            return h, h

    torch.manual_seed(2)
    network, h = Cell().eval(), torch.zeros(1, 24)
    model = imported(tmp_path, exported(torch, network, (torch.zeros(1, 12), h), open_time=False)).model
    assert isinstance(model.layers[0], el.RNN)
    xs, expected = torch.randn(7, 12), []
    for x in xs:
        with torch.no_grad():
            y, h = network(x[None], h)
        expected.append(y[0].numpy())
    assert np.abs(reference.run(model, xs.numpy()) - expected).max() <= TOLERANCE
