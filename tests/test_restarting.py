"""Layers whose state is multiplied by a number before each step, and the policies of reinforcement learning that give them ``1 - done``."""

import numpy as np
import pytest
from conftest import TOLERANCE

import edgelstm as el
from edgelstm import reference


def drawn(rng, *shape):
    return rng.uniform(-0.5, 0.5, shape)


def layers(rng):
    """One of each cell, one behind the other, all begun anew by the last of three inputs."""
    first, second, third = ({"mask": "reset", "inputs": (below, "keep")} for below in ("samples", "projected", "units"))
    return [
        el.Normalizer(np.zeros(3), np.ones(3), name="all", inputs=("input",)),
        el.Slice(2, 3, name="keep", inputs=("all",)),
        el.Slice(0, 2, name="samples", inputs=("all",)),
        el.LSTM(
            drawn(rng, 20, 2), drawn(rng, 20, 3), drawn(rng, 20), weight_hr=drawn(rng, 3, 5), c0=drawn(rng, 5), name="projected", **first
        ),
        el.GRU(drawn(rng, 21, 3), drawn(rng, 21, 7), drawn(rng, 21), h0=drawn(rng, 7), name="units", **second),
        el.RNN(drawn(rng, 4, 7), drawn(rng, 4, 4), drawn(rng, 4), name="end", **third),
    ]


@pytest.fixture(scope="module")
def model():
    return el.Model(layers(np.random.default_rng(3)))


@pytest.fixture
def xs(rng):
    """Whole factors, and one between and one beyond, which are no flags."""
    return np.column_stack([rng.normal(size=(60, 2)), rng.choice([0, 1, 1, 1, 0.5, -1.5], 60)]).astype(np.float32)


def test_steps_blocks_and_the_twin(model, xs):
    stream = el.Stream(model)
    stepped = np.array([stream.step(x).copy() for x in xs])
    assert np.abs(stepped - reference.run(model, xs)).max() <= TOLERANCE["f32"]
    stream.reset()
    np.testing.assert_array_equal(np.concatenate([stream.process(part) for part in np.split(xs, [1, 7, 40])]), stepped)
    bank = el.StreamBank(model, capacity=3)
    keyed = [bank.step_many([1, 2], np.stack([x, x]))[1].copy() for x in xs]
    np.testing.assert_allclose(keyed, stepped, atol=TOLERANCE["f32"])


def test_nought_begins_anew(model, xs):
    """From zeros, whatever was before."""
    plain = [layer for layer in layers(np.random.default_rng(3)) if layer.mask]
    xs[30, 2], xs[31:, 2] = 0, 1
    own = {"units": {"h0": None}, "projected": {"c0": None}}
    fresh = el.Model([type(layer)(**{**vars_of(layer), **own.get(layer.name, {}), "mask": None, "inputs": ()}) for layer in plain])
    np.testing.assert_allclose(el.Stream(model).process(xs)[30:], reference.run(fresh, xs[30:, :2]), atol=TOLERANCE["f32"])


def vars_of(layer):
    return {**layer.options(), **layer.arrays(), "name": layer.name}


def test_no_factor_makes_a_state_infinite(model, xs):
    xs[:, 2] = np.where(np.arange(60) % 2, 1e30, -1e30)
    assert np.isfinite(el.Stream(model).process(xs)).all()


def test_weights_in_halves(model, xs, tmp_path):
    half = el.quantize(model, [xs], scheme="f16-weight", keep=["end"])
    assert [layer.numbers for layer in half.layers if layer.mask] == ["f16-weight", "f16-weight", "f32"]
    el.save(half, tmp_path / "half.elstm")
    again = el.load(tmp_path / "half.elstm")
    np.testing.assert_allclose(el.Stream(again).process(xs), reference.run(model, xs), atol=2e-3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda m: el.quantize(m, [np.zeros((5, 3), np.float32)], scheme="int8-dynamic"), "no layers with mask='reset'"),
        (lambda m: el.AttentionPool(mask="reset"), "repeat, zero"),
        (lambda m: el.LSTM(np.zeros((4, 1)), np.zeros((4, 1)), mask="reset", reverse=True), "read forwards"),
        (lambda m: el.IntraRNN(el.LSTM(np.zeros((4, 1)), np.zeros((4, 1)), mask="reset"), 3), "cell must be"),
        (lambda m: el.MinGRU(np.zeros((4, 2)), mask="reset"), "repeat, zero"),
    ],
)
def test_what_has_no_such_mask_says_so(model, make, match):
    with pytest.raises(el.EdgeLSTMError, match=match):
        make(model)


# Policies


torch = pytest.importorskip("torch")
nn = torch.nn


class Policy(nn.Module):
    """Actor and critic behind one LSTM, as CleanRL steps it."""

    def __init__(self):
        super().__init__()
        self.network, self.lstm = nn.Linear(3, 6), nn.LSTM(6, 5)
        self.actor, self.critic = nn.Linear(5, 2), nn.Linear(5, 1)

    def forward(self, x, done, h0, c0):
        keep = (1.0 - done).view(1, -1, 1)
        y, (h, c) = self.lstm(torch.relu(self.network(x))[None], (keep * h0, keep * c0))
        return self.actor(y[0]), self.critic(y[0]), h, c


