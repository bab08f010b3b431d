"""Scripted modules whose code cuts, reshapes or convolves samples so that their widths stand in no weight; and lengths by any name."""

import numpy as np
import pytest

from edgelstm import reference
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore")


class Parts(nn.Module):
    """A loop over the parts that ``split`` gives."""

    def __init__(self):
        super().__init__()
        self.cell, self.fc = nn.GRUCell(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = torch.zeros(x.size(0), 6)
        for part in x.split(1, dim=1):
            h = self.cell(part.squeeze(1), h)
        return self.fc(h)


class Maps(nn.Module):
    """Convolutions of a map whose rows are channels of the recurrence."""

    def __init__(self):
        super().__init__()
        self.conv, self.lstm, self.fc = nn.Conv2d(1, 4, (3, 1)), nn.LSTM(12, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        y = torch.relu(self.conv(x.unsqueeze(1))).permute(0, 2, 1, 3)
        return self.fc(self.lstm(y.reshape(y.size(0), y.size(1), -1))[0][:, -1])


class Flat(nn.Module):
    """A window of nine steps laid flat."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(3, 4, batch_first=True), nn.Linear(36, 2)

    def forward(self, x):
        return self.fc(self.lstm(x)[0].reshape(x.size(0), -1))


class Normed(nn.Module):
    """Weight norm has no tensor that is called weight."""

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 6, 3))
        self.gru, self.fc = nn.GRU(6, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        y = self.conv(functional.pad(x.transpose(1, 2), (2, 0))).transpose(1, 2)
        return self.fc(self.gru(y)[0])


@pytest.mark.parametrize("network", [Parts, Maps, Flat])
def test_scripts_tell_the_shape_of_their_samples(network, tmp_path):
    torch.manual_seed(4)
    net = network().eval()
    torch.jit.save(torch.jit.script(net), tmp_path / "n.pt")
    model = import_file(tmp_path / "n.pt").model
    xs = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(xs)[None]).numpy()
    np.testing.assert_allclose(reference.run(model, xs)[-1:], expected, atol=1e-5)


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.lstm, self.fc = nn.Embedding(20, 5), nn.LSTM(5, 6, batch_first=True, bidirectional=True), nn.Linear(12, 3)

    def forward(self, x, n):
        p = nn.utils.rnn.pack_padded_sequence(self.emb(x), n, batch_first=True, enforce_sorted=False)
        return self.fc(nn.utils.rnn.pad_packed_sequence(self.lstm(p)[0], batch_first=True)[0])


def test_lengths_of_packed_sequences_need_no_name(tmp_path):
    torch.manual_seed(4)
    net, xs = Packed().eval(), np.random.default_rng(0).integers(0, 20, (9, 1))
    given = torch.from_numpy(xs[:, 0])[None], torch.tensor([9])
    torch.jit.save(torch.jit.trace(net, given), tmp_path / "n.pt")
    with torch.no_grad():
        expected = net(*given)[0].numpy()
    np.testing.assert_allclose(reference.run(import_file(tmp_path / "n.pt").model, xs.astype(np.float32)), expected, atol=1e-5)
