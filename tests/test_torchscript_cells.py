"""Cells that people write themselves, in loops over the steps, become the layers that they are."""

import numpy as np
import pytest
from test_torchscript import LIMIT, saved

import edgelstm as el
from edgelstm import reference

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore")


class Loop(nn.Module):
    """A loop over a recording's steps, of which each looks its sample up where it needs it."""

    def __init__(self):
        super().__init__()
        self.x0, self.x1, self.x2 = (nn.Linear(3, 5) for _ in range(3))
        self.h0, self.h1, self.h2 = (nn.Linear(5, 5) for _ in range(3))
        self.fc, self.each = nn.Linear(5, 2), nn.Parameter(torch.linspace(-1, 1, 5))

    def forward(self, x):
        h, found = torch.zeros(x.size(0), 5), []
        for t in range(x.size(1)):
            z = torch.sigmoid(self.gate(x[:, t], h))
            before = h
            h = self.blend(z, self.candidate(x[:, t], h, z), h)
            found.append(self.fc(h) + self.h0(before)[:, :2] + torch.relu(before[:, 2:4]))
        return torch.stack(found, 1)

    def gate(self, x, h):
        return self.x0(x) + self.h0(h)

    def candidate(self, x, h, z):
        return torch.tanh(self.x2(x) + self.h2(torch.sigmoid(self.x1(x) + self.h1(h)) * h))

    def blend(self, z, n, h):
        return (1 - z) * h + z * n


class Opposite(Loop):
    """A GRU whose gate is that of what comes new; its reset gate stands before the product."""


class Toward(Loop):
    def blend(self, z, n, h):
        return h + z * (n - h)

    def candidate(self, x, h, z):
        return torch.tanh(self.x2(x) + torch.sigmoid(self.x1(x) + self.h1(h)) * self.h2(h))


class Minimal(Loop):
    """One gate for both."""

    def candidate(self, x, h, z):
        return torch.tanh(self.x2(x) + self.h2(z * h))


class NoReset(Loop):
    def candidate(self, x, h, z):
        return torch.relu(self.x2(x) + self.h2(h))


class NoProduct(Loop):
    """No product with the state at all."""

    def gate(self, x, h):
        return self.x0(x)

    def candidate(self, x, h, z):
        return self.x2(x)


class Each(Loop):
    """Each unit sees itself alone."""

    def blend(self, z, n, h):
        return n

    def candidate(self, x, h, z):
        return torch.tanh(self.x2(x) + self.each * h)


class Linear(Loop):
    """No function at all."""

    def blend(self, z, n, h):
        return n

    def candidate(self, x, h, z):
        return self.x2(x) + 0.5 * self.h2(h)


class Leaky(Loop):
    """A part of what it was, and a part of something new."""

    def blend(self, z, n, h):
        return 0.875 * h + 0.25 * n

    def candidate(self, x, h, z):
        return torch.tanh(self.x2(x) + self.h2(h))


class Average(Leaky):
    """The same of something that does not see the state: a running average."""

    def candidate(self, x, h, z):
        return self.x2(x)


class LeakyToward(Loop):
    """Each unit goes its own part of the way."""

    def blend(self, z, n, h):
        return h + self.each * 0.5 * (n - h)

    def candidate(self, x, h, z):
        return torch.relu(self.x2(x) + self.h2(h))


