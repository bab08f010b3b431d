"""Rows joined in front of a recording, outputs of which one is there once, parts by a list of sizes: as PyTorch answers."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file
from edgelstm.originals import matching

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

LIMIT = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore")


def before(x, rows: int = 1):
    """What stood so many steps before, zeros at first."""
    return functional.pad(x, [0, 0, rows, 0])[:, :-rows]


class Followed(nn.Module):
    """A GRU behind something."""

    def __init__(self):
        super().__init__()
        self.gru, self.fc, self.norm = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2), nn.LayerNorm(3)

    def front(self, x):
        return before(x, 2)

    def forward(self, x):
        return self.fc(self.gru(self.front(x))[0])


class Difference(Followed):
    def front(self, x):
        return x - torch.cat([torch.zeros(x.size(0), 1, 3), x[:, :-1]], 1)


class Function(Followed):
    """What functions make of the zeros in front are other constants."""

    def front(self, x):
        return torch.sigmoid(before(x) * 2 + 0.5) * x + torch.tanh(before(x, 3))


class Normalised(Followed):
    def front(self, x):
        return self.norm(before(x))


class Hidden(Followed):
    def forward(self, x):
        h = self.gru(x)[0]
        late = before(h)
        return self.fc(torch.relu(late) * late + h)


class Twice(Followed):
    """An answer for each step, and one for the recording."""

    def forward(self, x):
        h, last = self.gru(x)
        return self.fc(h), torch.sigmoid(self.fc(last.squeeze(0)))


class Averaged(Followed):
    """The first of both is there once, and needs all steps; the second runs from either end."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 5, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(10, 2)

    def forward(self, x):
        h = self.gru(x)[0]
        return self.fc(h.mean(1)), h


class Parts(Followed):
    """Parts by a repeated list of sizes, and the first two axes as one."""

    def forward(self, x):
        first, second, third = torch.split(x, [1] * 3, -1)
        h = self.gru(torch.cat([third, first, second], -1))[0]
        return torch.flatten(h, 0, 1)[:, :2]


class Ahead(Followed):
    """A convolution over rows that come later alone, of which there are none behind the end."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(5, 5, 3, groups=5, bias=False)

    def forward(self, x):
        h = self.gru(x)[0].transpose(1, 2)
        return self.fc(torch.relu(self.conv(functional.pad(h, [0, 2]))).transpose(1, 2))


class Shares(Followed):
    """Attention that gives its weights beside what it answers."""

    def forward(self, x):
        h = self.gru(x)[0]
        weights = torch.softmax(self.fc(h)[:, :, :1], dim=1)
        return self.fc((weights * h).sum(1)), weights


class Periods(nn.Module):
    """Each second step by itself, as LSTNet's second recurrence takes them, beside all of them."""

    def __init__(self):
        super().__init__()
        self.every, self.second, self.fc = nn.GRU(3, 4), nn.GRU(3, 5), nn.Linear(14, 2)

    def forward(self, x):
        steps = x.permute(1, 0, 2)
        by_period = x.permute(0, 2, 1).reshape(1, 3, 4, 2).permute(2, 0, 3, 1).reshape(4, 2, 3)
        ends = self.every(steps)[1].squeeze(0), self.second(by_period)[1].reshape(1, 10)
        return self.fc(torch.cat(ends, 1))


def loaded(network, how, path):
    """The model that a file of `network` gives, whose answers are compared; expected: PyTorch's for a recording, side by side."""
    network.eval()
    xs = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 9, 3)).astype(np.float32))
    if how == "script":
        torch.jit.script(network).save(path)
    else:
        torch.jit.trace(network, xs).save(path)
    with torch.no_grad():
        given = network(xs)
    return el.load(path), reference.run(import_file(path).model, xs[0].numpy()), given


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("network", [Followed, Difference, Function, Normalised, Hidden, Parts, Ahead])
def test_rows_joined_in_front_come_late(network, how, tmp_path):
    torch.manual_seed(1)
    model, answers, expected = loaded(network(), how, tmp_path / "n.pt")
    assert model.streams == (network is not Ahead)
    np.testing.assert_allclose(answers, expected.numpy().reshape(answers.shape), atol=LIMIT)


def test_no_constant_but_small_ones_comes_late(tmp_path):
    """What is taken off and added again rounds."""

    class Large(Followed):
        def front(self, x):
            return self.norm(before(x) + 100.0)

    torch.manual_seed(1)
    with pytest.raises(el.errors.UnsupportedModelError, match="belong to no step"):
        loaded(Large(), "trace", tmp_path / "n.pt")


@pytest.mark.parametrize(("network", "streams"), [(Twice, True), (Averaged, False)])
def test_an_output_that_is_there_once_is_the_last_answer(network, streams, tmp_path):
    torch.manual_seed(1)
    model, answers, given = loaded(network(), "trace", tmp_path / "n.pt")
    assert model.streams == streams
    parts, at = [value.numpy()[0] for value in given], 0
    for part in parts:
        own = answers[:, at : at + part.shape[-1]]
        np.testing.assert_allclose(own if part.ndim == 2 else own[-1], part, atol=LIMIT)
        at += part.shape[-1]
    assert at == answers.shape[1]
    compared = matching.output_error(answers, {str(n): value.numpy() for n, value in enumerate(given)})
    assert compared <= LIMIT
    notes = import_file(tmp_path / "n.pt").notes
    assert any("is there once" in note and "last answer" in note for note in notes)


def test_weights_of_attention_beside_an_answer_are_left_out(tmp_path):
    torch.manual_seed(1)
    _, answers, given = loaded(Shares(), "trace", tmp_path / "n.pt")
    np.testing.assert_allclose(answers[-1:], given[0].numpy(), atol=LIMIT)
    assert any("how much each step of a recording counts" in note for note in import_file(tmp_path / "n.pt").notes)


def test_recurrences_of_every_second_step_beside_each_other(tmp_path):
    pytest.importorskip("onnx")
    torch.manual_seed(1)
    network, xs = Periods().eval(), torch.randn(1, 8, 3)
    torch.onnx.export(network, (xs,), tmp_path / "n.onnx", dynamo=False)
    with torch.no_grad():
        expected = network(xs).numpy()
    model = import_file(tmp_path / "n.onnx").model
    assert [layer.kind for layer in model.layers].count("intra_rnn") == 2
    np.testing.assert_allclose(reference.run(model, xs[0].numpy())[-1:], expected, atol=LIMIT)
