"""Networks that repeat the last row of a recording: autoencoders and forecasts, made and answered by Keras and PyTorch."""

import os

import numpy as np
import pytest
from conftest import TOLERANCE, lstm_layers, samples

import edgelstm as el
from edgelstm import reference

SMALL = 1e-6

pytestmark = pytest.mark.filterwarnings("ignore")


def summary(rng, *behind):
    """A recording summed up from both ends, and what follows."""
    both = [layer for _ in range(2) for layer in lstm_layers(rng, 3, 5, 1, trained_start=True)]
    return [*el.Bidirectional(*both, inputs=("input",), sequences=False), *behind]


def dense(rng, outputs, inputs):
    return el.Dense(rng.uniform(-1, 1, (outputs, inputs)), rng.uniform(-1, 1, outputs))


@pytest.fixture(scope="module")
def forecast():
    """Seven rows of any recording."""
    rng = np.random.default_rng(3)
    rows = [dense(rng, 4, 10), el.Repeat(7), *lstm_layers(rng, 4, 6, 1), el.Window(2, stride=2, padding="valid"), dense(rng, 2, 12)]
    return el.Model(summary(rng, *rows))


@pytest.fixture(scope="module")
def autoencoder():
    """A row at each sample, of what is one row of a recording before."""
    rng = np.random.default_rng(4)
    decoder = lstm_layers(rng, 4, 6, 1)[0]
    both = el.Bidirectional(decoder, decoder, inputs=("rows",), name="decoder")
    return el.Model(summary(rng, dense(rng, 4, 10), el.Repeat(), el.Reverse(name="rows"), *both, dense(rng, 3, 12)))


@pytest.mark.parametrize("length", [1, 9, 40])
def test_a_fixed_number_of_rows_for_any_recording(forecast, length, rng):
    xs = samples(rng, forecast, length)
    assert (forecast.answers, forecast.sums_up, forecast.streams) == (3, False, False)
    answers = el.Stream(forecast).process(xs)
    assert answers.shape == (3, 2)
    np.testing.assert_allclose(answers, reference.run(forecast, xs), atol=TOLERANCE["f32"])


@pytest.mark.parametrize("length", [1, 33])
def test_one_row_becomes_one_at_each_sample(autoencoder, length, rng):
    xs = samples(rng, autoencoder, length)
    assert autoencoder.answers is None
    answers = el.Stream(autoencoder).process(xs)
    assert answers.shape == (length, 3)
    np.testing.assert_allclose(answers, reference.run(autoencoder, xs), atol=TOLERANCE["f32"])


def test_files_keep_the_number_of_rows(forecast, tmp_path, rng):
    xs = samples(rng, forecast, 12)
    el.save(forecast, tmp_path / "forecast.elstm")
    kept = el.load(tmp_path / "forecast.elstm")
    assert kept.answers == 3
    np.testing.assert_array_equal(reference.run(kept, xs), reference.run(forecast, xs))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (lambda rng: [*summary(rng, el.Repeat(5, name="five")), el.Concat(inputs=("five", "input"))], ["five (5)", "input (one at each"]),
        (lambda rng: summary(rng, el.Repeat(3), el.Window(5, padding="valid")), ["when it has read 5 rows", "3 for a recording"]),
        (lambda rng: summary(rng, el.Repeat(0)), ["rows", "1 to 4096"]),
        (lambda rng: summary(rng, el.Repeat(True)), ["rows", "1 to 4096"]),
        (lambda rng: summary(rng, el.Window(4096), el.Repeat(4096)), ["4096 rows of 40960"]),
    ],
)
def test_rows_that_do_not_fit_are_refused(layers, words, rng):
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.Model(layers(rng))
    for word in words:
        assert word in str(caught.value)


def test_calibration_follows_a_row_at_each_sample_alone(forecast, rng):
    with pytest.raises(el.UnsupportedModelError, match="gives 7 rows for any recording"):
        el.quantize(forecast, [samples(rng, forecast, 20)], scheme="int8-dynamic")