class Both(nn.Module):
    """An LSTM for each head, whose flag comes last, as sb3-contrib steps them."""

    def __init__(self):
        super().__init__()
        self.actor, self.critic, self.mean, self.value = nn.LSTM(3, 5), nn.LSTM(3, 5), nn.Linear(5, 2), nn.Linear(5, 1)

    def forward(self, x, hp, cp, hv, cv, episode_starts):
        rows, keep = x.reshape(1, -1, 3).swapaxes(0, 1), (1.0 - episode_starts).view(1, 1, 1)
        y, (hp, cp) = self.actor(rows, (keep * hp, keep * cp))
        z, (hv, cv) = self.critic(rows, (keep * hv, keep * cv))
        return self.mean(y[0]), self.value(z[0]), hp, cp, hv, cv


class Cell(nn.Module):
    """A GRU cell, its state emptied where a flag says so."""

    def __init__(self, emptied):
        super().__init__()
        self.emptied, self.cell, self.actor = emptied, nn.GRUCell(3, 5), nn.Linear(5, 2)

    def forward(self, x, h, done):
        h = self.cell(x, self.emptied(h, done[:, None]))
        return self.actor(h), h


#: By name: the policy, what it is given at its first step, the places of states there, and whether its flag is a bool.
POLICIES = {
    "cleanrl": (Policy, ("x", "done", (1, 1, 5), (1, 1, 5))),
    "sb3": (Both, ("x", (1, 1, 5), (1, 1, 5), (1, 1, 5), (1, 1, 5), "done")),
    "where": (lambda: Cell(lambda h, done: torch.where(done > 0.5, torch.zeros_like(h), h)), ("x", (1, 5), "done")),
    "fill": (lambda: Cell(lambda h, done: h.masked_fill(done, 0.0)), ("x", (1, 5), "flag")),
    "times": (lambda: Cell(lambda h, done: h * (~done).float()), ("x", (1, 5), "flag")),
}


def stepped(policy, given, xs, done):
    """The answers of a policy that is given its own states again."""
    states, answers = [torch.zeros(shape) for shape in given if isinstance(shape, tuple)], []
    for x, flag in zip(torch.from_numpy(xs)[:, None], torch.from_numpy(done)[:, None], strict=True):
        own = iter(states)
        values = [{"x": x, "done": flag, "flag": flag > 0}.get(one) if isinstance(one, str) else next(own) for one in given]
        with torch.no_grad():
            (*heads,) = policy(*values)
        heads, states = heads[: -len(states)], heads[-len(states) :]
        answers.append(torch.cat(heads, 1)[0].numpy())
    return np.array(answers), tuple(values)


def exported(policy, values, path):
    torch.export.save(torch.export.export(policy, values), path)


def traced(policy, values, path):
    torch.jit.save(torch.jit.trace(policy, values), path)


def onnx_of_traces(policy, values, path):
    pytest.importorskip("onnx")
    names = [f"in_{index}" for index in range(len(values))]
    torch.onnx.export(policy, values, path, dynamo=False, input_names=names)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("save", [exported, traced, onnx_of_traces])
@pytest.mark.parametrize("name", POLICIES)
def test_policies_begin_anew(rng, name, save, tmp_path):
    make, given = POLICIES[name]
    torch.manual_seed(0)
    policy = make().eval()
    xs, done = rng.normal(size=(40, 3)).astype(np.float32), (rng.random(40) < 0.2).astype(np.float32)
    expected, values = stepped(policy, given, xs, done)
    path = tmp_path / {"exported": "p.pt2", "traced": "p.pt", "onnx_of_traces": "p.onnx"}[save.__name__]
    save(policy, values, path)
    model = el.load(path)
    assert {layer.mask for layer in model.layers if layer.kind in ("lstm", "gru")} == {"reset"}
    np.testing.assert_allclose(reference.run(model, np.column_stack([xs, done])), expected, atol=1e-5)


class Partly(nn.Module):
    """Cells of which a part of the state goes on."""

    def __init__(self, emptied):
        super().__init__()
        self.emptied, self.lstm, self.x, self.h, self.actor = (
            emptied,
            nn.LSTMCell(3, 5),
            nn.Linear(3, 15),
            nn.Linear(5, 15),
            nn.Linear(5, 2),
        )

    def forward(self, x, h, c, done):
        keep = (1.0 - done)[:, None]
        if self.emptied == "of a GRU the state that is mixed":
            (r, z, n), (u, v, w) = self.x(x).chunk(3, 1), self.h(h).chunk(3, 1)
            r, z = torch.sigmoid(r + u), torch.sigmoid(z + v)
            h = (1 - z) * torch.tanh(n + r * w) + z * (keep * h)
            return self.actor(h), h, c + h
        h, c = self.lstm(x, (keep * h, c) if self.emptied == "h" else (h, keep * c))
        return self.actor(h), h, c


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("emptied", ["h", "c", "of a GRU the state that is mixed"])
def test_a_cell_that_begins_anew_in_part_is_none(rng, emptied, tmp_path):
    """It is layers in a cycle, which answer as PyTorch."""
    torch.manual_seed(0)
    policy = Partly(emptied).eval()
    xs, done = rng.normal(size=(60, 3)).astype(np.float32), (rng.random(60) < 0.2).astype(np.float32)
    expected, values = stepped(policy, ("x", (1, 5), (1, 5), "done"), xs, done)
    exported(policy, values, tmp_path / "p.pt2")
    model = el.load(tmp_path / "p.pt2")
    assert "previous" in {layer.kind for layer in model.layers}
    np.testing.assert_allclose(reference.run(model, np.column_stack([xs, done])), expected, atol=1e-5)
