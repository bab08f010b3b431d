"""What TorchScript modules take and keep: packed sequences, states of all shapes, numbers to choose by, tensors that begin empty."""

import numpy as np
import pytest
from test_torchscript import LIMIT, saved

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore")


def compared(net, given, how, path, xs, answers):
    """The model of a saved module, whose last answers on xs are these."""
    model = el.load(saved(net, given, how, path))
    np.testing.assert_allclose(reference.run(model, xs.astype(np.float32))[-len(answers) :], answers, atol=LIMIT)
    return model


class Packed(nn.Module):
    """Sequences packed by their lengths, sorted or not, of which the ends or all rows are answers."""

    def __init__(self, batch_first: bool, ends: bool):
        super().__init__()
        self.emb, self.rnn = nn.Embedding(11, 4), nn.LSTM(4, 6, 2, batch_first=batch_first, bidirectional=True)
        self.batch_first, self.ends, self.fc = batch_first, ends, nn.Linear(12, 2)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.emb(x), lengths, self.batch_first, enforce_sorted=not self.ends)
        y, (h, _) = self.rnn(packed)
        if self.ends:
            return self.fc(torch.cat([h[-2], h[-1]], 1))
        return self.fc(nn.utils.rnn.pad_packed_sequence(y, self.batch_first)[0])


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("ends", [False, True])
def test_packed_sequences_of_whole_length_answer_as_pytorch(how, ends, tmp_path):
    torch.manual_seed(2)
    net, given = Packed(ends, ends), (torch.arange(7).view(1, 7), torch.tensor([7]))
    given = given if ends else (given[0].T, given[1])
    with torch.no_grad():
        expected = net(*given).numpy().reshape(-1, 2)
    compared(net, given, how, tmp_path / "n.pt", np.arange(7.0)[:, None], expected)


class Gives(nn.Module):
    """A projected LSTM, whose answers have names."""

    def __init__(self):
        super().__init__()
        self.lstm, self.a, self.b = nn.LSTM(3, 6, 2, proj_size=4, bidirectional=True), nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, x):
        y = self.lstm(x)[0]
        return {"a": self.a(y), "b": torch.sigmoid(self.b(y))}


@pytest.mark.parametrize("how", ["script", "trace"])
def test_a_projection_is_kept_and_answers_may_have_names(how, tmp_path):
    torch.manual_seed(2)
    net, xs = Gives(), np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    with torch.no_grad():
        parts = net(torch.from_numpy(xs[:, None]))
    expected = np.concatenate([part[:, 0].numpy() for part in parts.values()], 1)
    path, zeros = tmp_path / "n.pt", torch.zeros(7, 1, 3)
    torch.jit.save(torch.jit.script(net.eval()) if how == "script" else torch.jit.trace(net.eval(), zeros, strict=False), path)
    taken = import_file(path)
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)
    assert any("output a, output b" in note for note in taken.notes)


class Steps(nn.Module):
    """One step a call, with the state of a cell, or those of a layer as one tensor."""

    def __init__(self, joined: bool):
        super().__init__()
        self.joined, self.fc = joined, nn.Linear(6, 2)
        self.rnn = nn.LSTM(3, 6, batch_first=True) if joined else nn.LSTMCell(3, 6)


class OneByOne(Steps):
    def forward(self, x, h, c):
        h, c = self.rnn(x, (h, c))
        return self.fc(h), h, c


class Joined(Steps):
    def forward(self, x, state):
        y, (h, c) = self.rnn(x, (state[0], state[1]))
        return self.fc(y), torch.stack([h, c])


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("joined", [False, True])
def test_states_may_be_those_of_cells_or_one_tensor(how, joined, tmp_path):
    torch.manual_seed(2)
    net = (Joined if joined else OneByOne)(joined)
    shapes = [(1, 1, 3), (2, 1, 1, 6)] if joined else [(1, 3), (1, 6), (1, 6)]
    x, *states = given = [torch.zeros(shape) for shape in shapes]
    xs, expected = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32), []
    with torch.no_grad():
        for row in xs:
            y, *states = net(torch.from_numpy(row).reshape(x.shape), *states)
            expected.append(y.numpy().ravel())
    compared(net, tuple(given), how, tmp_path / "n.pt", xs, np.array(expected))


