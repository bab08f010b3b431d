"""Networks around recurrent layers as PyTorch writes them to ONNX: convolutions, pooling, norms, branches; against ONNX Runtime."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, exported, imported

import edgelstm as el
from edgelstm import reference

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional


class Network(nn.Module):
    """A forward function over modules."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.parts)


def turned(x):
    return x.transpose(1, 2)


def lstm(inputs, hidden, **options):
    return nn.LSTM(inputs, hidden, batch_first=True, **options)


def before_lstm(function, *modules, channels=5):
    """A part in front of an LSTM and a Linear layer. The part takes and gives (batch, channels, time)."""

    def forward(x, rnn, head, *rest):
        return head(rnn(turned(function(turned(x), *rest)))[0])

    return Network(forward, lstm(channels, 8), nn.Linear(8, 2), *modules)


def behind_lstm(function, *modules):
    """A part behind an LSTM of 8 units: it takes (batch, time, 8)."""
    return Network(lambda x, rnn, *rest: function(rnn(x)[0], *rest), lstm(3, 8), *modules)


def put(y):
    """Some channels of an array of zeros."""
    z = torch.zeros_like(y)
    z[..., :3] = torch.tanh(y[..., :3])
    z[..., 5:] = y[..., 5:]
    return z


def by_ends(x, rnn, head):
    """Rows weighted by their products with what both directions end with."""
    y, (h, _) = rnn(x)
    shares = torch.softmax(y @ torch.cat([h[0], h[1]], 1).unsqueeze(2), 1)
    return head((turned(y) @ shares)[..., 0])


