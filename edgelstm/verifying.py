"""Does a model answer as the network that was trained? Its answers beside those that the training framework gave.

Nothing here reads files. What a model's own probe tells is another thing: that a file was read as it was written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, UsageError
from .runtime.rates import step_of
from .stream import Stream

if TYPE_CHECKING:
    import os

    from .model import Model

#: The largest difference accepted unless told otherwise: float32 sums of another order stay far below, a wrong activation far above.
TOLERANCE = 1e-4

Floats = NDArray[np.float64]


class Place(NamedTuple):
    """A step of a recording, both counted from 0."""

    recording: int
    step: int


@dataclass(frozen=True)
class OutputError:
    """How far one output is from what was expected.

    Parameters
    ----------
    output : int
        Its index.
    label : str
        Its name; empty where outputs have none.
    error : float
        The largest absolute difference.
    worst : Place
        Where that was.
    expected, got : float
        The two values there.
    low, high : float
        Range of the values expected.
    first_beyond : Place or None
        The first step that differs by more than the tolerance allows.
    """

    output: int
    label: str
    error: float
    worst: Place
    expected: float
    got: float
    low: float
    high: float
    first_beyond: Place | None


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    tolerance : float
        A difference may be ``tolerance * max(1, |expected|)``.
    recordings, steps : int
        How many recordings were stepped, and how many of their steps had an answer to compare.
    outputs : tuple of OutputError
        One for each output, in order.
    hint : str
        A sentence on what would explain the difference, where something simple does; else empty.
    begins_wrong : bool
        Whether `first_beyond` is the first answer of its recording that was compared.
    """

    tolerance: float
    recordings: int
    steps: int
    outputs: tuple[OutputError, ...]
    hint: str = ""
    begins_wrong: bool = False

    @property
    def passed(self) -> bool:
        """Whether every answer is within the tolerance."""
        return self.first_beyond is None

    @property
    def worst(self) -> OutputError:
        """The output with the largest error."""
        return max(self.outputs, key=lambda output: output.error)

    @property
    def first_beyond(self) -> Place | None:
        """The first step of the first recording that is beyond the tolerance in any output."""
        return min((output.first_beyond for output in self.outputs if output.first_beyond is not None), default=None)


class _Compared(NamedTuple):
    """Answers side by side: expected and got (count, output_size) float64, and the place of each row."""

    expected: Floats
    got: Floats
    places: list[Place]

    def within(self, tolerance: float) -> NDArray[np.bool_]:
        return np.asarray(np.abs(self.got - self.expected) <= tolerance * np.maximum(1, np.abs(self.expected)))


def verify(model: "Model | str | os.PathLike[str]", samples: object, answers: object, *, tolerance: float = TOLERANCE) -> Verification:
    """Compare a model's answers with those of the framework that trained it.

    Parameters
    ----------
    model : Model, str or os.PathLike
        As `Stream` takes it: a Model, or the path of a built library.
    samples : (time, input_size), (recordings, time, input_size), or a list of arrays (time, input_size)
        Each recording is stepped from the initial state. The last axis may be left out where input_size is 1.
    answers : (time, output_size), (recordings, time, output_size), or a list with one array a recording
        What the trained network answered; of a model that does not answer each step, the answers that are due. Without the axis of time,
        (output_size,) or (recordings, output_size), they are those of each recording's last step. Those of several recordings may also
        stand below each other, (all steps, output_size). The last axis may be left out where output_size is 1.
    tolerance : float
        A difference may be ``tolerance * max(1, |expected|)``.

    Returns
    -------
    Verification
        `passed`, the largest error and its place, the first step beyond the tolerance, and all that by output.

    Raises
    ------
    InputError
        If samples or answers do not fit the model or each other, or answers are not finite.
    UsageError
        If the tolerance is no positive number.

    Examples
    --------
    >>> with torch.no_grad():
    ...     answers = network(torch.from_numpy(samples))  # (recordings, time, output_size)
    >>> assert el.verify(el.load("gesture.elstm"), samples, answers.numpy()).passed
    """
    if not 0 < tolerance < float("inf"):
        raise UsageError(f"tolerance must be a positive number; got {tolerance}.")
    stream = Stream(model)
    recordings = _recordings(samples, stream.input_size)
    wanted = _wanted(answers, recordings, stream)
    compared = _compare(_answered(stream, recordings, reset=True), wanted, stream)
    outputs = tuple(_output_error(compared, i, stream.labels, tolerance) for i in range(stream.output_size))
    found = Verification(tolerance, len(recordings), len(compared.expected), outputs)
    if found.passed:
        return found
    place = found.first_beyond
    begins = place is not None and place == min(other for other in compared.places if other.recording == place.recording)
    return Verification(tolerance, len(recordings), found.steps, outputs, _hint(stream, recordings, wanted, compared, tolerance), begins)


