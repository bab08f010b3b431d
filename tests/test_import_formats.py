"""Files are known by their content; real trained networks step to the answers of their own runtimes."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from golden_files import golden_answers, golden_file
from torch_files import Call, linear_arrays, lstm_arrays, pickled, torch_legacy, torch_zip, under, zip_of

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file


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


def graph(name, operator):
    """The beginning of a TensorFlow 1 GraphDef: its first node."""
    node = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(operator)]) + operator + b"\x2a\x0b\x0a\x05dtype\x12\x020\x01"
    return b"\x0a" + (bytes([len(node)]) if len(node) < 128 else bytes([len(node) & 127 | 128, len(node) >> 7])) + node


def pickle_of(module, name, protocol):
    """The beginning of a pickle that calls a class, in three protocols."""
    if protocol == 4:
        return (
            b"\x80\x04\x95\x40\0\0\0\0\0\0\0"
            + b"".join(b"\x8c" + bytes([len(t)]) + t + b"\x94" for t in (module, name))
            + b"\x93\x94)\x81."
        )
    return (b"\x80\x02" if protocol else b"(dp0\nS'w'\n") + b"c" + module + b"\n" + name + b"\n" + b"(tR."


@pytest.mark.parametrize(
    ("data", "name", "advice"),
    [
        (b'node {\n  name: "x"\n  op: "Placeholder"\n}\n', "TensorFlow graph as text", "as_text=False"),
        (b"\x0a\x10\x12\x0e\x0a\x0c\x0a\x05AddV2\x12\x03\x0a\x01x" + bytes(40), "TensorFlow MetaGraph", "restore its checkpoint"),
        (bytes(80) + bytes.fromhex("57fb808b247547db"), "TensorFlow checkpoint", "convert_variables_to_constants"),
        (pickle_of(b"sklearn.pipeline", b"Pipeline", 2), "scikit-learn", ""),
        (b'{"model": "Thai_codepoints", "type": "codepoints", "dic": {}, "embedding": {"v": 1}}', "ICU4X", "from_torch"),
        (b"#Parameter# /vanilla-lstm-builder/_0 {40,5} 801 ZERO_GRAD\n+1.0e-02 ", "DyNet", "from_torch"),
        (b"#LookupParameter# /_0 {5,9} 12 FULL_GRAD\n", "DyNet", "from_torch"),
        (bytes(4) + b"ORTM" + bytes(40), "ONNX Runtime", "the .onnx file"),
    ],
)
def test_formats_that_are_not_read_are_named_with_what_to_do(tmp_path, data, name, advice):
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(el.UnsupportedModelError, match=rf"{name}.*does not import yet.*{advice}") as caught:
        el.load(tmp_path / "model.bin")
    assert ("exists in PyTorch" in str(caught.value)) == ("PyTorch" in advice)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git-lfs pointer.*git lfs pull"),
        (b"/annex/objects/SHA256E-s12--4d7a\n", "git-annex pointer.*git annex get"),
        (gzip.compress(b"model" * 99, mtime=0), "gzip.*gunzip"),
        (bz2.compress(b"model" * 99), "bzip2"),
        (lzma.compress(b"model" * 99), "xz"),
        (bytes(257) + b"ustar\x0000" + bytes(200), "tar archive"),
        (b"\n<!DOCTYPE HTML><html>Not found</html>", "web page"),
        (pickled({"a": 1}), r"pickle that torch\.save did not write"),
        (b"(dp0\nS'a'\nI1\ns.", r"pickle that torch\.save did not write"),
        (b"[1, 2, 3]", "JSON"),
        (b"once upon a time there was text", "no model file"),
    ],
)
def test_files_that_are_no_model_say_what_they_are(tmp_path, data, message):
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(el.ModelFileError, match=message):
        el.load(tmp_path / "model.bin")


def test_the_cell_of_silero_steps_to_its_own_states():
    """Carried for all steps for h; from the recorded state for c: c reaches 50, and torch's own float32 steps add up to 1.3e-5 there."""
    path = golden_file("silero_vad/silero_vad_16k.safetensors")
    with pytest.raises(el.UnsupportedModelError, match=r"convolution|in which order its layers follow"):
        el.load(path)
    result = import_file(path, prefix="lstm_cell")
    assert result.chain == "lstm"
    data = golden_answers("silero_vad/golden.npz")
    xs, states = data["st_lstm_in"], data["st_state"].astype(np.float64)  # (205, 128), (205, 2, 128)
    assert np.abs(reference.run(result.model, xs) - states[:, 0]).max() < 1e-5
    before = np.concatenate([np.zeros((1, 2, 128)), states[:-1]])
    layer = result.model.layers[0]
    for x, (h, c), state in zip(xs, before, states, strict=True):
        assert np.abs(reference.twin(layer).step(layer, [x.astype(np.float64)], (h, c))[1] - state).max() < 1e-5


def test_a_pickle_that_is_no_state_dict_says_how_to_save_one(tmp_path):
    for value in ([1, 2], {"a": 1}, np.zeros(3, np.float32), Call("builtins.set", ([],))):
        with pytest.raises(el.ModelFileError, match=r"torch\.save"):
            imported(tmp_path, torch_zip(value))
    with pytest.raises(el.ModelFileError, match=r"pickle that torch.save did not write"):
        imported(tmp_path, pickled({"a": 1}))
    with pytest.raises(el.ModelFileError, match="its pickle is damaged"):
        imported(tmp_path, zip_of(pickled(Call("torch._utils._rebuild_qtensor")), {}))


def test_safetensors_go_the_same_way(tmp_path):
    path = tmp_path / "m.pt"
    safetensors.numpy.save_file(
        (under("lstm", lstm_arrays(6, 8)) | under("fc1", linear_arrays(5, 8)) | under("fc2", linear_arrays(3, 5))), path
    )
    result = import_file(path, layers="lstm, fc1:relu, fc2")
    assert result.format == "safetensors"
    assert result.model.layers[0].weight_hh.tobytes() == lstm_arrays(6, 8)["weight_hh_l0"].tobytes()


def test_messages_about_safetensors_are_the_same_in_every_process_and_in_the_files_order(tmp_path):
    path = tmp_path / "m.safetensors"
    parts = {"a": linear_arrays(8, 3), "lstm": lstm_arrays(8, 8), "b": linear_arrays(8, 8), "c": linear_arrays(2, 8)}
    safetensors.numpy.save_file({name: array for part, arrays in parts.items() for name, array in under(part, arrays).items()}, path)
    program = "import sys, edgelstm as el\ntry: el.load(sys.argv[1])\nexcept el.UnsupportedModelError as e: print(e)"
    said = {subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout for _ in range(6)}
    (message,) = said
    with open(path, "rb") as file:
        header = json.loads(file.read()[8:].partition(b"}}")[0] + b"}}")
    places = [message.index(f"{name} (") for name in sorted(header, key=lambda name: header[name]["data_offsets"])]
    assert places == sorted(places)


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
