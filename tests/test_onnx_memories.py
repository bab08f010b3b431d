"""Decoders that are given an encoder's outputs, token by token, against ONNX Runtime; and what its optimiser and conditions write."""

import numpy as np
import pytest
from test_from_onnx import exported

import edgelstm as el

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
nn = torch.nn
SIZE, ROWS = 8, 6

pytestmark = pytest.mark.filterwarnings("ignore")


class Decoder(nn.Module):
    """One token, a GRU, attention to a memory behind it, scores of the next token."""

    def __init__(self, score, padding):
        super().__init__()
        self.score, self.padding = score, padding
        self.table, self.gru = nn.Embedding(12, SIZE), nn.GRU(SIZE, SIZE, batch_first=True)
        self.query, self.key, self.both = nn.Linear(SIZE, 5), nn.Linear(SIZE, 5), nn.Linear(2 * SIZE, 5)
        self.vector, self.out = nn.Linear(5, 1, bias=False), nn.Linear(2 * SIZE, 12)

    def forward(self, token, memory, mask, h):
        y, h = self.gru(self.table(token[:, -1:]), h)  # (1, 1, SIZE)
        if self.score == "dot":
            scores = self.query(y) @ self.key(memory).transpose(1, 2) / 5**0.5
        elif self.score == "sum":
            scores = self.vector(torch.tanh(self.query(y) + self.key(memory))).transpose(1, 2)
        else:
            scores = self.vector(torch.tanh(self.both(torch.cat([y.expand(-1, memory.shape[1], -1), memory], 2)))).transpose(1, 2)
        scores = scores.masked_fill(mask[:, None] if self.padding else mask[:, None] == 0, -1e9)
        shares = torch.softmax(scores, 2)
        found = (shares.transpose(1, 2) * memory).sum(1, keepdim=True) if self.score == "sum" else shares @ memory
        answers = torch.log_softmax(self.out(torch.cat([y, found], 2))[:, 0], 1), h
        return (*answers, shares) if self.score == "sum" else answers


@pytest.mark.parametrize(("score", "padding"), [("dot", True), ("sum", False), ("joined", True)])
def test_a_decoder_with_a_memory(score, padding, tmp_path):
    """Its mask says that all rows count: true where they do, or where they do not. One gives the shares of the rows, too."""
    torch.manual_seed(2)
    mask = torch.full((1, ROWS), not padding)
    given = (torch.zeros(1, 1, dtype=torch.int64), torch.randn(1, ROWS, SIZE), mask, torch.zeros(1, 1, SIZE))
    path = tmp_path / "m.onnx"
    names = ["token", "encoder_outputs", "mask", "h"]
    with open(path, "wb") as file:
        axes = {"token": {1: "seen"}, "encoder_outputs": {1: "rows"}, "mask": {1: "rows"}}
        torch.onnx.export(Decoder(score, padding).eval(), given, file, input_names=names, dynamo=False, dynamic_axes=axes)
    model = el.load(path)
    (attention,) = (layer for layer in model.layers if layer.kind == "attention")
    assert (attention.score, attention.memory_size) == ("dot" if score == "dot" else "additive", SIZE)
    stream, session = el.Stream(model), ort.InferenceSession(path)
    memory, h = given[1].numpy(), given[3].numpy()
    stream.attend(memory[0])
    for token in (3, 0, 11):
        wanted, h, *_ = session.run(None, dict(zip(names, (np.array([[token]]), memory, mask.numpy(), h), strict=True)))
        np.testing.assert_allclose(stream.step(token), wanted[0], rtol=0, atol=1e-5)


class FedBack(Decoder):
    """Attention before the GRU, which reads what it found."""

    def forward(self, token, memory, mask, h):
        shares = torch.softmax(h.transpose(0, 1) @ memory.transpose(1, 2), 2)
        y, h = self.gru(self.table(token) + shares @ memory, h)
        return y[:, 0], h


