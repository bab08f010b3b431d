"""ONNX graphs as PyTorch's two exporters write them, against ONNX Runtime; and a real network with its state as an input."""

import io
import warnings

import numpy as np
import pytest
from golden_files import golden_answers

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

onnx = pytest.importorskip("onnx")
TOLERANCE = 1e-5


def exported(torch, module, args, *, dynamo=False, open_time=True):
    """The bytes of a module's ONNX file. args: the first one is (batch, time, inputs), or (batch, inputs) for one step."""
    buffer = io.BytesIO()
    module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = {"dynamic_shapes": ({1: torch.export.Dim("time", min=2, max=999)},)} if open_time else {}
            torch.onnx.export(module, args, dynamo=True, verbose=False, **shapes).save(buffer)
        else:
            axes = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch", 1: "time"}}} if open_time else {}
            torch.onnx.export(module, args, buffer, dynamo=False, **axes)
    return buffer.getvalue()


def runtime_answers(data, *arrays):
    """The first output of ONNX Runtime, one row a step."""
    session = pytest.importorskip("onnxruntime").InferenceSession(data)
    feed = {given.name: array for given, array in zip(session.get_inputs(), arrays, strict=True)}
    out = session.run(None, feed)[0]
    return out.reshape(-1, out.shape[-1])


def imported(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    return import_file(path)


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    found.manual_seed(0)
    return found


def after(torch, rnn, *rest, take=lambda y, h: y):
    """A module: a recurrent one, what is taken of its results, and what follows."""

    class After(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.rest = rnn, torch.nn.Sequential(*rest)

        def forward(self, x):
            return self.rest(take(*self.rnn(x)))

    return After()


def stacked(torch, kind, *sizes, **options):
    return getattr(torch.nn, kind)(*sizes, batch_first=True, **options)


RECURRENT = {
    "lstm": lambda t: after(t, stacked(t, "LSTM", 3, 8), t.nn.Linear(8, 2)),
    "lstm without biases": lambda t: after(t, stacked(t, "LSTM", 3, 8, bias=False), t.nn.Linear(8, 1, bias=False), t.nn.Sigmoid()),
    "two lstms, last step": lambda t: after(t, stacked(t, "LSTM", 3, 8, 2), t.nn.Linear(8, 2), take=lambda y, h: y[:, -1]),
    "lstm, its end": lambda t: after(t, stacked(t, "LSTM", 3, 8), t.nn.Linear(8, 2), take=lambda y, h: h[0][-1]),
    "gru": lambda t: after(t, stacked(t, "GRU", 3, 8, 2), t.nn.Linear(8, 2)),
    "rnn": lambda t: after(t, stacked(t, "RNN", 3, 8), t.nn.Linear(8, 2)),
    "rnn of relu": lambda t: after(t, stacked(t, "RNN", 3, 8, nonlinearity="relu"), t.nn.Linear(8, 2)),
    "bidirectional lstms": lambda t: after(t, stacked(t, "LSTM", 3, 8, 2, bidirectional=True), t.nn.Linear(16, 2)),
    "bidirectional gru, its ends": lambda t: after(
        t, stacked(t, "GRU", 3, 8, bidirectional=True), t.nn.Linear(16, 2), take=lambda y, h: t.cat([h[-2], h[-1]], -1)
    ),
}


@pytest.mark.parametrize(("name", "dynamo"), [*((name, False) for name in RECURRENT), ("lstm", True), ("bidirectional lstms", True)])
def test_recurrent_networks_of_torch(torch, tmp_path, name, dynamo):
    x = torch.randn(1, 12, 3)
    data = exported(torch, RECURRENT[name](torch), (x,), dynamo=dynamo)
    expected = runtime_answers(data, x.numpy())
    model = imported(tmp_path, data).model
    answers = reference.run(model, x[0].numpy())[-len(expected) :]
    assert np.abs(answers - expected).max() <= TOLERANCE
    fixed = (
        onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    )  # the exporter may fix what it was asked to leave open
    assert model.window == (fixed or None)


def test_a_window_that_the_file_fixes_is_said(torch, tmp_path):
    data = exported(torch, RECURRENT["lstm"](torch), (torch.randn(1, 9, 3),), open_time=False)
    assert imported(tmp_path, data).model.window == 9


@pytest.mark.parametrize(("kind", "dynamo"), [("LSTMCell", False), ("LSTMCell", True), ("GRUCell", False), ("RNNCell", False)])
def test_cells_spelled_out_in_operators_become_layers(torch, tmp_path, kind, dynamo):
    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = getattr(torch.nn, kind)(3, 8), torch.nn.Linear(8, 2)

        def forward(self, x, *state):
            found = self.cell(x, state if len(state) == 2 else state[0])
            h = found[0] if isinstance(found, tuple) else found
            return self.head(h), *(found if isinstance(found, tuple) else (found,))

    module = Step().eval()
    states = [torch.zeros(1, 8) for _ in range(2 if kind == "LSTMCell" else 1)]
    taken = imported(tmp_path, exported(torch, module, (torch.zeros(1, 3), *states), dynamo=dynamo, open_time=False))
    assert [layer.kind for layer in taken.model.layers] == [kind.removesuffix("Cell").lower(), "dense"]
    xs, expected = torch.randn(20, 3), []
    for x in xs:
        with torch.no_grad():
            y, *states = module(x[None], *states)
        expected.append(y[0].numpy())
    assert np.abs(reference.run(taken.model, xs.numpy()) - expected).max() <= TOLERANCE


def test_states_that_go_in_and_out_are_the_streams(torch, tmp_path):
    """Their order is read off what the layers begin and end with, not off names."""

    class Carried(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = stacked(torch, "LSTM", 3, 8, 2), torch.nn.Linear(8, 2)

        def forward(self, x, c, h):
            y, (h, c) = self.rnn(x, (h, c))
            return h, self.head(y), c

    module, state = Carried(), torch.zeros(2, 1, 8)
    taken = imported(tmp_path, exported(torch, module, (torch.zeros(1, 1, 3), state, state), open_time=False))
    assert sum("state of the stream" in note for note in taken.notes) == 2
    xs, states, expected = torch.randn(20, 3), [state, state], []
    for x in xs:
        with torch.no_grad():
            h, y, c = module(x[None, None], *states)
        states = [c, h]
        expected.append(y[0, 0].numpy())
    assert np.abs(reference.run(taken.model, xs.numpy()) - expected).max() <= TOLERANCE
    assert np.abs(el.Stream(taken.model).process(xs.numpy()) - expected).max() <= TOLERANCE


def test_dtln(golden):
    """Two LSTMs whose states are sliced out of one input and stacked into one output."""
    answers = golden_answers("dtln/golden.npz")
    model = el.load(golden("dtln/model_1.onnx"))
    assert np.abs(el.Stream(model).process(answers["mag"]) - answers["mask"]).max() <= TOLERANCE
