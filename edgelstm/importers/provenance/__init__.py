"""Which tensors of a trained file each array of a model was made of, and how. Found by their numbers, for all formats alike.

An array is told as moved numbers (transposed, parts, gates in another order), as a sum of tensors, or as a tensor times factors that were
folded into it. What is said was checked on every number; where nothing fits, that is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...layers.record import Layer
from ...model import Model
from .finding import Found, Index, blocks, spans
from .folding import Folding


@dataclass(frozen=True)
class Origin:
    """What one array of a layer was made of.

    Parameters
    ----------
    layer, array : str
        Name of the layer and of its array.
    shape : tuple of int
    sources : tuple of str
        Names of tensors in the file; empty where none is known.
    how : str
        What was done with them, in a few words; empty where an array is one as it is.
    """

    layer: str
    array: str
    shape: tuple[int, ...]
    sources: tuple[str, ...]
    how: str


@dataclass(frozen=True)
class Provenance:
    """Origins of all arrays, and what is in none of them.

    Parameters
    ----------
    origins : tuple of Origin
    unused : tuple of str
        Tensors of the file whose numbers are in no array as they are: left out, folded into others, or of no use. Those of one value
        alone, such as states that begin as zeros, are not told.
    passed : tuple of str
        Layers of the file that leave nothing to compute, such as dropout.
    """

    origins: tuple[Origin, ...]
    unused: tuple[str, ...]
    passed: tuple[str, ...] = ()


def provenance(model: Model, tensors: Mapping[str, NDArray[np.float32]], names: Sequence[str] = ()) -> Provenance:
    """What the arrays of a model were made of, given those of its file, and the names of the file's own layers, where it has such."""
    found = tuple(_Tracing(tensors).all(model))
    used = {name for origin in found for name in origin.sources}
    unused = tuple(name for name, tensor in tensors.items() if name not in used and (tensor != tensor.flat[0]).any())
    made = [layer.name for layer in model.layers]
    passed = (name for name in names if not any(one == name or one.startswith((f"{name}.", f"{name}_")) for one in made))
    return Provenance(found, unused, tuple(dict.fromkeys(passed)))


class _Tracing:
    """Looks up one array after the other."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self._index = Index(tensors)
        self._folding = Folding(self._index)
        self._used: set[str] = set()

    def all(self, model: Model) -> Iterator[Origin]:
        for layer in model.layers:
            arrays = {name: array for name, array in layer.arrays().items() if array.dtype.kind == "f"}
            rows: list[int] | None = None
            for name, array in sorted(arrays.items(), key=lambda item: -item[1].ndim):
                sources, how, order = self._origin(layer, array.astype(np.float32), rows)
                if not sources and name == "offset" and (found := self._folding.offset(array.astype(np.float64), arrays["scale"])):
                    sources, how = found
                rows = order or rows
                self._used.update(sources)
                yield Origin(layer.name, name, array.shape, sources, how)

    def _origin(self, layer: Layer, array: NDArray[np.float32], rows: list[int] | None) -> tuple[tuple[str, ...], str, list[int] | None]:
        """Sources of an array, what was done with them, and the order of the gates in them, which other arrays of the layer share."""
        found = self._index.find(array, frozenset(self._used))
        if (array == array.flat[0]).all() and (found is None or array.size != self._size(found)):
            return (), "zeros" if not array.any() else f"all {array.flat[0]:g}", None
        if found is not None:
            how, order = _moved(found, array, layer.gates)
            return found.sources, how, order
        sources, how = self._folding.origin(array, layer, rows)
        return (sources, how, None) if sources else (*self._by_gate(layer, array), None)

    def _size(self, found: Found) -> int:
        return sum(self._index.tensors[name].size for name in found.sources)

    def _by_gate(self, layer: Layer, array: NDArray[np.float32]) -> tuple[tuple[str, ...], str]:
        """The same of each gate's rows alone, where a file keeps gates apart."""
        gates = layer.gates
        sources: list[str] = []
        if gates and len(array) % len(gates) == 0:
            for rows in np.split(array, len(gates)):
                found = self._index.find(rows, frozenset(sources))
                of = found.sources if found is not None else self._folding.origin(rows, layer, None)[0]
                if not of and rows.any():
                    sources.clear()
                    break
                sources += of
        known = tuple(dict.fromkeys(sources))
        return known, "gates joined, each from its own tensors" if known else "computed; the file holds no such numbers"


def _moved(found: Found, array: NDArray[np.float32], gates: tuple[str, ...]) -> tuple[str, list[int] | None]:
    """How numbers were moved, in words, and the order of the gates in the source where that is another."""
    if not found.axes:
        return f"{len(found.sources)} tensors one behind the other", None
    words: list[str] = []
    known = [axis for axis in found.along if axis >= 0]
    if known != sorted(known):
        words.append("transposed")
    if len(known) > len(set(known)):
        return "reshaped", None
    order = None
    for number, (places, axis) in enumerate(zip(found.axes, found.along, strict=True)):
        if axis < 0:
            words.append("reshaped" if places.size > 1 else "")
            continue
        length = found.shape[axis]
        taken = blocks(places, len(gates)) if number == 0 and gates else None
        if taken is not None and not spans(taken):
            order = taken
            there = " ".join(gates[taken.index(k)] for k in range(len(gates)))
            words.append(f"gates reordered, {there} to {' '.join(gates)}")
        elif np.unique(places).size < places.size:
            words.append(f"axis {axis} repeated")
        elif (np.diff(places) == 1).all():
            words.append(f"{places[0]} to {places[-1] + 1} of axis {axis}" if places.size < length else "")
        elif (np.diff(places) == -1).all():
            words.append(f"axis {axis} reversed")
        else:
            words.append(f"{'part of ' if places.size < length else ''}axis {axis} reordered")
    if array.size < np.prod(found.shape) and not any("of axis" in word or "part" in word for word in words):
        words.append("a part")
    return ", ".join(dict.fromkeys(word for word in words if word)), order
