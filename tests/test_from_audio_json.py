"""Amplifier models in JSON: GuitarML against PyTorch, RTNeural against Keras, Neural Amp Modeler by its own file; what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from golden_files import golden_answers

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file


def written(tmp_path, document):
    path = tmp_path / "amp.json"
    path.write_text(json.dumps(document))
    return path


def refused(tmp_path, document):
    """The message of the refusal."""
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.load(written(tmp_path, document))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def numbers(rng, *shape):
    return rng.uniform(-0.5, 0.5, shape).astype(np.float32)


def guitarml(rng, unit="LSTM", inputs=1, hidden=4, outputs=1, **facts):
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[unit] * hidden
    state = {
        "rec.weight_ih_l0": numbers(rng, rows, inputs).tolist(),
        "rec.weight_hh_l0": numbers(rng, rows, hidden).tolist(),
        "rec.bias_ih_l0": numbers(rng, rows).tolist(),
        "rec.bias_hh_l0": numbers(rng, rows).tolist(),
        "lin.weight": numbers(rng, outputs, hidden).tolist(),
        "lin.bias": numbers(rng, outputs).tolist(),
    }
    data = {"model": "SimpleRNN", "input_size": inputs, "skip": 1, "output_size": outputs, "unit_type": unit, "num_layers": 1}
    return {"model_data": {**data, "hidden_size": hidden, "bias_fl": True, **facts}, "state_dict": state}


@pytest.mark.parametrize(
    ("unit", "inputs", "outputs", "skip", "layers", "biased"),
    [
        ("LSTM", 1, 1, 1, 1, True),
        ("LSTM", 1, 1, 0, 2, False),
        ("GRU", 1, 1, 1, 1, True),
        ("RNN", 2, 1, 1, 2, True),
        ("GRU", 3, 2, 2, 1, True),
        ("LSTM", 2, 3, 1, 1, True),
    ],
)
def test_guitarml_answers_as_pytorch(tmp_path, rng, unit, inputs, outputs, skip, layers, biased):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    rec, lin = getattr(torch.nn, unit)(inputs, 7, layers), torch.nn.Linear(7, outputs, bias=biased)
    state = {f"{part}.{n}": t.tolist() for part, module in (("rec", rec), ("lin", lin)) for n, t in module.state_dict().items()}
    facts = {"model": "SimpleRNN", "input_size": inputs, "skip": skip, "output_size": outputs, "unit_type": unit, "num_layers": layers}
    taken = import_file(written(tmp_path, {"model_data": {**facts, "hidden_size": 7, "bias_fl": biased}, "state_dict": state}))
    xs = torch.tensor(numbers(rng, 40, inputs))
    with torch.no_grad():
        expected = lin(rec(xs)[0]) + (xs[:, :skip] if skip else 0)
    assert np.abs(reference.run(taken.model, xs.numpy()) - expected.numpy()).max() < 1e-6
    assert taken.chain == ("rec, lin, add:input" if skip else "rec, lin")


def rtneural(*layers, inputs=1, **rest):
    return {"in_shape": [None, None, inputs], "layers": list(layers), **rest}


def layer(kind, width, *weights, activation="", **options):
    return {
        "type": kind,
        "activation": activation,
        "shape": [None, None, width],
        "weights": [np.asarray(w).tolist() for w in weights],
        **options,
    }


def small(rng, units=3, **rest):
    weights = numbers(rng, 1, 4 * units), numbers(rng, units, 4 * units), numbers(rng, 4 * units)
    return rtneural(layer("lstm", units, *weights), layer("dense", 1, numbers(rng, units, 1), numbers(rng, 1)), **rest)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_rtneural_answers_as_keras(tmp_path, rng, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    made = [
        (keras.layers.Dense(5, activation="tanh"), "time-distributed-dense", "tanh"),
        (keras.layers.GRU(6, return_sequences=True), "gru", "tanh"),
        (keras.layers.LSTM(4, return_sequences=True), "lstm", "tanh"),
        (keras.layers.Dense(3), "dense", ""),
        (keras.layers.Activation("sigmoid"), "activation", "sigmoid"),
        (keras.layers.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="elu"), "conv1d", "elu"),
        (keras.layers.PReLU(shared_axes=[1]), "prelu", ""),
        (keras.layers.BatchNormalization(), "batchnorm", ""),
        (keras.layers.Dense(4, activation="softmax"), "dense", "softmax"),
    ]
    model = keras.Sequential([keras.Input((None, 2)), *(k for k, _, _ in made)])
    for k, _, _ in made:
        k.set_weights([abs(numbers(rng, *w.shape)) for w in k.get_weights()])
    options = {"conv1d": {"kernel_size": [3], "dilation": [2]}, "batchnorm": {"epsilon": 1e-3}}
    layers = [layer(kind, k.output.shape[-1], *k.get_weights(), activation=word, **options.get(kind, {})) for k, kind, word in made]
    taken = import_file(written(tmp_path, rtneural(*layers, inputs=2)))
    xs = numbers(rng, 30, 2)
    assert np.abs(reference.run(taken.model, xs) - keras.ops.convert_to_numpy(model(xs[None]))[0]).max() < 1e-6
    assert taken.chain == "dense0:tanh, gru1, lstm2, dense3, sigmoid, conv1d5:elu, prelu6, batchnorm7, dense8:softmax"


def answers(document, xs, gain=1.0):
    """What a small network answers, by the formula of the LSTM."""
    (kernel, recurrent, bias), (head, offset) = (list(map(np.asarray, part["weights"])) for part in document["layers"] if part["weights"])
    h = c = np.zeros(recurrent.shape[0])
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    found = []
    for x in xs:
        i, f, g, o = np.split(gain * x * kernel[0] + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        found.append(float((h @ head + offset)[0]))
    return np.array(found)


def test_gains_and_the_dry_sound_of_aida_x(tmp_path, rng):
    document = small(rng, in_skip=1, in_gain=-6.0, out_gain=3.5, metadata={"name": "amp"}, samplerate=48000.0)
    document["layers"].insert(1, {**layer("unknown", 3), "name": "dropout"})
    xs = numbers(rng, 50)
    gain_in, gain_out = 10 ** (-6 / 20), 10 ** (3.5 / 20)
    expected = (xs * gain_in + answers(document, xs, gain_in)) * gain_out
    model = el.load(written(tmp_path, document))
    assert np.abs(reference.run(model, xs[:, None])[:, 0] - expected).max() < 1e-6
    assert model.rate_hz == 48000


def test_the_files_own_answers_become_the_probe(tmp_path, rng):
    document = small(rng, in_skip=1)
    xs = numbers(rng, 2048)
    ys = answers(document, xs) + xs
    taken = import_file(written(tmp_path, {**document, "input_batch": xs.tolist(), "output_batch": ys.tolist()}))
    assert taken.model.probe.source == "the file's own output_batch"
    assert taken.model.probe.inputs.shape == (512, 1)
    el.save(taken.model, tmp_path / "amp.elstm")
    assert el.load(tmp_path / "amp.elstm").probe.source == "the file's own output_batch"


def test_own_answers_from_another_state_are_noted_and_others_refused(tmp_path, rng):
    document = small(rng)
    xs = numbers(rng, 600)
    later = {"input_batch": xs[100:].tolist(), "output_batch": answers(document, xs)[100:].tolist()}
    taken = import_file(written(tmp_path, {**document, **later}))
    assert taken.model.probe is None
    assert "another state" in taken.notes[0]
    wrong = {"input_batch": xs.tolist(), "output_batch": (answers(document, xs) + 0.01).tolist()}
    assert "its own output_batch" in refused(tmp_path, {**document, **wrong})


def test_the_golden_pedal_begins_after_silence(golden):
    """By the float64 twin, from the state that 24,000 zeros leave."""
    known = golden_answers("nam_lstm/golden.npz")
    taken = import_file(golden("nam_lstm/BossLSTM-1x16.nam"))
    found = reference.run(taken.model, known["x"][:3000, None])[:, 0]
    assert np.abs(found - known["y_BossLSTM_1x16"][:3000]).max() < 1e-5
    assert taken.chain == "lstm, head"
    assert "silence" in taken.notes[0]


def nam(rng, inputs=1, hidden=3, layers=2, **rest):
    sizes = [4 * hidden * ((hidden if i else inputs) + hidden) + 6 * hidden for i in range(layers)]
    config = {"input_size": inputs, "hidden_size": hidden, "num_layers": layers}
    weights = numbers(rng, sum(sizes) + hidden + 1).tolist()
    return {"version": "0.5.4", "architecture": "LSTM", "config": config, "weights": weights, "sample_rate": 44100, **rest}


def test_stacked_layers_of_nam_begin_at_their_rest(tmp_path, rng):
    model = el.load(written(tmp_path, nam(rng)))
    assert [layer.kind for layer in model.layers] == ["lstm", "lstm", "dense"]
    assert model.rate_hz == 44100
    first, last = reference.run(model, np.zeros((50, 1)))[[0, -1]]
    assert abs(first - last) < 1e-6


def test_of_a_container_the_last_network_runs_and_a_sequence_runs_all(tmp_path, rng):
    small, large, after = nam(rng, hidden=2), nam(rng, hidden=4), nam(rng, layers=1)
    container = {"submodels": [{"max_value": 0.5, "model": small}, {"max_value": 1.0, "model": large}]}
    document = {"version": "0.7.0", "architecture": "SlimmableContainer", "config": container, "weights": [], "sample_rate": 44100}
    taken, alone = import_file(written(tmp_path, document)), el.load(written(tmp_path, large))
    assert any("the last one is taken" in note for note in taken.notes)
    xs = numbers(rng, 50, 1)
    assert np.array_equal(reference.run(taken.model, xs), reference.run(alone, xs))

    models = [document, {"model": after}]
    taken = import_file(
        written(tmp_path, {"architecture": "Sequential", "config": {"models": models, "weights_version": 2}, "weights": []})
    )
    second = replace(el.load(written(tmp_path, after)), probe=None)
    assert taken.chain == "lstm, head, lstm_1, head_1"
    assert taken.model.rate_hz == 44100
    rest = reference.run(alone, np.zeros((1, 1)))  # what the first network gives in silence
    own = reference.initial_state(second)
    for _ in range(2000):
        reference.step(second, rest[0], own)
    expected = [reference.step(second, row, own) for row in reference.run(alone, xs)]
    assert np.abs(reference.run(taken.model, xs) - np.array(expected)).max() < 1e-6


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda r: guitarml(r, hidden_size=5), ["rec.weight_ih_l0", "(20, 1)", "(16, 1)"]),
        (lambda r: guitarml(r, num_layers=2), ["rec.weight_ih_l1", "missing"]),
        (lambda r: guitarml(r, bias_fl=False), ["lin.bias"]),
        (lambda r: guitarml(r, model="GatedConvNet"), ["GatedConvNet", "SimpleRNN"]),
        (lambda r: guitarml(r, unit_type="Transformer"), ["Transformer", "LSTM, GRU, RNN"]),
        (lambda r: guitarml(r, inputs=2, outputs=3, skip=2), ["skip is 2"]),
        (lambda r: guitarml(r, dropout=0.5), ["model_data", "dropout"]),
        (lambda r: guitarml(r, hidden_size=1 << 40), ["hidden_size", "65536"]),
        (lambda r: guitarml(r, hidden_size="4"), ["hidden_size", "whole number"]),
        (lambda r: {**guitarml(r), "extra": 1}, ["extra"]),
        (lambda r: rtneural(layer("lstm", 16, numbers(r, 1, 80), numbers(r, 20, 80), numbers(r, 80))), ["(1, 64)", "(1, 80)", "layers[0]"]),
        (lambda r: rtneural(layer("conv2d", 4)), ["conv2d", "lstm"]),
        (lambda r: rtneural(layer("dense", 2, numbers(r, 1, 2))), ["must hold 2 arrays", "holds 1"]),
        (lambda r: rtneural(layer("dense", 2, [["a", "b"]], [0, 0])), ["weights[0]", "numbers"]),
        (lambda r: rtneural(layer("dense", 2, [[1, 2], [3, 4]], [0, 0])), ["(1, 2)", "(2, 2)"]),
        (lambda r: rtneural(layer("dense", 1, [[1]], [0], activation="swish")), ["swish", "tanh"]),
        (lambda r: rtneural(layer("dense", 1, [[1]], [0], stride=2)), ["stride"]),
        (lambda r: {**small(r), "in_shape": [None, 4, 4, 1]}, ["four dimensions"]),
        (lambda r: {**small(r), "out_gain": 1e300}, ["out_gain", "decibels"]),
        (lambda r: {**small(r), "in_skip": 2}, ["in_skip", "true or false"]),
        (lambda r: rtneural(layer("dense", 2, [[1, 2]], [0, 0]), in_skip=1), ["one output"]),
        (lambda r: {**nam(r), "weights": nam(r)["weights"][:-1]}, ["must hold", "holds"]),
        (lambda r: nam(r, architecture="WaveNet"), ["WaveNet", "LSTM"]),
        (lambda r: {**nam(r), "weights": [[1.0], [2.0]]}, ["weights", "shape"]),
        (lambda r: {"architecture": "Sequential", "config": {"models": []}, "weights": []}, ["Sequential", "models"]),
        (lambda r: {"architecture": "Sequential", "config": {"models": [nam(r)]}, "weights": [1.0]}, ["Sequential", "each with weights"]),
        (lambda r: rtneural(layer("unknown", 3, numbers(r, 3, 3))), ["unknown", "lstm"]),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path, rng, make, words):
    message = refused(tmp_path, make(rng))
    for word in words:
        assert word in message, message


def test_ragged_weights_and_options_are_refused(tmp_path, rng):
    document = small(rng)
    document["layers"][1]["weights"][0][1] = [0.1, 0.2]
    assert "layers[1] weights[0]" in refused(tmp_path, document)
    with pytest.raises(el.UsageError, match='leave out layers="lstm"'):
        el.load(written(tmp_path, small(rng)), layers="lstm")


def test_one_compiled_stream(tmp_path, rng):
    """Gains, an LSTM and the dry sound, compiled."""
    model = el.load(written(tmp_path, small(rng, units=5, in_skip=1, in_gain=2.0)))
    xs = numbers(rng, 100, 1)
    assert np.abs(el.Stream(model).process(xs) - reference.run(model, xs)).max() < 1e-6
