"""Recurrence inside a frame and from frame to frame for every row: made and answered by PyTorch and Keras."""

import os

import numpy as np
import pytest
from conftest import TOLERANCE, lstm_layers, samples

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

SMALL = 1e-6

pytestmark = pytest.mark.filterwarnings("ignore")


def test_rows_answer_as_their_cell_alone(rng):
    """Each frame as a recording of the cell's own model; each row as one stream of it."""
    (cell,) = lstm_layers(rng, 3, 5, 1, trained_start=True)
    xs = rng.uniform(-1, 1, (6, 4, 3))
    alone = el.Model([cell])
    inside = reference.run(el.Model([el.IntraRNN(cell, 4)]), xs.reshape(6, 12))
    np.testing.assert_allclose(inside.reshape(6, 4, 5), [reference.run(alone, frame) for frame in xs], atol=1e-12)
    across = reference.run(el.Model([el.InterRNN(cell, 4)]), xs.reshape(6, 12))
    np.testing.assert_allclose(across.reshape(6, 4, 5).swapaxes(0, 1), [reference.run(alone, xs[:, k]) for k in range(4)], atol=1e-12)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_cell_begins_in_the_state_behind_its_map(tmp_path, rng, kind):
    """As a model of the cell does whose own state that is."""
    shapes = {"lstm": ((20, 3), (20, 5), 20), "gru": ((15, 3), (15, 5), 15, 15)}[kind]
    make, arrays = {"lstm": el.LSTM, "gru": el.GRU}[kind], [rng.uniform(-1, 1, shape) for shape in shapes]
    model = el.Model([el.IntraRNN(make(*arrays, reverse=True), 4, starts=True)])
    el.save(model, tmp_path / "m.elstm")
    model = el.load(tmp_path / "m.elstm")
    xs = rng.uniform(-1, 1, (6, model.input_size)).astype(np.float32)
    found = reference.run(model, xs)
    for x, y in zip(xs, found, strict=True):
        state = dict(zip(("h0", "c0"), np.split(x[12:], len(x[12:]) // 5), strict=False))
        alone = reference.run(el.Model([make(*arrays, reverse=True, **state)]), x[:12].reshape(4, 3))
        np.testing.assert_allclose(y.reshape(4, 5), alone, atol=1e-7)
    assert np.abs(el.Stream(model).process(xs).reshape(found.shape) - found).max() < SMALL


def test_files_hold_the_cell(tmp_path, rng):
    cell = el.GRU(*(rng.uniform(-1, 1, s) for s in ((15, 3), (15, 5), 15, 15, 5)), reset_after=False, gate_clip=0.5, reverse=True)
    model = el.Model([el.IntraRNN(cell, 4, last=True), el.Dense(rng.uniform(-1, 1, (2, 5)))])
    el.save(model, tmp_path / "m.elstm")
    kept, xs = el.load(tmp_path / "m.elstm"), samples(rng, model, 5)
    np.testing.assert_array_equal(reference.run(kept, xs), reference.run(model, xs))
    assert kept.input_shape == (4, 3)
    assert (kept.layers[0].cell.reset_after, kept.layers[0].cell.reverse, kept.layers[0].last) == (False, True, True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda cell: el.IntraRNN(el.Softmax(), 4), "cell must be a recurrent layer"),
        (lambda cell: el.InterRNN(el.LSTM(cell.weight_ih, cell.weight_hh, cell.bias, mask="zero"), 4), "without a mask"),
        (lambda cell: el.IntraRNN(cell, 0), "rows must be"),
        (lambda cell: el.IntraRNN(cell, 1 << 16), "rows must be"),
        (lambda cell: el.IntraRNN(cell, 4, last=1), "last must be"),
        (lambda cell: el.IntraRNN(cell, 4, starts=1), "starts must be"),
        (lambda cell: el.InterRNN(el.LSTM(cell.weight_ih, cell.weight_hh, cell.bias, reverse=True), 4), "from its end"),
        (lambda cell: el.InterRNN.from_parts("x", (), {"cell": "dense", "rows": 2}, {}), "no recurrent layer"),
        (lambda cell: el.InterRNN.from_parts("x", (), {"rows": 2, **cell.options()}, cell.arrays()), "no recurrent layer"),
        (lambda cell: el.InterRNN.from_parts("x", (), {"cell": "lstm", "row": 2, **cell.options()}, cell.arrays()), "row"),
    ],
)
def test_what_is_no_cell_over_rows_is_refused(make, words, rng):
    with pytest.raises(el.EdgeLSTMError, match=words):
        make(lstm_layers(rng, 3, 5, 1)[0])


def networks(torch):
    nn = torch.nn

    class DualPath(nn.Module):
        """Along the rows of a frame from both ends, then from frame to frame for every row."""

        shape = (1, 12, 8, 4)

        def __init__(self):
            super().__init__()
            self.intra, self.a = nn.GRU(4, 6, batch_first=True, bidirectional=True), nn.Linear(12, 4)
            self.inter, self.b = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 4)
            self.norm = nn.LayerNorm((8, 4))

        def forward(self, x):
            b, t, f, c = x.shape
            y = self.a(self.intra(x.reshape(b * t, f, c))[0]).reshape(b, t, f, c)
            x = x + self.norm(y)
            z = x.permute(0, 2, 1, 3).reshape(b * f, t, c)
            return x + self.b(self.inter(z)[0]).reshape(b, f, t, c).permute(0, 2, 1, 3)

    class Grouped(nn.Module):
        """Two cells on halves of the channels; what each ends with goes to a recurrence along time."""

        shape = (1, 9, 5, 6)

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.GRU(3, 4, batch_first=True), nn.RNN(3, 4, batch_first=True)
            self.time = nn.GRU(8, 7, batch_first=True)

        def forward(self, x):
            b, t, f, c = x.shape
            first, second = torch.chunk(x.reshape(b * t, f, c), 2, dim=-1)
            ends = torch.cat([self.first(first)[1][0], self.second(second)[1][0]], 1)
            return self.time(ends.reshape(b, t, 8))[0]

    class Spectrogram(nn.Module):
        """Convolution and pooling over frequency and time, the last axis; a recurrence along what is left of it."""

        shape = (1, 1, 16, 24)

        def __init__(self):
            super().__init__()
            self.maps = nn.Sequential(
                *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d((2, 2))),
                *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 1), padding=(1, 0))),
            )
            self.time, self.out = nn.GRU(6 * 5, 10, bidirectional=True, batch_first=True), nn.Linear(20, 7)

        def forward(self, x):
            y = self.maps(x)
            b, c, f, t = y.shape
            return self.out(self.time(y.permute(0, 3, 1, 2).reshape(b, t, c * f))[0])

    return {"dual path": DualPath, "grouped": Grouped, "spectrogram": Spectrogram}


