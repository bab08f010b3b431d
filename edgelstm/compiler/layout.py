"""Model -> operations in order, with every byte of weights and arena placed. Nothing here compiles or allocates.

The arena, in this order: state (steps taken, the sample being read, h and c of every layer), scratch, output, input.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers.order import INPUT, groups
from ..layers.record import Layer
from ..layers.wire import Wire
from ..model import Model
from ..runtime.fields import Fields
from .lowering import LINE, MOST_ROWS, Lowered, copy, lowered, up_to
from .lowering.tables import looked_up
from .reach import held_at
from .targets import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Most and fewest timesteps that a layer takes before the next layer runs, in `process`: measured on Zen 4. Without an operating system
#: memory counts more.
LONGEST_BLOCK, SHORTEST_BLOCK = MOST_ROWS, 4

#: Floats of scratch that a block may fill: what stays in a first-level cache beside the weights streaming past. Measured on Zen 4.
BLOCK_SCRATCH = 8192


class Place(Fields):
    """Where rows lie, from an offset in floats: in the caller's ``"input"`` or ``"output"``, in the ``"arena"`` or, of whole recordings,
    in the ``"work"`` memory, behind `before` floats for each row of the recording. The stride between rows.
    """

    region: str
    offset: int
    stride: int
    before: int = 0


class Operation(Fields):
    """One call of a kernel. Offsets are in floats.

    `every`, `first`: when the rows that it reads are due (`layers.wire.Wire`); `counts`: as `lowering.Lowered` has it.
    `fixed`: how many rows of a recording it reads, where their number is fixed; else 0. `loop`: the loop of layers that it belongs to, all
    of whose operations take one row before they take the next; 0: none.
    """

    kernel: str
    constants: tuple[tuple[str, Any], ...]
    weights: int
    source: Place
    target: Place
    state: int
    every: int = 1
    first: int = 1
    counts: bool = False
    fixed: int = 0
    loop: int = 0


class Layout(Fields):
    """Operations and memory of a model on a target. Sizes and offsets of the arena are in bytes.

    work: floats of work memory for each row of a recording; None of a model that steps.
    draws: what answers are that a token can be drawn from, ``"scores"`` or ``"probabilities"``; empty where they are no symbols' that the
    model reads.
    keeps: by layer, what of its state other streams may give: name, offset in the arena and size, in floats.
    """

    operations: tuple[Operation, ...]
    weights: "NDArray[np.float32]"
    initial_state: "NDArray[np.float32]"
    block: int
    sample_offset: int
    scratch_offset: int
    output_offset: int
    input_offset: int
    arena_bytes: int
    input_size: int
    output_size: int
    vocabularies: tuple[int, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    every: int
    first: int
    work: int | None = None
    draws: str = ""
    keeps: dict[str, tuple[tuple[str, int, int], ...]] = {}  # noqa: RUF012  never changed

    @property
    def each_step(self) -> bool:
        """Whether an answer is due at every step."""
        return self.every == self.first == 1

    @property
    def checks(self) -> tuple[str, dict[str, Any]]:
        """The check of samples, by its name in `kernels.table.CHECKS`, and its constants. A single index is checked against the limit."""
        if any(self.vocabularies) and self.input_size > 1:
            return "first_bad_mixed", {"inputs": self.input_size, "vocabularies": self.vocabularies}
        return "first_bad_index" if any(self.vocabularies) else "first_bad_vector", {"inputs": self.input_size}

    @property
    def state_bytes(self) -> int:
        """Size of the part that a snapshot holds."""
        return self.initial_state.nbytes

    @property
    def signature(self) -> tuple[Any, ...]:
        """All that the generated code depends on: two models with one signature share code."""
        return (
            self.operations,
            self.block,
            self.sample_offset,
            self.scratch_offset,
            self.output_offset,
            self.input_size,
            self.output_size,
            self.checks,
            self.input_shape,
            self.every,
            self.first,
            self.work,
            self.draws,
        )


def weights_of(model: Model) -> int:
    """Floats of all matrices."""
    return sum(array.size for layer in model.layers for array in layer.arrays().values() if array.ndim == 2)


def stride_of(width: int) -> int:
    """Floats from row to row in the arena: rows of vectors begin on cache lines."""
    return up_to(4, width) if width <= 8 else up_to(LINE, width)


#: Floats of a first-level cache of 48 KB, and most of which enough stays in it from step to step if tiles are taken backwards every other
#: step. Measured on Zen 5: a step of two layers of 32 units takes two fifths less, of 40 units as long as before.
FIRST_LEVEL, MOST_CROWDED = 12288, 16384


class Builder:
    """Places operations one after the other."""

    def __init__(self, model: Model, target: Target) -> None:
        self.model, self.target = model, target
        self.operations: list[Operation] = []
        self.weights: list[NDArray[np.float32]] = []
        self.weights_size = 0
        self.sample = LINE  # the steps taken stand before it
        self.state: list[NDArray[np.float32]] = [np.zeros(LINE + up_to(LINE, model.input_size), np.float32)]
        within = target._replace(crowded=target.fills and FIRST_LEVEL < weights_of(model) <= MOST_CROWDED)
        self.lowered = {layer.name: lowered(layer, [model.size_of(n) for n in layer.inputs], within) for layer in model.layers}
        if any(layer.of for layer in model.layers):
            held = held_at(model)
            loops = {layer.name: self.lowered[layer.name] for layer in model.layers if layer.of}
            self.lowered |= {name: low._replace(constants=low.constants | {"most": held}) for name, low in loops.items()}
        self.folded = looked_up(model.layers, target) if model.streams else {}
        self.lowered |= {name: low for name, low in self.folded.items() if low}
        self.state_size = self.state[0].size + sum(up_to(LINE, low.state.size) for low in self.lowered.values())
        scratch = max(low.scratch for low in self.lowered.values())
        longest = SHORTEST_BLOCK if target.bare_metal else LONGEST_BLOCK
        self.block = min(longest, max(SHORTEST_BLOCK, BLOCK_SCRATCH // max(1, scratch)))
        weights = model.output_size if model.generates else 0
        self.scratch = max(scratch * self.block, *(low.workspace for low in self.lowered.values()), weights)
        self.end = self.state_size + up_to(LINE, self.scratch)
        self.places = {INPUT: Place("input", 0, model.input_size)}
        self.work: int | None = None
        self.loop, self.groups = 0, groups(model.layers)
        self.keeps: dict[str, tuple[tuple[str, int, int], ...]] = {}

    def keep(self, layer: Layer, low: Lowered) -> None:
        """Note where the layer's state will stand, before its kernel is emitted."""
        state = sum(part.size for part in self.state)
        self.keeps[layer.name] = tuple((name, state + at, size) for name, at, size in low.keeps)

    def room(self, width: int) -> Place:
        """Rows of a block, in the arena."""
        place = Place("arena", self.end, stride_of(width))
        self.end += up_to(LINE, self.block * place.stride)
        return place

    def emit(self, low: Lowered, source: Place, target: Place, wire: Wire) -> None:
        """A kernel's call on rows at `source` that are due when `wire` says."""
        state = sum(part.size for part in self.state)
        if low.state.size:
            self.state.append(np.pad(low.state, (0, -low.state.size % LINE)))
        constants = (*low.constants.items(), ("x_stride", source.stride), ("y_stride", target.stride))
        when = wire.every, wire.first, low.counts is not None
        self.operations.append(Operation(low.kernel, constants, self.weights_size, source, target, state, *when, loop=self.loop))
        self.weights.append(np.pad(low.weights, (0, -low.weights.size % LINE)))
        self.weights_size += self.weights[-1].size

    def gathered(self, names: tuple[str, ...]) -> Place:
        """One row for several inputs, copied side by side."""
        if len(names) == 1:
            return self.places[names[0]]
        sizes = [self.model.size_of(name) for name in names]
        row = self.room(sum(sizes))
        for name, start in zip(names, np.cumsum([0, *sizes]), strict=False):
            part = row._replace(offset=row.offset + int(start))
            self.emit(copy(self.model.size_of(name)), self.places[name], part, self.model.wire_of(name))
        return row

    def run(self) -> None:
        answer = Place("output", 0, self.model.output_size)
        for number, group in enumerate(self.groups, 1):
            self.loop = number if any(layer.of for layer in group) else 0
            for layer in group:
                self.place(layer, answer)
            for layer in group:
                if layer.of:
                    self.remember(layer)
            self.release(number, group)

    def place(self, layer: Layer, answer: Place) -> None:
        """Place what a layer does."""
        low = self.lowered[layer.name]
        if layer.name in self.folded and layer.takes_index:  # those that read it take the index themselves
            self.places[layer.name] = self.gathered(layer.inputs)
            return
        last = layer is self.model.layers[-1]
        exact = low.width == self.model.size_of(layer.name)
        self.places[layer.name] = answer if last and exact else self.room(low.width)
        source = self.gathered(layer.inputs)
        self.keep(layer, low)
        self.emit(low, source, self.places[layer.name], self.model.wire_of(layer.inputs[0]))
        if last and not exact:
            self.emit(copy(self.model.output_size), self.places[layer.name], answer, self.model.output_wire)

    def release(self, number: int, group: tuple[Layer, ...]) -> None:
        """All operations of a group are placed."""

    def remember(self, layer: Layer) -> None:
        """Keep what `layer.of` gave for the next timestep, now that all layers have read what it gave before."""
        ((_, state, size),), place, wire = self.keeps[layer.name], self.places[layer.of], self.model.wire_of(layer.of)
        constants = ("size", size), ("x_stride", place.stride), ("y_stride", place.stride)
        when = wire.every, wire.first
        self.operations.append(Operation("kept_f32", constants, self.weights_size, place, place, state, *when, loop=self.loop))


