"""Programs of ``torch.export`` answer as PyTorch does, with nothing to be said; what their archives must not hold is refused."""

import io
import json
import zipfile

import numpy as np
import pytest
from test_torchscript_cells import Normed
from torch_around import Bank, Neighbours, Shorter

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

torch = pytest.importorskip("torch")
nn = torch.nn

LIMIT = 1e-5

pytestmark = pytest.mark.filterwarnings("ignore")


class Tagger(nn.Module):
    """Embedding, bidirectional stack, two layers; the last row is the answer."""

    def __init__(self):
        super().__init__()
        self.emb, self.lstm = nn.Embedding(11, 4), nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.fc1, self.fc2 = nn.Linear(12, 5), nn.Linear(5, 2)

    def forward(self, x):
        return torch.softmax(self.fc2(torch.relu(self.fc1(self.lstm(self.emb(x))[0][:, -1]))), -1)


class Frame(nn.Module):
    """One frame a call, with the state as input and output."""

    def __init__(self):
        super().__init__()
        self.gru, self.norm, self.fc = nn.GRU(3, 6), nn.LayerNorm(6), nn.Linear(6, 2)

    def forward(self, x, h):
        y, h = self.gru(x, h)
        return torch.sigmoid(self.fc(self.norm(y))), h


class Ends(nn.Module):
    """What the last layer ends with."""

    def __init__(self):
        super().__init__()
        self.rnn, self.fc = nn.RNN(3, 6, 2, batch_first=True, nonlinearity="relu"), nn.Linear(6, 2)

    def forward(self, x):
        return self.fc(self.rnn(x)[1][-1])