class Chunks(nn.Module):
    """Chunks of one length, and what came before; the first call begins with empty tensors, and a number chooses between weights."""

    def __init__(self, first: float = 0.0):
        super().__init__()
        self.fast, self.slow, self.cell = nn.Linear(10, 4), nn.Linear(10, 4), nn.LSTMCell(4, 5)
        self.first, self.last = first, 0
        self.register_buffer("context", torch.zeros(0))
        self.register_buffer("state", torch.zeros(0))

    def forward(self, x, rate: int):
        if x.shape[-1] != 8:
            raise ValueError("chunks of 8")
        if self.last not in (0, rate):
            self.context = torch.zeros(0)
        if not len(self.context):
            self.context = torch.full([x.shape[0], 2], self.first)
        x = torch.cat([self.context, x], 1)
        z = self.fast(x) if rate == 16000 else self.slow(x)
        if len(self.state):
            h, c = self.cell(z, (self.state[0], self.state[1]))
        else:
            h, c = self.cell(z)
        self.context, self.state, self.last = x[:, -2:], torch.stack([h, c]), rate
        angle = torch.atan2(h, c)  # noqa: F841, of no use, as in modules that give more elsewhere
        return torch.sigmoid(h.mean(1, keepdim=True))


def test_tensors_that_begin_empty_are_states(tmp_path):
    torch.manual_seed(2)
    taken = import_file(saved(Chunks(), None, "script", tmp_path / "n.pt"))
    module, xs = torch.jit.load(tmp_path / "n.pt"), np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    with torch.no_grad():
        expected = [module(torch.from_numpy(row[None]), 16000).numpy()[0] for row in xs]
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)
    assert any("'rate' is taken as 16000" in note for note in taken.notes)
    assert any("'x' has 8 numbers along axis 1" in note for note in taken.notes)
    other = el.load(tmp_path / "n.pt", sizes="rate=8000")
    assert np.abs(reference.run(other, xs) - np.array(expected)).max() > 1e-4


def test_a_first_call_that_begins_otherwise_than_with_zeros_is_refused(tmp_path):
    with pytest.raises(el.UnsupportedModelError, match="its first call otherwise"):
        el.load(saved(Chunks(0.5), None, "script", tmp_path / "n.pt"))


class Ring(nn.Module):
    """One row a call: the rows before and a GRU's state are buffers, which it changes in place."""

    def __init__(self, whole: bool = True):
        super().__init__()
        self.conv, self.gru, self.whole = nn.Conv1d(3, 5, 4), nn.GRU(5, 5, batch_first=True), whole
        self.register_buffer("rows", torch.zeros(1, 3, 4))
        self.register_buffer("h", torch.full((1, 1, 5), 0.25))

    def forward(self, x):
        if self.whole:
            self.rows.copy_(torch.cat([self.rows[:, :, 1:], x.transpose(1, 2)], 2))
        else:
            self.rows[:, :, :-1] = self.rows[:, :, 1:].clone()
            self.rows[:, :, -1] = x[:, 0]
        y, h = self.gru(torch.relu(self.conv(self.rows)).transpose(1, 2), self.h)
        self.h.copy_(h)
        return torch.tanh(y)


@pytest.mark.parametrize("how", ["trace", "export", "decomposed"])
def test_buffers_that_are_changed_in_place_are_states_or_refused(how, tmp_path):
    x, xs = torch.zeros(1, 1, 3), np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)

    def written(whole):
        torch.manual_seed(2)
        net, path = Ring(whole).eval(), tmp_path / ("n.pt" if how == "trace" else "n.pt2")
        if how == "trace":
            torch.jit.save(torch.jit.trace(net, x, check_trace=False), path)
        else:
            program = torch.export.export(net, (x,))
            torch.export.save(program.run_decompositions({}) if how == "decomposed" else program, path)
        return path

    path = written(True)
    taken = import_file(path)
    assert sum("is a state of the stream" in note for note in taken.notes) == 2
    module = torch.jit.load(path) if how == "trace" else torch.export.load(path).module()
    with torch.no_grad():
        expected = np.array([module(torch.from_numpy(row[None, None])).numpy()[0, 0] for row in xs])
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)
    with pytest.raises(el.UnsupportedModelError, match=r"a view in place|no operator"):
        el.load(written(False))


class Looks(nn.Module):
    """Rows that look at each other, by attention alone and by an encoder's layer."""

    def __init__(self):
        super().__init__()
        self.gru, self.find = nn.GRU(3, 8, batch_first=True), nn.MultiheadAttention(8, 2, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")

    def forward(self, x):
        y = self.gru(x)[0]
        return self.layer(y + self.find(y, y, y)[0])


class Weighs(Looks):
    def forward(self, x):
        y = self.gru(x)[0]
        return self.find(y, y, y)[1]


def test_scripted_attention_answers_as_pytorch_and_its_weights_are_refused(tmp_path):
    torch.manual_seed(2)
    net, xs = Looks().eval(), np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(xs[None])).numpy()[0]
    compared(net, None, "script", tmp_path / "n.pt", xs, expected)
    with pytest.raises(el.UnsupportedModelError, match=r"more than is imported|returns something that is no tensor"):
        el.load(saved(Weighs(), None, "script", tmp_path / "w.pt"))
