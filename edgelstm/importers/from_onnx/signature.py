"""What the inputs of a graph are: samples, with a time axis or one frame a call; states that go round; lengths and choices.

ONNX does not say it. Readings are made in order of likelihood; the first one by which the whole graph can be followed is right, since a
recurrent node, a state and an output each require their own axes.
"""

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product

import numpy as np

from ...errors import UnsupportedModelError
from ..names import numbered
from .file import Graph, Tensor

#: Names of axes, and of states.
_TIME = re.compile(r"(?i)seq|time|step|frame|len|^t$|^n_?samples|^l$|chunk|window")
_BATCH = re.compile(r"(?i)batch|^n$|^b$|^bs$|unk")
_STATE = re.compile(
    r"(?i)state|hidden|memory|cache|^h_?\d|^c_?\d|^hx|^cx|_h$|_c$|h_?in|c_?in|h_?prev|c_?prev|^h$|^c$|h_?t_1|initial|context|buf"
)

#: Most readings of the samples' axes that are made.
_MOST_AXES = 12

#: Among how many inputs the one is looked for that is samples for certain.
_MOST_FIRST = 6

_LENGTH, _MASK = re.compile(r"(?i)len"), re.compile(r"(?i)mask")


@dataclass(frozen=True)
class Axes:
    """Which axes of a samples' array are time and batch; None where it has none."""

    time: int | None
    batch: int | None


@dataclass(frozen=True)
class Reading:
    """One reading of a signature.

    samples: inputs with the axes of each; states: inputs with the outputs that they become, None where none does; lengths: inputs that
    say how long sequences are; memories: rows that a decoder is given once; masks: which of these rows count, which is all of them, and
    `counts` what they say of one that does.
    """

    samples: tuple[tuple[Tensor, Axes], ...]
    states: tuple[tuple[Tensor, Tensor | None], ...] = ()
    lengths: tuple[Tensor, ...] = ()
    choices: tuple[Tensor, ...] = field(default=())
    memories: tuple[Tensor, ...] = ()
    masks: tuple[Tensor, ...] = ()
    counts: int = 1

    @property
    def along(self) -> tuple[Tensor, Axes]:
        """The first of the samples' inputs that has a time axis; the first where none has."""
        return next((one for one in self.samples if one[1].time is not None), self.samples[0])

    def widths(self) -> list[int]:
        """How many numbers of one step each of the samples' inputs has."""
        found = []
        for tensor, axes in self.samples:
            shape = tensor.shape or ()
            found.append(math.prod(int(n) for i, n in enumerate(shape) if i not in (axes.time, axes.batch)))
        return found

    def names(self) -> tuple[str, ...]:
        """A name for each number of a sample that several inputs make up; none where one input does."""
        if len(self.samples) == 1:
            return ()
        parts = zip(self.samples, self.widths(), strict=True)
        return tuple(name for (tensor, _), width in parts for name in numbered(tensor.name, width))

    def steps(self) -> int | None:
        """The length of recordings where the file fixes it: 1 where samples have no time axis, None where it is open."""
        tensor, axes = self.along
        if axes.time is None:
            return 1
        size = (tensor.shape or ())[axes.time]
        return size if isinstance(size, int) else None


def names_a_batch(name: str, *, surely: bool = False) -> bool:
    """Whether the name of an open axis says that it is the batch; surely: whether it can be nothing else."""
    return "batch" in name.lower() if surely else bool(_BATCH.search(name))


def choice(graph: Graph, name: str) -> int | None:
    """What a whole number that decides between branches is compared with first; None where it is not compared with a constant."""
    alike, constants = {name}, dict(graph.constants)
    for node in graph.nodes:
        if node.op == "Constant" and node.outputs:
            constants[node.outputs[0]] = next((np.asarray(v) for v in node.attributes.values()), np.empty(0))
        if alike & set(node.inputs) and node.op in ("Reshape", "Cast", "Identity", "Squeeze", "Unsqueeze", "Gather"):
            alike |= set(node.outputs)
        if alike & set(node.inputs) and node.op == "Equal":
            other = next((constants[i] for i in node.inputs if i in constants), None)
            if other is not None and other.size == 1:
                return int(other.item())
    return None