def test_a_state_that_goes_round_through_attention(tmp_path):
    """What the query is made of is known one step before: the layers go in a cycle."""
    torch.manual_seed(4)
    given = (torch.zeros(1, 1, dtype=torch.int64), torch.randn(1, ROWS, SIZE), torch.ones(1, ROWS), torch.zeros(1, 1, SIZE))
    data = exported(torch, FedBack("dot", True), given, open_time=False)
    (path := tmp_path / "m.onnx").write_bytes(data)
    model, session = el.load(path), ort.InferenceSession(data)
    assert [layer.kind for layer in model.layers] == ["previous", "embedding", "attention", "add", "gru"]
    token, rows, hidden = (one.name for one in session.get_inputs())
    stream, h = el.Stream(model), given[3].numpy()
    stream.attend(given[1][0].numpy())
    for index in np.random.default_rng(1).integers(0, 11, 50).tolist():
        wanted, h = session.run(None, {token: np.array([[index]]), rows: given[1].numpy(), hidden: h})
        np.testing.assert_allclose(stream.step(index), wanted[0], rtol=0, atol=1e-5)


def _saved(path, nodes, constants, shape=(1, 9, 4)):
    """A graph from x to y."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", floats, shape)],
        [helper.make_tensor_value_info("y", floats, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)


def test_operators_that_the_optimiser_fuses(tmp_path, rng):
    node = onnx.helper.make_node
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        node("FusedConv", ["t", "k", "b"], ["c"], domain="com.microsoft", activation="LeakyRelu", activation_params=[0.2]),
        node("Transpose", ["c"], ["u"], perm=[0, 2, 1]),
        node("BiasGelu", ["u", "b"], ["g"], domain="com.microsoft"),
        node("FusedMatMul", ["g", "w"], ["m"], domain="com.microsoft", transB=1, alpha=0.5),
        node("QuickGelu", ["m"], ["y"], domain="com.microsoft"),
    ]
    floats = {"k": rng.normal(size=(5, 4, 1)), "b": rng.normal(size=5), "w": rng.normal(size=(3, 5))}
    path = tmp_path / "m.onnx"
    _saved(path, nodes, {name: array.astype(np.float32) for name, array in floats.items()})
    _compare(path, rng.normal(size=(9, 4)).astype(np.float32))


def test_a_condition_chooses_between_networks(tmp_path, rng):
    """The first network's answer where it is below a threshold, else the second's: both are followed."""
    helper, node, floats = onnx.helper, onnx.helper.make_node, onnx.TensorProto.FLOAT
    answer = [helper.make_tensor_value_info("z", floats, None)]
    branches = {
        "then_branch": helper.make_graph([node("MatMul", ["last", "v"], ["z"])], "then", [], answer),
        "else_branch": helper.make_graph([node("Identity", ["score"], ["z"])], "else", [], answer),
    }
    nodes = [
        node("ReduceMean", ["x"], ["last"], axes=[1], keepdims=0),
        node("MatMul", ["last", "w"], ["score"]),
        node("GreaterOrEqual", ["score", "half"], ["above"]),
        node("If", ["above"], ["y"], **branches),
    ]
    path = tmp_path / "m.onnx"
    weights = {"w": np.array([[5.0], [-5], [3], [2]]), "v": rng.normal(size=(4, 1)), "half": np.array(0.5)}
    _saved(path, nodes, {name: array.astype(np.float32) for name, array in weights.items()})
    below = [_compare(path, rng.normal(size=(9, 4)).astype(np.float32)) < 0.5 for _ in range(6)]
    assert set(below) == {True, False}


def _compare(path, x):
    wanted = ort.InferenceSession(path).run(None, {"x": x[None]})[0]
    found = el.reference.run(el.load(path), x)
    np.testing.assert_allclose(found[-len(wanted.reshape(-1, wanted.shape[-1])) :], wanted.reshape(-1, wanted.shape[-1]), rtol=0, atol=1e-5)
    return float(wanted.ravel()[0])
