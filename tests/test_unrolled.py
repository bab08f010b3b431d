"""Recurrences that a graph spells out step by step become layers, and only where all steps do the same."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import File, Graph, Node, Tensor
from edgelstm.importers.from_onnx.unrolled import rolled

STEPS, HIDDEN = 6, 4


class Unrolled:
    """``h = tanh(x W + h U)`` over six steps of three numbers as ONNX nodes, of which parts may be made wrong."""

    def __init__(
        self,
        begins="zeros",
        slices=False,
        backward=False,
        other_weight=False,
        skip=False,
        projected_first=False,
        left_out="",
        renamed=False,
    ):
        rng = np.random.default_rng(3)
        self.w, self.u, self.head = (rng.normal(size=shape).astype(np.float32) for shape in ((3, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 2)))
        self.constants = {"W": self.w, "U": self.u, "V": self.u + 1, "head": self.head, "other": self.w + 1}
        self.constants["h0"] = np.zeros((1, HIDDEN), np.float32) if begins == "zeros" else np.ones((1, HIDDEN), np.float32)
        self.nodes = []
        if renamed:
            self.add("Identity", ["U"], "same")
        names = [f"x{step}" for step in range(STEPS)]
        if slices:
            for step, name in enumerate(names):
                self.constants[f"at{step}"] = np.array(step)
                self.add("Gather", ["x", f"at{step}"], name, axis=1)
        else:
            self.constants["ones"], self.constants["axis"] = np.ones(STEPS, np.int64), np.array([1])
            self.nodes.append(Node("Split", "ai.onnx", "split", ("x", "ones"), tuple(f"row{s}" for s in range(STEPS)), {"axis": 1}))
            for step, name in enumerate(names):
                self.add("Squeeze", [f"row{step}", "axis"], name)
        state = "h0"
        for step, name in enumerate(names[::-1] if backward else names):
            before = "h0" if skip and step == 4 else state
            self.add("MatMul", [name, "W"], f"xW{step}")
            if left_out and step == 0:
                first = Node("MatMul", "ai.onnx", "first", (name, "other" if left_out == "another weight" else "W"), ("xW0",), {})
                self.nodes[-1] = first
                self.add("Sigmoid" if left_out == "another function" else "Tanh", ["xW0"], state := "h1")
                continue
            matrix = "V" if other_weight and step == 3 else "same" if renamed and step == 2 else "U"
            self.add("MatMul", [before, matrix], f"hU{step}")
            self.add("Add", [f"xW{step}", f"hU{step}"], f"z{step}")
            self.add("Tanh", [f"z{step}"], state := f"h{step + 1}")
        self.add("MatMul", [state, "head"], "y")
        self.other_weight, self.skip, self.left_out = other_weight, skip, left_out

    def add(self, op, inputs, output, **attributes):
        self.nodes.append(Node(op, "ai.onnx", output, tuple(inputs), (output,), attributes))

    def graph(self):
        return Graph((Tensor("x", (1, STEPS, 3), "float"),), (Tensor("y", (1, 2), "float"),), tuple(self.nodes), self.constants)

    def model(self):
        return from_onnx(File(self.graph(), {}, {"ai.onnx": 17}, "test"))[0]

    def answer(self, x, backward=False):
        h = begin = self.constants["h0"].astype(np.float64)
        for step, row in enumerate(x[::-1] if backward else x):
            if self.left_out and step == 0:
                z = row @ (self.w + (self.left_out == "another weight"))
                h = (1 / (1 + np.exp(-z)) if self.left_out == "another function" else np.tanh(z))[None]
            else:
                h = np.tanh(row @ self.w + (begin if self.skip and step == 4 else h) @ (self.u + (self.other_weight and step == 3)))
        return (h @ self.head)[0]


@pytest.mark.parametrize(
    "options", [{}, {"slices": True}, {"backward": True}, {"begins": "ones"}, {"left_out": "zeros"}, {"renamed": True}], ids=str
)
def test_steps_that_do_the_same_are_a_layer(options):
    net = Unrolled(**options)
    model = net.model()
    assert [layer.kind for layer in model.layers if layer.kind != "last"] == ["rnn", "dense"]
    x = np.random.default_rng(0).normal(size=(STEPS, 3))
    found = reference.run(model, x)[-1]
    assert found == pytest.approx(net.answer(x, options.get("backward", False)), abs=1e-5)


DIFFERENT = [{"other_weight": True}, {"skip": True}, {"left_out": "another weight"}, {"left_out": "another function"}]


@pytest.mark.parametrize("options", DIFFERENT, ids=str)
def test_steps_that_differ_are_no_recurrence(options):
    """They are computed side by side, when the last of them is there."""
    net = Unrolled(**options)
    assert rolled(net.graph()) is None
    model, x = net.model(), np.random.default_rng(0).normal(size=(STEPS, 3))
    assert "window" in {layer.kind for layer in model.layers}
    assert not {"rnn", "intra_rnn"} & {layer.kind for layer in model.layers}
    found = reference.run(model, x)
    assert len(found) == 1
    assert found[-1] == pytest.approx(net.answer(x), abs=1e-5)


def test_a_graph_without_recurrence_stays_as_it_is():
    net = Unrolled()
    net.nodes = net.nodes[:3]
    assert rolled(net.graph()) is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["pt2", "trace"])
@pytest.mark.parametrize("cell", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells_called_step_by_step_answer_as_pytorch(cell, form, tmp_path):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.out = getattr(torch.nn, cell)(3, 5), torch.nn.Linear(5, 2)

        def forward(self, x):
            state = x.new_zeros(1, 5)
            state = (state, state) if cell == "LSTMCell" else state
            for step in range(STEPS):
                state = self.cell(x[:, step], state)
            return self.out(state[0] if cell == "LSTMCell" else state)

    torch.manual_seed(2)
    net, x = Net().eval(), torch.randn(1, STEPS, 3)
    path = str(tmp_path / f"net.{form}")
    if form == "pt2":
        torch.export.save(torch.export.export(net, (x,)), path)
    else:
        torch.jit.trace(net, (x,)).save(path)
    model = el.load(path)
    assert [layer.kind for layer in model.layers] == [cell.removesuffix("Cell").lower(), "dense"]
    assert model.window == STEPS
    with torch.no_grad():
        np.testing.assert_allclose(reference.run(model, x[0])[-1:], net(x), atol=1e-6)
