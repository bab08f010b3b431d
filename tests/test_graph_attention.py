"""Attention of a recording's steps to each other, as PyTorch writes it to ONNX and to its own programs; against both runtimes."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, exported, imported, runtime_answers

import edgelstm as el
from edgelstm import reference

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = 18


class Network(nn.Module):
    """A function of an LSTM's steps, (batch, steps, 8), over modules."""

    def __init__(self, function, *modules):
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.function, self.parts = nn.LSTM(3, 8, batch_first=True), function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(self.rnn(x)[0], *self.parts)


def weighted(scores, rows):
    return torch.softmax(scores, -1) @ rows


def turned(x):
    return x.transpose(-1, -2)


def causal():
    below = torch.tril(torch.ones(STEPS, STEPS))
    return Network(lambda y: weighted((y @ turned(y) / 3).masked_fill(below == 0, float("-inf")), y))


def split(y, projections, count):
    """Queries, keys and values of `count` heads: (batch, heads, steps, size) each."""
    return projections(y).reshape(y.shape[0], y.shape[1], 3, count, -1).permute(2, 0, 3, 1, 4)


def heads(y, projections, head):
    q, k, v = split(y, projections, 2)
    return head(y + weighted(q @ turned(k) * 0.5, v).transpose(1, 2).flatten(2))


def one_operator(y, projections, **options):
    return functional.scaled_dot_product_attention(*split(y, projections, 2), **options).transpose(1, 2).flatten(2)


def multi_head():
    return Network(
        lambda y, a, h: h(a(y, y, y, need_weights=False)[0][:, -1]), nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 2)
    )


def encoder():
    """A transformer's layer that looks back alone."""
    mask = nn.Transformer.generate_square_subsequent_mask(STEPS)
    return Network(lambda y, layer: layer(y, src_mask=mask), nn.TransformerEncoderLayer(8, 2, 12, batch_first=True))


def tanh_of_pairs(y, query, key):
    return torch.tanh(query(y)[:, :, None] + key(y)[:, None])


def causal_pairs(y, query, key, vector):
    later = torch.triu(torch.ones(STEPS, STEPS), 1) > 0
    return weighted(vector(tanh_of_pairs(y, query, key))[..., 0].masked_fill(later, float("-inf")), y)


def with_pairs(function):
    return Network(function, nn.Linear(8, 5), nn.Linear(8, 5), nn.Linear(5, 1))


NETWORKS = {
    "sums by pairs": lambda: with_pairs(lambda y, q, k, v: weighted(v(tanh_of_pairs(y, q, k)).squeeze(3), y)),
    "sums by pairs times a vector": lambda: with_pairs(lambda y, q, k, v: weighted((tanh_of_pairs(y, q, k) * v.weight[0]).sum(-1), y)),
    "causal sums by pairs": lambda: with_pairs(causal_pairs),
    "steps by steps": lambda: Network(lambda y: weighted(y @ turned(y), y)),
    "three projections": lambda: Network(
        lambda y, q, k, v: weighted(q(y) @ turned(k(y)) / 2, v(y)).mean(1), nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(8, 5)
    ),
    "heads": lambda: Network(heads, nn.Linear(8, 24), nn.Linear(8, 2)),
    "causal": causal,
    "one operator": lambda: Network(one_operator, nn.Linear(8, 24)),
    "one causal operator": lambda: Network(lambda y, p: one_operator(y, p, is_causal=True, scale=0.3), nn.Linear(8, 24)),
    "multi-head attention": multi_head,
    "encoder layer": encoder,
}


#: Those into whose files PyTorch does not write the number of steps.
OPEN = ("sums by pairs", "sums by pairs times a vector", "steps by steps", "three projections", "heads")


@pytest.fixture(autouse=True)
def _written_out():
    """Torch has a kernel for whole attention modules, which ONNX does not."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


def compared(model, xs, expected):
    found = reference.run(model, xs)
    assert np.abs(found[-len(expected) :] - expected).max() <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_attention_of_onnx_answers_as_its_runtime(tmp_path, name):
    x = torch.randn(1, STEPS, 3)
    data = exported(torch, NETWORKS[name](), (x,), open_time=name in OPEN)
    compared(imported(tmp_path, data).model, x[0].numpy(), runtime_answers(data, x.numpy()))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "causal"])
def test_attention_of_programs_answers_as_pytorch(tmp_path, name):
    x, network = torch.randn(1, STEPS, 3), NETWORKS[name]().eval()
    torch.export.save(torch.export.export(network, (x,)), tmp_path / "model.pt2")
    with torch.no_grad():
        expected = network(x).numpy()
    compared(el.load(tmp_path / "model.pt2"), x[0].numpy(), expected.reshape(-1, expected.shape[-1]))


def test_a_trace_of_attention_answers_as_pytorch(tmp_path):
    x, network = torch.randn(1, STEPS, 3), multi_head().eval()
    torch.jit.trace(network, x).save(tmp_path / "model.pt")
    with torch.no_grad():
        compared(el.load(tmp_path / "model.pt"), x[0].numpy(), network(x).numpy())


FAR = torch.eye(STEPS) * -1e9

USES = {
    "its scores are answers": (lambda y: y @ turned(y), "products of the rows of a recording"),
    "shares are answers": (lambda y: torch.softmax(y @ turned(y), -1), "products of the rows of a recording"),
    "a mask of its own": (lambda y: weighted(y @ turned(y) + FAR, y), ""),
    "a softmax over queries": (lambda y: torch.softmax(y @ turned(y), -2) @ y, "Softmax"),
}


@pytest.mark.parametrize("name", USES)
def test_other_uses_of_scores_are_one_answer_of_all_steps(tmp_path, name):
    """Where the file fixes their number; else they are refused by name."""
    function, words = USES[name]
    x, network = torch.randn(1, STEPS, 3), Network(function)
    data = exported(torch, network, (x,), open_time=False)
    found = reference.run(imported(tmp_path, data).model, x[0].numpy())
    assert found.ravel() == pytest.approx(runtime_answers(data, x.numpy()).ravel(), abs=TOLERANCE)
    if words:
        with pytest.raises(el.UnsupportedModelError, match=words):
            imported(tmp_path, exported(torch, network, (x,)))
