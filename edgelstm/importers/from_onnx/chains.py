"""An ONNX graph as a `Model`."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import EdgeLSTMError, UnsupportedModelError, UsageError
from ...layers.record import Layer
from ...model import Model
from ..graph.tracing import Value
from ..graph.wires import Budget
from .attempts import Attempt
from .baked import of_one_length
from .certain import may_hold_a_memory
from .deciding import Found, decided, is_fixed
from .file import File, Graph
from .forms import Forms
from .framing import framed
from .indices import with_plain_indices
from .ordering import in_order
from .refusing import alone, failure, with_length, without_calls
from .rounded_biases import NOTE, rounds_biases
from .scale_units import check_scales
from .settling import Sizes, parse, settled
from .signature import Reading, readings
from .thresholds import without_thresholds

#: Steps of the recordings that graphs of open length are followed for: two lengths, since a network must not depend on it.
STEPS = (32, 48)

#: Most readings whose steps are laid side by side.
_MOST_LAID = 3

#: Operators that have axes of their own to run along, beside recurrences.
_ALONG = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Attention", "QLinearConv", "STFT")


def from_onnx(
    file: File, layers: str | None = None, *, sizes: str | None = None, source: str = "ONNX", loops: bool = True
) -> tuple[Model, str, list[str]]:
    """Build a model from a graph.

    Parameters
    ----------
    file : File
        As `file.read` gives it.
    layers : str, optional
        Refused: a graph says its order itself.
    sizes : str, optional
        What the file leaves open of its inputs, as `settling.parse` reads it.
    source : str
        What the model says it was made from.
    loops : bool
        Whether a loop of no known cell becomes layers in a cycle.

    Returns
    -------
    Model
    str
        The layers that were made, in order.
    list of str
        Notes for the user.

    Raises
    ------
    UnsupportedModelError
        Naming the first node that edgelstm cannot honour.
    ModelFileError
        If parts of the graph do not fit together.
    """
    if layers is not None:
        raise UsageError(f"is a graph, which says itself what follows what; leave layers={layers!r} out.")
    taken = followed(file, sizes, source, loops=loops)
    return taken.model, ", ".join(one.name for one in taken.model.layers), taken.notes


class Followed(NamedTuple):
    """A graph that was followed to its end: the model, by which reading of its inputs, and notes.

    `given`: the inputs that `sizes` says, which the reading leaves out.
    """

    model: Model
    reading: Reading
    notes: list[str]
    given: dict[str, NDArray[np.int64]]


def followed(
    file: File, sizes: str | None, source: str, *, at_once: bool = True, loops: bool = True, tried: list[Attempt] | None = None
) -> Followed:
    """The same as `from_onnx`, with what the inputs were taken for.

    at_once: whether it is the file that says how many steps it takes; tried: what was tried is added to it.
    """
    graph, values = settled(in_order(file.graph), parse(sizes) if sizes is not None else Sizes())
    graph, budget = with_plain_indices(without_thresholds(graph)), Budget()
    notes, tried = [NOTE] if rounds_biases(graph) else [], [] if tried is None else tried
    before = len(tried)
    try:
        taken = _followed(replace(file, graph=graph), values, source, budget, at_once, tried)
        if loops and _overtaken(tried, taken.reading):
            taken = _likelier(replace(file, graph=graph), values, source, tried) or taken
    except EdgeLSTMError as problem:
        found = _otherwise(replace(file, graph=graph), values, source, at_once, tried[before:])
        if found is not None:
            graph, taken, said = found
            notes = [said, *notes]
        elif loops and any(one.unknown for one in tried):
            taken = _fed_back(replace(file, graph=graph), values, source, tried, alone(problem))
        else:
            raise problem from None
    check_scales(graph)
    taken.notes.extend(notes)
    return taken


def _otherwise(
    file: File, values: dict[str, NDArray[np.int64]], source: str, at_once: bool, tried: Sequence[Attempt]
) -> tuple[Graph, Followed, str] | None:
    """The same of the one length that the graph says within, or frame by frame, with that graph and a note; None where neither helps."""
    if said := of_one_length(file.graph, tried):
        with contextlib.suppress(EdgeLSTMError):
            return said[0], _followed(replace(file, graph=said[0]), values, source, Budget(), at_once, []), said[1]
    trials = Budget(Budget.operators >> 1, Budget.wires >> 1, Budget.work >> 2)
    found = framed(file.graph, lambda one: _round(_followed(replace(file, graph=one), values, source, trials, at_once, [])).model)
    if found is None:
        return None
    return found[0], _followed(replace(file, graph=found[0]), values, source, Budget(), at_once, []), found[1]


def _fed_back(file: File, values: dict[str, NDArray[np.int64]], source: str, tried: list[Attempt], problem: EdgeLSTMError) -> Followed:
    """The same with loops of no cell as layers in a cycle. tried: what was tried without; problem: why it is refused then."""
    try:
        return _followed(file, values, source, Budget(), False, tried, feeds_back=True)
    except EdgeLSTMError:
        untold = next((one.untold for one in tried if one.untold), "")
        raise UnsupportedModelError(f"{str(problem).rstrip('.')}; it {untold}") if untold else problem from None


def _overtaken(tried: Sequence[Attempt], reading: Reading) -> bool:
    """Whether a reading by which another axis is time was tried before, and met a loop of no cell."""
    return any(one.unknown and one.reading.along[1].time != reading.along[1].time for one in tried)


def _likelier(file: File, values: dict[str, NDArray[np.int64]], source: str, tried: Sequence[Attempt]) -> Followed | None:
    """The same by a reading that was tried before, with loops of no cell as layers in a cycle; None where there is none."""
    try:
        found = _followed(file, values, source, Budget(), False, [], feeds_back=True)
    except EdgeLSTMError:
        return None
    return found if any(one.unknown and one.reading == found.reading for one in tried) else None


def _round(taken: Followed) -> Followed:
    """The same, where states go round from call to call."""
    if any(becomes for _, becomes in taken.reading.states):
        return taken
    raise UnsupportedModelError("has no states that go round.")


def _followed(
    file: File,
    values: dict[str, NDArray[np.int64]],
    source: str,
    budget: Budget,
    at_once: bool,
    failed: list[Attempt],
    *,
    feeds_back: bool = False,
) -> Followed:
    """By the first reading of a graph's inputs that leads to a model. failed: what was tried before is added to it."""
    graph, constants = file.graph, dict[str, Value](values)
    best: tuple[int, EdgeLSTMError] | None = None
    most = (False, -1)  # that the layers of a graph do not go together tells less than where following it ended
    forms, found = Forms(graph), list[Found]()
    first: Reading | None = None
    for reading in readings(graph.inputs, graph.outputs):
        first = first or reading
        if feeds_back and may_hold_a_memory(reading):
            continue
        for form in forms:
            attempt = Attempt(replace(file, graph=form), reading, constants, budget=budget, feeds_back=feeds_back)
            try:
                found.append(_believed(_tried(attempt, source), failed))
            except EdgeLSTMError as problem:
                rank = (not attempt.emitted, attempt.met)
                if rank > most:
                    most, best = rank, (attempt.met, alone(problem))
                failed.append(attempt)
                budget.renew()
                if forms.alike(attempt.met):
                    break
                continue
            budget.renew()
            break
        if found and not found[0].in_frames:
            break
    try:
        taken = _taken(forms, first, found, best)
    except EdgeLSTMError:
        laid = _laid_out(failed, source) if at_once else None
        if laid is None:
            raise
        taken = laid
    return Followed(taken.model, taken.reading, taken.notes, values)


