"""int8 keeps what networks are for: the tasks trained under examples/, and the outputs of two golden models.

Scales come from training windows alone; what is measured comes from data that neither training nor calibration saw.
"""

from pathlib import Path

import numpy as np
import onnx_tensors
import pytest
from conftest import TOLERANCE
from golden_files import golden_answers
from safetensors.numpy import load_file

import edgelstm as el
from edgelstm.importers import import_file

EXAMPLES = Path(__file__).parents[1] / "examples"

#: The examples' networks, by their modules: answers are logits, or megawatt hours.
CHAIN = "norm:normalizer, lstm, fc"

ACTIVITIES = ("standing", "running", "walking", "badminton")

#: Share of held-out recordings right at the last step, and error of the held-out forecasts in MWh, as the READMEs state them.
STATED = {"activity": 38 / 40, "vowels": 359 / 370, "forecast": 358.4}

#: What quantisation may cost.
ACCURACY_LOSS = 0.005
FORECAST_GROWTH = 1.01
OUTPUT_DB = 30.0

#: The last training and validation hour of the forecast, and the hours of one of its training windows.
TRAINING_HOURS, KNOWN_HOURS, WINDOW_HOURS = 2400, 2880, 240

schemes = pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic"])


def trained(name):
    return import_file(EXAMPLES / name / "data" / f"{name}.pt", layers=CHAIN).model


def recordings(folder):
    """(samples, class) of each CSV file, in order."""
    return [(np.loadtxt(p, delimiter=",", skiprows=1), ACTIVITIES.index(p.stem.split("-")[1])) for p in sorted(folder.glob("*.csv"))]


def utterances(part):
    """(frames, speaker) of each utterance."""
    with np.load(EXAMPLES / "vowels" / "data" / "vowels.npz") as file:
        frames = np.split(file[f"{part}_millionths"] / 1e6, np.cumsum(file[f"{part}_lengths"])[:-1])
        return list(zip(frames, file[f"{part}_speakers"], strict=True))


#: Training and held-out cases by task.
CASES = {
    "activity": lambda: (
        recordings(EXAMPLES / "activity" / "training"),
        recordings(EXAMPLES / "activity" / "data" / "held_out"),
    ),
    "vowels": lambda: (utterances("training"), utterances("held_out")),
}


def shares_right(model, cases):
    """Of the last answers of all cases, and of all answers."""
    stream = el.Stream(model)
    last, every = [], []
    for samples, label in cases:
        stream.reset()
        right = stream.process(samples).argmax(axis=1) == label
        last.append(right[-1])
        every.append(right)
    return np.array([np.mean(last), np.mean(np.concatenate(every))])


@pytest.fixture(scope="module", params=CASES)
def task(request):
    """The float network, its training windows, its held-out cases, and the shares that it has right of those."""
    model = trained(request.param)
    training, held_out = CASES[request.param]()
    before = shares_right(model, held_out)
    assert before[0] == pytest.approx(STATED[request.param], abs=1 / len(held_out))
    return model, [samples for samples, _ in training], held_out, before


@schemes
def test_accuracy(task, scheme):
    model, training, held_out, before = task
    after = shares_right(el.quantize(model, training, scheme), held_out)
    assert (before - after).max() <= ACCURACY_LOSS


@pytest.fixture(scope="module")
def demand():
    """Megawatt hours of every hour: (hours, 1)."""
    return np.loadtxt(EXAMPLES / "forecast" / "data" / "demand.csv", delimiter=",", skiprows=1, usecols=1)[:, None]


def forecast_rmse(model, demand):
    """Root mean squared error over the held-out hours, after one pass from the beginning."""
    error = el.Stream(model).process(demand[:-1]) - demand[1:]
    return np.sqrt(np.mean(error[KNOWN_HOURS - 1 :] ** 2))


@schemes
def test_forecast_error(demand, scheme):
    model = trained("forecast")
    before = forecast_rmse(model, demand)
    assert before == pytest.approx(STATED["forecast"], abs=0.1)
    small = el.quantize(model, demand[:TRAINING_HOURS].reshape(-1, WINDOW_HOURS, 1), scheme)
    assert forecast_rmse(small, demand) <= FORECAST_GROWTH * before


def silero_vad(path):
    arrays = load_file(path)
    bias = arrays["lstm_cell.bias_ih"] + arrays["lstm_cell.bias_hh"]
    lstm = el.LSTM(arrays["lstm_cell.weight_ih"], arrays["lstm_cell.weight_hh"], bias)
    head = el.Dense(arrays["final_conv.weight"][:, :, 0], arrays["final_conv.bias"])
    return el.Model([lstm, el.Activation("relu"), head, el.Activation("sigmoid")])


def dtln(path):
    arrays = onnx_tensors.read(path)
    head = el.Dense(arrays["dense_2/kernel:0"].T, arrays["dense_2/bias:0"])
    return el.Model([onnx_lstm(arrays, "lstm_4"), onnx_lstm(arrays, "lstm_5"), head, el.Activation("sigmoid")])


def onnx_lstm(arrays, name):
    """ONNX keeps the gates in the order i o f g, and two biases."""
    parts = arrays[f"{name}_W"][0], arrays[f"{name}_R"][0], np.sum(np.split(arrays[f"{name}_B"][0], 2), axis=0)
    in_order = [np.concatenate([np.split(part, 4)[gate] for gate in (0, 2, 3, 1)]) for part in parts]
    return el.LSTM(*in_order)


def test_dtln_in_float(golden):
    """Both hidden states and the mask, out of one network that answers with all three."""
    answers = golden_answers("dtln/golden.npz")
    network = dtln(golden("dtln/model_1.onnx")).layers
    everything = el.Activation("linear", inputs=[network[0].name, network[1].name, network[-1].name])
    given = el.Stream(el.Model([*network, everything])).process(answers["mag"])
    expected = np.concatenate([answers["state1"][:, 0, :, 0], answers["state1"][:, 1, :, 0], answers["mask"]], axis=1)  # (128, 513)
    assert np.abs(given - expected).max() <= TOLERANCE["golden"]


def decibels(answers, given):
    """Signal-to-noise ratio: 10 log10 of the energy of `answers` over that of the difference."""
    answers = answers.astype(np.float64)
    return 10 * np.log10(np.sum(answers**2) / np.sum((answers - given) ** 2))


@schemes
@pytest.mark.parametrize(
    ("name", "network", "samples", "answers"),
    [("silero_vad/silero_vad_16k.safetensors", silero_vad, "st_lstm_in", "st_prob"), ("dtln/model_1.onnx", dtln, "mag", "mask")],
    ids=["silero_vad", "dtln"],
)
def test_output_of_a_golden_model(golden, name, network, samples, answers, scheme):
    """Scales from the first half; measured on the rest, which is louder for dtln, the state carried on."""
    model, file = network(golden(name)), golden_answers(f"{name.partition('/')[0]}/golden.npz")
    xs, ys = file[samples], file[answers].reshape(len(file[samples]), -1)
    seen = len(xs) // 2
    given = el.Stream(el.quantize(model, [xs[:seen]], scheme)).process(xs)
    assert decibels(ys[seen:], given[seen:]) >= OUTPUT_DB
