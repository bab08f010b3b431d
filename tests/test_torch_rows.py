"""Rows that PyTorch code cuts off, pads and lays side by side: as many answers as PyTorch gives, and the same ones."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.errors import UnsupportedModelError
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

LIMIT = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore")


def beside(p):
    return torch.cat([p[:, :-2], p[:, 1:-1], p[:, 2:]], -1)


class Beside(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(9, 2)

    def forward(self, x):
        return self.fc(beside(functional.pad(x, (0, 0, 2, 0))))


class Followed(nn.Module):
    """What follows rows that were left out begins with the first one that is there."""

    def __init__(self, width=3):
        super().__init__()
        self.gru, self.fc = nn.GRU(width, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        return self.fc(self.gru(x[:, 2:])[0])


class Differences(Followed):
    def forward(self, x):
        return self.fc(self.gru(torch.tanh((x[:, 1:] - x[:, :-1]) * 2))[0])


class Unpadded(Followed):
    def __init__(self):
        super().__init__(9)

    def forward(self, x):
        return self.fc(self.gru(beside(x))[0])


class Answers(Followed):
    def forward(self, x):
        return self.fc(self.gru(x)[0][:, 3:])


class Branches(nn.Module):
    """A sum over three rows beside one row alone, which begins as late."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.gru = nn.Linear(9, 4), nn.Linear(3, 4), nn.GRU(4, 3, batch_first=True)

    def forward(self, x):
        return self.gru(self.a(beside(x)) + self.b(x[:, 2:]))[0]


class Whole(Beside):
    """A linear layer over three rows, of which the last is not the recording's."""

    def forward(self, x):
        return self.fc(beside(functional.pad(x, (0, 0, 1, 1))))


class Every(Beside):
    """Every second row, which no linear layer of one step can tell."""

    def forward(self, x):
        return self.fc(beside(functional.pad(x, (0, 0, 2, 0)))[:, ::2])


def saved(net, how, path):
    given = (torch.zeros(1, 9, 3),)
    if how == "export":
        torch.export.save(torch.export.export(net.eval(), given, dynamic_shapes=({1: torch.export.Dim.AUTO},)), path.with_suffix(".pt2"))
        return path.with_suffix(".pt2")
    torch.jit.save(torch.jit.script(net.eval()) if how == "script" else torch.jit.trace(net.eval(), given), path)
    return path


@pytest.mark.parametrize("how", ["export", "script", "trace"])
@pytest.mark.parametrize("network", [Beside, Followed, Differences, Unpadded, Answers, Branches])
def test_rows_that_are_left_out_are_missing_from_the_answers(network, how, tmp_path):
    torch.manual_seed(3)
    net = network()
    model = import_file(saved(net, how, tmp_path / "n.pt")).model
    for rows in (9, 14) if how != "trace" else (9,):
        xs = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(xs)[None])[0].numpy()
        np.testing.assert_allclose(reference.run(model, xs), expected, atol=LIMIT)


class Horizon(Followed):
    def forward(self, x):
        return self.fc(self.gru(x)[0])[:, -3:]


@pytest.mark.parametrize("how", ["script", "trace"])
def test_answers_for_the_last_few_steps_are_those_of_the_last_steps(how, tmp_path):
    torch.manual_seed(3)
    net = Horizon()
    taken = import_file(saved(net, how, tmp_path / "n.pt"))
    xs = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(xs)[None])[0].numpy()
    np.testing.assert_allclose(reference.run(taken.model, xs)[-3:], expected, atol=LIMIT)
    assert any("holds the last 3 steps" in note for note in taken.notes)


def test_a_stream_answers_from_the_first_row_that_is_there(tmp_path):
    torch.manual_seed(3)
    net = Differences()
    stream = el.Stream(import_file(saved(net, "script", tmp_path / "n.pt")).model)
    xs = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    given = [None if answer is None else np.array(answer) for answer in map(stream.step, xs)]
    with torch.no_grad():
        expected = net(torch.from_numpy(xs)[None])[0].numpy()
    assert given[0] is None
    np.testing.assert_allclose(given[1:], expected, atol=LIMIT)


@pytest.mark.parametrize("how", ["export", "trace"])
@pytest.mark.parametrize("network", [Whole, Every])
def test_no_other_axis_is_taken_as_time_where_nothing_runs_along_it(network, how, tmp_path):
    path = saved(network(), how, tmp_path / "n.pt")
    with pytest.raises(UnsupportedModelError, match=r"linear.*(same at every step|takes some steps)"):
        import_file(path)


class OwnRows(nn.Module):
    def __init__(self, mode):
        super().__init__()
        self.conv, self.gru = nn.Conv1d(3, 5, 3, padding=1, padding_mode=mode), nn.GRU(5, 4, batch_first=True)

    def forward(self, x):
        return self.gru(self.conv(x.transpose(1, 2)).transpose(1, 2))[0]


@pytest.mark.parametrize("mode", ["circular", "replicate", "reflect"])
def test_recordings_padded_with_their_own_rows_are_refused_by_name(mode, tmp_path):
    path = saved(OwnRows(mode), "trace", tmp_path / "n.pt")
    with pytest.raises(UnsupportedModelError, match=r"padded with its own rows.*padding_mode"):
        import_file(path)


class Normalised(nn.Module):
    """The step of an LSTM whose h is normalised before it goes back."""

    def __init__(self):
        super().__init__()
        self.cell, self.norm = nn.LSTMCell(3, 6), nn.LayerNorm(6)

    def forward(self, x):
        h, c, found = torch.zeros(x.size(0), 6), torch.zeros(x.size(0), 6), []
        for t in range(x.size(1)):
            h, c = self.cell(x[:, t], (h, c))
            h = self.norm(h)
            found.append(h)
        return torch.stack(found, 1)


def test_what_stands_in_a_loop_that_is_no_cell(tmp_path):
    """Layers in a cycle."""
    torch.manual_seed(1)
    network = Normalised().eval()
    model = import_file(saved(network, "script", tmp_path / "n.pt")).model
    assert {"previous", "layer_norm"} <= {layer.kind for layer in model.layers}
    x = torch.randn(1, 60, 3)
    with torch.no_grad():
        wanted = network(x)[0].numpy()
    assert np.abs(reference.run(model, x[0].numpy()) - wanted).max() <= 1e-5
