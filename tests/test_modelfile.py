"""The `.elstm` file: what goes in comes out, and what was there survives a failed write."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elstm_files import index_model, numbers, resigned, sensor_model

import edgelstm as el
from edgelstm import reference
from edgelstm.files import elstm as modelfile


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.elstm"
    el.save(sensor_model(), path)
    return path


def test_all_that_a_model_holds_comes_back(tmp_path):
    path = tmp_path / "renamed.bin"
    model = sensor_model(labels=["sit", "größer"], input_names="xyz", rate_hz=50, window=np.int64(128), stateful=False, source="by hand")
    el.save(model, path)
    loaded = el.load(str(path))
    for name in ("labels", "input_names", "rate_hz", "window", "stateful", "source"):
        assert getattr(loaded, name) == getattr(model, name)
    outline = lambda layer: (type(layer), layer.name, layer.inputs, layer.options())  # noqa: E731
    assert list(map(outline, loaded.layers)) == list(map(outline, model.layers))
    for mine, theirs in zip(model.layers, loaded.layers, strict=True):
        assert mine.arrays().keys() == theirs.arrays().keys()
        assert all(array.tobytes() == theirs.arrays()[name].tobytes() for name, array in mine.arrays().items())


def test_a_thousand_layers_come_back(tmp_path):
    model = el.Model([el.Dense(np.eye(2)) for _ in range(1000)])
    el.save(model, tmp_path / "deep.elstm")
    assert len(el.load(tmp_path / "deep.elstm").layers) == 1000


def test_saving_is_deterministic_and_idempotent(saved, tmp_path):
    again = tmp_path / "again.elstm"
    el.save(el.load(saved), again)
    assert again.read_bytes() == saved.read_bytes()


def test_the_probe_is_made_by_the_reference_in_physical_units(saved):
    model = el.load(saved)
    probe = model.probe
    assert probe.inputs.shape == (16, 3)
    assert probe.source == f"edgelstm {el.__version__} reference"
    assert np.abs((probe.inputs - [10, -3, 0]) / [2, 0.1, 1]).max() <= 1.0001
    np.testing.assert_allclose(probe.outputs, reference.run(model, probe.inputs), rtol=1e-6)


def test_the_probe_of_an_index_model_is_indices(tmp_path):
    el.save(index_model(), tmp_path / "m")
    probe = el.load(tmp_path / "m").probe
    assert set(np.unique(probe.inputs)) <= set(range(7))
    assert len(np.unique(probe.inputs)) > 2


def test_a_given_probe_is_kept(tmp_path):
    model = sensor_model()
    xs = numbers(3, 3)
    given = el.Probe(xs, reference.run(model, xs), "torch 2.13.0")
    el.save(el.Model(model.layers, probe=given), tmp_path / "m")
    kept = el.load(tmp_path / "m").probe
    assert kept.source == "torch 2.13.0"
    assert kept.inputs.tobytes() == xs.tobytes()


def test_a_model_that_contradicts_its_probe_is_not_loaded_unless_unverified(saved, tmp_path, caplog):
    outputs = el.load(saved).probe.outputs.copy()
    outputs[5, 1] += 3e-4
    resigned(saved, tensors={"probe_outputs": outputs})
    with pytest.raises(el.ModelFileError, match=r"step 5 differs by 0\.0003"):
        el.load(saved)
    with caplog.at_level(logging.WARNING, "edgelstm"):
        assert el.load(saved, verify=False).output_size == 2
    assert "verify=False" in caplog.text


def test_a_model_that_contradicts_its_probe_is_not_saved(tmp_path):
    model = sensor_model()
    wrong = el.Model(model.layers, probe=el.Probe(numbers(2, 3), numbers(2, 2), "elsewhere"))
    with pytest.raises(el.ModelFileError, match="probe from elsewhere"):
        el.save(wrong, tmp_path / "m")
    assert os.listdir(tmp_path) == []


def test_a_changed_weight_is_seen(saved):
    data = bytearray(saved.read_bytes())
    data[-3] ^= 1
    saved.write_bytes(data)
    with pytest.raises(el.ModelFileError, match="digest"):
        el.load(saved)


def test_the_digest_is_the_networks_alone(saved):
    model = sensor_model()
    for same in (sensor_model(labels="ab", rate_hz=3), el.load(saved)):
        assert modelfile.model_digest(same) == modelfile.model_digest(model)
    other = el.Model([*model.layers[:-2], el.Dense(numbers(2, 8) + 1e-6, inputs=model.layers[-2].inputs), el.Softmax()])
    assert modelfile.model_digest(other) != modelfile.model_digest(model)
    renamed = el.Model([*model.layers[:-1], el.Softmax(name="out")])
    assert modelfile.model_digest(renamed) != modelfile.model_digest(model)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(saved, monkeypatch, call):
    before = saved.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(el.ModelFileError, match=r"No space left.*free some space"):
        el.save(index_model(), saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_an_interrupt_while_writing_leaves_no_temporary_file(saved, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        el.save(index_model(), saved)
    assert os.listdir(saved.parent) == [saved.name]


def test_a_folder_that_cannot_be_written_is_an_error_with_the_fix(saved):
    for path in (saved / "below-a-file.elstm", saved.parent / "missing" / "m.elstm", saved.parent):
        with pytest.raises(el.ModelFileError, match="choose"):
            el.save(index_model(), path)


def test_a_link_keeps_leading_to_the_file(saved):
    link = saved.parent / "link.elstm"
    link.symlink_to(saved.name)
    el.save(index_model(), link)
    assert link.is_symlink()
    assert el.load(saved).takes_index


def test_a_name_that_load_would_refuse_is_not_saved(tmp_path):
    for bad in ("a\nb", "\ud800"):
        with pytest.raises(el.ModelFileError, match="printable"):
            el.save(sensor_model(source=bad), tmp_path / "m")


def test_loading_imports_no_compiler_and_no_importer(saved):
    code = f"import edgelstm, sys; edgelstm.load({str(saved)!r}); print(*sys.modules)"
    root = Path(el.__file__).parents[1]
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    loaded = set(ran.stdout.split())
    assert "edgelstm.files.elstm" in loaded
    assert not loaded & {
        "numba",
        "llvmlite",
        "click",
        "rich",
        "logging",
        "torch",
        "edgelstm.importers",
        "safetensors.numpy",
        "numpy.random",
    }