NETWORKS = {
    "a centred convolution": lambda: before_lstm(lambda x, c: torch.relu(c(x)), nn.Conv1d(3, 5, 3, padding=1)),
    "a causal convolution": lambda: before_lstm(lambda x, c: c(functional.pad(x, (2, 0))), nn.Conv1d(3, 5, 3)),
    "padded on both sides and cut": lambda: before_lstm(lambda x, c: c(x)[:, :, :-2], nn.Conv1d(3, 5, 3, padding=2)),
    "a dilated, grouped convolution": lambda: before_lstm(
        lambda x, c: c(functional.pad(x, (4, 0))), nn.Conv1d(3, 6, 3, dilation=2, groups=3), channels=6
    ),
    "a strided convolution and pooling": lambda: before_lstm(
        lambda x, c, p: p(torch.relu(c(x))), nn.Conv1d(3, 5, 3, stride=2), nn.MaxPool1d(2)
    ),
    "pooling of a frame, rounded up": lambda: before_lstm(
        lambda x, p: p(x[:, None])[:, 0], nn.MaxPool2d((2, 1), ceil_mode=True), channels=2
    ),
    "means of a frame, rounded up": lambda: before_lstm(
        lambda x, p: p(x[:, None])[:, 0], nn.AvgPool2d((2, 1), ceil_mode=True, count_include_pad=False), channels=2
    ),
    "a convolution along time and channels": lambda: before_lstm(
        lambda x, c: c(functional.pad(x, (2, 0))[:, None])[:, 0], nn.Conv2d(1, 1, (3, 3), padding=(1, 0)), channels=3
    ),
    "batch normalisation": lambda: before_lstm(lambda x, b: b(x), nn.BatchNorm1d(3), channels=3),
    "layer normalisation": lambda: behind_lstm(lambda y, n, h: h(n(y)), nn.LayerNorm(8), nn.Linear(8, 2)),
    "layer normalisation in operators": lambda: behind_lstm(
        lambda y, h: h((y - y.mean(-1, keepdim=True)) / torch.sqrt((y - y.mean(-1, keepdim=True)).pow(2).mean(-1, keepdim=True) + 1e-3)),
        nn.Linear(8, 2),
    ),
    "mean over time": lambda: behind_lstm(lambda y, h: h(y.mean(1)), nn.Linear(8, 2)),
    "maximum over time": lambda: behind_lstm(lambda y, h: h(y.max(1).values), nn.Linear(8, 2)),
    "a weighted sum over time": lambda: behind_lstm(
        lambda y, s, h: h((torch.softmax(s(y), 1) * y).sum(1)), nn.Linear(8, 1), nn.Linear(8, 2)
    ),
    "a product of weights over time": lambda: behind_lstm(
        lambda y, s, h: h((turned(torch.softmax(s(y), 1)) @ y)[:, 0]),
        nn.Linear(8, 1),
        nn.Linear(8, 2),
    ),
    "two answers": lambda: behind_lstm(lambda y, a, b: (a(y), torch.log_softmax(b(y), -1)), nn.Linear(8, 2), nn.Linear(8, 3)),
    "a gate between branches": lambda: behind_lstm(lambda y, a, b: a(y) * torch.sigmoid(b(y)), nn.Linear(8, 2), nn.Linear(8, 2)),
    "half of the channels gates the other": lambda: behind_lstm(lambda y, a: functional.glu(a(y)), nn.Linear(8, 6)),
    "samples joined to answers": lambda: Network(
        lambda x, rnn, a, b: b(torch.cat([x, a(rnn(x)[0])], -1)), lstm(3, 8), nn.Linear(8, 2), nn.Linear(5, 2)
    ),
    "a gate of each channel from its mean over time": lambda: before_lstm(
        lambda x, c, a, b: (y := c(x)) * torch.sigmoid(b(torch.relu(a(y.mean(2))))).unsqueeze(2),
        nn.Conv1d(3, 5, 3, padding=1),
        nn.Linear(5, 2),
        nn.Linear(2, 5),
    ),
    "scores of all rows by the last one": lambda: behind_lstm(
        lambda y, h: h((torch.softmax(y @ y[:, -1].unsqueeze(2), 1) * y).sum(1)), nn.Linear(8, 2)
    ),
    "scores of all rows by what both directions end with": lambda: Network(by_ends, lstm(3, 8, bidirectional=True), nn.Linear(16, 2)),
    "scores of keys by queries, turned": lambda: behind_lstm(
        lambda y, q, k: torch.softmax(turned(k(y) @ turned(q(y))), -1) @ y, nn.Linear(8, 4), nn.Linear(8, 4)
    ),
    "samples less the last one": lambda: Network(lambda x, rnn: rnn(x - x[:, -1:])[0], lstm(3, 8)),
    "the first and last rows of both directions": lambda: Network(
        lambda x, rnn, h: h(torch.cat([(y := rnn(x)[0])[:, 0], y[:, -1]], 1)), lstm(3, 4, bidirectional=True), nn.Linear(16, 2)
    ),
    "instance and group normalisation": lambda: before_lstm(
        lambda x, c, n, g: g(torch.relu(n(c(x)))), nn.Conv1d(3, 6, 3), nn.InstanceNorm1d(6, affine=True), nn.GroupNorm(2, 6), channels=6
    ),
    "mean and deviation of all steps": lambda: behind_lstm(
        lambda y, h: h(torch.cat([y.mean(1), y.std(1, unbiased=False)], 1)), nn.Linear(16, 2)
    ),
    "logarithms": lambda: before_lstm(lambda x: 4 * torch.log10((x * x).clamp(min=1e-6)) + torch.log(1 + torch.exp(x)), channels=3),
    "quotients and powers": lambda: behind_lstm(lambda y: y / (1 + y.abs()) + (y * y + 0.1) ** 0.3 + 1 / (y.exp() + 1)),
    "a choice between branches": lambda: behind_lstm(
        lambda y, a, b: torch.where((a(y) > b(y)) & (a(y) < 0.3), a(y), 0.1 * b(y)), nn.Linear(8, 2), nn.Linear(8, 2)
    ),
    "h and c of an LSTM": lambda: Network(
        lambda x, rnn, h: h(torch.cat([*rnn(x)[1]], 2)[-1]), lstm(3, 8, num_layers=2, bidirectional=True), nn.Linear(16, 2)
    ),
    "a slope of each channel": lambda: behind_lstm(lambda y, p: p(y.transpose(1, 2)).transpose(1, 2), nn.PReLU(8)),
    "vectors of length one": lambda: behind_lstm(lambda y: functional.normalize(y, dim=-1) + torch.logsumexp(y, -1, keepdim=True)),
    "numbers put in places": lambda: behind_lstm(put),
    "a frame made wider": lambda: behind_lstm(lambda y: functional.interpolate(y, scale_factor=2)),
    "scaled samples": lambda: Network(lambda x, rnn: rnn((x - torch.tensor([1.0, 2, 3])) / torch.tensor([2.0, 4, 5]))[0], lstm(3, 8)),
    "logarithms of bands": lambda: before_lstm(lambda x, m: turned(torch.log(torch.clamp(m(turned(x)) ** 2, min=1e-4))), nn.Linear(3, 5)),
    "clipped": lambda: behind_lstm(lambda y: functional.leaky_relu(torch.clamp(y, -0.1, 0.2))),
}


