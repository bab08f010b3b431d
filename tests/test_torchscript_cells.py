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


class LeakyToward(Loop):
    """Each unit goes its own part of the way."""

    def blend(self, z, n, h):
        return h + self.each * 0.5 * (n - h)

    def candidate(self, x, h, z):
        return torch.relu(self.x2(x) + self.h2(h))


KINDS = {
    Opposite: "gru",
    Toward: "gru",
    Minimal: "gru",
    NoReset: "gru",
    NoProduct: "min_gru",
    Each: "rnn",
    Linear: "rnn",
    Leaky: "lstm",
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
