"""Files of ``torch.save`` without torch: the zip container (torch >= 1.6) and the legacy one, as plain values and lazy tensors.

Sources: ``torch/serialization.py`` and ``torch/_utils.py``. Which tensors are a model is `state_dict`'s part.
"""

import contextlib
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...files.container import BFLOAT16, widened
from ..pickles.names import refusal
from ..pickles.reader import Global, Inert, Reader
from .whole import is_module

#: Longest pickle that is read: some twenty thousand tensors.
MAX_PICKLE_BYTES = 1 << 22

#: Most numbers that tensors have beyond twice those of their storages.
MOST_SHARED = 1 << 24

#: How a legacy file begins, behind the two bytes that give the pickle's protocol.
LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

_STORAGES: dict[str, np.dtype[Any]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}

#: Storages of integers that stand for other numbers.
_QUANTISED: dict[str, np.dtype[Any]] = {"torch.QInt8Storage": np.dtype("i1"), "torch.QUInt8Storage": np.dtype("u1")}


#: What pickles may name and not call.
_NAMED = frozenset((*_STORAGES, *_QUANTISED, "torch.per_tensor_affine", "torch.per_channel_affine", "torch.qint8", "torch.quint8"))


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """What the standard library raises over a damaged archive becomes a `ModelFileError`."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, LookupError, NotImplementedError, RuntimeError, ValueError, struct.error) as problem:
        raise ModelFileError(f"is a damaged archive ({printable(problem, 200)}); copy or save the file again.") from None


@dataclass(frozen=True, eq=False)
class Storage:
    """A run of `size` numbers in the file, called `key` there; `load` gives its bytes. quantised: whether they stand for other numbers."""

    dtype: np.dtype[Any]
    size: int
    load: Callable[[], bytes]
    key: str = ""
    quantised: bool = False


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage. The file is read, and the view checked, when it becomes an array: ``np.asarray(tensor)``."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def place(self) -> tuple[object, ...]:
        """Equal for tensors that are the same numbers of the file."""
        return self.storage.key, self.storage.dtype.str, self.offset, self.shape, self.stride

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the array will have; bfloat16 is widened to float32."""
        return np.dtype(np.float32) if self.storage.dtype == BFLOAT16 else self.storage.dtype.newbyteorder("=")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        size = math.prod(self.shape)
        reach = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        if size and reach >= self.storage.size:
            raise ModelFileError(f"a tensor of shape {self.shape} reaches beyond its data; the file is damaged, save it again.")
        if size > self.storage.size:
            raise UnsupportedModelError(f"a tensor of shape {self.shape} repeats {self.storage.size} numbers; save it with .contiguous().")
        with damage():
            array = widened(self._view(size))
        return array.astype(dtype or array.dtype.newbyteorder("="))

    def _view(self, size: int) -> NDArray[Any]:
        """The numbers in place. `reach` was checked against `storage.size`, and that is checked against the bytes here."""
        numbers = np.frombuffer(self.storage.load(), self.storage.dtype)
        if numbers.size < self.storage.size:
            raise ValueError(f"a storage has {numbers.size} of {self.storage.size} numbers")
        if not size:
            return np.empty(self.shape, self.storage.dtype)
        steps = [step * numbers.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps, writeable=False)


def _is_sizes(value: object) -> bool:
    return isinstance(value, tuple) and len(value) <= 16 and all(type(n) is int and 0 <= n < 1 << 40 for n in value)


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    if not (isinstance(storage, Storage) and _is_sizes((offset,)) and _is_sizes(shape) and _is_sizes(stride) and len(shape) == len(stride)):
        raise ValueError("a tensor's shape, stride or offset is impossible")
    if storage.quantised:
        raise ValueError("a tensor of quantised integers does not say what they stand for")
    return Tensor(storage, offset, shape, stride)


class _Views:
    """Counts the numbers of tensors, so that a few storages do not become many tensors that overlap."""

    def __init__(self) -> None:
        self._storages: dict[str, int] = {}
        self._places: set[tuple[object, ...]] = set()
        self._stored = self._viewed = 0

    def tensor(self, storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
        found = _tensor(storage, offset, shape, stride)
        if storage.key not in self._storages:
            self._storages[storage.key] = storage.size
            self._stored += storage.size
        if found.place not in self._places:
            self._places.add(found.place)
            self._viewed += math.prod(shape)
        if self._viewed > 2 * self._stored + MOST_SHARED:
            raise ModelFileError(f"holds tensors of {self._viewed} numbers over storages of {self._stored}; save it with .contiguous().")
        return found


def _parameter(data: object, *_: object) -> Tensor:
    if not isinstance(data, Tensor):
        raise ValueError("a parameter is no tensor")
    return data


def _ordered_dict(*items: Any) -> dict[object, object]:
    if items:
        raise ValueError("an OrderedDict is made from arguments")
    return {}


def _set(items: object = ()) -> object:
    if not isinstance(items, list | tuple):
        raise ValueError("a set is made from what is no list")
    return list(items)


def _size(shape: object) -> object:
    if not _is_sizes(shape):
        raise ValueError("a torch.Size is impossible")
    return shape


_BUILDERS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "builtins.set": _set,
}

Fetch = Callable[[str, np.dtype[Any], int], Callable[[], bytes]]


