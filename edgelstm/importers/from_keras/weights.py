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
    """Groups by the layers' names, each with the list of its arrays in the attribute ``weight_names``.

    Parameters
    ----------
    root : Group
    places : mapping, optional
        Of each layer that has arrays its group, and their names there; what the file says by default.
    """

    def __init__(self, root: Group, places: Mapping[str, tuple[str, list[str]]] | None = None) -> None:
        self._root = root
        self._places = listed(root) if places is None else places
        self._left = list(self._places)

    def of(self, index: int, names: Sequence[tuple[str, str]], slots: Sequence[Slot]) -> Arrays:
        layer = names[index][1]
        place, listed = self._places.get(layer, (layer, []))
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
        group = self._root.group(place) if listed else self._root
        return Arrays(group, {(slot.path, slot.name): name for slot, name in zip(order, listed, strict=True)})

    def unused(self) -> list[str]:
        return self._left


def listed(root: Group) -> dict[str, tuple[str, list[str]]]:
    """Of each layer that has arrays its group, which is called as the layer, and their names there."""
    groups = [name for name in root.texts("layer_names") or root.names() if name in root]
    found = {name: (name, root.group(name).texts("weight_names") or []) for name in groups}
    return {name: place for name, place in found.items() if place[1]}


#: Other names of slots in files.
_ALSO = {"depthwise_kernel": "kernel", "moving_mean": "running_mean", "moving_variance": "running_std"}


def _fits(slot: str, name: str) -> bool:
    """Whether an array's name in the file is that of a slot, with what TensorFlow puts around it: ``lstm_1/kernel_3:0``."""
    last = name.rpartition("/")[2].partition(":")[0]
    known = "|".join(re.escape(word) for word in (slot, _ALSO.get(slot, slot)))
    return re.fullmatch(rf"(.*_)?({known})(_\d+)?", last) is not None or last.startswith("param_")


class ByPath:
    """Groups ``layers/<class>[_number]/…/vars/<number>``, numbered among layers of one class.

    Parameters
    ----------
    root : Group
    base : str
        The group that holds them.
    groups : mapping of str to str, optional
        Where in the file the group of each layer is that has arrays, by its name, in place of `base` and numbers.
    """

    def __init__(self, root: Group, base: str = "layers", groups: Mapping[str, str] | None = None) -> None:
        self._root, self._base, self._groups = root, base, groups
        within = (f"{base}/",) if groups is None else tuple(f"{group}/" for group in groups.values())
        found = [path for path in root.walk() if path.startswith(within) and "/seed_generator/" not in path]
        self._all = [path for path in found if "/vars/" in path]
        self._taken: set[str] = set()

    def of(self, index: int, names: Sequence[tuple[str, str]], slots: Sequence[Slot]) -> Arrays:
        name = names[index][1]
        known = self._groups
        group = f"{self._base}/{numbered([kind for kind, _ in names])[index]}" if known is None else known.get(name, name)
        places: dict[tuple[tuple[str, ...], str], str] = {}
        counts: Counter[tuple[str, ...]] = Counter()
        for slot in slots:
            places[slot.path, slot.name] = "/".join([group, *slot.path, "vars", str(counts[slot.path])])
            counts[slot.path] += 1
        taken = set(places.values())
        below = [path for path in self._all if path.startswith(f"{group}/")]
        if strangers := [path for path in below if path not in taken] or [path for path in taken if path not in below]:
            raise ModelFileError(
                f"layer {printable(name, 60)!r} should have {len(slots)} arrays ({_shown(s.name for s in slots)}) "
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