def _numbers(given: object, what: str) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise InputError(f"{what} must be an array of numbers; got {problem}.") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} must be an array of numbers; got one of dtype {array.dtype}.")
    return array


def _is_several(given: object, dimensions: int) -> bool:
    """Whether this is a list of arrays, one a recording."""
    return isinstance(given, list | tuple) and bool(given) and all(getattr(item, "ndim", -1) >= dimensions for item in given)


def recordings_of(array: NDArray[Any], input_size: int) -> list[NDArray[Any]]:
    """The recordings in one array, each (time, input_size): one, or as many as its first axis has entries."""
    if input_size == 1 and (array.ndim == 1 or (array.ndim == 2 and array.shape[1] != 1)):
        array = array[..., np.newaxis]
    return list(array) if array.ndim == 3 else [array]


def _recordings(samples: object, input_size: int) -> list[NDArray[Any]]:
    """Each recording as `Stream.process` takes it."""
    if _is_several(samples, 2):
        found = [_numbers(item, f"recording {i}") for i, item in enumerate(samples)]  # type: ignore[arg-type, var-annotated]
    else:
        found = recordings_of(_numbers(samples, "samples"), input_size)
    if not found or not all(len(item) if item.ndim else 0 for item in found):
        raise InputError("there are no samples to verify with; give at least one step of each recording.")
    return found


def _wanted(answers: object, recordings: list[NDArray[Any]], stream: Stream) -> list[Floats]:
    """The answers of each recording: (answers due, output_size), or (1, output_size) for its last step alone."""
    count, size = len(recordings), stream.output_size
    due = [stream.program.sizes.due(0, len(rows)) for rows in recordings]
    if not all(due):
        raise InputError(f"recording {due.index(0)} ends before the model's first answer, which is due at step {stream.first}.")
    if count == 1:
        array = _numbers(answers[0] if _is_several(answers, 0) and len(answers) == 1 else answers, "answers")  # type: ignore[index, arg-type]
        batched = array.ndim > 2 or (array.ndim == 2 and size == 1)
        parts = [array[0] if batched and len(array) == 1 else array]
    else:
        parts = [_numbers(item, f"answers of recording {i}") for i, item in enumerate(_split(answers, due, size))]
    return [_rows(part, time, size, i) for i, (part, time) in enumerate(zip(parts, due, strict=True))]


def _split(answers: object, times: list[int], size: int) -> Sequence[object]:
    """The answers of each recording, which takes so many steps: one item each, or all steps below each other."""
    count = len(times)
    if _is_several(answers, 0):
        parts: Sequence[object] = answers  # type: ignore[assignment]
    else:
        array = _numbers(answers, "answers")
        stacked = array.ndim > 0 and len(array) == sum(times) != count and array.size == sum(times) * size
        parts = np.split(array, np.cumsum(times)[:-1]) if stacked else list(np.atleast_1d(array))
    if len(parts) != count:
        raise InputError(
            f"answers must be one item a recording, {count} of them: all steps of each, (time, {size}), or the last step's, ({size},); "
            f"got {len(parts)}."
        )
    return parts


