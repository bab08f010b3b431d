"""Layers-models of TensorFlow.js, from tests/golden/tensorflowjs.zip, which tools/tensorflowjs_files.js makes."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from keras_nets import answers, close

import edgelstm as el
from edgelstm.importers import import_file

GOLDEN = Path(__file__).with_name("golden") / "tensorflowjs.zip"


@pytest.fixture
def folder(tmp_path):
    with zipfile.ZipFile(GOLDEN) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["words", "network"])
def test_layers_models_answer_as_tensorflow_js(folder, name):
    taken = import_file(folder / name / "model.json", traced=True)
    given = json.loads((folder / name / "answers.json").read_text())
    close(answers(taken.model, given["x"]), given["y"])
    assert taken.provenance is not None
    assert taken.format == "TensorFlow.js (JSON)"


def changed(folder, change):
    """The file of a model whose document `change` has altered."""
    path = folder / "words" / "model.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


def test_weights_of_fewer_bits(folder):
    """As the converter's --quantize options write them: whole numbers with a scale and a least number, and float16."""
    given = json.loads((folder / "words" / "answers.json").read_text())
    shards = sorted((folder / "words").glob("*.bin"))
    data, at, parts = b"".join(shard.read_bytes() for shard in shards), 0, []

    def change(document):
        nonlocal at
        for number, weight in enumerate(document["weightsManifest"][0]["weights"]):
            size = int(np.prod(weight["shape"]))
            array = np.frombuffer(data, "<f4", size, at)
            at += 4 * size
            if number % 2:
                weight["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
                parts.append(array.astype("<f2").tobytes())
                continue
            least, scale = float(array.min()), float(np.ptp(array)) / 65535 or 1.0
            weight["quantization"] = {"dtype": "uint16", "min": least, "scale": scale, "original_dtype": "float32"}
            parts.append(np.round((array - least) / scale).astype("<u2").tobytes())
        document["weightsManifest"][0]["paths"] = ["all.bin"]

    path = changed(folder, change)
    (folder / "words" / "all.bin").write_bytes(b"".join(parts))
    close(answers(el.load(path), given["x"]), given["y"], 1e-3)


def _weights(document):
    return document["weightsManifest"][0]["weights"]


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda d: d.update(format="graph-model"), el.UnsupportedModelError, "graph-model.*tfjs_layers_model"),
        (lambda d: d["weightsManifest"][0].update(paths=["../words/group1-shard1of2.bin"]), el.ModelFileError, "no name of a file"),
        (
            lambda d: d["weightsManifest"][0]["paths"].append(d["weightsManifest"][0]["paths"][0]),
            el.ModelFileError,
            "names its file .* twice",
        ),
        (lambda d: d["weightsManifest"][0]["paths"].append("more.bin"), el.ModelFileError, "lacks its file of weights 'more.bin'"),
        (lambda d: d["weightsManifest"][0]["paths"].pop(), el.ModelFileError, "needs .* bytes.*copy all of them"),
        (lambda d: _weights(d).pop(), el.ModelFileError, "describes .* bytes, and its files have"),
        (lambda d: _weights(d)[0].update(shape=[1 << 20, 1 << 20]), el.ModelFileError, "needs .* bytes"),
        (lambda d: _weights(d)[0].update(dtype="string"), el.UnsupportedModelError, "of string"),
        (lambda d: _weights(d)[0].update(name="other/kernel"), el.ModelFileError, "belongs to no layer"),
        (lambda d: d.pop("weightsManifest"), el.ModelFileError, "weightsManifest must be a list"),
    ],
)
def test_files_that_are_refused(folder, change, error, said):
    with pytest.raises(error, match=said):
        el.load(changed(folder, change))


def test_a_link_is_not_followed(folder):
    path = folder / "words" / "group1-shard1of2.bin"
    path.rename(folder / "elsewhere.bin")
    path.symlink_to(folder / "elsewhere.bin")
    with pytest.raises(el.ModelFileError, match="lacks its file of weights"):
        el.load(folder / "words" / "model.json")