class BothEnds(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(3, 6, bidirectional=True), nn.Linear(12, 2)

    def forward(self, x):
        _, (h, _) = self.lstm(x)
        return self.fc(torch.cat([h[-2], h[-1]], 1))


class Branches(nn.Module):
    """A branch around an LSTM, a norm along channels, activations of many kinds."""

    def __init__(self):
        super().__init__()
        self.inp, self.lstm, self.bn, self.fc = nn.Linear(3, 8), nn.LSTM(8, 8, batch_first=True), nn.BatchNorm1d(8), nn.Linear(16, 3)
        self.bn.running_mean.normal_()
        self.bn.running_var.uniform_(0.5, 2)

    def forward(self, x):
        z = nn.functional.gelu(self.inp(x))
        y = self.bn(self.lstm(z)[0].transpose(1, 2)).transpose(1, 2)
        a, b = torch.chunk(torch.cat([y * 2 - z, nn.functional.silu(z)], -1), 2, dim=-1)
        y = torch.cat([nn.functional.elu(b), nn.functional.hardtanh(a)], -1)
        return self.fc(nn.functional.dropout(y, 0.3, self.training)).clamp(-1, 1)


class Convolved(nn.Module):
    """Windows along time at a lower rate, padded before the first row."""

    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.gru, self.fc = nn.Conv1d(3, 8, 4, 2), nn.MaxPool1d(2), nn.GRU(8, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        y = torch.relu(self.conv(nn.functional.pad(x.transpose(1, 2), (3, 0))))
        return self.fc(self.gru(self.pool(y).transpose(1, 2))[0])


class InFrame(nn.Module):
    """A convolution along the channels of each frame."""

    def __init__(self):
        super().__init__()
        self.conv, self.lstm, self.fc = nn.Conv1d(1, 2, 4), nn.LSTM(8, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        y = torch.nn.functional.avg_pool1d(torch.relu(self.conv(x.reshape(-1, 11).unsqueeze(1))), 2)
        return self.fc(self.lstm(y.reshape(x.shape[0], x.shape[1], 8))[0])


class Attending(nn.Module):
    """Rows that look at each other, with two heads."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 2)
        self.find = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        y, _ = self.lstm(x)
        return self.fc(y + self.find(y, y, y, need_weights=False)[0])


class Projected(nn.Module):
    """LSTM layers that give less than their cells hold, of both directions."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 6, 2, proj_size=4, batch_first=True, bidirectional=True)

    def forward(self, x):
        return self.lstm(x)[0]


def whole(net, xs):
    return net(xs[None])


NETWORKS = {
    "tagger": (Tagger, lambda n: (torch.zeros(n, 7, dtype=torch.long),), lambda net, xs: net(xs[:, 0].long()[None])),
    "ends": (Ends, lambda n: (torch.zeros(n, 7, 3),), whole),
    "branches": (Branches, lambda n: (torch.zeros(n, 7, 3),), whole),
    "convolved": (Convolved, lambda n: (torch.zeros(n, 24, 3),), whole),
    "in frame": (InFrame, lambda n: (torch.zeros(n, 7, 11),), whole),
    "attending": (Attending, lambda n: (torch.zeros(n, 7, 3),), whole),
    "projected": (Projected, lambda n: (torch.zeros(n, 7, 3),), whole),
    "normed cells": (lambda: Normed("apart", "output"), lambda n: (torch.zeros(n, 7, 3),), whole),
    "bank": (Bank, lambda n: (torch.zeros(n, 7, 3),), whole),
    "shorter": (Shorter, lambda n: (torch.zeros(n, 9, 3),), whole),
    "neighbours": (Neighbours, lambda n: (torch.zeros(n, 7, 4),), whole),
    "both ends": (BothEnds, lambda n: (torch.zeros(7, n, 3),), lambda net, xs: net(xs[:, None])),
}


def exported(net, given, path, dynamic=None):
    torch.export.save(torch.export.export(net.eval(), given, dynamic_shapes=dynamic), path)
    return path


@pytest.mark.parametrize("open_batch", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_programs_answer_as_pytorch(name, open_batch, tmp_path):
    torch.manual_seed(2)
    make, given, run = NETWORKS[name]
    net, auto = make(), torch.export.Dim.AUTO
    arguments = given(2 if open_batch else 1)
    path = exported(net, arguments, tmp_path / "n.pt2", ({0: auto, 1: auto},) if open_batch else None)
    model = el.load(path)
    random = np.random.default_rng(0)
    steps, width = (arguments[0].shape[1], arguments[0].shape[-1]) if name != "both ends" else (7, 3)
    xs = random.integers(0, 11, (steps, 1)) if name == "tagger" else random.normal(size=(steps, width))
    xs = xs.astype(np.float32)
    with torch.no_grad():
        expected = run(net, torch.from_numpy(xs)).numpy().reshape(-1, model.output_size)
    np.testing.assert_allclose(reference.run(model, xs)[-len(expected) :], expected, atol=LIMIT)


def test_a_state_that_goes_in_and_out_is_the_streams(tmp_path):
    torch.manual_seed(2)
    net = Frame()
    taken = import_file(exported(net, (torch.zeros(1, 1, 3), torch.zeros(1, 1, 6)), tmp_path / "n.pt2"))
    assert any("'h' is a state" in note for note in taken.notes)
    xs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    h, expected = torch.zeros(1, 1, 6), []
    with torch.no_grad():
        for x in xs:
            y, h = net(torch.from_numpy(x)[None, None], h)
            expected.append(y[0, 0].numpy())
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)
    with pytest.raises(el.UsageError, match="leave out layers"):
        el.load(tmp_path / "n.pt2", layers="gru")


class Cells(nn.Module):
    """One timestep a call."""

    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.fc = nn.LSTMCell(3, 6), nn.GRUCell(6, 5), nn.Linear(5, 2)

    def forward(self, x, h, c, g):
        h, c = self.lstm(x, (h, c))
        g = self.gru(h, g)
        return self.fc(g), h, c, g


def test_cells_step_once_a_call(tmp_path):
    torch.manual_seed(2)
    net = Cells()
    states = [torch.zeros(1, 6), torch.zeros(1, 6), torch.zeros(1, 5)]
    model = el.load(exported(net, (torch.zeros(1, 3), *states), tmp_path / "n.pt2"))
    xs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    expected = []
    with torch.no_grad():
        for x in xs:
            y, *states = net(torch.from_numpy(x)[None], *states)
            expected.append(y[0].numpy())
    np.testing.assert_allclose(reference.run(model, xs)[:, :2], expected, atol=LIMIT)


class Sorted(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 6)

    def forward(self, x):
        return torch.sort(self.lstm(x)[0], -1)[0]


class Angles(Sorted):
    def forward(self, x):
        y, (h, c) = self.lstm(x)
        torch.erfinv(c)  # read by nothing
        return y + torch.atan2(h, c)


@pytest.mark.parametrize(("make", "message"), [(Sorted, r"aten\.sort.*no operator"), (Angles, r"aten\.atan2.*no operator")])
def test_what_is_not_imported_is_named(make, message, tmp_path):
    with pytest.raises(el.UnsupportedModelError, match=message):
        el.load(exported(make(), (torch.zeros(7, 1, 3),), tmp_path / "n.pt2"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = exported(Ends(), (torch.zeros(1, 7, 3),), tmp_path_factory.mktemp("sound") / "n.pt2")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(entries, path, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    return path


def changed(entries, ending, change):
    """The entries with the JSON of one of them changed."""
    (name,) = (name for name in entries if name.endswith(ending))
    document = json.loads(entries[name])
    change(document)
    return {**entries, name: json.dumps(document).encode()}


def first(document):
    return next(iter(document["config"].values()))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: first(d).update(use_pickle=True),
        lambda d: first(d)["tensor_meta"].update(sizes=[{"as_int": 1 << 39}]),
        lambda d: first(d)["tensor_meta"].update(sizes=[{"as_int": -6}, {"as_int": 3}]),
        lambda d: first(d)["tensor_meta"].update(storage_offset={"as_int": 7}),
        lambda d: first(d)["tensor_meta"].update(strides=[{"as_int": 1 << 30}, {"as_int": 1}]),
        lambda d: first(d)["tensor_meta"].update(dtype=10),
        lambda d: first(d).update(path_name="../../../etc/passwd"),
        lambda d: d.update(config=3),
    ],
)
def test_weights_described_wrongly_are_refused(sound, change, tmp_path):
    path = rewritten(changed(sound, "model_weights_config.json", change), tmp_path / "n.pt2")
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.load(path)
    assert "\n" not in str(caught.value)


def nodes(document):
    return document["graph_module"]["graph"]["nodes"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: nodes(d).reverse(),
        lambda d: nodes(d)[0].update(target="os.system"),
        lambda d: nodes(d).append(nodes(d)[0]),
        lambda d: nodes(d)[0].update(inputs=[{"name": "size", "arg": {"as_ints": [1 << 30, 1 << 30]}}]),
        lambda d: [node.update(inputs=[]) for node in nodes(d)],
        lambda d: d["graph_module"]["signature"].update(output_specs=[]),
        lambda d: d["graph_module"]["signature"].update(input_specs=[]),
        lambda d: d.update(graph_module=[]),
        lambda d: d.pop("graph_module"),
    ],
)
def test_graphs_made_to_mislead_are_refused(sound, change, tmp_path):
    path = rewritten(changed(sound, "models/model.json", change), tmp_path / "n.pt2")
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.load(path)
    assert "\n" not in str(caught.value)


def test_archives_made_to_mislead_are_refused(sound, tmp_path):
    (model,) = (name for name in sound if name.endswith("models/model.json"))
    for entries in (
        {**sound, model: b"[" * 200_000},
        {**sound, model: b"{" * 20},
        {**sound, f"other/{model}": sound[model]},
        {name: data for name, data in sound.items() if "weight_0" not in name},
    ):
        with pytest.raises(el.EdgeLSTMError):
            el.load(rewritten(entries, tmp_path / "n.pt2"))
    with pytest.raises(el.ModelFileError, match="compressed"):
        el.load(rewritten(sound, tmp_path / "c.pt2", zipfile.ZIP_DEFLATED))
