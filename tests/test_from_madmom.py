"""Networks of madmom, pickled by classes of its names, answer as madmom computes them; its real ones do where the package's files are."""

import pickle
import sys
import types

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

LIMIT = 1e-6


def linear(x):
    return x


def tanh(x):
    return np.tanh(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Part:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class FeedForwardLayer(Part):
    def run(self, xs):
        return self.activation_fn(xs @ self.weights + self.bias)


class RecurrentLayer(Part):
    def run(self, xs):
        h, rows = self.init.astype(np.float64), []
        for x in xs:
            h = self.activation_fn(x @ self.weights + self.bias + h @ self.recurrent_weights)
            rows.append(h)
        return np.array(rows)


class Gate(Part):
    def run(self, x, h, c=0.0):
        peephole = 0 if self.peephole_weights is None else c * self.peephole_weights
        return self.activation_fn(x @ self.weights + self.bias + peephole + h @ self.recurrent_weights)


class Cell(Gate):
    pass


class GRUCell(Cell):
    pass


class LSTMLayer(Part):
    def run(self, xs):
        h, c, rows = self.init.astype(np.float64), self.cell_init.astype(np.float64), []
        for x in xs:
            i, f = self.input_gate.run(x, h, c), self.forget_gate.run(x, h, c)
            c = self.cell.run(x, h) * i + c * f
            h = self.activation_fn(c) * self.output_gate.run(x, h, c)
            rows.append(h)
        return np.array(rows)


class GRULayer(Part):
    def run(self, xs):
        h, rows = self.hid_init.astype(np.float64), []
        for x in xs:
            r, z = self.reset_gate.run(x, h), self.update_gate.run(x, h)
            n = self.cell.activation_fn(x @ self.cell.weights + self.cell.bias + r * (h @ self.cell.recurrent_weights))
            h = z * n + (1 - z) * h
            rows.append(h)
        return np.array(rows)


class BidirectionalLayer(Part):
    def run(self, xs):
        return np.hstack((self.fwd_layer.run(xs), self.bwd_layer.run(xs[::-1])[::-1]))


class BatchNormLayer(Part):
    def run(self, xs):
        return self.activation_fn((xs - self.mean) * (self.gamma * self.inv_std) + self.beta)


class ConvolutionalLayer(Part):
    def run(self, xs):
        """xs: (frames, bins, channels). What lies in a window is multiplied by the reversed kernel."""
        windows = np.lib.stride_tricks.sliding_window_view(xs, self.weights.shape[2:], axis=(0, 1))
        return self.activation_fn(np.einsum("tbcij,cfij->tbf", windows, self.weights[:, :, ::-1, ::-1]) + self.bias)


class MaxPoolLayer(Part):
    def run(self, xs):
        stride = (self.stride or self.size)[1]
        windows = np.lib.stride_tricks.sliding_window_view(xs, self.size[1], axis=1)[:, ::stride]
        return windows.max(axis=-1)


class StrideLayer(Part):
    def run(self, xs):
        windows = np.lib.stride_tricks.sliding_window_view(xs.reshape(len(xs), -1), self.block_size, axis=0)
        return windows.transpose(0, 2, 1).reshape(len(windows), -1)


class NeuralNetwork(Part):
    def run(self, xs):
        for layer in self.layers:
            xs = layer.run(xs)
        return xs


class ParallelProcessor(Part):
    pass


class NeuralNetworkEnsemble(Part):
    pass


def average_predictions(predictions):
    return sum(predictions) / len(predictions)


PLACES = {
    "madmom.ml.nn.activations": (linear, tanh, sigmoid, relu, softmax),
    "madmom.ml.nn.layers": (
        *(FeedForwardLayer, RecurrentLayer, Gate, Cell, GRUCell, LSTMLayer, GRULayer, BidirectionalLayer),
        *(BatchNormLayer, ConvolutionalLayer, MaxPoolLayer, StrideLayer),
    ),
    "madmom.ml.nn": (NeuralNetwork, NeuralNetworkEnsemble, average_predictions),
    "madmom.processors": (ParallelProcessor,),
}


@pytest.fixture(autouse=True)
def _named(monkeypatch):
    """Classes and functions of this file are pickled as madmom's."""
    for module, things in PLACES.items():
        made = types.ModuleType(module)
        for thing in things:
            monkeypatch.setattr(thing, "__module__", module)
            setattr(made, thing.__name__, thing)
        for name in (module, *(module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1))):
            monkeypatch.setitem(sys.modules, name, sys.modules.get(name, types.ModuleType(name)))
        monkeypatch.setitem(sys.modules, module, made)