def keras_networks(k):
    x, bi = k.layers, k.layers.Bidirectional
    time = k.layers.TimeDistributed
    return {
        "as many rows": [k.Input((9, 3)), x.LSTM(6), x.RepeatVector(9), x.LSTM(5, return_sequences=True), time(x.Dense(3))],
        "fewer rows": [k.Input((9, 3)), x.LSTM(6, activation="relu"), x.RepeatVector(4), x.GRU(5, return_sequences=True), x.Dense(1)],
        "more rows": [k.Input((None, 3)), x.GRU(6), x.RepeatVector(12), x.LSTM(5, return_sequences=True), time(x.Dense(1))],
        "both directions": [
            *(k.Input((8, 2)), bi(x.LSTM(4, return_sequences=True)), bi(x.GRU(4)), x.Dense(3, activation="relu")),
            *(x.RepeatVector(8), bi(x.LSTM(5, return_sequences=True)), time(x.Dense(2))),
        ],
        "a convolution before": [
            *(k.Input((20, 3)), x.Conv1D(6, 3, activation="relu"), x.MaxPooling1D(2), x.LSTM(6), x.RepeatVector(20)),
            *(x.LSTM(7, return_sequences=True), time(x.Dense(2))),
        ],
        "rows side by side": [k.Input((9, 2)), x.LSTM(6), x.RepeatVector(4), x.LSTM(5, return_sequences=True), x.Flatten(), x.Dense(3)],
        "a vector alone": [k.Input((5,)), x.RepeatVector(6), x.LSTM(3, return_sequences=True)],
    }


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("h5py")
    return pytest.importorskip("keras")


KERAS = ["as many rows", "fewer rows", "more rows", "both directions", "a convolution before", "rows side by side", "a vector alone"]


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("name", KERAS)
def test_repeatvector_answers_as_keras(name, ending, keras, tmp_path, rng):
    keras.utils.set_random_seed(5)
    net = keras.Sequential(keras_networks(keras)[name])
    shape = [9 if n is None else n for n in net.input_shape[1:]]
    x = rng.normal(size=(1, *shape)).astype(np.float32)
    expected = np.asarray(net.predict(x, verbose=0))
    net.save(tmp_path / f"net.{ending}")
    model = el.load(tmp_path / f"net.{ending}")
    np.testing.assert_allclose(reference.run(model, x.reshape(-1, model.input_size)), expected.reshape(-1, model.output_size), atol=SMALL)
    assert not model.streams


def torch_net(torch, rows, bidirectional):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rows, self.both = rows, bidirectional
            self.encoder = torch.nn.LSTM(4, 6, batch_first=True, bidirectional=bidirectional)
            self.between = torch.nn.Linear(6 * (1 + bidirectional), 5)
            self.decoder = torch.nn.GRU(5, 7, batch_first=True)
            self.out = torch.nn.Linear(7, 4)

        def forward(self, x):
            _, (h, _) = self.encoder(x)
            h = torch.cat([h[-2], h[-1]], 1) if self.both else h[-1]
            z = torch.relu(self.between(h)).unsqueeze(1).repeat(1, self.rows if self.rows > 0 else x.shape[1], 1)
            return self.out(self.decoder(z)[0])

    torch.manual_seed(7)
    return Net().eval()


@pytest.mark.parametrize("form", ["onnx", "pt2", "ts"])
@pytest.mark.parametrize(("rows", "bidirectional"), [(0, False), (0, True), (5, False)])
def test_a_repeated_state_answers_as_pytorch(rows, bidirectional, form, tmp_path):
    torch = pytest.importorskip("torch")
    net, x = torch_net(torch, rows, bidirectional), torch.randn(1, 20, 4)
    path = str(tmp_path / f"net.{form}")
    if form == "onnx":
        pytest.importorskip("onnx")
        torch.onnx.export(net, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {1: "time"}})
    elif form == "pt2":
        torch.export.save(torch.export.export(net, (x,)), path)
    else:
        torch.jit.script(net).save(path)
    model, other = el.load(path), torch.randn(1, 20 if form == "pt2" else 31, 4)
    assert (model.answers or 0) == rows
    with torch.no_grad():
        np.testing.assert_allclose(reference.run(model, other[0]), net(other)[0], atol=SMALL)


def test_a_sequence_behind_a_product_is_computed_once(tmp_path):
    """Rows that are alike before the decoder reads them: a matrix of one row, not of all."""
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = torch.nn.LSTM(4, 6, batch_first=True), torch.nn.LSTM(5, 3, batch_first=True)
            self.between = torch.nn.Linear(6, 5)

        def forward(self, x):
            return self.decoder(torch.tanh(self.between(self.encoder(x)[0][:, -1:].expand(-1, 20, -1))))[0]

    net, x = Net().eval(), torch.randn(1, 20, 4)
    torch.export.save(torch.export.export(net, (x,)), str(tmp_path / "net.pt2"))
    model = el.load(tmp_path / "net.pt2")
    assert [layer.weight.shape for layer in model.layers if layer.kind == "dense"] == [(5, 6)]
    with torch.no_grad():
        np.testing.assert_allclose(reference.run(model, x[0]), net(x)[0], atol=SMALL)
