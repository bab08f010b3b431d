"""How small and how large numbers can be, whatever the recording holds."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ...layers.activations import LEAST_DIVISOR, spelled
from ...reference.functions import activation
from .expressions import Affine, Apply, Combine, Constant, Expression, Floats, Scale
from .wires import Ids, Space, distinct

#: Functions that never fall, by what they lie between.
_RISING = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "exp": (0.0, np.inf), "relu": (0.0, np.inf), "softplus": (0.0, np.inf)}

#: Divisors are taken to be a little smaller than their bound, which rounding may pass; a larger bound than this is left out.
_CLOSE, _MOST_DIVISOR = 0.99, 1e6


def divided(space: Space, source: Apply) -> str:
    """The word of a function; that of a reciprocal tells how small its divisors can be, so that a loop of them has a bound."""
    if not source.word.startswith("reciprocal"):
        return source.word
    least = float(Ranges(space).of(source.refs).least.min()) * _CLOSE
    return spelled("reciprocal", least) if LEAST_DIVISOR < least < _MOST_DIVISOR else source.word


class Range(NamedTuple):
    """Bounds of some numbers, each (numbers,); infinite where there is none."""

    least: Floats
    most: Floats


@dataclass(eq=False)
class Ranges:
    """Bounds of the numbers of a space."""

    space: Space
    _found: dict[int, Range] = field(default_factory=dict)

    def of(self, ids: Ids) -> Range:
        """Bounds of numbers (numbers,)."""
        at, found = self.space.places(ids), Range(np.full(ids.size, -np.inf), np.full(ids.size, np.inf))
        for index in distinct(at.wire).tolist():
            mine = at.wire == index
            known = self._of_wire(index)
            found.least[mine], found.most[mine] = known.least[at.number[mine]], known.most[at.number[mine]]
        return found

    def _of_wire(self, index: int) -> Range:
        if index not in self._found:
            wire = self.space.wires[index]
            found = self._made(wire.source)
            self._found[index] = Range(np.full(wire.width, -np.inf), np.full(wire.width, np.inf)) if found is None else found
        return self._found[index]

    def _made(self, source: Expression) -> Range | None:
        """Bounds of what an expression makes; None where nothing is known of it."""
        if isinstance(source, Constant):
            return Range(source.values, source.values)
        if isinstance(source, Apply) and source.word.partition("(")[0] in _RISING:
            given, function = self.of(source.refs), activation(source.word)
            low, high = _RISING[source.word.partition("(")[0]]
            ends = (np.clip(np.nan_to_num(function(np.clip(end, -700, 700)), nan=0.0), low, high) for end in given)
            least, most = ends
            return Range(np.where(np.isfinite(given.least), least, low), np.where(np.isfinite(given.most), most, high))
        if isinstance(source, Scale):
            return _product(Range(source.scale, source.scale), self.of(source.refs), source.offset)
        if isinstance(source, Affine):
            given = self.of(source.refs)
            return Range(_least(source.weight, given) + source.bias, -_least(-source.weight, given) + source.bias)
        if isinstance(source, Combine):
            left, right = self.of(source.left), self.of(source.right)
            if source.operation == "add":
                return Range(left.least + right.least, left.most + right.most)
            return _product(left, right, 0.0)
        return None


def _least(weight: Floats, given: Range) -> Floats:
    """The least that ``weight x`` can be: weight (width, numbers), x within its bounds."""
    found = np.zeros(len(weight))
    for part, end in ((np.maximum(weight, 0), given.least), (np.minimum(weight, 0), given.most)):
        open_ = np.isinf(end)
        found += part @ np.where(open_, 0.0, end)
        found[(part[:, open_] != 0).any(axis=1)] = -np.inf
    return found


def _product(a: Range, b: Range, offset: Floats | float) -> Range:
    """Bounds of ``a b + offset``, where 0 times infinity is 0."""
    with np.errstate(invalid="ignore"):
        each = np.stack([np.where((x == 0) | (y == 0), 0.0, x * y) for x in a for y in b])
    return Range(each.min(axis=0) + offset, each.max(axis=0) + offset)