RANDOM = np.random.default_rng(5)


def numbers(*shape):
    return RANDOM.uniform(-0.8, 0.8, shape).astype(np.float32)


def gate(inputs, hidden, peephole=False, kind=Gate, function=sigmoid):
    weights = {"weights": numbers(inputs, hidden), "recurrent_weights": numbers(hidden, hidden), "bias": numbers(hidden)}
    return kind(**weights, peephole_weights=numbers(hidden) if peephole else None, activation_fn=function, init=numbers(hidden))


def lstm(inputs, hidden, peephole=True):
    gates = {name: gate(inputs, hidden, peephole) for name in ("input_gate", "forget_gate", "output_gate")}
    states = {"init": numbers(hidden), "cell_init": numbers(hidden)}
    return LSTMLayer(**gates, **states, cell=gate(inputs, hidden, kind=Cell, function=tanh), activation_fn=tanh)


def gru(inputs, hidden):
    cell = gate(inputs, hidden, kind=GRUCell, function=tanh)
    return GRULayer(reset_gate=gate(inputs, hidden), update_gate=gate(inputs, hidden), cell=cell, hid_init=numbers(hidden))


def rnn(inputs, hidden, function=tanh):
    return gate(inputs, hidden, kind=RecurrentLayer, function=function)


def dense(inputs, outputs, function=sigmoid):
    return FeedForwardLayer(weights=numbers(inputs, outputs), bias=numbers(outputs), activation_fn=function)


def both(kind, inputs, hidden):
    return BidirectionalLayer(fwd_layer=kind(inputs, hidden), bwd_layer=kind(inputs, hidden))


def norm(*shape, function=linear):
    return BatchNormLayer(mean=numbers(*shape), inv_std=abs(numbers(*shape)), beta=numbers(shape[-1]), gamma=1.5, activation_fn=function)


def conv(channels, features, steps, taps, function=tanh, pad="valid"):
    return ConvolutionalLayer(
        weights=numbers(channels, features, steps, taps), bias=numbers(features), stride=1, pad=pad, activation_fn=function
    )


NETWORKS = {
    "peepholes": lambda: [lstm(4, 6), lstm(6, 6), dense(6, 2)],
    "without peepholes": lambda: [lstm(4, 6, peephole=False), dense(6, 3, softmax)],
    "gru": lambda: [gru(4, 6), gru(6, 5), dense(5, 1)],
    "simple": lambda: [rnn(4, 6), rnn(6, 6, relu), dense(6, 2, linear)],
    "bidirectional lstm": lambda: [both(lstm, 4, 6), both(lstm, 12, 5), dense(10, 3, softmax)],
    "bidirectional gru": lambda: [both(gru, 4, 6), dense(12, 2)],
    "bidirectional simple": lambda: [both(rnn, 4, 6), dense(12, 1)],
    "normalised": lambda: [norm(4), rnn(4, 6), norm(1, 6, function=relu), dense(6, 2)],
    "feed-forward": lambda: [dense(4, 8, relu), dense(8, 8, tanh), dense(8, 2, linear)],
}


def written(value, path, protocol=2):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_answer_as_madmom_does(name, protocol, tmp_path):
    network = NeuralNetwork(layers=NETWORKS[name]())
    taken = import_file(written(network, tmp_path / "n.pkl", protocol))
    assert (taken.format, taken.notes) == ("madmom (pickle)", ())
    xs = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    np.testing.assert_allclose(reference.run(taken.model, xs), network.run(xs.astype(np.float64)), atol=LIMIT)


