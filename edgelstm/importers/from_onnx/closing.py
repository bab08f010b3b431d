"""States led back: which output of a graph each state becomes at the next call; and inputs taken as samples that turn out to be states."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from ...errors import UnsupportedModelError
from ..graph.cells import Cells
from ..graph.expressions import Cell, Input, Made, Scores, State, Weights
from ..graph.returning import bare, depends, distance, goes_on, holds, only_moved, origin, together
from ..graph.tracing import Flow, Tracer, Value
from ..graph.wires import Ids, NoCell, Space, Wire
from .file import Tensor
from .signature import Reading, alike

#: Most states whose outputs are exchanged.
_MOST_EXCHANGED = 4

#: What each state becomes; None where no output holds it.
Pairs = dict[Tensor, Tensor | None]


@dataclass(frozen=True, eq=False)
class Closing:
    """A graph that was followed: what it gives, and the wires of its states."""

    reading: Reading
    tracer: Tracer
    outputs: Mapping[Tensor, Value]
    wires: Mapping[Tensor, Wire]
    notes: list[str] = field(default_factory=list)

    def pairings(self) -> Iterator[Pairs]:
        """What states become: as recurrent layers end, and for others as the reading has it; then by how far outputs are from states."""
        seen = self._seen()
        taken = {output for output in seen.values() if output is not None}
        likely = {tensor: seen.get(tensor, None if output in taken else output) for tensor, output in self.reading.states}
        free = [tensor for tensor, output in likely.items() if tensor not in seen and output is not None]
        found = [likely]
        for pairs in (likely, self._nearest(likely, free), *self._exchanged(likely, free)):
            if pairs is likely or pairs not in found:
                found.append(pairs)
                yield pairs

    def _exchanged(self, likely: Pairs, free: list[Tensor]) -> Iterator[Pairs]:
        """The same outputs for the same states in every other order: of few `free` states, whose names tell nothing."""
        taken = [output for tensor in free if (output := likely[tensor]) is not None]
        for order in permutations(taken) if len(free) <= _MOST_EXCHANGED else ():
            if all(alike(tensor, output) for tensor, output in zip(free, order, strict=True)):
                yield likely | dict(zip(free, order, strict=True))

    def lead_back(self, pairs: Pairs, *, asked: bool = True) -> dict[Tensor, Value]:
        """Lead each state's output back to it; the outputs without these. asked: whether the graph tells what is another state's.

        Raises
        ------
        UnsupportedModelError
            If an output is not what a state becomes.
        """
        self.notes.clear()
        rest = dict(self.outputs)
        for tensor, likely in self.reading.states:
            if tensor.becomes and pairs[tensor] is not likely:
                raise UnsupportedModelError(f"the state {tensor.name!r} does not become what the layer that begins with it ends with.")
            state = self.wires[tensor].source
            assert isinstance(state, State)
            self._not_rounded(tensor)
            if (output := pairs[tensor]) is None:
                state.following = None
                self._not_an_output(tensor)
                continue
            value = rest.pop(output, None)
            sized = isinstance(value, Flow) and value.ids.size == state.initial.size
            if not isinstance(value, Flow) or not sized or (asked and self._of_another(tensor, output, value.ids)):
                raise UnsupportedModelError(f"the output {output.name!r} is not what the state {tensor.name!r} becomes.")
            state.following = value.ids.ravel() if self.wires[tensor].steps else None  # of a call of several steps no operator goes on
            begin = "zeros" if not state.initial.any() else "the file's numbers"
            self.notes.append(f"{tensor.name!r} is a state of the stream, which {output.name!r} becomes; it begins as {begin}.")
        return rest

    def answers_of_states(self, pairs: Pairs) -> dict[Tensor, Value]:
        """Outputs that are both a state and what a layer gives: the answers of a file that has no others."""
        found, cells = dict[Tensor, Value](), Cells(self.tracer.space)
        returned = [(state, output, value) for state, output in pairs.items() if output and isinstance(value := self.outputs[output], Flow)]
        for _, output, value in returned:
            wire = self.tracer.space.wire_of(value.ids)
            if wire is not None and wire.width == value.ids.size and (isinstance(wire.source, Made) or cells.match(wire) is not None):
                found[output] = value
        for state, output, value in returned:
            if output not in found and self._is_loop_of_its_own(state, value.ids, found.values()):
                found[output] = value
        self.notes.extend(f"{output.name!r} is a state, and the answer too, since the file has no other output." for output in found)
        return {output: value for output, value in self.outputs.items() if output in found}

    def _is_loop_of_its_own(self, state: Tensor, after: Ids, answers: Iterable[Value]) -> bool:
        """Whether a state is computed from itself, and no answer from it: leaving it out would leave out the layer."""
        space = self.tracer.space
        if any(isinstance(value, Flow) and depends(space, value.ids, after) for value in answers) or shows_a_state(space, after):
            return False
        return depends(space, after, space.last(self.wires[state]))

    def _seen(self) -> Pairs:
        """The states that recurrent layers begin with, and the output, if any, that holds what these end with."""
        found: Pairs = {}
        for tensor, wire in self.wires.items():
            ends = self._ends(wire)
            if (ends >= 0).any():
                found[tensor] = next((output for output, value in self.outputs.items() if _is(value, ends)), None)
        return found

    def _ends(self, wire: Wire) -> Ids:
        """What recurrent layers end with that begin with a state, by its numbers; -1 where none does."""
        ends = self.tracer.ends
        return np.array([ends.get(int(i), -1) for i in self.tracer.space.ids(wire).ravel()], np.int64)

    def _nearest(self, likely: Pairs, free: list[Tensor]) -> Pairs:
        """The same outputs for the same states, of which each `free` state has the one that is fewest expressions away from it."""
        space, found = self.tracer.space, dict(likely)
        outputs = [output for tensor in free if (output := likely[tensor]) is not None]
        ways = []
        for i, tensor in enumerate(free):
            for j, output in enumerate(outputs):
                value, wire = self.outputs.get(output), self.wires[tensor]
                if isinstance(value, Flow) and value.ids.size == space.ids(wire).size:
                    steps = distance(space, value.ids, wire)
                    ways += [] if steps is None else [(steps, i, j, tensor, output)]
        given: Pairs = {}
        for _, _, _, tensor, output in sorted(ways, key=lambda way: way[:3]):
            if tensor not in given and output not in given.values():
                given[tensor] = output
        return found | given if len(given) == len(outputs) else found

    def _of_another(self, tensor: Tensor, output: Tensor, ids: Ids) -> bool:
        """Whether an output is what another state becomes: it holds numbers of that one, or this one is read beside other outputs alone."""
        space, wire = self.tracer.space, self.wires[tensor]
        if (self._ends(wire) >= 0).any() or holds(space, ids, wire):
            return False
        if any(holds(space, ids, other) for other in self.wires.values()):
            return True
        if distance(space, ids, wire) is not None or together(space, ids, wire):
            return False
        others = [value.ids for one, value in self.outputs.items() if one is not output and isinstance(value, Flow)]
        return any(other.size == ids.size and together(space, other, wire) for other in others)

    def _not_rounded(self, tensor: Tensor) -> None:
        """Refuse a state of which an output is what it becomes, rounded, or computed from it where no output is that itself."""
        space, ends = self.tracer.space, self._ends(self.wires[tensor])
        if (ends < 0).any():
            return
        flows = [(output, value.ids) for output, value in self.outputs.items() if isinstance(value, Flow) and value.ids.size == ends.size]
        itself = any(np.array_equal(ids.ravel(), ends) for _, ids in flows)
        for output, ids in flows:
            inner = bare(space, ids) if itself else origin(space, ids)
            if np.array_equal(inner, ends) and not np.array_equal(ids.ravel(), ends):
                raise NoCell(
                    f"the state {tensor.name!r} becomes the output {output.name!r}, which is rounded or computed from what its layer ends "
                    "with; edgelstm carries states round as they are. Export the model without that."
                )

    def _not_an_output(self, tensor: Tensor) -> None:
        """Note that a state begins anew with every recording, unless a recording is one step."""
        if self.reading.steps() == 1 and not self.reading.memories:
            raise UnsupportedModelError(
                f"takes one step a call, and the state {tensor.name!r} is no output, so that it would begin anew with every step."
            )
        self.notes.append(f"The state {tensor.name!r} is no output: it begins as zeros with every recording.")

    def samples(self) -> dict[Tensor, Ids]:
        """The numbers of each input that is read as samples, at the present step."""
        wire = next(wire for wire in self.tracer.space.wires if isinstance(wire.source, Input))
        parts = np.split(self.tracer.space.last(wire), np.cumsum(self.reading.widths())[:-1])
        return {tensor: part for (tensor, _), part in zip(self.reading.samples, parts, strict=True)}

    def suspect(self, remembers: bool) -> tuple[str, str] | None:
        """An output, and an input taken as samples from which it goes on as a state does. remembers: whether a layer keeps a state."""
        once = self.reading.steps() == 1
        if len(self.reading.samples) < 2 or self.reading.memories or (remembers and not once):
            return None
        space = self.tracer.space
        wire = next(wire for wire in space.wires if isinstance(wire.source, Input))
        alone = once and not any(becomes for _, becomes in self.reading.states)
        for tensor, before in self.samples().items():
            for output, value in self.outputs.items():
                after = _present(space, value.ids) if isinstance(value, Flow) else np.zeros(0, np.int64)
                first = tensor is self.reading.samples[0][0]
                if (
                    tensor.dtype == "float"
                    and after.size == before.size
                    and (
                        goes_on(space, after, before)
                        or (once and only_moved(space, after, before, wire))
                        or (alone and not first and depends(space, after, before))
                    )
                ):
                    return output.name, tensor.name
        return None


def _present(space: Space, ids: Ids) -> Ids:
    """Those of `ids` that are of the last step, in their order."""
    at = space.places(ids)
    last: Ids = ids[at.step == at.step.max()] if ids.size else ids.ravel()
    return last.ravel()


def _is(value: Value, ends: Ids) -> bool:
    """Whether an output is, in order, the identities `ends`, where these are known (not negative)."""
    return isinstance(value, Flow) and value.ids.size == ends.size and not (value.ids.ravel() != ends)[ends >= 0].any()


def shows_a_state(space: Space, ids: Ids) -> bool:
    """Whether some numbers are the cell state of a layer."""
    return any(isinstance(space.wires[index].source, Cell) for index in np.unique(space.places(ids).wire))


def shows_shares(space: Space, ids: Ids) -> bool:
    """Whether some numbers are shares of the steps of a recording, as attention weights them by."""
    sources = [space.wires[index].source for index in np.unique(space.places(ids).wire)]
    return any(isinstance(source, Weights) or (isinstance(source, Scores) and source.shares) for source in sources)