def readings(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Iterator[Reading]:
    """All readings of a signature, likely ones first.

    Raises
    ------
    UnsupportedModelError
        If an input has no shape, or none can hold samples.
    """
    known = tuple((t, next((o for o in outputs if o.name == t.becomes), None)) for t in inputs if t.becomes)
    inputs = [t for t in inputs if not t.becomes]
    outputs = [o for o in outputs if all(o is not other for _, other in known)]
    for tensor in inputs:
        if tensor.shape is None or tensor.dtype == "other":
            raise UnsupportedModelError(f"input {tensor.name!r} has no shape or is of a type that is not imported.")
    choices = tuple(t for t in inputs if not t.shape and t.dtype in ("int", "bool"))
    lengths = tuple(t for t in inputs if t.dtype == "int" and len(t.shape or ()) == 1 and _LENGTH.search(t.name) and len(inputs) > 1)
    rest = [t for t in inputs if t not in choices and t not in lengths]
    for tensor in rest:
        if not any(_candidates(tensor)):
            raise UnsupportedModelError(
                f"input {tensor.name!r} has the shape {tensor.shape}: which of its open axes is time, and how long is a frame? "
                f'Say the fixed lengths, with a name for time: sizes="{tensor.name}=1xTx40".'
            )
    plain = Reading((), known, lengths, choices)
    yield from _with_axes(rest, outputs, plain, True)
    yield from _with_memory(rest, outputs, plain)
    yield from _with_axes(rest, outputs, plain, False)
    flat = tuple(t for t in rest if t.dtype == "int" and len(t.shape or ()) == 1)
    if flat and len(flat) < len(rest):
        yield from _with_axes([t for t in rest if t not in flat], outputs, replace(plain, lengths=(*lengths, *flat)), True)


def _with_axes(rest: list[Tensor], outputs: Sequence[Tensor], reading: Reading, alike: bool) -> Iterator[Reading]:
    """Readings by which each input is samples or a state. alike: whether all samples, or some, have a time axis."""
    for samples, states in _divisions(rest, outputs):
        for axes in islice(_axes(samples, alike), _MOST_AXES):
            found = replace(reading, samples=tuple(zip(samples, axes, strict=True)), states=(*states, *reading.states))
            if found.states or not _is_window(*found.along):
                yield found


def _with_memory(rest: list[Tensor], outputs: Sequence[Tensor], reading: Reading) -> Iterator[Reading]:
    """Readings by which an input is a memory of rows, (batch, rows, numbers), and those of its first two axes say which rows count."""
    for memory in rest:
        shape = memory.shape or ()
        if len(shape) != 3 or memory.dtype != "float" or isinstance(shape[2], str) or shape[1] == 1:
            continue
        masks = tuple(t for t in rest if t is not memory and t.shape is not None and len(t.shape) == 2 and _masks(t, shape))
        others = [t for t in rest if t is not memory and t not in masks]
        for samples, states in _divisions(others, outputs) if others else ():
            for axes in islice(_axes(samples, True), _MOST_AXES):
                taken = tuple((_at_once(tensor, one), one) for tensor, one in zip(samples, axes, strict=True))
                found = replace(reading, samples=taken, states=(*states, *reading.states), memories=(memory,), masks=masks)
                if found.steps() == 1:
                    yield found
                    yield from (replace(found, counts=0) for _ in masks[:1])


def _at_once(tensor: Tensor, axes: Axes) -> Tensor:
    """Samples of which a call holds one step, where the file leaves that open."""
    shape = tuple(1 if axis == axes.time and isinstance(n, str) else n for axis, n in enumerate(tensor.shape or ()))
    return replace(tensor, shape=shape)


def _masks(tensor: Tensor, memory: tuple[int | str, ...]) -> bool:
    """Whether an input of two axes may say which rows of a memory count."""
    return tensor.shape == memory[:2] or bool(_MASK.search(tensor.name))


def _is_window(tensor: Tensor, axes: Axes) -> bool:
    """Whether one step, of one alone, would hold several axes that are longer than one: a window rather than a frame."""
    shape = tensor.shape or ()
    if axes.time is not None and shape[axes.time] != 1:
        return False
    return sum(n != 1 for i, n in enumerate(shape) if i != axes.batch) > 1


def _divisions(rest: list[Tensor], outputs: Sequence[Tensor]) -> Iterator[tuple[list[Tensor], tuple[tuple[Tensor, Tensor | None], ...]]]:
    """Inputs divided into samples and states, with what each state becomes."""
    if not rest:
        raise UnsupportedModelError("has no input that could hold samples.")
    usual = next((t for t in rest if not _STATE.search(t.name)), rest[0])
    found = []
    for first in [usual, *(t for t in rest[:_MOST_FIRST] if t is not usual)]:
        others = [t for t in rest if t is not first]
        for pairs in _ways(others, outputs):
            alone = [t for t in others if pairs.get(t.name) is None]
            begins = [t for t in alone if _STATE.search(t.name) and t.dtype == "float"]
            states = tuple((t, pairs.get(t.name)) for t in others if t in begins or t not in alone)
            if states not in found and (first is usual or len(states) == len(others)):
                found.append(states)
                yield [t for t in rest if t not in [state for state, _ in states]], states


def _ways(others: list[Tensor], outputs: Sequence[Tensor]) -> Iterator[dict[str, Tensor | None]]:
    """By name of an input, what it becomes: all inputs that some output may be; one less, if that leaves no answer; none."""
    pairs = _paired(others, outputs, True)
    yield from (pairs, _paired(others, outputs, False), _last(others, outputs))
    states = [name for name, output in pairs.items() if output is not None]
    if 1 < len(states) == len(outputs) <= _MOST_FIRST:
        yield from ({name: output for name, output in pairs.items() if name != left} for left in reversed(states))
    if 1 < len(others) <= _MOST_FIRST:
        yield from (_last([t for t in others if t is not left], outputs) for left in others)
    yield {}


def _paired(states: list[Tensor], outputs: Sequence[Tensor], by_name: bool) -> dict[str, Tensor | None]:
    """By name of an input, the output of its shape whose name is most alike, or the first that is left."""
    found: dict[str, Tensor | None] = {}
    free = list(outputs)
    scored = sorted(
        (
            (difflib.SequenceMatcher(None, a.name, b.name).ratio() if by_name else 0, -j, -i, i, j)
            for i, a in enumerate(states)
            for j, b in enumerate(outputs)
        ),
        reverse=True,
    )
    for _, _, _, i, j in scored:
        if states[i].name not in found and outputs[j] in free and alike(states[i], outputs[j]):
            found[states[i].name] = outputs[j]
            free.remove(outputs[j])
    return found


def _last(states: list[Tensor], outputs: Sequence[Tensor]) -> dict[str, Tensor | None]:
    """By name of an input, the output of its shape that lies as far from the end."""
    pairs = zip(reversed(states), reversed(outputs), strict=False)
    return {state.name: output for state, output in pairs if alike(state, output)}


def alike(a: Tensor, b: Tensor) -> bool:
    shapes = a.shape or (), b.shape or ()
    return (b.shape is None or len(shapes[0]) == len(shapes[1])) and all(
        m == n or isinstance(m, str) or isinstance(n, str) for m, n in zip(*shapes, strict=False)
    )


def _axes(samples: list[Tensor], alike: bool) -> Iterator[tuple[Axes, ...]]:
    """Axes of all samples, best first: all have a time axis, of one length where that is fixed, or none has; or, not alike, some have."""
    ranked = [sorted(_candidates(tensor), key=lambda found: -found[0]) for tensor in samples]
    likely = [found[:8] + [one for one in found[8:] if one[1] == Axes(None, 0)] for found in ranked[:4]]
    together = sorted(product(*likely), key=lambda choice: -sum(score for score, _ in choice))
    for choice in together:
        axes = tuple(a for _, a in choice)
        lengths = {(tensor.shape or ())[a.time] for tensor, a in zip(samples, axes, strict=False) if a.time is not None}
        fixed = {n for n in lengths if isinstance(n, int)}
        batches = {(tensor.shape or ())[a.batch] for tensor, a in zip(samples, axes, strict=False) if a.batch is not None}
        named = {n for n in batches if isinstance(n, str)}
        if fixed == {1} != lengths or (len(named) > 1 and not all(map(_BATCH.search, named))):
            continue  # one step of one input and any number of another, or batches of lengths that differ
        if (len({a.time is None for a in axes}) == 1) is alike and len(axes) == len(samples) and len(fixed) < 2:
            yield axes


def _candidates(tensor: Tensor) -> Iterator[tuple[float, Axes]]:
    """Each reading of one array's axes, with a score."""
    shape = tensor.shape or ()
    rank = len(shape)
    for time, batch in product([*range(rank), None], [*range(rank), None]):
        if (time is not None and time == batch) or (tensor.time is not None and time != tensor.time):
            continue
        others = [i for i in range(rank) if i not in (time, batch)]
        if batch is not None and batch > 1 and not (isinstance(name := shape[batch], str) and _BATCH.search(name)):
            continue
        if any(isinstance(shape[i], str) for i in others):
            continue
        yield _score(tensor, time, batch), Axes(time, batch)


def _score(tensor: Tensor, time: int | None, batch: int | None) -> float:
    shape = tensor.shape or ()
    rank, score = len(shape), 0.0
    if time is not None:
        size = shape[time]
        score += 2 if isinstance(size, str) else 0
        score += (4 if _TIME.search(size) else -4 if _BATCH.search(size) else 0) if isinstance(size, str) else 0
        score += 1.5 if time < rank - 1 or tensor.dtype == "int" else -1 if isinstance(size, int) else 0
        score += 1 if rank > 2 and time == 1 else 0.5 if tensor.dtype == "int" and (time, batch) == (1, 0) else 0
        score -= 0.5 if size == 1 else 0
    elif rank > 2:
        score -= 2
    if batch is not None:
        size = shape[batch]
        score += (4 if _BATCH.search(size) else -4 if _TIME.search(size) else 1) if isinstance(size, str) else 2 if size == 1 else -2
        score += 1 if batch == 0 else 0.5 if batch == 1 else -2
        if batch > 0 and isinstance(size, str) and not names_a_batch(size, surely=True) and time is not None and shape[time] == 1:
            score -= 6  # a batch of one recording of open length, rather than one step of many
    return score