class Ahead(nn.Module):
    """Gates that see no state, from rows that lie side by side, are computed before the loop (QRNN)."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc, self.gain = nn.Conv1d(3, 15, 2), nn.Linear(5, 2), nn.Parameter(torch.linspace(-1, 1, 5))

    def forward(self, x):
        z, f, o = self.conv(nn.functional.pad(x.transpose(1, 2), (1, 0))).transpose(1, 2).chunk(3, 2)
        z, f, o = torch.tanh(z), torch.sigmoid(f), torch.sigmoid(o)
        c, found = torch.zeros(x.size(0), 5), []
        for t in range(x.size(1)):
            c = f[:, t] * c + (1 - f[:, t]) * z[:, t]
            found.append(o[:, t] * c)
        return self.fc(torch.stack(found, 1))


class Highway(Ahead):
    """Gates of which each unit sees its own state, and a way around it (SRU)."""

    def forward(self, x):
        y = self.conv(nn.functional.pad(x.transpose(1, 2), (1, 0))).transpose(1, 2)
        z, f, o = y.chunk(3, 2)
        c, found = torch.zeros(x.size(0), 5), []
        for t in range(x.size(1)):
            kept, seen = torch.sigmoid(f[:, t] + self.gain * c + 0.5), torch.sigmoid(o[:, t] + self.gain * c)
            c = kept * c + (1 - kept) * z[:, t]
            found.append(seen * c + (1 - seen) * z[:, t])
        return self.fc(torch.stack(found, 1))


KINDS = {
    Ahead: "lstm",
    Highway: "gru",
    Opposite: "gru",
    Toward: "gru",
    Minimal: "gru",
    NoReset: "gru",
    NoProduct: "min_gru",
    Each: "rnn",
    Linear: "rnn",
    Leaky: "lstm",
    Average: "rnn",
    LeakyToward: "lstm",
}


@pytest.mark.parametrize("make", KINDS)
def test_a_cell_in_a_loop_is_its_layer_and_what_it_was_before_begins_as_zeros(make, tmp_path):
    torch.manual_seed(2)
    net, xs = make(), np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    model = el.load(saved(net, None, "script", tmp_path / "n.pt"))
    with torch.no_grad():
        expected = net(torch.from_numpy(xs[None])).numpy()[0]
    assert KINDS[make] in {layer.kind for layer in model.layers}
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=LIMIT)


class Normed(nn.Module):
    """LSTM cells with layer normalisation: of x and h apart, of their sum, or of each gate; of the cell as it is kept, or as it is seen."""

    def __init__(self, gates: str, cell: str):
        super().__init__()
        self.gates, self.cell = gates, cell
        self.x, self.h, self.fc = nn.Linear(3, 20), nn.Linear(5, 20), nn.Linear(5, 2)
        self.of_x, self.of_h, self.of_gate, self.of_cell = nn.LayerNorm(20), nn.LayerNorm(20), nn.LayerNorm(5), nn.LayerNorm(5)
        for norm in (self.of_x, self.of_h, self.of_gate, self.of_cell):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)

    def forward(self, x):
        h, c, found = torch.zeros(x.size(0), 5), torch.zeros(x.size(0), 5), []
        for t in range(x.size(1)):
            z = self.of_x(self.x(x[:, t])) + self.of_h(self.h(h)) if self.gates == "apart" else self.x(x[:, t]) + self.h(h)
            z = self.of_x(z) if self.gates == "together" else z
            i, f, g, o = (self.of_gate(z.view(-1, 4, 5)) if self.gates == "each" else z.view(-1, 4, 5)).unbind(1)
            c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)
            c = self.of_cell(c) if self.cell == "state" else c
            h = torch.sigmoid(o) * torch.tanh(self.of_cell(c) if self.cell == "output" else c)
            found.append(h)
        return self.fc(torch.stack(found, 1))


@pytest.mark.parametrize(("gates", "cell"), [("apart", "state"), ("apart", "output"), ("together", "none"), ("each", "output")])
def test_cells_with_norms_are_lstm_layers(gates, cell, tmp_path):
    torch.manual_seed(2)
    net, xs = Normed(gates, cell), np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    model = el.load(saved(net, None, "script", tmp_path / "n.pt"))
    with torch.no_grad():
        expected = net(torch.from_numpy(xs[None])).numpy()[0]
    (layer,) = (layer for layer in model.layers if layer.kind == "lstm")
    assert (layer.norm, layer.cell_norm) == ({"apart": "torch", "together": "joint", "each": "tf1"}[gates], cell)
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=LIMIT)


class Stacked(nn.Module):
    """Two of them, of which the second goes through what the first has put into a list."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Normed("apart", "state"), Normed("apart", "none")
        self.first.fc = nn.Linear(5, 3)

    def forward(self, x):
        return self.second(self.first(x))


