"""Files are known by their content; real trained networks step to the answers of their own runtimes."""

import io
import json
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from golden_files import golden_answers, golden_file
from torch_files import Call, linear_arrays, lstm_arrays, pickled, torch_legacy, torch_zip, under, zip_of

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file, torch_archive
from edgelstm.importers.from_torch import from_torch
from edgelstm.importers.state_dict import named_tensors


def imported(tmp_path, data, **options):
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    return import_file(path, **options)


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"{}")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "Keras"),
        (b"\x08\x07\x12\x07pytorch" + bytes(40), "ONNX"),
        (b"\x08\x0a\x3a\x07" + bytes(40), "ONNX"),
        (zipped("metadata.json", "config.json", "model.weights.h5"), "Keras"),
        (zipped("m/data.pkl", "m/constants.pkl", "m/code/a.py"), "TorchScript"),
        (zipped("m/models/model.json", "m/data/weights/weight_0"), "torch.export"),
        (zipped("a.npy"), "npz"),
        (b'{"version": "0.5", "architecture": "LSTM", "config": {}, "weights": []}', "Neural Amp Modeler"),
        (b' {"model_data": {}, "state_dict": {}}', "GuitarML"),
        (b'{"in_shape": [null, 1], "layers": []}', "RTNeural"),
    ],
)
def test_other_formats_are_named_as_not_imported_yet(tmp_path, data, name):
    (tmp_path / "model.pt").write_bytes(data)
    with pytest.raises(el.UnsupportedModelError, match=rf"{name}.*does not import yet"):
        el.load(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "path",
    [
        "dtln/model_1.onnx",
        "dgaintel/domain_classifier_model.h5",
        "nam_lstm/BossLSTM-1x16.nam",
        "dtln/golden.npz",
    ],
)
def test_real_files_of_other_formats_are_named(path):
    with pytest.raises(el.UnsupportedModelError, match="does not import yet"):
        el.load(golden_file(path))


def test_uzmorph_is_read_and_its_bidirectional_lstm_refused_by_name():
    path = golden_file("uzmorph/morph_bilstm.pth")
    with pytest.raises(el.UnsupportedModelError, match=r"'lstm.weight_ih_l0_reverse' belongs to a bidirectional"):
        el.load(path)
    with open(path, "rb") as file:
        arrays = {name: np.asarray(tensor) for name, tensor in named_tensors(torch_archive.read(file)).items()}
    assert arrays["char_embeddings.weight"].shape == (49, 64)
    assert len(arrays) == 19
    expected = golden_answers("uzmorph/golden.npz")
    halves = uzmorph_halves(arrays)
    for name, found in halves.items():
        assert np.abs(found - expected[name]).max() < 1e-5, name
    logits = halves["y"][0] @ arrays["hidden2tag.weight"].T + arrays["hidden2tag.bias"]  # (30, 746)
    np.testing.assert_array_equal(logits.argmax(axis=1), expected["logits0"].argmax(axis=1))


def uzmorph_halves(arrays):
    """The network put together from one-directional models of this package, backwards ones fed in reverse."""
    ids = golden_answers("uzmorph/golden.npz")["ids"]  # (6, 30)

    def run(layer, suffix, xs):
        half = {n.removeprefix("lstm."): a for n, a in arrays.items() if n.endswith(f"_l{layer}{suffix}")}
        half = {n.replace(f"_l{layer}{suffix}", "_l0"): a for n, a in half.items()}
        if layer == 0:
            table = {"emb.weight": arrays["char_embeddings.weight"]}
            model, taken, _ = from_torch(table | under("rnn", half))
            assert taken == "emb, rnn"
        else:
            model = from_torch(half)[0]
        order = slice(None, None, -1 if suffix else 1)
        return np.array([reference.run(model, x[order])[order] for x in xs])

    h0 = [run(0, suffix, ids[..., None]) for suffix in ("", "_reverse")]
    h1 = [run(1, suffix, np.concatenate(h0, axis=2)) for suffix in ("", "_reverse")]
    y = np.concatenate(h1, axis=2)  # (6, 30, 128)
    h_n = np.array([h[:, -1 if index % 2 == 0 else 0] for index, h in enumerate([*h0, *h1])])  # (4, 6, 64)
    return {"y": y, "h_n": h_n}


