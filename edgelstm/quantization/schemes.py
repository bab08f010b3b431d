"""What each scheme tries for the ranges of a layer. Which record it makes of the layer is the part of `rules`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..errors import ShapeError, UnsupportedModelError
from ..layers.record import Layer
from .calibration import Range, Seen, ranges
from .rules import rule
from .rules.scales import with_margin
from .trace import Floats


class Scheme(NamedTuple):
    """How a scheme quantises.

    Parameters
    ----------
    candidates : callable
        What to try for a layer's input, most preferred first. A layer that reads integers takes their range instead.
    hidden : callable
        The same for its state: for layers without one, None alone.
    settles : bool
        Whether layers without a state may stay in float32, where the scheme saves next to nothing, is slower or costs something.
    folds : bool
        Whether channels of different sizes are brought to one first, for what is rounded.
    """

    candidates: Callable[[Seen], list[Range | None]]
    hidden: Callable[[Seen], list[Range | None]] = lambda seen: [None]
    settles: bool = True
    folds: bool = True


def _input_ranges(seen: Seen) -> list[Range | None]:
    """Fixed ranges, and None for a scale of each step. What cannot leave +-1 is covered as far as louder windows take it."""
    if seen.every_input is not None:
        return [ranges(seen.every_input)[0], None]
    return [*ranges(_with(seen.inputs, seen.loud_inputs) if seen.bounded else seen.inputs), None]


def _hidden_ranges(seen: Seen) -> list[Range | None]:
    """+-1, which no h can leave, and what calibration saw, over louder windows too; of a cell that still grows it has not seen all."""
    if not seen.recurs or (seen.cell is not None and seen.cell.grows) or seen.loud_outputs is None:
        return [None]
    return [None, ranges(_with(seen.outputs, seen.loud_outputs))[0]]


def _with(values: Floats, loud: Floats | None) -> Floats:
    return values if loud is None else np.concatenate([values, loud])


def _static_input_ranges(seen: Seen) -> list[Range | None]:
    """What to try for x: ranges with a margin, or all that a table holds."""
    if seen.every_input is not None:
        return [ranges(seen.every_input)[0]]
    return [with_margin(span, bounded=seen.bounded, one_sign=True) for span in ranges(seen.inputs)]


#: Every scheme, by name.
SCHEMES: dict[str, Scheme] = {
    "f16-weight": Scheme(lambda seen: [None], settles=False, folds=False),
    "int8-weight": Scheme(lambda seen: [None]),
    "int8-dynamic": Scheme(_input_ranges, _hidden_ranges),
    "int8-static": Scheme(_static_input_ranges, settles=False),
}

#: Those that leave activations in float32.
WEIGHTS_ALONE = ("f16-weight", "int8-weight")


def quantised(layer: Layer, scheme: str, seen: Seen, span: Range | None, hidden: Range | None = None) -> Layer:
    """The record that `scheme` makes of a layer.

    Raises
    ------
    UnsupportedModelError
        If it cannot; the message names the layer and the reason.
    """
    make = rule(layer, scheme)
    try:
        return make(layer, seen, span, hidden)
    except ShapeError as problem:
        raise UnsupportedModelError(f"{scheme}: {problem}") from None
