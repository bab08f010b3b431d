"""Scripted and traced modules answer as PyTorch does, by their code read as text; what it cannot be followed through is refused."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn = torch.nn

LIMIT = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore")


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.lstm = nn.Embedding(11, 4), nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Dropout(0.1), nn.Linear(5, 2))

    def forward(self, x):
        y, _ = self.lstm(self.emb(x))
        return torch.softmax(self.head(y[:, -1]), -1)


class Ends(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.fc = nn.RNN(3, 6, 2, batch_first=True, nonlinearity="relu"), nn.Linear(6, 2)

    def forward(self, x):
        return self.fc(self.rnn(x)[1][-1])


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp, self.lstm, self.norm, self.fc = nn.Linear(3, 8), nn.LSTM(8, 8, batch_first=True), nn.LayerNorm(8), nn.Linear(16, 3)

    def forward(self, x):
        z = torch.tanh(self.inp(x))
        y = self.norm(self.lstm(z)[0])
        a, b = torch.chunk(torch.cat([y * 2 - z, z], -1), 2, -1)
        return self.fc(torch.cat([b, a], -1))


class Stream(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.fc = nn.GRU(3, 6, 2), nn.Linear(6, 2)

    def forward(self, x, h):
        y, h = self.gru(x, h)
        return torch.sigmoid(self.fc(y)), h


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.gru, self.fc = nn.Conv1d(3, 8, 4), nn.BatchNorm1d(8), nn.GRU(8, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x.transpose(1, 2))))
        return self.fc(self.gru(y.transpose(1, 2))[0])


class Many(nn.Module):
    """Operators that move or change numbers around a GRU."""

    def __init__(self):
        super().__init__()
        self.inp, self.gru, self.out = nn.Linear(3, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x):
        z = nn.functional.mish(self.inp(x)).unflatten(-1, [2, 4]).swapaxes(2, 3).flatten(2)
        y = self.gru(z)[0]
        a, b = y.split(4, -1)
        y = torch.cat([nn.functional.logsigmoid(a), torch.log1p(torch.square(b)) - torch.log10(torch.square(b) + 0.1)], -1)
        y = torch.stack([y.narrow(-1, 0, 4), y[..., 4:].type_as(x)], -1).transpose(-1, -2).reshape(x.shape[0], x.shape[1], 8)
        return 1 - self.out(nn.functional.leaky_relu(y, 0.2)) / 3


def whole(net, xs):
    return net(xs[None])


NETWORKS = {
    "tagger": (Tagger, (torch.zeros(1, 7, dtype=torch.long),), lambda net, xs: net(xs[:, 0].long()[None])),
    "ends": (Ends, (torch.zeros(1, 7, 3),), whole),
    "branches": (Branches, (torch.zeros(1, 7, 3),), whole),
    "stream": (Stream, (torch.zeros(7, 1, 3), torch.zeros(2, 1, 6)), lambda net, xs: net(xs[:, None], torch.zeros(2, 1, 6))[0][:, 0]),
    "convolved": (Convolved, (torch.zeros(1, 7, 3),), whole),
    "many": (Many, (torch.zeros(1, 7, 3),), whole),
    "sequential": (lambda: nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), (torch.zeros(1, 7, 3),), whole),
}


def saved(net, given, how, path):
    scripted = torch.jit.script(net.eval()) if how == "script" else torch.jit.trace(net.eval(), given)
    torch.jit.save(scripted, path)
    return path


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("name", NETWORKS)
def test_modules_answer_as_pytorch(name, how, tmp_path):
    torch.manual_seed(2)
    make, given, run = NETWORKS[name]
    net = make()
    taken = import_file(saved(net, given, how, tmp_path / "n.pt"))
    random = np.random.default_rng(0)
    xs = (random.integers(0, 11, (7, 1)) if name == "tagger" else random.normal(size=(7, 3))).astype(np.float32)
    with torch.no_grad():
        expected = run(net, torch.from_numpy(xs)).numpy().reshape(-1, taken.model.output_size)
    np.testing.assert_allclose(reference.run(taken.model, xs)[-len(expected) :], expected, atol=LIMIT)
    assert any("is a state of the stream" in note for note in taken.notes) == (name == "stream")


def test_its_tensors_may_be_read_as_a_state_dict(tmp_path):
    net = Tagger()
    path = saved(net, NETWORKS["tagger"][1], "script", tmp_path / "n.pt")
    taken = import_file(path, layers="emb:embedding, lstm, head.0:relu, head.3:softmax")
    assert [layer.kind for layer in taken.model.layers if layer.arrays()] == ["embedding", *["lstm"] * 4, "dense", "dense"]
    np.testing.assert_array_equal(el.load(path, prefix="lstm").layers[0].weight_ih, net.lstm.weight_ih_l0.detach())


class Cells(nn.Module):
    """Cells in a loop over the steps, whose answers a list collects."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.LSTMCell(3, 6), nn.GRUCell(6, 5), nn.Linear(5, 2)

    def forward(self, x):
        h, c, g = torch.zeros(x.size(0), 6), torch.zeros(x.size(0), 6), torch.zeros(x.size(0), 5)
        found = []
        for t in range(x.size(1)):
            h, c = self.a(x[:, t, :], (h, c))
            g = self.b(h, g)
            found.append(self.fc(g))
        return torch.stack(found, 1)


