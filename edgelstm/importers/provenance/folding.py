"""Arrays that were computed from a file's tensors: sums of biases, factors of normalisations, statistics of batches."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...layers.record import Layer
from .finding import Index

Floats = NDArray[np.float64]

#: How far a computed number may be from its formula, of the largest in its array: float32's rounding.
_CLOSE = 2e-6

#: What frameworks add to a variance.
_EPSILONS = (1e-5, 1e-3, 1e-6, 1e-12)

#: Vectors of one length that are combined with each other by division; and pairs that are added, of those that begin as the sum does.
_MOST, _MOST_PAIRS = 160, 1 << 16

#: Parts of a tensor that are taken as vectors of their own.
_MOST_PARTS = 16


class Folding:
    """Looks for the formula of an array whose numbers no tensor holds.

    Parameters
    ----------
    index : Index
        All numbers of the file.
    """

    def __init__(self, index: Index) -> None:
        self._index, self._tensors = index, index.tensors
        self._of_size: dict[int, tuple[list[str], Floats]] = {}

    def origin(self, array: NDArray[np.float32], layer: Layer, rows: list[int] | None) -> tuple[tuple[str, ...], str]:
        """Sources of an array and what was done with them. rows: the order of the layer's gates in the file, where that is another."""
        given = array.astype(np.float64)
        found = self._sum(given, layer, rows) or self._statistics(given) if given.ndim == 1 else self._scaled(given)
        return found or self._rearranged(given) or ((), "")

    def _all(self, size: int) -> tuple[list[str], Floats]:
        """Tensors of so many numbers, and parts of tensors of some times as many: names, and a row for each."""
        if size not in self._of_size:
            names: list[str] = []
            rows = [np.zeros((0, size))]
            for name, tensor in self._tensors.items():
                parts, rest = divmod(tensor.size, size)
                if not rest and 1 <= parts <= _MOST_PARTS and (parts == 1 or tensor.ndim <= 2 or tensor.shape[-1] == size):
                    names += [name] * parts
                    rows.append(tensor.reshape(parts, size).astype(np.float64))
            self._of_size[size] = names, np.concatenate(rows)
        return self._of_size[size]

    def _vectors(self, size: int) -> list[tuple[str, Floats]]:
        """The first of these."""
        return list(zip(*self._all(size), strict=True))[:_MOST]

    def _sum(self, given: Floats, layer: Layer, rows: list[int] | None) -> tuple[tuple[str, ...], str] | None:
        """``a + b``, or ``a`` plus one number a gate."""
        gates = layer.gates if given.size % max(1, len(layer.gates)) == 0 else ()
        names, plain = self._all(given.size)
        for order in (rows, None) if rows and gates else (None,):
            vectors = _ordered(plain, order)
            words = ", gates reordered" if order else ""
            likely = _pairs(vectors, given)
            for i in sorted({*likely, *_level(given, vectors, gates)[:_MOST]}):
                for j in likely.get(i, ()):
                    if _near(vectors[i] + vectors[j], given):
                        return tuple(dict.fromkeys((names[i], names[j]))), f"two biases added{words}"
                if gates and (added := _by_gate(given - vectors[i], gates)):
                    return (names[i],), f"{added}{words}"
        return None

    def _statistics(self, given: Floats) -> tuple[tuple[str, ...], str] | None:
        """``gamma / sqrt(variance + epsilon)``, or the ``beta - mean * scale`` beside it; a multiple of one vector."""
        vectors = self._vectors(given.size)
        for name, vector in vectors:
            if (factor := _ratio(given, vector)) is not None:
                return (name,), "negated" if factor == -1 else f"times {factor:.6g}"
            if (vector != 0).all() and _near(1 / vector, given):
                return (name,), "reciprocal"
            if (vector > 0).all() and _near(np.sqrt(vector), given):
                return (name,), "square root"
        return _normalisation(given, vectors)

    def offset(self, given: Floats, scale: Floats) -> tuple[tuple[str, ...], str] | None:
        """``beta - mean * scale``, the other number of a batch's normalisation; scale: its factor."""
        vectors = self._vectors(given.size)
        for beta, shift in [("", np.zeros(given.size)), *vectors]:
            for mean, centre in vectors if scale.all() else ():
                if abs(shift[0] - centre[0] * scale[0] - given[0]) <= 1e-4 * max(1, abs(given[0])) and _near(shift - centre * scale, given):
                    return tuple(filter(None, (beta, mean))), "a normalisation's offset, beta - mean * factor"
        return None

    def _rearranged(self, given: Floats) -> tuple[tuple[str, ...], str] | None:
        """A tensor whose numbers stand in a larger array, with zeros or each other between them."""
        if given.ndim < 2:
            return None
        numbers = np.unique(given[given != 0])
        for name in self._index.holders(float(numbers[0])) if numbers.size > 1 else ():
            if np.isin(numbers, self._tensors[name].astype(np.float64)).all():
                return (name,), "its numbers spread over a matrix" if not given.all() else "its numbers in another order"
        return None

    def _scaled(self, given: Floats) -> tuple[tuple[str, ...], str] | None:
        """A tensor of the same numbers along its axes, times one number or one for each row or column."""
        for name, tensor in self._tensors.items():
            for turned, word in _turns(tensor.astype(np.float64), given.shape):
                if (factor := _ratio(given, turned)) is not None:
                    return (name,), _joined("negated" if factor == -1 else f"times {factor:.6g}", word)
                for axis, what in ((0, "output"), (1, "input")):
                    if _scales(given, turned, axis):
                        return (name,), _joined(f"each {what} times a factor that is folded in", word)
        return None


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _near(a: Floats, b: Floats) -> bool:
    return bool(np.abs(a - b).max() <= _CLOSE * max(1e-30, float(np.abs(b).max())))