def lay_out(model: Model, target: Target) -> Layout:
    """Place every operation, weight and buffer of a model.

    Raises
    ------
    UnsupportedModelError
        If a layer has no kernel.
    """
    if not model.streams:
        from .recordings import Recordings  # models that step never need it

        return laid_out(Recordings(model, target))
    return laid_out(Builder(model, target))


def laid_out(builder: Builder) -> Layout:
    """The layout of all that a builder places."""
    model = builder.model
    builder.run()
    output = builder.end
    given = output + up_to(LINE, model.output_size)
    return Layout(
        operations=tuple(builder.operations),
        weights=np.concatenate(builder.weights),
        initial_state=np.concatenate(builder.state),
        block=builder.block,
        sample_offset=4 * builder.sample,
        scratch_offset=4 * builder.state_size,
        output_offset=4 * output,
        input_offset=4 * given,
        arena_bytes=4 * (given + up_to(LINE, model.input_size)),
        input_size=model.input_size,
        output_size=model.output_size,
        vocabularies=model.vocabularies,
        input_shape=model.input_shape,
        output_shape=model.output_shape,
        every=model.output_wire.every,
        first=model.output_wire.first,
        work=builder.work,
        keeps=builder.keeps,
        draws=("probabilities" if model.layers[-1].probabilities else "scores") if model.generates else "",
    )