@pytest.mark.parametrize("form", ["onnx", "pt2", "trace"])
@pytest.mark.parametrize("name", ["dual path", "grouped", "spectrogram"])
def test_networks_of_fixed_sizes_answer_as_pytorch(name, form, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    net = networks(torch)[name]().eval()
    x, path = torch.randn(net.shape), str(tmp_path / f"net.{form}")
    if form == "onnx":
        pytest.importorskip("onnx")
        torch.onnx.export(net, (x,), path, dynamo=False, input_names=["x"])
    elif form == "pt2":
        torch.export.save(torch.export.export(net, (x,)), path)
    else:
        torch.jit.trace(net, (x,)).save(path)
    model = el.load(path)
    rows = (x[0, 0].T if name == "spectrogram" else x[0]).numpy()
    with torch.no_grad():
        expected = net(x).numpy().reshape(-1, model.output_size)
    answers = reference.run(model, rows.reshape(len(rows), -1))
    np.testing.assert_allclose(answers, expected[: len(answers)], atol=SMALL)
    assert model.streams == (name != "spectrogram")
    if form == "onnx" and name == "dual path":
        np.testing.assert_allclose(el.Stream(model).process(rows).reshape(expected.shape), expected, atol=TOLERANCE["f32"])


def test_states_of_rows_go_round(tmp_path):
    """One frame a call; the state of every row goes in and out."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    nn = torch.nn

    class Frame(nn.Module):
        def __init__(self):
            super().__init__()
            self.intra, self.inter = nn.GRU(4, 3, batch_first=True, bidirectional=True), nn.LSTM(6, 5, batch_first=True)

        def forward(self, x, h, c):
            y, (h, c) = self.inter(self.intra(x)[0].permute(1, 0, 2), (h, c))
            return y.reshape(1, 7, 5), h, c

    torch.manual_seed(4)
    net, path = Frame().eval(), tmp_path / "frame.onnx"
    state = [torch.zeros(1, 7, 5)] * 2
    torch.onnx.export(
        *(net, (torch.randn(1, 7, 4), *state), str(path)), dynamo=False, input_names=["x", "h", "c"], output_names=["y", "h_out", "c_out"]
    )
    model, xs, expected = el.load(path), torch.randn(6, 1, 7, 4), []
    with torch.no_grad():
        for x in xs:
            y, *state = net(x, *state)
            expected.append(y.numpy().ravel())
    np.testing.assert_allclose(reference.run(model, xs.reshape(6, 28)), expected, atol=SMALL)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_axes_that_may_be_time_the_usual_one_is_taken_or_the_one_that_was_said(first, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")

    class Both(torch.nn.Module):
        """One recurrence along each axis: either may be time."""

        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.GRU(3, 4, batch_first=True), torch.nn.GRU(4, 5, batch_first=True)

        def forward(self, x):
            y = self.a(x.reshape(6, 8, 3))[0].reshape(6, 8, 4)
            y = self.b(y.permute(1, 0, 2))[0].permute(1, 0, 2)
            return y.reshape(1, 6, 8, 5) if first else y.reshape(6, 8, 5)

    net, path = Both().eval(), str(tmp_path / "both.onnx")
    x = torch.randn(1, 6, 8, 3) if first else torch.randn(6, 8, 3)
    torch.onnx.export(net, (x,), path, dynamo=False, input_names=["x"])
    with torch.no_grad():
        expected = net(x).numpy().reshape(6, 8, 5)
    rows = x.numpy().reshape(6, 8, 3)
    said = {"sizes": "x=1x6xTx3" if first else "x=6xTx3"}
    across = reference.run(el.load(path, **said), rows.swapaxes(0, 1).reshape(8, 18))
    np.testing.assert_allclose(across, expected.swapaxes(0, 1).reshape(8, 30), atol=SMALL)
    if first:
        np.testing.assert_allclose(reference.run(el.load(path), rows.reshape(6, 24)), expected.reshape(6, 40), atol=SMALL)
        assert any("axis 1 is taken" in note for note in import_file(path).notes)
    else:
        with pytest.raises(el.UnsupportedModelError, match=r"axes 0, 1 as time\. Say which"):
            el.load(path)
    with pytest.raises(el.UsageError, match="must agree"):
        el.load(path, sizes="x=1xAxBx3" if first else "x=AxBx3")


@pytest.mark.parametrize("inner", ["lstm", "sums", "backwards", "both", "ave", "mul", "both ends"])
def test_timedistributed_recurrence_answers_as_keras(inner, tmp_path, rng):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("h5py")
    keras = pytest.importorskip("keras")
    x = keras.layers
    keras.utils.set_random_seed(6)
    layers = {
        "lstm": lambda: [x.LSTM(5, return_sequences=True), x.GRU(3)],
        "sums": lambda: [x.SimpleRNN(5)],
        "backwards": lambda: [x.GRU(4, return_sequences=True, go_backwards=True), x.LSTM(3, go_backwards=True)],
        "both": lambda: [x.Bidirectional(x.LSTM(4, return_sequences=True)), x.Flatten()],
        "ave": lambda: [x.Bidirectional(x.GRU(4, return_sequences=True), merge_mode="ave"), x.Flatten()],
        "mul": lambda: [x.Bidirectional(x.GRU(4), merge_mode="mul")],
        "both ends": lambda: [x.Bidirectional(x.LSTM(4, return_sequences=True)), x.Bidirectional(x.GRU(4))],
    }
    distributed = [x.TimeDistributed(layer) for layer in layers[inner]()]
    net = keras.Sequential([keras.Input((6, 7, 3)), *distributed, x.LSTM(4, return_sequences=True)])
    xs = rng.normal(size=(1, 6, 7, 3)).astype(np.float32)
    net.save(tmp_path / "net.keras")
    model = el.load(tmp_path / "net.keras")
    assert model.streams
    np.testing.assert_allclose(reference.run(model, xs.reshape(6, 21)), np.asarray(net.predict(xs, verbose=0))[0], atol=SMALL)


@pytest.mark.parametrize("mask", ["repeat", "zero"])
@pytest.mark.parametrize("reverse", [False, True])
def test_rows_that_do_not_count_are_passed_over(tmp_path, rng, mask, reverse):
    """As a model of the cell passes samples over; compiled too, where the state stands behind the map and where it does not."""
    cell = el.LSTM(*(rng.uniform(-1, 1, shape) for shape in ((20, 3), (20, 5), 20)), reverse=reverse, mask=mask)
    model = el.Model([el.IntraRNN(cell, 4, name="rows")])
    el.save(model, tmp_path / "m.elstm")
    model = el.load(tmp_path / "m.elstm")
    frames = rng.uniform(-1, 1, (7, 4, 4)).astype(np.float32)
    frames[..., 3] = rng.integers(0, 2, (7, 4))
    frames[0, :, 3], frames[1, :, 3] = 0, 1
    xs, alone = frames.reshape(7, 16), el.Model([cell])
    found = reference.run(model, xs)
    np.testing.assert_allclose(found.reshape(7, 4, 5), [reference.run(alone, frame) for frame in frames], atol=1e-12)
    assert np.abs(el.Stream(model).process(xs).reshape(found.shape) - found).max() < SMALL
    begun, states = el.Model([el.IntraRNN(cell, 4, last=True, starts=True)]), rng.uniform(-1, 1, (7, 10)).astype(np.float32)
    found = reference.run(begun, np.hstack([xs, states]))
    for frame, state, y in zip(frames, states, found, strict=True):
        kept = el.Model([el.LSTM(cell.weight_ih, cell.weight_hh, cell.bias, h0=state[:5], c0=state[5:], reverse=reverse, mask=mask)])
        np.testing.assert_allclose(y, reference.run(kept, frame)[0 if reverse else -1], atol=1e-7)
    assert np.abs(el.Stream(begun).process(np.hstack([xs, states])) - found).max() < SMALL
