"""Recurrent modules of every kind, and what stands around them, answer as PyTorch does: by the float64 twin of what was imported."""

import numpy as np
import pytest
from golden_files import golden_answers, golden_file

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn = torch.nn

LIMIT = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")

MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(7)


class Network(nn.Module):
    """A recurrent module and a Linear, with an Embedding in front if there is a vocabulary."""

    def __init__(self, recurrent, vocabulary=0, outputs=5):
        super().__init__()
        if vocabulary:
            self.embedding = nn.Embedding(vocabulary, recurrent.input_size)
        self.recurrent = recurrent
        width = (getattr(recurrent, "proj_size", 0) or recurrent.hidden_size) * (2 if recurrent.bidirectional else 1)
        self.fc = nn.Linear(width, outputs)

    def forward(self, x):
        x = self.embedding(x[..., 0].long()) if hasattr(self, "embedding") else x
        return self.fc(self.recurrent(x)[0])


def saved(module, path):
    torch.save(module.state_dict(), path)
    return path


def close(taken, module, xs):
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(xs)[:, None])[:, 0].numpy()
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", MODULES)
def test_recurrent_modules_are_taken_whole(kind, layers, bidirectional, tmp_path):
    net = Network(MODULES[kind](3, 6, layers, bidirectional=bidirectional))
    taken = import_file(saved(net, tmp_path / "n.pt"))
    assert taken.chain == "recurrent, fc"
    assert taken.model.streams != bidirectional
    assert any("nonlinearity is tanh" in note for note in taken.notes) == (kind == "rnn")
    close(taken, net, np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_projections_are_taken(layers, bidirectional, tmp_path):
    net = Network(nn.LSTM(3, 6, layers, bidirectional=bidirectional, proj_size=4))
    close(import_file(saved(net, tmp_path / "n.pt")), net, np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32))


@pytest.mark.parametrize("options", [{"bias": False}, {"bias": False, "bidirectional": True}])
@pytest.mark.parametrize("kind", MODULES)
def test_recurrent_modules_without_bias_are_taken(kind, options, tmp_path):
    net = Network(MODULES[kind](3, 6, **options))
    close(import_file(saved(net, tmp_path / "n.pt")), net, np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))


@pytest.mark.parametrize("kind", CELLS)
def test_cells_are_layers(kind, tmp_path):
    cell = CELLS[kind](3, 6)
    taken = import_file(saved(cell, tmp_path / "n.pt"))
    xs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    state, expected = None, []
    with torch.no_grad():
        for x in xs:
            state = cell(torch.from_numpy(x[None]), state)
            expected.append((state[0] if kind == "lstm" else state)[0].numpy())
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)


def test_a_relu_of_a_simple_network_is_said(tmp_path):
    net = Network(nn.RNN(3, 6, 2, nonlinearity="relu", bidirectional=True))
    taken = import_file(saved(net, tmp_path / "n.pt"), layers="recurrent:rnn_relu, fc")
    assert not any("tanh" in note for note in taken.notes)
    close(taken, net, np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
    with pytest.raises(el.UsageError, match="cannot be a simple recurrent layer"):
        el.load(saved(Network(nn.LSTM(3, 6)), tmp_path / "l.pt"), layers="recurrent:rnn_relu, fc")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", MODULES)
def test_an_embedding_in_front_is_found(kind, bidirectional, tmp_path):
    net = Network(MODULES[kind](5, 6, bidirectional=bidirectional), vocabulary=11)
    taken = import_file(saved(net, tmp_path / "n.pt"))
    assert taken.chain == "embedding, recurrent, fc"
    close(taken, net, np.random.default_rng(0).integers(0, 11, (25, 1)).astype(np.float32))


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_learned_state_of_every_kind_and_direction(kind, layers, tmp_path):
    net = Network(MODULES[kind](3, 6, layers, bidirectional=True))
    net.h0 = nn.Parameter(torch.randn(2 * layers, 1, 6))
    if kind == "lstm":
        net.c0 = nn.Parameter(torch.randn(2 * layers, 1, 6))
    state = (net.h0, net.c0) if kind == "lstm" else net.h0
    net.forward = lambda x: net.fc(net.recurrent(x, state)[0])
    close(import_file(saved(net, tmp_path / "n.pt")), net, np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))