class Written(nn.Module):
    """The same, written into an array row by row, in a loop of another form."""

    def __init__(self):
        super().__init__()
        self.cell, self.fc = nn.LSTMCell(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        h, c, t = torch.zeros(x.shape[0], 6), torch.zeros(x.shape[0], 6), 0
        found = torch.zeros(x.shape[0], x.shape[1], 2)
        while t < x.shape[1]:
            h, c = self.cell(x[:, t], (h, c))
            found[:, t] = self.fc(h)
            t += 1
        return found.relu_()


class Spelled(nn.Module):
    """A cell in its own operators, over the list of a recording's steps; time is the first axis."""

    def __init__(self):
        super().__init__()
        self.ih, self.hh, self.fc = nn.Linear(3, 24), nn.Linear(6, 24), nn.Linear(6, 2)

    def forward(self, x):
        h, c = torch.zeros(x.size(1), 6), torch.zeros(x.size(1), 6)
        for step in x.unbind(0):
            i, f, g, o = (self.ih(step) + self.hh(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return self.fc(h)


@pytest.mark.parametrize("make", [Cells, Written, Spelled])
def test_a_loop_over_the_steps_is_a_recurrence_of_any_length(make, tmp_path):
    torch.manual_seed(2)
    net = make()
    model = el.load(saved(net, None, "script", tmp_path / "n.pt"))
    xs = np.random.default_rng(0).normal(size=(17, 3)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(xs[:, None] if make is Spelled else xs[None])).numpy().reshape(-1, 2)
    assert model.window is None
    np.testing.assert_allclose(reference.run(model, xs)[-len(expected) :], expected, atol=LIMIT)


class Pair(nn.Module):
    """Two recordings, by one GRU, and how alike they are; or a recording and numbers that stand for all of it."""

    def __init__(self, beside=0):
        super().__init__()
        self.gru, self.fc, self.beside = nn.GRU(3, 6, batch_first=True), nn.Linear(6, 4), nn.Linear(2, 4) if beside else None

    def forward(self, a, b):
        u = self.fc(self.gru(a)[1][-1])
        v = self.fc(self.gru(b)[1][-1]) if self.beside is None else self.beside(b)
        return nn.functional.cosine_similarity(u, v, dim=1)


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("beside", [0, 2])
def test_a_second_tensor_may_be_samples_too(how, beside, tmp_path):
    torch.manual_seed(2)
    net, random = Pair(beside), np.random.default_rng(0)
    a, b = (random.normal(size=(1, 7, 3)).astype(np.float32) for _ in range(2))
    b = b[:, 0, :2] if beside else b
    model = el.load(saved(net, (torch.from_numpy(a), torch.from_numpy(b)), how, tmp_path / "n.pt"))
    xs = np.concatenate([a[0], np.repeat(b, 7, 0) if beside else b[0]], 1)
    with torch.no_grad():
        expected = net(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(reference.run(model, xs)[-1], expected, atol=LIMIT)


class Begins(nn.Module):
    """What does not change in a recording gives the state in which it begins."""

    def __init__(self):
        super().__init__()
        self.h, self.c, self.lstm, self.fc = nn.Linear(4, 6), nn.Linear(4, 6), nn.LSTM(3, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x, still):
        return self.fc(self.lstm(x, (torch.tanh(self.h(still))[None], self.c(still)[None]))[0])


def test_a_state_that_a_second_tensor_gives_begins_a_whole_recording(tmp_path):
    torch.manual_seed(2)
    net, random = Begins(), np.random.default_rng(0)
    x, still = random.normal(size=(1, 7, 3)).astype(np.float32), random.normal(size=(1, 4)).astype(np.float32)
    model = el.load(saved(net, (torch.from_numpy(x), torch.from_numpy(still)), "trace", tmp_path / "n.pt"))
    with torch.no_grad():
        expected = net(torch.from_numpy(x), torch.from_numpy(still)).numpy()
    xs = np.concatenate([x[0], np.repeat(still, 7, 0)], 1)
    assert model.window == 7
    np.testing.assert_allclose(reference.run(model, xs)[-1], expected.ravel(), atol=LIMIT)


class Words(nn.Module):
    """The characters of each word, by one network, and the words, by another."""

    def __init__(self):
        super().__init__()
        self.emb, self.inner = nn.Embedding(20, 8), nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.outer, self.fc = nn.GRU(12, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        batch, words, characters = x.shape
        _, (h, _) = self.inner(self.emb(x.view(batch * words, characters)))
        return self.fc(self.outer(torch.cat([h[0], h[1]], -1).view(batch, words, -1))[0])


def test_how_many_indices_a_step_are_is_traced_or_said(tmp_path):
    torch.manual_seed(2)
    net, xs = Words(), torch.randint(0, 20, (1, 6, 4))
    with torch.no_grad():
        expected = net(xs).numpy()[0]
    traced = el.load(saved(net, (xs,), "trace", tmp_path / "traced.pt"))
    path = saved(net, None, "script", tmp_path / "scripted.pt")
    for model in (traced, el.load(path, sizes="x=1xTx4")):
        np.testing.assert_allclose(reference.run(model, xs[0].numpy().astype(np.float32)), expected, atol=LIMIT)
    with pytest.raises(el.UnsupportedModelError, match='sizes="x=1xTx40"'):
        el.load(path)


class Keeps(nn.Module):
    """A module that keeps its state itself, from call to call."""

    def __init__(self, counted=False):
        super().__init__()
        self.gru, self.fc, self.counted, self.calls = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2), counted, 0
        self.register_buffer("h", torch.full((1, 1, 5), 0.25))

    def forward(self, x):
        y, h = self.gru(x, self.h)
        self.h = h
        if self.counted:
            self.calls = self.calls + 1
        return torch.tanh(self.fc(y))


def test_a_state_that_a_module_keeps_is_the_streams(tmp_path):
    torch.manual_seed(2)
    taken = import_file(saved(Keeps(), (), "script", tmp_path / "n.pt"))
    assert any("is a state of the stream" in note and "the file's numbers" in note for note in taken.notes)
    module, xs = torch.jit.load(tmp_path / "n.pt"), np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    with torch.no_grad():
        calls = [module(torch.from_numpy(part[None])).numpy()[0] for part in (xs[:4], xs[4:5], xs[5:])]
    np.testing.assert_allclose(reference.run(taken.model, xs), np.concatenate(calls), atol=LIMIT)


def test_a_number_that_changes_from_call_to_call_is_refused(tmp_path):
    with pytest.raises(el.UnsupportedModelError, match=r"changes from call to call|cannot be followed"):
        import_file(saved(Keeps(counted=True), (), "script", tmp_path / "n.pt"))