def _believed(found: Found, failed: Sequence[Attempt]) -> Found:
    """The same, unless one of its samples looked like a state where a call is one step, while others go round."""
    reading = found.reading
    suspects = {one.suspect for one in failed if one.suspect}
    if reading.steps() != 1 and any(becomes for _, becomes in reading.states):
        for tensor, _ in reading.samples:
            if tensor.name in suspects:
                raise UnsupportedModelError(f"the input {tensor.name!r} looks like a state, which has no steps.")
    return found


def _taken(forms: Forms, first: Reading | None, found: Sequence[Found], best: tuple[int, EdgeLSTMError] | None) -> Found:
    """The one of several readings that is meant. best: why others failed, after the most nodes."""
    if found and best and first and _exchanged(forms, first, found):
        why = str(best[1]).rstrip(".")
        raise UnsupportedModelError(
            f"takes {first.steps()} steps one by one, and what it makes of them is none of the recurrences that edgelstm has ({why})."
        )
    if found:
        taken = decided(found, best[1] if best else None)
        if best and first and _guessed(forms.whole, first, taken):
            raise failure(forms.whole, *best)
        without_calls(taken)
        return taken
    raise failure(forms.whole, *best) if best else UnsupportedModelError("has no input whose axes could be time, batch and channels.")


