"""Layout of models that read whole recordings: each layer runs over all rows before the next one begins.

Rows lie in work memory, so many floats for each row of the recording; what no layer reads any more makes room for others.
What is a fixed number of rows for the whole recording lies in the arena.
"""

from ..layers.order import INPUT
from ..layers.record import Layer
from ..layers.recurrent import Recurrent
from ..layers.wire import Wire
from ..model import Model
from .layout import Builder, Place, stride_of
from .lowering import LINE, Lowered, copy, up_to
from .targets import Target


class Recordings(Builder):
    """Places operations one after the other, each over all rows."""

    def __init__(self, model: Model, target: Target) -> None:
        super().__init__(model, target)
        self.work: int = 0
        self.free: list[tuple[int, int]] = []
        self.last_group = {
            name: number for number, group in enumerate(self.groups, 1) for layer in group for name in (*layer.inputs, *layer.needs)
        }
        self.gathers: list[Place] = []
        self.fixed, self.backwards = 0, False

    def place(self, layer: Layer, answer: Place) -> None:
        low, given = self.lowered[layer.name], self.model.rows_of(layer.name) or 0
        self.fixed = self.model.rows_of(layer.inputs[0]) or 0
        source = self.gathered(layer.inputs)
        last = layer is self.model.layers[-1]
        exact = low.width == self.model.size_of(layer.name)
        self.places[layer.name] = answer if last and exact else self.fixed_rows(low.width, given) if given else self.rows(low.width)
        self.backwards = isinstance(layer, Recurrent) and layer.reverse
        spread = self.spread(source) if layer.answers == 0 and self.fixed else source
        self.keep(layer, low)
        self.emit(low, spread, self.places[layer.name], self.model.wire_of(layer.inputs[0]))
        self.backwards, self.fixed = False, given
        if last and not exact:
            self.emit(copy(self.model.output_size), self.places[layer.name], answer, self.model.output_wire)
        self.gathers += [source] if len(layer.inputs) > 1 else []

    def spread(self, source: Place) -> Place:
        """The last of a fixed number of rows, as if it were each row of the recording."""
        last, self.fixed = self.fixed - 1, 0
        return source._replace(offset=source.offset + last * source.stride, stride=0)

    def emit(self, low: Lowered, source: Place, target: Place, wire: Wire) -> None:
        """A kernel over all rows of the source, or over its single one; of a loop, over one row at a time."""
        if not (low.whole or self.fixed == 1 or self.loop):
            around = {"kernel": low.kernel, "constants": tuple(low.constants.items()), "block": self.block}
            if low.counts:
                low = low._replace(kernel="counted_sweep", constants={**around, **low.counts._asdict()}, counts=None)
            else:
                low = low._replace(kernel="sweep", constants={**around, "backwards": int(self.backwards)})
        super().emit(low, source, target, wire)
        self.operations[-1] = self.operations[-1]._replace(fixed=self.fixed)

    def room(self, width: int) -> Place:
        """What inputs are gathered in."""
        return self.fixed_rows(width, self.fixed) if self.fixed else self.rows(width)

    def fixed_rows(self, width: int, count: int) -> Place:
        """A fixed number of rows."""
        place = Place("arena", self.end, stride_of(width))
        self.end += up_to(LINE, count * place.stride)
        return place

    def rows(self, width: int) -> Place:
        """Rows of a recording."""
        size = stride_of(width)
        for index, (start, length) in enumerate(self.free):
            if length >= size:
                self.free[index] = (start + size, length - size)
                return Place("work", 0, size, start)
        self.work += size
        return Place("work", 0, size, self.work - size)

    def release(self, number: int, group: tuple[Layer, ...]) -> None:
        """Give the places of rows that a group was the last to read to others."""
        read = {name for layer in group for name in (*layer.inputs, *layer.needs)} - {INPUT}
        done = [*self.gathers, *(self.places[name] for name in read if self.last_group[name] == number)]
        self.free = _joined([*self.free, *((place.before, place.stride) for place in done if place.region == "work")])
        self.gathers = []


def _joined(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours made one."""
    joined: list[tuple[int, int]] = []
    for start, length in sorted(part for part in parts if part[1]):
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((start, length))
    return joined