def test_the_cell_of_silero_steps_to_its_own_states():
    """Carried for all steps for h; from the recorded state for c: c reaches 50, and torch's own float32 steps add up to 1.3e-5 there."""
    path = golden_file("silero_vad/silero_vad_16k.safetensors")
    with pytest.raises(el.UnsupportedModelError, match="convolution"):
        el.load(path)
    result = import_file(path, prefix="lstm_cell")
    assert result.chain == "lstm"
    data = golden_answers("silero_vad/golden.npz")
    xs, states = data["st_lstm_in"], data["st_state"].astype(np.float64)  # (205, 128), (205, 2, 128)
    assert np.abs(reference.run(result.model, xs) - states[:, 0]).max() < 1e-5
    before = np.concatenate([np.zeros((1, 2, 128)), states[:-1]])
    for x, (h, c), state in zip(xs, before, states, strict=True):
        assert np.abs(reference.lstm_step(result.model.layers[0], x.astype(np.float64), h, c) - state).max() < 1e-5


def test_a_pickle_that_is_no_state_dict_says_how_to_save_one(tmp_path):
    for value in ([1, 2], {"a": 1}, np.zeros(3, np.float32), Call("builtins.set", ([],))):
        with pytest.raises(el.ModelFileError, match=r"torch\.save"):
            imported(tmp_path, torch_zip(value))
    with pytest.raises(el.ModelFileError, match=r"pickle that torch.save did not write"):
        imported(tmp_path, pickled({"a": 1}))
    with pytest.raises(el.ModelFileError, match="holds weights quantized by torch"):
        imported(tmp_path, zip_of(pickled(Call("torch._utils._rebuild_qtensor")), {}))


def test_safetensors_go_the_same_way(tmp_path):
    path = tmp_path / "m.pt"
    safetensors.numpy.save_file(
        (under("lstm", lstm_arrays(6, 8)) | under("fc1", linear_arrays(5, 8)) | under("fc2", linear_arrays(3, 5))), path
    )
    result = import_file(path, layers="lstm, fc1:relu, fc2")
    assert result.format == "safetensors"
    assert result.model.layers[0].weight_hh.tobytes() == lstm_arrays(6, 8)["weight_hh_l0"].tobytes()


def test_bfloat16_in_safetensors_is_widened_exactly(tmp_path):
    arrays = {name: (array.view(np.uint32) & 0xFFFF0000).view(np.float32) for name, array in lstm_arrays(3, 4).items()}
    header, body = {}, b""
    for name, array in arrays.items():
        half = (array.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        header[name] = {"dtype": "BF16", "shape": array.shape, "data_offsets": [len(body), len(body) + len(half)]}
        body += half
    text = json.dumps(header).encode()
    (tmp_path / "m").write_bytes(len(text).to_bytes(8, "little") + text + body)
    assert el.load(tmp_path / "m").layers[0].weight_ih.tobytes() == arrays["weight_ih_l0"].tobytes()


@pytest.mark.parametrize("container", [torch_zip, torch_legacy])
def test_load_imports_and_save_closes_the_circle(tmp_path, container):
    (tmp_path / "m.pt").write_bytes(container(lstm_arrays(3, 4)))
    el.save(el.load(tmp_path / "m.pt"), tmp_path / "m.elstm")
    assert el.load(tmp_path / "m.elstm").source == "PyTorch: m.pt"
    with pytest.raises(el.ModelFileError, match="already"):
        import_file(tmp_path / "m.elstm")
