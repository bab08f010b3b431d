"""Cells that people write in PyTorch and that are none of those known: every form of export answers as PyTorch over many steps."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore")

INPUTS, HIDDEN, WINDOW, LIMIT = 3, 5, 12, 1e-5


class ClosedForm(nn.Module):
    """CfC: a mixture of two candidates, all made of one layer over sample and state."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(INPUTS + HIDDEN, 8)
        self.first, self.second, self.time, self.fc = nn.Linear(8, HIDDEN), nn.Linear(8, HIDDEN), nn.Linear(8, HIDDEN), nn.Linear(HIDDEN, 2)

    def forward(self, x, hx):
        z = 1.7159 * torch.tanh(0.666 * self.backbone(torch.cat([x, hx], 1)))
        t = torch.sigmoid(self.time(z))
        h = torch.tanh(self.first(z)) * (1.0 - t) + t * torch.tanh(self.second(z))
        return self.fc(h), h


class Stepped(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = ClosedForm()

    def forward(self, x):
        h = torch.zeros(x.size(0), 5)
        answers = []
        for t in range(x.size(1)):
            y, h = self.cell(x[:, t], h)
            answers.append(y)
        return torch.stack(answers, 1)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(2)
    return Stepped().eval()


def export(network, form, path):
    step = torch.zeros(1, INPUTS), torch.zeros(1, HIDDEN)
    window = torch.zeros(1, WINDOW, INPUTS)
    match form:
        case "step.pt2":
            torch.export.save(torch.export.export(network.cell, step), path)
        case "step traced.pt":
            torch.jit.save(torch.jit.trace(network.cell, step), path)
        case "step.onnx":
            torch.onnx.export(network.cell, step, path, dynamo=False, input_names=["x", "hx"], output_names=["y", "hx_out"])
        case "scripted.pt":
            torch.jit.save(torch.jit.script(network), path)
        case "traced.pt":
            torch.jit.save(torch.jit.trace(network, window), path)
        case "scripted.onnx":
            script, axes = torch.jit.script(network), {"x": {1: "time"}}
            torch.onnx.export(script, (window,), path, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=axes)


@pytest.mark.parametrize("form", ["step.pt2", "step traced.pt", "step.onnx", "scripted.pt", "traced.pt", "scripted.onnx"])
def test_every_form_of_export_answers_as_pytorch(network, form, tmp_path, capsys):
    path = str(tmp_path / form)
    export(network, form, path)
    model = el.load(path)
    assert [layer.kind for layer in model.layers].count("previous") == 1
    for steps in (WINDOW,) if model.window else (60, 7):
        x = np.random.default_rng(steps).normal(size=(steps, INPUTS)).astype(np.float32)
        with torch.no_grad():
            wanted = network(torch.from_numpy(x[None]))[0].numpy()
        assert np.abs(reference.run(model, x) - wanted).max() <= LIMIT


class Gated(nn.Module):
    """A known cell whose answers are gathered in a list."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x):
        h = torch.zeros(x.size(0), 5)
        answers = []
        for t in range(x.size(1)):
            h = torch.tanh(self.a(x[:, t]) + self.b(h))
            answers.append(h)
        return torch.stack(answers, 1)


def test_a_loop_that_gathers_its_answers_in_a_sequence(tmp_path):
    torch.manual_seed(3)
    script, path = torch.jit.script(Gated().eval()), str(tmp_path / "gated.onnx")
    named = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {1: "time"}}}
    torch.onnx.export(script, (torch.zeros(1, 4, INPUTS),), path, dynamo=False, **named)
    model, x = el.load(path), np.random.default_rng(0).normal(size=(60, INPUTS)).astype(np.float32)
    assert [layer.kind for layer in model.layers] == ["rnn"]
    wanted = script(torch.from_numpy(x[None]))[0].detach().numpy()
    assert np.abs(reference.run(model, x) - wanted).max() <= LIMIT


class MapGRU(nn.Module):
    """A GRU whose sums are convolutions: its channels are no steps."""

    def __init__(self, channels, kept):
        super().__init__()
        self.gates, self.new = nn.Conv2d(channels + kept, 2 * kept, 3, padding=1), nn.Conv2d(channels + kept, kept, 3, padding=1)
        self.out = nn.Conv2d(kept, 1, 1)

    def forward(self, x, h):
        r, z = torch.sigmoid(self.gates(torch.cat([x, h], 1))).chunk(2, 1)
        h = (1 - z) * h + z * torch.tanh(self.new(torch.cat([x, r * h], 1)))
        return self.out(h), h


@pytest.mark.parametrize(("kept", "side"), [(3, 6), (8, 24)])
def test_a_loop_over_maps(kept, side, tmp_path):
    torch.manual_seed(5)
    network, path = MapGRU(2, kept).eval(), str(tmp_path / "map.onnx")
    x, h = torch.randn(50, 1, 2, side, side), torch.zeros(1, kept, side, side)
    torch.onnx.export(network, (x[0], h), path, dynamo=False, input_names=["x", "h"], output_names=["y", "h_out"])
    model = el.load(path)
    assert model.input_size == 2 * side * side
    assert {"previous", "map_conv"} <= {layer.kind for layer in model.layers}
    stream = el.Stream(model)
    for row in x:
        with torch.no_grad():
            y, h = network(row, h)
        assert np.abs(stream.step(row.numpy().ravel()).ravel() - y.numpy().ravel()).max() <= LIMIT


class Called(nn.Module):
    """Four steps a call, of a cell that is known or not; what goes on to the next call is the state, or a half of it."""

    def __init__(self, known, kept):
        super().__init__()
        self.cell, self.gru, self.known, self.kept = ClosedForm(), nn.GRUCell(INPUTS, HIDDEN), known, kept

    def forward(self, x, h):
        answers = []
        for t in range(4):
            h = self.gru(x[:, t], h) if self.known else self.cell(x[:, t], h)[1]
            answers.append(h)
        return torch.stack(answers, 1), h * self.kept


@pytest.mark.parametrize("known", [True, False])
def test_a_state_goes_on_to_the_next_call_as_the_loop_ends(known, tmp_path):
    torch.manual_seed(6)
    path, given = str(tmp_path / "called.onnx"), (torch.zeros(1, 4, INPUTS), torch.zeros(1, HIDDEN))
    names = {"input_names": ["x", "h"], "output_names": ["y", "h_out"]}
    torch.onnx.export(Called(known, 0.5).eval(), given, path, dynamo=False, **names)
    with pytest.raises(el.UnsupportedModelError):
        el.load(path)
    network = Called(known, 1.0).eval()
    torch.onnx.export(network, given, path, dynamo=False, **names)
    model, x, h, wanted = el.load(path), torch.randn(1, 40, INPUTS), torch.zeros(1, HIDDEN), []
    for start in range(0, 40, 4):
        with torch.no_grad():
            y, h = network(x[:, start : start + 4], h)
        wanted.extend(y[0].numpy())
    assert np.abs(reference.run(model, x[0].numpy()) - wanted).max() <= LIMIT