def _rows(given: NDArray[Any], time: int, size: int, recording: int) -> Floats:
    array = given.astype(np.float64)
    if size == 1 and array.ndim < 2 and array.size in (1, time):
        array = array.reshape(-1, 1)
    elif array.shape == (size,):
        array = array[np.newaxis]
    if array.ndim != 2 or array.shape[1] != size or len(array) not in (1, time):
        advice = " Transpose them." if array.ndim == 2 and array.shape == (size, time) else ""
        raise InputError(
            f"answers of recording {recording} must have shape ({time}, {size}), one a step, or ({size},), the last step's; "
            f"got {given.shape}.{advice}"
        )
    if not np.isfinite(array).all():
        step, output = (int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(f"answer {step} of recording {recording} holds {array[step, output]} in output {output}; give finite answers.")
    return array


def _answered(stream: Stream, recordings: list[NDArray[Any]], *, reset: bool) -> Iterator[NDArray[np.float32]]:
    """The model's own answers to each recording (time, output_size)."""
    stream.reset()
    for number, rows in enumerate(recordings):
        if reset:
            stream.reset()
        try:
            answers = stream.process(rows)
            yield answers.reshape(len(answers), stream.output_size)
        except InputError as problem:
            raise InputError(f"recording {number}: {problem}") from None


def _compare(answered: Iterator[NDArray[np.float32]], wanted: list[Floats], stream: Stream) -> _Compared:
    every, begins = stream.every, stream.first
    got: list[Floats] = []
    places: list[Place] = []
    for number, (ours, rows) in enumerate(zip(answered, wanted, strict=True)):
        first = len(ours) - len(rows)
        got.append(ours[first:].astype(np.float64))
        places += [Place(number, step_of(answer, every, begins)) for answer in range(first, len(ours))]
    return _Compared(np.concatenate(wanted), np.concatenate(got), places)


def _output_error(compared: _Compared, output: int, labels: Sequence[str], tolerance: float) -> OutputError:
    expected, got = compared.expected[:, output], compared.got[:, output]
    error = np.abs(got - expected)
    error[np.isnan(error)] = np.inf
    worst = int(error.argmax())
    beyond = np.flatnonzero(~compared.within(tolerance)[:, output])
    return OutputError(
        output=output,
        label=labels[output] if labels else "",
        error=float(error[worst]),
        worst=compared.places[worst],
        expected=float(expected[worst]),
        got=float(got[worst]),
        low=float(expected.min()),
        high=float(expected.max()),
        first_beyond=compared.places[int(beyond[0])] if beyond.size else None,
    )


def _hint(stream: Stream, recordings: list[NDArray[Any]], wanted: list[Floats], compared: _Compared, tolerance: float) -> str:
    """What would make the answers agree, where one of the common slips does."""
    from .reference.functions import activation, log_softmax, softmax

    expected, got, places = compared
    functions = {word: activation(word) for word in ("relu", "tanh", "sigmoid")}
    if stream.output_size > 1:
        functions["softmax"] = lambda rows: np.array([softmax(row) for row in rows])
        functions["log_softmax"] = lambda rows: np.array([log_softmax(row) for row in rows])
    for name, function in functions.items():
        if _Compared(expected, function(got), places).within(tolerance).all():
            return f"The answers expected are the {name} of the model's: end its chain in :{name}."
        if _Compared(function(expected), got, places).within(tolerance).all():
            return f"The model answers the {name} of what was expected: leave :{name} out of its chain, or save the answers behind it."
    if len(recordings) > 1:
        carried = _compare(_answered(stream, recordings, reset=False), wanted, stream)
        if carried.within(tolerance).all():
            return "The answers expected carry the state from one recording into the next: give them as one recording."
    return ""