def _laid_out(failed: Sequence[Attempt], source: str) -> Found | None:
    """The model of a reading of a fixed number of steps as one frame, in which they lie side by side; None where there is none.

    Where a step is one row of numbers the likeliest axis is time, else the one that was followed furthest. There is none where an input
    looked like a state, which has no steps to lay.
    """
    if any(one.suspect for one in failed):
        return None
    rest = [one for one in failed if is_fixed(one.reading)]
    likely = sorted(rest, key=lambda one: -one.met)
    if rest and len(rest[0].reading.along[0].shape or ()) < 4:
        likely.insert(0, rest[0])
    for attempt, laid in product(likely[:_MOST_LAID], ("late", "first")):
        attempt.budget.renew()
        try:
            layers, notes = replace(attempt, laid=laid).layers(attempt.reading.steps() or 1)
            return Found(attempt.reading, _model(attempt.reading, layers, source), notes)
        except EdgeLSTMError:
            continue
    return None


def _exchanged(forms: Forms, first: Reading, found: Sequence[Found]) -> bool:
    """Whether models without recurrences were found along another axis than the first whose steps are spelled out one by one.

    The steps of a recurrence are channels there, and what is computed of them is laid out flat.
    """
    flat = not any(one.along_steps or one.in_frames for one in found)
    return flat and all(one.reading.steps() != first.steps() for one in found) and forms.spelled_out(first.steps())


def _guessed(graph: Graph, first: Reading, taken: Found) -> bool:
    """Whether another axis than the likeliest was taken as time, and nothing in the graph runs or slides along it."""
    if taken.reading.steps() == 1 or taken.along_steps or taken.in_frames or taken.reading.along[1] == first.along[1]:
        return False
    return not any(node.op in _ALONG or any(isinstance(value, Graph) for value in node.attributes.values()) for node in graph.nodes)


def _tried(attempt: Attempt, source: str) -> Found:
    """The model of one reading; where its branches would not meet in a stream, of whole recordings."""
    try:
        layers, notes = _layers(attempt)
        attempt.emitted = True
        return Found(attempt.reading, _model(attempt.reading, layers, source), notes)
    except UnsupportedModelError:
        if not attempt.emitted and not attempt.beyond:
            raise
        attempt.budget.renew()
        again = replace(attempt, around=True)
        try:
            layers, notes = _layers(again)
        finally:
            attempt.met = max(attempt.met, again.met)
        return Found(again.reading, _model(again.reading, layers, source), notes)


def _model(reading: Reading, layers: Sequence[Layer], source: str) -> Model:
    """The model of one reading."""
    steps = reading.steps()
    window = steps if steps is not None and steps > 1 and not any(becomes for _, becomes in reading.states) else None
    return Model(tuple(layers), input_names=reading.names(), window=window, source=source)


def _layers(attempt: Attempt) -> tuple[list[Layer], list[str]]:
    """The layers of one reading; where it leaves the length of recordings open, the same for two lengths."""
    fixed = attempt.reading.steps()
    if fixed is not None:
        return attempt.layers(fixed)
    found, notes = attempt.layers(STEPS[0])
    attempt.budget.renew()
    if not same(found, attempt.layers(STEPS[1])[0]):
        raise UnsupportedModelError(
            f"computes something else for recordings of another length, which is not imported. If all have one length, say it as the N of "
            f'sizes="{with_length(attempt.reading)}".'
        )
    return found, notes


def same(a: Sequence[Layer], b: Sequence[Layer]) -> bool:
    """Whether two lists of layers compute the same."""
    if [(one.kind, one.name, one.inputs) for one in a] != [(one.kind, one.name, one.inputs) for one in b]:
        return False
    for one, other in zip(a, b, strict=True):
        arrays, others = one.arrays(), other.arrays()
        if (
            one.options() != other.options()
            or arrays.keys() != others.keys()
            or any(not np.array_equal(arrays[n], others[n]) for n in arrays)
        ):
            return False
    return True
