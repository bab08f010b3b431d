"""Weights by layer: which arrays a layer has follows from its configuration, and where they lie from the form of the file.

Keras 1 and 2, and Keras 3 in `.h5`, list a layer's arrays flat, the trainable ones first. Keras 3 in `.keras` and `.weights.h5` keeps them
in groups named after the layers' classes and the attributes that hold them: ``layers/lstm_1/cell/vars/0``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, ShapeError, printable
from ..hdf5 import Group


class Slot(NamedTuple):
    """One array of a layer: the attributes that lead to it, its name, whether training changes it, and whether it may be absent."""

    path: tuple[str, ...]
    name: str
    trainable: bool = True
    optional: bool = False

    def below(self, name: str, trainable: bool = True) -> "Slot":
        """The same array, seen from the layer that holds its layer as `name`."""
        return self._replace(path=(name, *self.path), trainable=self.trainable and trainable)


class Weights(Protocol):
    """Where a model's arrays are."""

    def of(self, index: int, names: Sequence[tuple[str, str]], slots: Sequence[Slot]) -> "Arrays":
        """Those of the layer at `index` of a model whose layers have these classes and names."""

    def unused(self) -> list[str]:
        """What holds arrays and was not asked for."""


class Arrays:
    """The arrays of one layer, by slot; each is read when it is asked for."""

    def __init__(self, group: Group, places: dict[tuple[tuple[str, ...], str], str], path: tuple[str, ...] = ()) -> None:
        self._group, self._places, self._path = group, places, path

    def below(self, *names: str) -> "Arrays":
        """Those of a layer that the layer holds."""
        return Arrays(self._group, self._places, (*self._path, *names))

    def __contains__(self, name: str) -> bool:
        return (self._path, name) in self._places

    def get(self, name: str, shape: Sequence[int | None] | None) -> NDArray[np.floating[Any]]:
        """An array of a shape, whose dimensions are free where that has None, or of any.

        Raises
        ------
        ShapeError
            If it has another one.
        ModelFileError, UnsupportedModelError
            If it cannot be read.
        """
        place = self._places[self._path, name]
        found = self._group.numbers(place)
        if shape is None:
            return found
        fits = found.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, found.shape, strict=True))
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ShapeError(f"array {printable(place, 100)!r} must have shape ({wanted}) by the layer's settings; it has {found.shape}.")
        return found


class ByName:
    """Groups by the layers' names, each with the list of its arrays in the attribute ``weight_names``."""

    def __init__(self, root: Group) -> None:
        self._root = root
        self._left = [name for name in root.texts("layer_names") or root.names() if name in root and self._arrays(name)]

    def _arrays(self, layer: str) -> list[str]:
        return self._root.group(layer).texts("weight_names") or []

    def of(self, index: int, names: Sequence[tuple[str, str]], slots: Sequence[Slot]) -> Arrays:
        layer = names[index][1]
        listed = self._arrays(layer) if layer in self._root else []
        order = sorted(slots, key=lambda slot: not slot.trainable)
        order = order if len(listed) == len(order) else [slot for slot in order if not slot.optional]
        if len(listed) != len(order):
            raise ModelFileError(
                f"layer {printable(layer, 60)!r} should have {len(order)} arrays ({_shown(s.name for s in order)}) by its settings; "
                f"the file holds {len(listed)} ({_shown(listed)})."
            )
        for slot, name in zip(order, listed, strict=True):
            if not _fits(slot.name, name):
                raise ModelFileError(
                    f"layer {printable(layer, 60)!r}: {printable(name, 100)!r} stands where {slot.name} should; save it again."
                )
        self._left = [name for name in self._left if name != layer]
        group = self._root.group(layer) if listed else self._root
        return Arrays(group, {(slot.path, slot.name): name for slot, name in zip(order, listed, strict=True)})

    def unused(self) -> list[str]:
        return self._left


#: Other names of slots in files.
_ALSO = {"depthwise_kernel": "kernel", "moving_mean": "running_mean", "moving_variance": "running_std"}


def _fits(slot: str, name: str) -> bool:
    """Whether an array's name in the file is that of a slot, with what TensorFlow puts around it: ``lstm_1/kernel_3:0``."""
    last = name.rpartition("/")[2].partition(":")[0]
    known = "|".join(re.escape(word) for word in (slot, _ALSO.get(slot, slot)))
    return re.fullmatch(rf"(.*_)?({known})(_\d+)?", last) is not None or last.startswith("param_")


class ByPath:
    """Groups ``layers/<class>[_number]/…/vars/<number>``, numbered among layers of one class."""

    def __init__(self, root: Group, base: str = "layers", groups: Mapping[str, str] | None = None) -> None:
        self._root, self._base, self._groups = root, base, groups
        found = [path for path in root.walk() if path.startswith(f"{base}/") and "/seed_generator/" not in path]
        self._all = [path for path in found if "/vars/" in path]
        self._taken: set[str] = set()

    def of(self, index: int, names: Sequence[tuple[str, str]], slots: Sequence[Slot]) -> Arrays:
        group = numbered([name for name, _ in names])[index] if self._groups is None else self._groups.get(names[index][1], "")
        places: dict[tuple[tuple[str, ...], str], str] = {}
        counts: Counter[tuple[str, ...]] = Counter()
        for slot in slots:
            places[slot.path, slot.name] = "/".join([self._base, group, *slot.path, "vars", str(counts[slot.path])])
            counts[slot.path] += 1
        taken = set(places.values())
        below = [path for path in self._all if path.startswith(f"{self._base}/{group}/")]
        if strangers := [path for path in below if path not in taken] or [path for path in taken if path not in below]:
            raise ModelFileError(
                f"layer {printable(names[index][1], 60)!r} should have {len(slots)} arrays ({_shown(s.name for s in slots)}) "
                f"by its settings, in {printable(group, 60)}; the file disagrees in {_shown(strangers)}."
            )
        self._taken |= taken
        return Arrays(self._root, places)

    def unused(self) -> list[str]:
        return [path for path in self._all if path not in self._taken]


def numbered(classes: Iterable[str]) -> list[str]:
    """What a container's groups are called: the classes in snake case, numbered from the second of each on."""
    seen: Counter[str] = Counter()
    result = []
    for name in classes:
        word = snake(name)
        result.append(f"{word}_{seen[word]}" if seen[word] else word)
        seen[word] += 1
    return result


def snake(name: str) -> str:
    """``ConvLSTM2D`` as ``conv_lstm2d``: Keras' own rule."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _shown(names: Iterable[str]) -> str:
    return printable(", ".join(names), 200) or "none"
