"""Containers of ``torch.save`` give their tensors bit by bit."""

import io

import numpy as np
import pytest
from torch_files import linear_arrays, lstm_arrays, torch_legacy, torch_zip, under

from edgelstm import reference
from edgelstm.importers import import_file
from edgelstm.importers.from_torch import archive as torch_archive
from edgelstm.importers.from_torch.modules import modules
from edgelstm.importers.from_torch.state_dict import chosen

WRITERS = {"zip": torch_zip, "legacy": torch_legacy}


def read(data):
    """The arrays of a pickled dict of tensors."""
    return {name: np.asarray(tensor) for name, tensor in torch_archive.read(io.BytesIO(data)).items()}


@pytest.fixture(params=WRITERS)
def container(request):
    return WRITERS[request.param]


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "i4", "i2", "i1", "u1", "?"])
def test_arrays_come_back_bit_by_bit(container, dtype):
    given = {
        "m.a": (np.arange(24) % 7 - 3).astype(dtype).reshape(2, 3, 4),
        "m.scalar": np.array(1, dtype),
        "m.none": np.zeros((0, 4), dtype),
    }
    found = read(container(given))
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in found.items()} == {n: (a.dtype, a.shape, a.tobytes()) for n, a in given.items()}


def test_big_endian_zips_are_honoured():
    given = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3)}
    found = read(torch_zip(given, "big"))
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)


def test_real_torch_files_come_back_bit_by_bit(tmp_path):
    torch = pytest.importorskip("torch")
    base, flat = torch.randn(10, 12), torch.randn(100)
    given = {
        "half": torch.randn(5, 3).half(),
        "bfloat": torch.randn(5, 3).bfloat16(),
        "double": torch.randn(3, dtype=torch.float64),
        "transposed": base.T,
        "sliced": base[2:7, 3:9:2],
        "shared1": flat[10:34].view(4, 6),
        "shared2": flat[20:44].view(6, 4),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "strided": base.as_strided((3, 3), (1, 5), 2),
        "flag": torch.tensor([True, False]),
    }
    for new in (True, False):
        for protocol in (2, 4):
            torch.save(given, tmp_path / "t.pt", _use_new_zipfile_serialization=new, pickle_protocol=protocol)
            found = read((tmp_path / "t.pt").read_bytes())
            for name, tensor in given.items():
                plain = tensor.detach()
                expected = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
                assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape)
                assert found[name].tobytes() == np.ascontiguousarray(expected).tobytes(), name


def test_a_real_torch_network_gives_torchs_answers(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    parts = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(6, 16, 2), "fc1": torch.nn.Linear(16, 8), "fc2": torch.nn.Linear(8, 4)})
    xs = torch.randn(40, 6)
    with torch.no_grad():
        expected = torch.softmax(parts["fc2"](torch.relu(parts["fc1"](parts["lstm"](xs)[0]))), -1).numpy()
    optimizer = torch.optim.Adam(parts.parameters())
    optimizer.step()
    torch.save(
        {"epoch": 3, "loss": torch.tensor(0.1), "model_state": parts.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c.ckpt"
    )
    model = import_file(tmp_path / "c.ckpt", layers="lstm, fc1:relu, fc2:softmax").model
    assert np.abs(reference.run(model, xs.numpy()) - expected).max() < 1e-6


def test_torch_reads_what_the_test_writer_writes(container):
    torch = pytest.importorskip("torch")
    given = under("lstm", lstm_arrays(3, 4)) | under("fc", linear_arrays(2, 4))
    found = torch.load(io.BytesIO(container(given)), weights_only=True)
    assert {n: a.numpy().tobytes() for n, a in found.items()} == {n: a.tobytes() for n, a in given.items()}


def test_an_unneeded_tensor_is_not_read():
    """A storage whose data is damaged hurts only those who ask for it."""
    data = {"model": lstm_arrays(3, 4), "optimizer": {"state": np.ones((50, 50), np.float32), "param_groups": []}}
    raw = torch_zip(data)
    place = raw.index(np.ones(50, np.float32).tobytes())
    broken = raw[:place] + b"\xff" * 8 + raw[place + 8 :]
    tensors = chosen(torch_archive.read(io.BytesIO(broken))).tensors
    assert modules(tensors)["lstm"].kind == "lstm"
    assert np.asarray(tensors["weight_ih_l0"]).shape == (16, 3)