def answers_of(data, x):
    """The outputs of ONNX Runtime side by side, (rows, columns)."""
    session = ort.InferenceSession(data)
    found = session.run(None, {session.get_inputs()[0].name: x[None]})
    return np.concatenate([array[0].reshape(-1, array.shape[-1]) for array in found], axis=1)


def check(tmp_path, network, *, steps=24, open_time=True):
    torch.manual_seed(1)
    x = torch.randn(1, steps, 3)
    data = exported(torch, network, (x,), open_time=open_time)
    taken = imported(tmp_path, data)
    expected = answers_of(data, x[0].numpy())
    found = reference.run(taken.model, x[0].numpy())
    found = found[~np.isnan(found).any(axis=1)]
    assert len(found) >= len(expected)
    assert np.abs(found[-len(expected) :] - expected).max() <= TOLERANCE
    return taken


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_torch(tmp_path, name):
    check(tmp_path, NETWORKS[name]())


def test_a_whole_window_into_one_layer(tmp_path):
    network = behind_lstm(lambda y, h: h(y.flatten(1)), nn.Linear(8 * 12, 2))
    taken = check(tmp_path, network, steps=12, open_time=False)
    assert taken.model.window == 12
    assert any("last step" in note for note in taken.notes)


def test_frames_with_a_cache_of_earlier_ones(tmp_path):
    """A convolution whose history goes in and out beside the state of a GRU."""

    class Frames(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.rnn, self.head = nn.Conv1d(3, 4, 3), nn.GRU(4, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x, cache, h):
            rows = torch.cat([cache, x], 2)
            y, h = self.rnn(turned(torch.relu(self.conv(rows))), h)
            return self.head(y), rows[:, :, 1:], h

    network = Frames().eval()
    given = (torch.zeros(1, 3, 1), torch.zeros(1, 3, 2), torch.zeros(1, 1, 5))
    model = imported(tmp_path, exported(torch, network, given, open_time=False)).model
    xs, states, expected = torch.randn(15, 3), given[1:], []
    for x in xs:
        with torch.no_grad():
            y, *states = network(x[None, :, None], *states)
        expected.append(y[0, 0].numpy())
    assert np.abs(reference.run(model, xs.numpy()) - expected).max() <= TOLERANCE


@pytest.mark.parametrize("look_up", ["table", "one hot"])
def test_indices(tmp_path, look_up):
    if look_up == "table":
        network = Network(lambda x, rnn, table: rnn(table(x))[0], lstm(5, 8), nn.Embedding(20, 5))
    else:
        network = Network(lambda x, rnn: rnn(functional.one_hot(x, 20).float())[0], lstm(20, 8))
    ids = torch.randint(0, 20, (1, 24))
    ids[0, 0] = 19
    data = exported(torch, network, (ids,), open_time=False)
    model = imported(tmp_path, data).model
    assert model.vocabulary_size == 20
    assert np.abs(reference.run(model, ids[0].numpy()[:, None]) - answers_of(data, ids[0].numpy())).max() <= TOLERANCE


def test_grouped_linear_as_einsum(tmp_path):
    """DeepFilterNet's form: channels in groups, each with a matrix of its own."""
    weight = torch.randn(4, 2, 3)
    network = behind_lstm(lambda y: torch.einsum("btgi,gih->btgh", y.reshape(1, -1, 4, 2), weight).reshape(1, -1, 12))
    check(tmp_path, network)


def test_an_encoder_that_sorts_its_batch_by_length(tmp_path):
    """What PyTorch writes of packed sequences: one sequence is in order as it is."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    torch.manual_seed(1)
    cell, table = nn.LSTM(4, 6, bidirectional=True), torch.randn(9, 4)
    ends = ("", "_reverse")
    order = torch.tensor([0, 3, 1, 2])  # i f g o -> i o f g
    weights = {
        kind: torch.stack([getattr(cell, f"{kind}_l0{end}").reshape(4, 6, -1)[order].reshape(24, -1) for end in ends]).detach().numpy()
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    biases = np.concatenate([weights.pop("bias_ih"), weights.pop("bias_hh")], axis=1)[..., 0]
    constants = {**weights, "biases": biases, "table": table.numpy(), "one": np.array([1]), "shape": np.array([0, 0, -1])}
    nodes = [
        helper.make_node("TopK", ["lengths", "one"], ["sorted", "order"]),
        helper.make_node("TopK", ["order", "one"], ["places", "back"], largest=0),
        helper.make_node("Gather", ["x", "order"], ["ordered"]),
        helper.make_node("Gather", ["table", "ordered"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("Cast", ["sorted"], ["counts"], to=TensorProto.INT32),
        helper.make_node("LSTM", ["steps", "weight_ih", "weight_hh", "biases", "counts"], ["y"], direction="bidirectional", hidden_size=6),
        helper.make_node("Transpose", ["y"], ["turned"], perm=[2, 0, 1, 3]),
        helper.make_node("Reshape", ["turned", "shape"], ["flat"]),
        helper.make_node("Gather", ["flat", "back"], ["outputs"]),
    ]
    given = [("x", TensorProto.INT64, [1, "time"]), ("lengths", TensorProto.INT64, [1])]
    inputs = [helper.make_tensor_value_info(*one) for one in given]
    outputs = [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, [1, "time", 12])]
    stored = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "encoder", inputs, outputs, stored)
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    onnx.checker.check_model(data)
    x = np.arange(13) % 9
    expected = ort.InferenceSession(data).run(None, {"x": x[None], "lengths": np.array([13])})[0][0]
    found = reference.run(imported(tmp_path, data).model, x[:, None])
    assert np.abs(found - expected).max() <= TOLERANCE


class Attending(nn.Module):
    """Rows of a BiLSTM that look at each other."""

    def __init__(self, find, *modules):
        super().__init__()
        self.lstm, self.find, self.parts, self.fc = lstm(3, 4, bidirectional=True), find, nn.ModuleList(modules), nn.Linear(8, 2)

    def forward(self, x):
        y, _ = self.lstm(x)
        return self.fc(self.find(y, *self.parts))


def by_heads(y, q, k, v):
    q, k, v = (part(y).reshape(1, -1, 2, 4).transpose(1, 2) for part in (q, k, v))  # (1, heads, time, size)
    shares = torch.softmax(q @ k.transpose(2, 3) / 2, dim=-1)
    return (shares @ v).transpose(1, 2).reshape(1, -1, 8)


ATTENTION = {
    "products": lambda: Attending(lambda y: torch.softmax(y @ y.transpose(1, 2), dim=-1) @ y),
    "scaled": lambda: Attending(lambda y, q: torch.bmm(torch.softmax(torch.bmm(q(y), turned(y)) * 0.3, dim=2), y), nn.Linear(8, 8)),
    "heads": lambda: Attending(by_heads, *(nn.Linear(8, 8) for _ in range(3))),
    "multi-head": lambda: Attending(lambda y, find: find(y, y, y, need_weights=False)[0], nn.MultiheadAttention(8, 2, batch_first=True)),
    "with weights": lambda: Attending(lambda y, find: find(y, y, y)[0], nn.MultiheadAttention(8, 4, batch_first=True)),
    "behind a sum": lambda: Attending(lambda y: y + functional.scaled_dot_product_attention(y, y, y)),
}


#: Those into whose files PyTorch writes the number of steps.
FIXED = ("multi-head", "with weights")


@pytest.mark.parametrize("name", ATTENTION)
def test_rows_that_look_at_each_other(tmp_path, name):
    for open_time in (False,) if name in FIXED else (True, False):
        taken = check(tmp_path, ATTENTION[name]().eval(), open_time=open_time)
        assert "self_attention" in [layer.kind for layer in taken.model.layers]


def test_products_of_rows_that_weight_nothing_are_refused_by_name(tmp_path):
    with pytest.raises(el.UnsupportedModelError, match="products of the rows of a recording"):
        check(tmp_path, Attending(lambda y: (y @ y.transpose(1, 2)).mean(-1, keepdim=True) * y))