def test_convolutions_over_frames_and_bins_answer_as_madmom_does(tmp_path):
    layers = [norm(14, 3), conv(3, 4, 3, 3), MaxPoolLayer(size=(1, 3), stride=None), conv(4, 2, 2, 2, relu), norm(2, function=tanh)]
    network = NeuralNetwork(layers=[*layers, StrideLayer(block_size=3), dense(18, 5), dense(5, 1)])
    model = el.load(written(network, tmp_path / "n.pkl"))
    xs = np.random.default_rng(1).normal(size=(20, 14, 3)).astype(np.float32)
    np.testing.assert_allclose(reference.run(model, xs.reshape(20, -1)), network.run(xs.astype(np.float64)), atol=LIMIT)


def test_an_ensemble_is_the_average_of_its_networks(tmp_path):
    networks = [NeuralNetwork(layers=[lstm(4, 6), dense(6, 2)]) for _ in range(3)]
    ensemble = NeuralNetworkEnsemble(processors=[ParallelProcessor(processors=networks), average_predictions])
    taken = import_file(written(ensemble, tmp_path / "e.pkl"))
    assert taken.notes == ("The answer is the average of 3 networks.",)
    xs = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    expected = np.mean([network.run(xs.astype(np.float64)) for network in networks], axis=0)
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)


def without(part, name):
    delattr(part, name)
    return part


def changed(part, **attributes):
    part.__dict__.update(attributes)
    return part


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: [conv(1, 1, 3, 3), dense(4, 2)], "no layer before it tells the number of bins"),
        (lambda: [norm(8, 2), conv(2, 3, 1, 3, pad="same"), dense(4, 2)], "no convolution of stride 1"),
        (lambda: [norm(8, 2), conv(3, 3, 1, 3), dense(4, 2)], "convolves 3 channels"),
        (lambda: [norm(8, 2), norm(7, 2), dense(4, 2)], r"scales frames of shape \(7, 2\)"),
        (lambda: [norm(8, 2), MaxPoolLayer(size=(1, 3), stride=None), dense(4, 2)], "reach beyond the frame's 8"),
        (lambda: [norm(8, 2), MaxPoolLayer(size=(2, 3), stride=None), dense(4, 2)], "one frame a window"),
        (lambda: [norm(4), StrideLayer(block_size=0), dense(4, 2)], "a whole number"),
        (lambda: [without(norm(4), "inv_std"), dense(4, 2)], "has no inv_std"),
        (lambda: [both(dense, 4, 6), dense(12, 2)], "BidirectionalLayer of FeedForwardLayer, FeedForwardLayer"),
        (lambda: [without(lstm(4, 6), "forget_gate")], "no forget_gate"),
        (lambda: [without(dense(4, 6), "weights")], "no weights"),
        (lambda: [changed(dense(4, 6), activation_fn=average_predictions)], "activation function average_predictions"),
        (lambda: [changed(gru(4, 6), update_gate=gate(4, 6, peephole=True))], "have peepholes"),
        (lambda: [changed(lstm(4, 6), input_gate=gate(4, 5))], "of its gates have the shapes"),
        (lambda: [lstm(4, 6), dense(5, 2)], "is given 6"),
        (list, "without layers"),
    ],
)
def test_what_is_no_layer_of_edgelstm_is_refused_by_name(make, message, tmp_path):
    with pytest.raises(el.EdgeLSTMError, match=message):
        el.load(written(NeuralNetwork(layers=make()), tmp_path / "n.pkl"))


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(el.ModelFileError, match="holds GRUCell of madmom, not a NeuralNetwork"):
        el.load(written(gru(4, 6).cell, tmp_path / "n.pkl"))
    with pytest.raises(el.UsageError, match=r'leave out layers="lstm"'):
        el.load(written(NeuralNetwork(layers=[lstm(4, 6)]), tmp_path / "n.pkl"), layers="lstm")
