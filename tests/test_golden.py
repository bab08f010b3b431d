"""Real trained models, compiled, against what their own runtimes answered."""

import numpy as np
import pytest
from conftest import TOLERANCE
from golden_files import golden_answers
from safetensors.numpy import load_file

import edgelstm as el
from edgelstm.importers.from_torch import archive as torch_archive


def test_silero_vad(golden):
    """128 -> 128, carried for 205 steps, then ReLU, one output, sigmoid."""
    arrays = load_file(golden("silero_vad/silero_vad_16k.safetensors"))
    answers = golden_answers("silero_vad/golden.npz")
    lstm = el.LSTM(arrays["lstm_cell.weight_ih"], arrays["lstm_cell.weight_hh"], arrays["lstm_cell.bias_ih"] + arrays["lstm_cell.bias_hh"])
    head = el.Dense(arrays["final_conv.weight"][:, :, 0], arrays["final_conv.bias"])
    h = el.Stream(el.Model([lstm])).process(answers["st_lstm_in"])
    assert np.abs(h - answers["st_state"][:, 0]).max() <= TOLERANCE["golden"]
    voice = el.Stream(el.Model([lstm, el.Activation("relu"), head, el.Activation("sigmoid")])).process(answers["st_lstm_in"])
    assert np.abs(voice[:, 0] - answers["st_prob"]).max() <= TOLERANCE["golden"]


def test_nam_lstm(golden):
    """One sample a step, from the state that half a second of silence leaves."""
    answers = golden_answers("nam_lstm/golden.npz")
    model = el.load(golden("nam_lstm/BossLSTM-1x16.nam"))
    assert np.abs(el.Stream(model).process(answers["x"])[:, 0] - answers["y_BossLSTM_1x16"]).max() <= TOLERANCE["golden"]


def test_dgaintel(golden):
    """Embedding, convolution on both sides of each character, pooling, LSTM, head: a domain name in, a probability out."""
    pytest.importorskip("h5py")
    answers = golden_answers("dgaintel/golden.npz")
    model = el.load(golden("dgaintel/domain_classifier_model.h5"))
    stream = el.Stream(model)
    found = np.array([stream.process(ids[:, None])[0] for ids in answers["ids"]])
    assert np.abs(found - answers["prob"]).max() <= TOLERANCE["golden"]


def lstm(arrays, name):
    parts = [arrays[f"lstm.{part}_{name}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return el.LSTM(parts[0], parts[1], parts[2] + parts[3])


def test_uzmorph_direction_by_direction(golden):
    """A two-layer bidirectional network as forward layers: a backward direction is a forward one over the reversed sequence."""
    with open(golden("uzmorph/morph_bilstm.pth"), "rb") as file:
        arrays = {name: np.asarray(tensor) for name, tensor in torch_archive.read(file).items()}
    answers = golden_answers("uzmorph/golden.npz")
    table = el.Embedding(arrays["char_embeddings.weight"])
    first = [el.Stream(el.Model([table, lstm(arrays, name)])) for name in ("l0", "l0_reverse")]
    second = [el.Stream(el.Model([lstm(arrays, name)])) for name in ("l1", "l1_reverse")]
    for row, ids in enumerate(answers["ids"]):
        for stream in (*first, *second):
            stream.reset()
        forward, backward = first[0].process(ids), first[1].process(ids[::-1])
        assert np.abs(forward[-1] - answers["h_n"][0, row]).max() <= TOLERANCE["golden"]
        assert np.abs(backward[-1] - answers["h_n"][1, row]).max() <= TOLERANCE["golden"]
        both = np.concatenate([forward, backward[::-1]], axis=1)  # (30, 128)
        y = np.concatenate([second[0].process(both), second[1].process(both[::-1])[::-1]], axis=1)  # (30, 128)
        assert np.abs(y - answers["y"][row]).max() <= TOLERANCE["golden"]
    head = el.Stream(el.Model([el.Dense(arrays["hidden2tag.weight"], arrays["hidden2tag.bias"])]))
    logits = head.process(answers["y"][0])
    assert np.abs(logits - answers["logits0"]).max() <= TOLERANCE["golden"] * max(1, np.abs(answers["logits0"]).max())
