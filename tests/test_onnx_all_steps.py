"""Graphs of a fixed number of steps that no stream computes: all steps at once, and one answer of them; against ONNX Runtime."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, exported, imported
from test_onnx_graphs import Network, answers_of, behind_lstm, lstm, turned

import edgelstm as el
from edgelstm import reference

ort = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
nn = torch.nn

OF_ALL_STEPS = {
    "a running sum": (lambda: behind_lstm(lambda y: y.cumsum(1)), "imported for constants only"),
    "the second step": (lambda: behind_lstm(lambda y, h: h(y[:, 1]), nn.Linear(8, 2)), "leaves out its last one"),
    "every other step": (lambda: behind_lstm(lambda y, h: h(y[:, ::2]), nn.Linear(8, 2)), "leaves out its last one"),
    "weights of its own at each step": (lambda: behind_lstm(lambda y: y * torch.arange(24.0)[:, None]), ""),
    "edges that repeat": (
        lambda: Network(
            lambda x, conv, rnn: rnn(turned(conv(turned(x))))[0], nn.Conv1d(3, 4, 3, padding=1, padding_mode="replicate"), lstm(4, 8)
        ),
        "runs along another axis",
    ),
    "two steps in one": (lambda: Network(lambda x, rnn: rnn(x.reshape(1, 12, 6))[0], lstm(6, 8)), ""),
    "padding as wide as a pool": (
        lambda: Network(
            lambda x, pool, conv, rnn: rnn(turned(conv(pool(turned(x)))))[0], nn.MaxPool1d(2, 1, 1), nn.Conv1d(3, 4, 2), lstm(4, 8)
        ),
        "runs along another axis",
    ),
}


@pytest.mark.parametrize("name", OF_ALL_STEPS)
def test_what_no_stream_computes_is_one_answer_of_all_steps(tmp_path, name):
    """Where the file fixes their number; else it is refused by name."""
    make, match = OF_ALL_STEPS[name]
    torch.manual_seed(1)
    x, network = torch.randn(1, 24, 3), make()
    data = exported(torch, network, (x,), open_time=False)
    taken = imported(tmp_path, data)
    found = reference.run(taken.model, x[0].numpy())
    assert taken.model.window == 24
    assert len(found) == 1
    assert np.abs(found.ravel() - answers_of(data, x[0].numpy()).ravel()).max() <= TOLERANCE
    assert any("along axis 1 of" in note for note in taken.notes)
    if match:
        with pytest.raises(el.UnsupportedModelError, match=match):
            imported(tmp_path, exported(torch, network, (x,)))


@pytest.mark.parametrize("open_time", [False, True])
def test_all_steps_but_the_last_are_answered_one_by_one(tmp_path, open_time):
    torch.manual_seed(1)
    x, network = torch.randn(1, 24, 3), behind_lstm(lambda y, h: h(y[:, :-1]), nn.Linear(8, 2))
    data = exported(torch, network, (x,), open_time=open_time)
    found, expected = reference.run(imported(tmp_path, data).model, x[0].numpy()), answers_of(data, x[0].numpy())
    assert found.shape == (23, 2)
    assert np.abs(found - expected.reshape(23, 2)).max() <= TOLERANCE


class Siamese(nn.Module):
    """Two sequences of indices, each of its own length."""

    def __init__(self):
        super().__init__()
        self.one, self.other, self.rnn = nn.Embedding(9, 4), nn.Embedding(7, 4), lstm(4, 5)

    def forward(self, a, b):
        return self.rnn(self.one(a))[0][:, -1] * self.rnn(self.other(b))[0][:, -1]


def test_indices_of_all_steps(tmp_path):
    """Tables are looked up before the steps lie side by side."""
    torch.manual_seed(1)
    given = torch.randint(0, 9, (1, 8)), torch.randint(0, 7, (1, 5))
    data = exported(torch, Siamese(), given, open_time=False)
    xs = np.concatenate([given[0].numpy().T, np.repeat(given[1].numpy(), 8, axis=0)], axis=1)
    session = ort.InferenceSession(data)
    expected = session.run(None, {one.name: ids.numpy() for one, ids in zip(session.get_inputs(), given, strict=True)})[0]
    assert np.abs(reference.run(imported(tmp_path, data).model, xs) - expected).max() <= TOLERANCE


def test_a_picture_beside_a_sequence(tmp_path):
    class Captions(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.rnn, self.head = nn.Conv2d(1, 2, 3), lstm(3, 4), nn.Linear(22, 2)

        def forward(self, picture, x):
            return self.head(torch.cat([torch.relu(self.conv(picture)).flatten(1), self.rnn(x)[0][:, -1]], 1))

    torch.manual_seed(1)
    picture, x = torch.randn(1, 1, 5, 5), torch.randn(1, 6, 3)
    data = exported(torch, Captions(), (picture, x), open_time=False)
    session = ort.InferenceSession(data)
    expected = session.run(None, dict(zip([one.name for one in session.get_inputs()], (picture.numpy(), x.numpy()), strict=True)))[0]
    xs = np.concatenate([np.repeat(picture.numpy().reshape(1, -1), 6, axis=0), x[0].numpy()], axis=1)
    assert np.abs(reference.run(imported(tmp_path, data).model, xs)[-1] - expected[0]).max() <= TOLERANCE
