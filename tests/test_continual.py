"""Delays and receptive fields, as continual-inference 1.2.4 has them: the modules of its own tests, built there and here."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.cli.timing import timings

continual = pytest.importorskip("continual")
torch = pytest.importorskip("torch")


def conv(taps, *, stride=1, padding=0, inputs=1):
    """Their module, and the record here: streamed, its zeros stand before the recording, and what it answers comes so much later."""
    theirs = continual.Conv1d(inputs, 1, taps, stride=stride, padding=padding)
    arrays = (value.detach().numpy() for value in (theirs.weight, theirs.bias))
    return theirs, el.Conv1D(*arrays, stride=stride, padding=(padding, 0))


def average(size, stride=1):
    return continual.AvgPool1d(size, stride=stride), el.AveragePool1D(size, stride)


def largest(size, stride=1, padding=0):
    return continual.MaxPool1d(size, stride=stride, padding=padding), el.MaxPool1D(size, stride, (padding, 0))


#: By what their tests call it: the modules behind each other.
MODULES = {
    "Conv1d": lambda: [conv(3, inputs=2)],
    "Conv1d_stride": lambda: [conv(3, stride=2, padding=1)],
    "AvgPool1d": lambda: [average(3)],
    "AvgPool1d of 4": lambda: [average(4)],
    "MaxPool1d": lambda: [largest(2)],
    "MaxPool1d, a stride": lambda: [largest(2, 2)],
    "Sequential": lambda: [conv(5), conv(3)],
    "stacked, as an impulse goes through": lambda: [conv(5), conv(3), conv(3)],
    "Sequential_with_TensorPlaceholder": lambda: [conv(3, padding=1), largest(2, 2), conv(3, stride=2, padding=1)],
    "strides, then an average": lambda: [conv(3), conv(5, stride=2), average(3, 3)],
    "strides behind each other": lambda: [conv(5, stride=3), conv(3)],
    "padding of two convolutions": lambda: [conv(5, padding=2), conv(3, padding=1)],
    "BroadcastReduce's widest": lambda: [conv(5, padding=2)],
}


@pytest.mark.parametrize("name", MODULES)
def test_a_network_of_theirs(name):
    """The same figures; and answers are those of their steps, from the first one on."""
    torch.manual_seed(1)
    theirs, ours = zip(*MODULES[name](), strict=True)
    size = ours[0].input_width or 1
    whole, model = continual.Sequential(*theirs), el.Model([el.Normalizer(np.zeros(size), np.ones(size)), *ours])
    told = timings(model)[model.layers[-1].name]
    assert (told.receptive_field, told.delay, told.every) == (whole.receptive_field, whole.delay, *whole.stride)
    xs = np.random.default_rng(1).uniform(-1, 1, (40, size)).astype(np.float32)
    whole.clean_state()
    with torch.no_grad():
        theirs = [whole.forward_step(torch.from_numpy(x[None])) for x in xs]
    due = [t for t, y in enumerate(theirs) if isinstance(y, torch.Tensor)]
    assert due == list(range(told.delay, 40, told.every))
    np.testing.assert_allclose(reference.run(model, xs), np.concatenate([theirs[t].numpy() for t in due]), rtol=0, atol=1e-6)


def test_branches_of_different_delay():
    """Their BroadcastReduce delays narrower windows until the widest has answered. So do zeros at the end of the narrower ones here."""
    width = {5: 2, 3: 1, 1: 0}
    theirs = [continual.Conv1d(1, 1, taps, padding=padding, bias=False) for taps, padding in width.items()]
    whole = continual.BroadcastReduce(*theirs)
    branches = []
    for (taps, padding), module in zip(width.items(), theirs, strict=True):
        late = 2 - padding  # steps that the widest answers later
        weight = np.pad(module.weight.detach().numpy(), ((0, 0), (0, 0), (0, late)))
        branches.append(el.Conv1D(weight, padding=(padding, 0), name=f"taps{taps}", inputs=("input",)))
    model = el.Model([*branches, el.Add(inputs=tuple(layer.name for layer in branches))])
    told = timings(model)[model.layers[-1].name]
    assert (told.receptive_field, told.delay) == (whole.receptive_field, whole.delay) == (5, 2)
    xs = np.arange(12, dtype=np.float32)[:, None]
    with torch.no_grad():
        expected = whole.forward(torch.from_numpy(xs.T[None])).numpy()[0, 0]
    np.testing.assert_allclose(reference.run(model, xs)[:, 0], expected[: -whole.delay], rtol=0, atol=1e-6)


def test_same_with_its_latency():
    """A convolution with "same" padding, streamed: its answers, as many rows late as it looks ahead; zeros bring the last ones."""
    rng = np.random.default_rng(2)
    weight, xs = rng.normal(size=(3, 2, 5)), rng.normal(size=(20, 2)).astype(np.float32)
    whole = reference.run(el.Model([el.Conv1D(weight, padding="same")]), xs)
    streamed = el.Model([el.Conv1D(weight, padding=(2, 0))])
    assert timings(streamed)["conv1d0"].delay == 2
    stream = el.Stream(streamed)
    found = np.concatenate([stream.process(xs), stream.process(np.zeros((2, 2), np.float32))])
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)