def _ordered(vectors: Floats, order: list[int] | None) -> Floats:
    """Blocks of each row in another order: block k is block ``order[k]`` of the row."""
    count, size = vectors.shape
    return vectors if order is None or size % len(order) else vectors.reshape(count, len(order), -1)[:, order].reshape(count, size)


def _pairs(vectors: Floats, given: Floats) -> dict[int, list[int]]:
    """By row, the later rows with which its sum begins as `given` does."""
    slack = 2 * _CLOSE * max(1e-30, float(np.abs(given).max()))
    begins = vectors[:, 0]
    order = np.argsort(begins, kind="stable")
    low, high = (np.searchsorted(begins[order], given[0] - begins + end) for end in (-slack, slack))
    counts = high - low
    counts[np.cumsum(counts) > _MOST_PAIRS] = 0
    first = np.repeat(np.arange(len(vectors)), counts)
    second = order[np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())]
    head = slice(0, 4)
    fits = (second > first) & (np.abs(vectors[first, head] + vectors[second, head] - given[head]) <= slack).all(axis=1)
    found: dict[int, list[int]] = {}
    for i, j in sorted(zip(first[fits].tolist(), second[fits].tolist(), strict=True)):
        found.setdefault(i, []).append(j)
    return found


def _level(given: Floats, vectors: Floats, gates: tuple[str, ...]) -> list[int]:
    """Rows from which the first two numbers of `given` differ alike, as all of a gate do where one number was added to it."""
    if not gates or given.size < 2 * len(gates):
        return list(range(len(vectors))) if gates else []
    rest = given[:2] - vectors[:, :2]
    return np.flatnonzero(np.abs(rest[:, 1] - rest[:, 0]) <= 1e-6).tolist()


def _by_gate(rest: Floats, gates: tuple[str, ...]) -> str:
    """What is added to whole gates, in words; empty where a gate's numbers differ, or nothing is added."""
    parts = rest.reshape(len(gates), -1)
    if np.abs(parts - parts[:, :1]).max() > 1e-6 or not np.abs(parts[:, 0]).max() > 1e-6:
        return ""
    return " and ".join(f"{value:.6g} added to gate {gate}" for gate, value in zip(gates, parts[:, 0], strict=True) if abs(value) > 1e-6)


def _ratio(given: Floats, other: Floats) -> float | None:
    """The one number that `other` is multiplied by; None where there is none."""
    place = np.unravel_index(int(np.abs(other).argmax()), other.shape)
    if other[place] == 0:
        return None
    factor = float(given[place] / other[place])
    return factor if factor and _near(other * factor, given) else None


def _scales(given: Floats, other: Floats, axis: int) -> bool:
    """Whether `given` is `other` with a factor for each entry of an axis."""
    rows, others = (np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1) for a in (given, other))
    if rows.shape[1] < 2:
        return False
    largest = np.abs(others).argmax(axis=1)[:, None]
    base = np.take_along_axis(others, largest, 1)
    if not base.all():
        return False
    return _near(others * (np.take_along_axis(rows, largest, 1) / base), rows)


def _turns(tensor: Floats, shape: tuple[int, ...]) -> Iterator[tuple[Floats, str]]:
    """A tensor as an array of a shape, as it is and transposed."""
    squeezed, wanted = tensor.reshape([n for n in tensor.shape if n > 1] or [1]), [n for n in shape if n > 1] or [1]
    for turned, word in ((squeezed, ""), (squeezed.T, "transposed")):
        if list(turned.shape) == wanted:
            yield turned.reshape(shape), word


def _normalisation(given: Floats, vectors: list[tuple[str, Floats]]) -> tuple[tuple[str, ...], str] | None:
    """``gamma / sqrt(variance + epsilon)``, with 1 for gamma where there is none."""
    factors = [("", np.ones(given.size)), *vectors]
    positive = [(name, vector) for name, vector in vectors if (vector > 0).all()]
    first = np.array([factor[0] for _, factor in factors])
    for name, variance in positive:
        for epsilon in _EPSILONS:
            likely = np.flatnonzero(np.abs(first / np.sqrt(variance[0] + epsilon) - given[0]) <= 1e-5 * abs(given[0]))
            for gamma, factor in (factors[i] for i in likely.tolist()):
                if gamma != name and _near(factor / np.sqrt(variance + epsilon), given):
                    return tuple(filter(None, (gamma, name))), f"a normalisation's factor, gamma / sqrt(variance + {epsilon:g})"
    return None
