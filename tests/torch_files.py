"""Both containers of ``torch.save``, written without torch: what the tests read, and what no torch would ever write."""

import functools
import io
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm import Model
from edgelstm.importers import import_file

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"<f4": "Float", "<f8": "Double", "<f2": "Half", "<i8": "Long", "<i4": "Int", "<i2": "Short"}
STORAGES |= {"|i1": "Char", "|u1": "Byte", "|b1": "Bool"}


@dataclass
class Raw:
    """A tensor as the file describes it, true or not."""

    key: str
    size: int
    offset: Any
    shape: Any
    stride: Any
    kind: str = "FloatStorage"


@dataclass
class Call:
    """A global called with arguments."""

    name: str
    arguments: tuple[Any, ...] = ()


@dataclass
class Writer:
    """Pickles values at protocol 2 and collects the bytes of their arrays."""

    storages: dict[str, np.ndarray] = field(default_factory=dict)
    legacy: bool = False

    def tensor(self, array: np.ndarray) -> Raw:
        key = str(len(self.storages))
        self.storages[key] = np.ascontiguousarray(array)
        stride = tuple(s // array.itemsize for s in self.storages[key].strides) if array.ndim else ()
        return Raw(key, array.size, 0, array.shape, stride, f"{STORAGES[array.dtype.str]}Storage")

    def value(self, value: Any) -> bytes:
        if isinstance(value, np.ndarray):
            value = self.tensor(value)
        if isinstance(value, Raw):
            identity = self.value("storage") + self.name(f"torch.{value.kind}") + b"".join(map(self.value, (value.key, "cpu", value.size)))
            identity += self.value(None) if self.legacy else b""
            storage = b"(" + identity + b"tQ"
            rest = b"".join(map(self.value, (value.offset, value.shape, value.stride, False, Call("collections.OrderedDict"))))
            return self.name("torch._utils._rebuild_tensor_v2") + b"(" + storage + rest + b"tR"
        if isinstance(value, Call):
            return self.name(value.name) + self.value(value.arguments) + b"R"
        if isinstance(value, dict):
            return b"}(" + b"".join(self.value(k) + self.value(v) for k, v in value.items()) + b"u"
        if isinstance(value, list | tuple):
            start, end = (b"](", b"e") if isinstance(value, list) else (b"(", b"t")
            return start + b"".join(map(self.value, value)) + end
        return self.scalar(value)

    @staticmethod
    def name(name: str) -> bytes:
        module, _, attribute = name.rpartition(".")
        return f"c{module}\n{attribute}\n".encode()

    @staticmethod
    def scalar(value: Any) -> bytes:
        if value is None or isinstance(value, bool):
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        if isinstance(value, str):
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        if isinstance(value, float):
            return b"G" + struct.pack(">d", value)
        assert isinstance(value, int)
        raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + bytes([len(raw)]) + raw


def pickled(value: Any, writer: Writer | None = None) -> bytes:
    return b"\x80\x02" + (writer or Writer()).value(value) + b"."


def zip_of(pickle: bytes, storages: dict[str, bytes], byteorder: bytes = b"little") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", pickle)
        archive.writestr("model/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"model/data/{key}", data)
        archive.writestr("model/version", b"3\n")
    return buffer.getvalue()


def legacy_of(pickle: bytes, storages: dict[str, np.ndarray]) -> bytes:
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = pickled(MAGIC) + pickled(1001) + pickled(system) + pickle + pickled(list(storages))
    return head + b"".join(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())


def torch_zip(value: Any, byteorder: str = "little") -> bytes:
    """What ``torch.save(value, path)`` writes, arrays standing for tensors."""
    writer = Writer()
    pickle = pickled(value, writer)
    swap = byteorder == "big"
    data = {key: (array.byteswap() if swap else array).tobytes() for key, array in writer.storages.items()}
    return zip_of(pickle, data, byteorder.encode())


def torch_legacy(value: Any) -> bytes:
    """What ``torch.save(value, path, _use_new_zipfile_serialization=False)`` writes."""
    writer = Writer(legacy=True)
    pickle = pickled(value, writer)
    return legacy_of(pickle, writer.storages)


def recurrent_arrays(gates: int, inputs: int, hidden: int, layers: int = 1, *, bias: bool = True, seed: int = 0) -> dict[str, np.ndarray]:
    """The tensors of a recurrent module of so many gates, by their names in its state_dict."""
    random = np.random.default_rng(seed)
    arrays = {}
    for layer in range(layers):
        arrays[f"weight_ih_l{layer}"] = random.uniform(-0.4, 0.4, (gates * hidden, hidden if layer else inputs)).astype(np.float32)
        arrays[f"weight_hh_l{layer}"] = random.uniform(-0.4, 0.4, (gates * hidden, hidden)).astype(np.float32)
        for side in ("ih", "hh") if bias else ():
            arrays[f"bias_{side}_l{layer}"] = random.uniform(-0.4, 0.4, gates * hidden).astype(np.float32)
    return arrays


#: Those of ``torch.nn.LSTM``, ``GRU`` and ``RNN``.
lstm_arrays, gru_arrays, rnn_arrays = (functools.partial(recurrent_arrays, gates) for gates in (4, 3, 1))


def linear_arrays(outputs: int, inputs: int, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "weight": random.uniform(-0.4, 0.4, (outputs, inputs)).astype(np.float32),
        "bias": random.uniform(-0.4, 0.4, outputs).astype(np.float32),
    }


def norm_arrays(size: int) -> dict[str, np.ndarray]:
    """The tensors of a ``torch.nn.LayerNorm``."""
    return {"weight": np.linspace(0.5, 1.5, size, dtype=np.float32), "bias": np.linspace(-0.1, 0.2, size, dtype=np.float32)}


def conv_arrays(outputs: int, inputs: int, size: int = 3) -> dict[str, np.ndarray]:
    """The tensors of a ``torch.nn.Conv1d``."""
    weight = np.random.default_rng(2).uniform(-0.4, 0.4, (outputs, inputs, size)).astype(np.float32)
    return {"weight": weight, "bias": np.zeros(outputs, np.float32)}


def under(name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}.{key}": array for key, array in arrays.items()}


def classifier(inputs: int = 6, hidden: int = 8, layers: int = 1, **options: Any) -> dict[str, np.ndarray]:
    """The tensors of an LSTM with two linear layers behind it."""
    lstm = under("lstm", lstm_arrays(inputs, hidden, layers, **options))
    return lstm | under("fc1", linear_arrays(5, hidden)) | under("fc2", linear_arrays(3, 5))


def imported(folder: Path, data: bytes, **options: Any) -> Model:
    """What a file of these bytes becomes."""
    path = folder / "model.bin"
    path.write_bytes(data)
    return import_file(path, **options)