def reader(fetch: Fetch, builders: Mapping[str, Callable[..., object]] = MappingProxyType({}), classes: str = "") -> Reader:
    """A pickle reader whose storages are found by `fetch(key, dtype, size)`; `builders` and `classes` as `Reader` has them."""

    def storage(identity: Any) -> object:
        if isinstance(identity, tuple) and identity[:1] == ("module",):  # a class with its source, which is not looked at
            return identity[1]
        tag, kind, key, _, size, *view = identity
        if (
            tag != "storage"
            or not isinstance(kind, Global)
            or kind.name not in {*_STORAGES, *_QUANTISED}
            or not isinstance(key, str)
            or not _is_sizes((size,))
        ):
            raise ValueError("a storage is described wrongly")
        if any(part is not None for part in view):
            raise ModelFileError("holds views of storages, as torch before 0.4 wrote them; load and save it with a newer torch.")
        dtype = {**_STORAGES, **_QUANTISED}[kind.name]
        return Storage(dtype, size, fetch(key, dtype, size), key, kind.name in _QUANTISED)

    from . import quantised

    make = _Views().tensor
    views = {"torch._utils._rebuild_tensor_v2": make, **quantised.builders(make)}
    return Reader({**_BUILDERS, **views, **builders}, _NAMED, storage, classes=classes, foreign=not classes)


def read(file: BinaryIO) -> object:
    """The object that ``torch.save`` was given. Its tensors can become arrays as long as `file` is open.

    Raises
    ------
    ModelFileError, UnsupportedModelError
    """
    with damage():
        value = _read_zip(file) if file.read(2) == b"PK" else _read_legacy(file)
    if isinstance(value, Inert) and not is_module(value):
        raise ModelFileError(refusal(value.name))
    return value


def _read_zip(file: BinaryIO) -> object:
    archive = zipfile.ZipFile(file)
    entries = {entry.filename: entry for entry in archive.infolist()}
    roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(entries) != len(archive.infolist()) or len(roots) != 1:
        raise ModelFileError("is a zip without exactly one data.pkl, or with doubled entries; save it again with torch.save.")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise ModelFileError("is a compressed zip, which torch.save never writes; unpack it, or save it again with torch.save.")
    sizes = [(entry.file_size, entry.compress_size) for entry in entries.values()]
    if any(stored != size for size, stored in sizes) or sum(size for size, _ in sizes) > file.seek(0, io.SEEK_END):
        raise ModelFileError("its zip entries are larger than the file, or than they say themselves; it is damaged, save it again.")
    return unpickled(archive, entries, roots[0])


def unpickled(
    archive: zipfile.ZipFile,
    entries: Mapping[str, zipfile.ZipInfo],
    root: str,
    builders: Mapping[str, Callable[..., object]] = MappingProxyType({}),
    classes: str = "",
    name: str = "data",
) -> object:
    """The value of ``data.pkl`` below `root`, with the storages that lie beside it in ``data``; `name`: another name than this."""
    if entries[f"{root}{name}.pkl"].file_size > MAX_PICKLE_BYTES:
        raise ModelFileError(f"its pickle is longer than {MAX_PICKLE_BYTES} bytes; save only the model's state_dict.")
    big = f"{root}byteorder" in entries and archive.read(f"{root}byteorder") == b"big"

    @cache
    def load(entry: str) -> bytes:
        return archive.read(entry)

    def fetch(key: str, dtype: np.dtype[Any], size: int) -> Callable[[], bytes]:
        entry = entries.get(f"{root}{name}/{key}")
        if entry is None or entry.file_size < size * dtype.itemsize:
            raise ModelFileError(f"lacks the data of storage {key!r}; the file is cut off, copy or save it again.")
        if big:
            return lambda: np.frombuffer(load(entry.filename), f"u{dtype.itemsize}").byteswap().tobytes()
        return lambda: load(entry.filename)

    return reader(fetch, builders, classes).read(io.BytesIO(archive.read(f"{root}{name}.pkl")))


def _read_legacy(file: BinaryIO) -> object:
    """Pickles of magic, protocol, system, object and keys; then for each key its count (int64) and numbers, little-endian."""
    file.seek(0)
    head = io.BytesIO(file.read(MAX_PICKLE_BYTES))
    sizes: dict[str, tuple[int, int]] = {}
    places: dict[str, int] = {}

    def fetch(key: str, dtype: np.dtype[Any], size: int) -> Callable[[], bytes]:
        if sizes.setdefault(key, (size, dtype.itemsize)) != (size, dtype.itemsize):
            raise ValueError(f"storage {key!r} has two sizes")
        return lambda: load(places[key], size * dtype.itemsize)

    @cache
    def load(start: int, count: int) -> bytes:
        file.seek(start)
        return file.read(count)

    for _ in range(3):
        reader(fetch).read(head)
    value, keys = reader(fetch).read(head), reader(fetch).read(head)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(sizes):
        raise ModelFileError("its list of storages is damaged; copy or save the file again.")
    place, end = head.tell(), file.seek(0, io.SEEK_END)
    for key in keys:
        size, itemsize = sizes[key]
        file.seek(place)
        if file.read(8) != struct.pack("<q", size) or place + 8 + size * itemsize > end:
            raise ModelFileError(f"ends within the data of storage {key!r}, or is damaged before it; copy or save the file again.")
        places[key] = place + 8
        place += 8 + size * itemsize
    return value