def test_a_loop_goes_through_what_another_has_put_into_a_list(tmp_path):
    torch.manual_seed(2)
    net, xs = Stacked(), np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    model = el.load(saved(net, None, "script", tmp_path / "n.pt"))
    with torch.no_grad():
        expected = net(torch.from_numpy(xs[None])).numpy()[0]
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=LIMIT)


class NormedGate(Loop):
    """GRU cells with layer normalisation: of all sums, of each gate's, of x and h apart; and an Elman cell."""

    def __init__(self, norms: str):
        super().__init__()
        self.norms = norms
        sizes = {"joint": (15,), "each": (5, 5, 5), "apart": (15, 15), "groups": (10, 10, 5, 5), "elman": (5,)}[norms]
        self.norm = nn.ModuleList([nn.LayerNorm(size, eps=1e-3) for size in sizes])
        for norm in self.norm:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)

    def step(self, x, h):
        if self.norms == "elman":
            return torch.tanh(self.norm[0](self.x0(x) + self.h0(h)))
        a, b = torch.cat((self.x0(x), self.x1(x), self.x2(x)), 1), torch.cat((self.h0(h), self.h1(h), self.h2(h)), 1)
        if self.norms == "joint":
            r, n, z = self.norm[0](a + b).chunk(3, 1)
            z = torch.sigmoid(z - 1)
            return z * torch.tanh(torch.sigmoid(r) * n) + (1 - z) * h
        if self.norms == "each":
            r, z = torch.sigmoid(self.norm[0](a[:, :5] + b[:, :5])), torch.sigmoid(self.norm[1](a[:, 5:10] + b[:, 5:10]))
            return z * h + (1 - z) * torch.tanh(self.norm[2](self.x2(x) + self.h2(r * h)))
        if self.norms == "apart":
            a, b = self.norm[0](a), self.norm[1](b)
        else:
            a = torch.cat((self.norm[0](a[:, :10]), self.norm[2](a[:, 10:])), 1)
            b = torch.cat((self.norm[1](b[:, :10]), self.norm[3](b[:, 10:])), 1)
        r, z = torch.sigmoid(a[:, :5] + b[:, :5]), torch.sigmoid(a[:, 5:10] + b[:, 5:10])
        n = torch.tanh(a[:, 10:] + r * b[:, 10:])
        return n + z * (h - n)

    def forward(self, x):
        h, found = torch.zeros(x.size(0), 5), []
        for t in range(x.size(1)):
            h = self.step(x[:, t], h)
            found.append(h)
        return self.fc(torch.stack(found, 1))


NORMED_GRUS = {
    "joint": ("joint", (3,), True),
    "each": ("joint", (1, 1, 1), False),
    "apart": ("torch", (3,), True),
    "groups": ("torch", (2, 1), True),
    "elman": ("joint", (2, 1), True),
}


@pytest.mark.parametrize("norms", NORMED_GRUS)
def test_cells_with_norms_are_gru_layers(norms, tmp_path):
    torch.manual_seed(2)
    net, xs = NormedGate(norms), np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    path = tmp_path / "n.pt"
    torch.jit.trace(net, torch.from_numpy(xs[None])).save(path)
    model = el.load(path)
    with torch.no_grad():
        expected = net(torch.from_numpy(xs[None])).numpy()[0]
    (layer,) = (layer for layer in model.layers if layer.kind == "gru")
    assert (layer.norm, layer.norm_groups, layer.reset_after) == NORMED_GRUS[norms]
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=LIMIT)
