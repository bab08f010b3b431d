"""Operators of ATen in exported programs, scripts and traces: made and answered by PyTorch."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_onnx.writer import Ref, Writer

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore")


class Extremes(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(3, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        y, _ = self.lstm(x)
        z = torch.maximum(y, -2 * y) + torch.minimum(y, y * y) - torch.max(y, 3 * y) + torch.min(y, y - 1)
        return self.fc(z) + z.max(2, keepdim=True)[0] - z.min(-1, keepdim=True).values


class Pooled(nn.Module):
    """The largest of all steps, as sentence classifiers take it."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(3, 6, batch_first=True), nn.Linear(12, 2)

    def forward(self, x):
        y, _ = self.lstm(x)
        return self.fc(torch.cat([torch.max(y, 1)[0], y.mean(1)], 1))


class Skew(nn.Module):
    """An antisymmetric cell, as its authors write it: a matrix less its own transpose."""

    def __init__(self):
        super().__init__()
        self.weight, self.given, self.fc = nn.Parameter(torch.randn(6, 6) / 3), nn.Linear(3, 6), nn.Linear(6, 2)
        self.register_buffer("damping", 0.1 * torch.eye(6))

    def forward(self, x):
        h, rows, skew = torch.zeros(x.shape[0], 6), [], self.weight - self.weight.T - self.damping
        for row in x.unbind(1):
            h = h + 0.3 * torch.tanh(h @ skew.T + self.given(row))
            rows.append(h)
        return self.fc(torch.stack(rows, 1))


class Normed(nn.Module):
    """Weights that are a direction and a length, in both of PyTorch's forms."""

    def __init__(self):
        super().__init__()
        self.old = nn.utils.weight_norm(nn.Conv1d(3, 4, 2))
        self.new = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 5, 2), dim=1)
        self.gru = nn.GRU(5, 3, batch_first=True)

    def forward(self, x):
        y = nn.functional.celu(self.new(torch.celu(self.old(x.transpose(1, 2)), 0.7)))
        return self.gru(y.transpose(1, 2))[0]


class OneChannel(nn.Module):
    """A signal as it comes, without an axis of numbers."""

    def __init__(self):
        super().__init__()
        self.first, self.pool, self.second = nn.Conv1d(1, 4, 5, 2, 2), nn.MaxPool1d(3, 2, 1), nn.Conv1d(4, 4, 3, padding="same")
        self.lstm, self.largest, self.fc = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True), nn.AdaptiveMaxPool1d(1), nn.Linear(12, 2)

    def forward(self, x):
        y = self.pool(torch.relu(self.first(x)))
        y = self.lstm((y + self.second(y)).transpose(1, 2))[0].transpose(1, 2)
        return self.fc(self.largest(y).squeeze(-1))


class Statistics(nn.Module):
    """Normalisation over a recording, deviations, logarithms and comparisons."""

    def __init__(self):
        super().__init__()
        self.conv, self.group, self.instance = nn.Conv1d(3, 6, 3, padding=1), nn.GroupNorm(3, 6), nn.InstanceNorm1d(6)
        self.gru, self.slope, self.soft = nn.GRU(6, 4, batch_first=True), nn.PReLU(6), nn.Softplus(2.0)

    def forward(self, x):
        y = self.instance(self.slope(self.group(self.conv(x.transpose(1, 2))))).transpose(1, 2)
        y = self.gru(torch.where(y > 0.2, y, torch.log1p(y * y)).masked_fill(y < -1, 0.5))[0]
        y = self.soft(y) + torch.rsqrt(y * y + 0.5) * nn.functional.threshold(y, 0.1, 0.2)
        return torch.cat([y.mean(1), y.std(1, unbiased=False), torch.norm(y, dim=2).mean(1, keepdim=True), y.var(1, unbiased=False)], 1)


class Finer(nn.Module):
    """Frames with more places than came, root mean squares, and dropouts of other kinds."""

    def __init__(self):
        super().__init__()
        self.conv, self.more, self.drop = (
            nn.Conv2d(1, 2, (1, 3), padding=(0, 1)),
            nn.Upsample(scale_factor=(1.0, 2.0)),
            nn.AlphaDropout(0.3),
        )
        self.gru = nn.GRU(18, 4, batch_first=True)
        self.norms = nn.ModuleList([nn.RMSNorm(18, eps=1e-3), nn.RMSNorm(4), nn.RMSNorm(4, elementwise_affine=False)])

    def forward(self, x):
        y = nn.functional.interpolate(self.more(self.drop(self.conv(x[:, None]))), size=[x.size(1), 9])
        y = y.permute(0, 2, 1, 3).flatten(2)
        y = self.gru(self.norms[0](y))[0]
        return torch.cat([self.norms[1](y), torch.cumsum(self.norms[2](y), 2)], 2)


NETWORKS = {
    "finer": Finer,
    "statistics": Statistics,
    "extremes": Extremes,
    "pooled": Pooled,
    "normed": Normed,
    "one channel": OneChannel,
    "skew": Skew,
}


def saved(network, x, form, path):
    if form == "pt2":
        torch.export.save(torch.export.export(network, (x,)), path)
    else:
        (torch.jit.script(network) if form == "script" else torch.jit.trace(network, (x,))).save(path)


#: PyTorch scripts no module with a norm of its weights.
CASES = [(name, form) for name in NETWORKS for form in ("pt2", "script", "trace") if (name, form) != ("normed", "script")]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_network_answers_as_pytorch(name, form, tmp_path):
    torch.manual_seed(3)
    network = NETWORKS[name]().eval()
    x = torch.randn(1, 1, 64) if name == "one channel" else torch.randn(1, 9, 3)
    path = tmp_path / ("model.pt2" if form == "pt2" else "model.pt")
    saved(network, x, form, path)
    model = el.load(path, sizes="x=1xTx3" if (name, form) == ("finer", "script") else None)  # whose code resizes any width
    wanted = network(x).detach().numpy().reshape(-1, model.output_size)
    found = reference.run(model, x.numpy().reshape(-1, model.input_size))
    np.testing.assert_allclose(found[-len(wanted) :], wanted, rtol=0, atol=1e-6)


class WithPlaces(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 6, batch_first=True)

    def forward(self, x):
        values, places = self.lstm(x)[0].max(2)
        return values * places


def test_places_of_the_largest_are_numbers(tmp_path):
    net, xs = WithPlaces().eval(), torch.randn(1, 9, 3)
    saved(net, xs, "pt2", tmp_path / "model.pt2")
    with torch.no_grad():
        wanted = net(xs).numpy().reshape(9, 1)
    np.testing.assert_allclose(reference.run(el.load(tmp_path / "model.pt2"), xs[0].numpy()), wanted, atol=1e-6)


def test_a_program_of_thousands_of_operators_is_written():
    """Such as some hundred layers give; what never ends is refused."""
    writer = Writer(place="a")
    last = Ref("x", 1)
    for _ in range(4096):
        last = writer.one("Tanh", last)
    with pytest.raises(el.UnsupportedModelError, match="behind 4096 others"):
        writer.one("Tanh", last)