@pytest.mark.parametrize(
    ("layers", "end"),
    [
        ("recurrent, final, fc", lambda y, h: torch.cat([h[-2], h[-1]], -1)),
        ("recurrent, last, fc", lambda y, h: y[-1]),
    ],
)
@pytest.mark.parametrize("kind", MODULES)
def test_one_answer_for_a_recording(kind, layers, end, tmp_path):
    net = Network(MODULES[kind](3, 6, 2, bidirectional=True))
    path = saved(net, tmp_path / "n.pt")
    xs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    with torch.no_grad():
        y, h = net.recurrent(torch.from_numpy(xs)[:, None])
        expected = net.fc(end(y, h[0] if kind == "lstm" else h)).numpy()
    np.testing.assert_allclose(reference.run(el.load(path, layers=layers), xs), expected, atol=LIMIT)


@pytest.mark.parametrize(("layers", "message"), [("recurrent, fc, last", "bidirectional"), ("recurrent, final, fc", "bidirectional")])
def test_ends_are_of_bidirectional_networks(layers, message, tmp_path):
    with pytest.raises(el.UsageError, match=message):
        el.load(saved(Network(nn.LSTM(3, 6)), tmp_path / "n.pt"), layers=layers)
    with pytest.raises(el.UsageError, match="behind a bidirectional module"):
        el.load(saved(Network(nn.LSTM(3, 6, bidirectional=True)), tmp_path / "b.pt"), layers="recurrent, fc, final")


class Around(nn.Module):
    """Norms on both sides of a GRU."""

    def __init__(self):
        super().__init__()
        self.before, self.gru, self.norm, self.fc = nn.LayerNorm(4), nn.GRU(4, 6), nn.LayerNorm(6), nn.Linear(6, 3)
        for parameter in (*self.before.parameters(), *self.norm.parameters()):
            nn.init.uniform_(parameter, 0.5, 1.5)

    def forward(self, x):
        return self.fc(self.norm(self.gru(self.before(x))[0]))


def test_layer_norms_stand_where_they_fit(tmp_path):
    net = Around()
    taken = import_file(saved(net, tmp_path / "n.pt"))
    assert taken.chain == "before, gru, norm, fc"
    assert any("eps = 1e-05" in note for note in taken.notes)
    close(taken, net, np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))


@pytest.mark.parametrize(("norm", "word"), [(lambda: nn.LayerNorm(6, bias=False), "layernorm"), (lambda: nn.RMSNorm(6), "rmsnorm")])
def test_a_scale_without_bias_is_asked_about(norm, word, tmp_path):
    net = Around()
    net.norm = norm()
    nn.init.uniform_(net.norm.weight, 0.5, 1.5)
    path = saved(net, tmp_path / "n.pt")
    with pytest.raises(el.UnsupportedModelError, match=r"norm:\?"):
        el.load(path)
    taken = import_file(path, layers=f"before, gru, norm:{word}, fc")
    close(taken, net, np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))


class Convolved(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.conv, self.lstm, self.fc = nn.Conv1d(4, 8, 3, groups=groups), nn.LSTM(8, 6), nn.Linear(6, 2)

    def forward(self, x):  # (time, 1, 4)
        y = torch.relu(self.conv(x.permute(1, 2, 0))).permute(2, 0, 1)
        return self.fc(self.lstm(y)[0])


def test_a_convolution_needs_the_function_behind_it(tmp_path):
    net = Convolved(1)
    path = saved(net, tmp_path / "n.pt")
    with pytest.raises(el.UnsupportedModelError, match=r'layers="conv:\?, lstm, fc"'):
        el.load(path)
    taken = import_file(path, layers="conv:relu, lstm, fc")
    assert any("stride 1" in note for note in taken.notes)
    close(taken, net, np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))


def test_compiled_streams_of_a_state_dict_answer_as_pytorch(tmp_path):
    net = Network(nn.GRU(3, 6, 2), outputs=2)
    xs = np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(xs)[:, None])[:, 0].numpy()
    np.testing.assert_allclose(el.Stream(el.load(saved(net, tmp_path / "n.pt"))).process(xs), expected, atol=LIMIT)


def test_uzmorph_answers_whole_from_its_path_alone():
    taken = import_file(golden_file("uzmorph/morph_bilstm.pth"))
    assert taken.chain == "char_embeddings, lstm, hidden2tag"
    answers = golden_answers("uzmorph/golden.npz")
    logits = reference.run(taken.model, answers["ids"][0][:, None].astype(np.float32))
    scale = np.abs(answers["logits0"]).max()
    assert np.abs(logits - answers["logits0"]).max() / scale < LIMIT
