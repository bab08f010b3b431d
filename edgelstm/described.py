"""What a model says of itself beside its layers, checked: names, rate, window, regime, vocabulary, statistics, probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ShapeError, UsageError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How messages call what a field takes.
_TAKES = {
    "labels": "a sequence of names, one for each output",
    "input_names": "a sequence of names, one for each input",
    "rate_hz": "a positive number of samples a second",
    "window": "a positive number of steps",
    "stateful": "True, False or None",
    "source": "text",
    "probe": "an edgelstm.Probe",
    "vocabulary": "an edgelstm.Vocabulary",
    "statistics": "edgelstm.InputStatistics",
    "thresholds": "a sequence of numbers, one for each output",
}


def names(field: str, given: object) -> tuple[str, ...]:
    """Names as a tuple of text.

    Raises
    ------
    UsageError
    """
    if given is None:
        return ()
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise _not(field, given)
    return tuple(str(name) for name in given)


def numbers(field: str, given: Any) -> tuple[float, ...]:
    """Numbers as a tuple of them.

    Raises
    ------
    UsageError
    """
    try:
        return tuple(map(float, given))
    except (TypeError, ValueError):
        raise _not(field, given) from None


def check(model: Any) -> None:
    """Raise ShapeError or UsageError where what a model says does not fit it, or is of another kind."""
    if not isinstance(model.source, str):
        raise _not("source", model.source)
    if model.stateful is not None and not isinstance(model.stateful, bool | np.bool_):
        raise _not("stateful", model.stateful)
    for name, given, size in (("labels", model.labels, model.output_size), ("input_names", model.input_names, model.input_size)):
        if given and len(given) != size:
            what = "outputs" if name == "labels" else "inputs"
            raise ShapeError(f"{name} must name all {size} {what}; got {len(given)}: {printable(', '.join(given), 200)}.")
    if (rate := model.rate_hz) is not None and not (_is(rate, (int, float, np.number)) and 0 < rate < float("inf")):
        raise _not("rate_hz", rate)
    if (window := model.window) is not None and not (_is(window, (int, np.integer)) and window >= 1):
        raise _not("window", window)
    if model.thresholds and (len(model.thresholds) != model.output_size or not np.isfinite(model.thresholds).all()):
        told = printable(", ".join(f"{value:g}" for value in model.thresholds), 200)
        raise ShapeError(f"thresholds must be finite numbers, one for each of {model.output_size} outputs; got {told}.")
    if model.vocabulary is not None:
        _check_vocabulary(model)
    if model.statistics is not None:
        _check_statistics(model)


def _check_vocabulary(model: Any) -> None:
    from .generation.vocabulary import Vocabulary

    if not isinstance(model.vocabulary, Vocabulary):
        raise _not("vocabulary", model.vocabulary)
    most = model.vocabulary_size or model.input_size
    if len(model.vocabulary) > most:
        raise ShapeError(f"a vocabulary names at most the {most} symbols that the model reads; got {len(model.vocabulary)} tokens.")


def _check_statistics(model: Any) -> None:
    from .statistics import InputStatistics

    if not isinstance(model.statistics, InputStatistics):
        raise _not("statistics", model.statistics)
    if model.statistics.input_size != model.input_size:
        raise ShapeError(f"statistics must be of all {model.input_size} inputs; got {model.statistics.input_size} channels.")


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether it is a number of one of these kinds, which True and False are not here."""
    return isinstance(value, kinds) and not isinstance(value, bool)


def _not(field: str, given: object) -> UsageError:
    """The error of a field that was given something else than it takes."""
    return UsageError(f"{field} must be {_TAKES[field]}; got {printable(repr(given), 60)}.")


def checked_probe(probe: Any, model: Any) -> Any:
    """A probe of read-only float32 arrays that fit the model.

    Raises
    ------
    ShapeError, UsageError
    """
    if not hasattr(probe, "inputs"):
        raise _not("probe", probe)
    inputs = np.array(probe.inputs, np.float32, order="C")
    outputs = np.array(probe.outputs, np.float32, order="C")
    inputs, outputs = _flat(inputs, model.input_shape), _flat(outputs, model.output_shape)
    steps = inputs.shape[0] if inputs.ndim else 0
    answer = model.output_wire
    due = answer.due(steps)
    rows = due if model.answers is None or not due else model.answers
    if inputs.shape != (steps, model.input_size) or outputs.shape != (rows, answer.size) or rows == 0:
        told = str(model.answers) if model.answers else "steps" if answer.each_step else "answers"
        rate = "" if answer.each_step else f", one {answer.when}"
        raise ShapeError(
            f"a probe needs inputs (steps, {model.input_size}) and outputs ({told}, {answer.size}){rate}; "
            f"got {inputs.shape} and {outputs.shape}."
        )
    if not (np.isfinite(inputs).all() and np.isfinite(outputs).all()):
        raise ShapeError("a probe's inputs and outputs must be finite; they hold NaN or infinity.")
    inputs.flags.writeable = outputs.flags.writeable = False
    return type(probe)(inputs, outputs, probe.source)


def _flat(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Maps of a shape as vectors; anything else as it is."""
    return values.reshape(len(values), -1) if len(shape) > 1 and values.shape[1:] == shape else values
