"""What compiled models answer to calibration windows, also to those that calibration did not see: what figures must be estimated on.

The quantised model itself is calibrated on all windows. Two models like it, the same scheme in every layer, are calibrated on one half
each and answer the other half.
"""

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, UnsupportedModelError
from ...model import Model
from ...stream import Stream
from ..calibration import side_by_side
from ..choosing import Choice, choose
from ..settling import STATELESS
from ..trace import Batch, Floats

#: With fewer windows than this, or one that holds more than half of all steps, each window is cut in two in time.
LEAST_WINDOWS = 4


def answers_of(model: Model, batch: Batch) -> Floats:
    """What the compiled model answers to every window from the initial state: (windows, answers due, output_size).

    Padding is answered too where the model steps; the one answer to a recording stands at each of its steps.
    """
    stream, due = Stream(model), batch.due(model.output_wire)
    answers = np.zeros((*due.xs.shape[:2], model.output_size), np.float32)
    for xs, length, own, given in zip(batch.xs, batch.lengths, due.lengths, answers, strict=True):
        stream.reset()
        given[: None if model.streams else own] = stream.process(xs if model.streams else xs[:length])
    return answers


def halves(batch: Batch) -> NDArray[np.bool_]:
    """Which steps belong to the first half of the data: every other window, or of each window its beginning. (windows, time)

    Windows that hold the same count as one.
    """
    kinds: dict[bytes, int] = {}
    kind = np.array([kinds.setdefault(xs[:n].tobytes(), len(kinds)) for xs, n in zip(batch.xs, batch.lengths, strict=True)])
    lengths = batch.lengths[np.unique(kind, return_index=True)[1]]
    if len(kinds) >= LEAST_WINDOWS and lengths.max() <= lengths.sum() / 2:
        first = kind % 2 == 0
        return np.asarray(batch.own & first[:, None])
    return np.asarray(np.arange(batch.xs.shape[1]) < (batch.lengths // 2)[:, None])


def recalibrated(choice: Choice, batch: Batch) -> Model:
    """The quantised model of `choice` with every layer in the same scheme, but with ranges from other windows.

    Raises
    ------
    UnsupportedModelError
        If a scheme cannot do a layer over these windows.
    """
    schemes = {name: decision.option.scheme for name, decision in choice.decisions.items()}
    stateless = {layer.name for layer in choice.before.layers if isinstance(layer, STATELESS)}
    model = choice.before
    for scheme in sorted({*schemes.values()} - {"f32"}):
        chosen = {name for name, each in schemes.items() if each == scheme}
        model = choose(model, batch, scheme, keep=schemes.keys() - chosen, int8=chosen & stateless).model
    return model


def unseen(choice: Choice) -> Floats | None:
    """What models answer that were calibrated on the other half: (windows, answers, output_size). None where a half is too little for that.

    A window is stepped from its beginning, so that the state is what it would be in use.
    """
    first, wire = halves(choice.batch), choice.before.output_wire
    due = choice.batch.due(wire)
    found = np.zeros((*due.xs.shape[:2], choice.before.output_size), np.float32)
    for calibrated_on, others in ((first, choice.batch.own & ~first), (choice.batch.own & ~first, first)):
        judged = others[:, wire.first - 1 :: wire.every]
        if not calibrated_on.any() or not judged.any():
            return None
        try:
            model = recalibrated(choice, part_of(choice.batch, calibrated_on))
        except (InputError, UnsupportedModelError):
            return None
        found[judged] = answers_of(model, choice.batch)[judged]
    return found


def part_of(batch: Batch, chosen: NDArray[np.bool_]) -> Batch:
    """The windows that have chosen steps, cut to these, each from the initial state."""
    return side_by_side([rows[steps] for rows, steps in zip(batch.xs, chosen, strict=True) if steps.any()])
