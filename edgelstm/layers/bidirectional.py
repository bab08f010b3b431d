"""Two recurrent layers that read a recording from both ends, as the records that a `Model` is made of."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import UsageError, printable
from . import record_of
from .record import Layer
from .recurrent import Recurrent

MERGES = ("concat", "sum", "mul", "ave")


def Bidirectional(
    forward: Recurrent,
    backward: Recurrent,
    *,
    inputs: Sequence[str] = (),
    merge: str = "concat",
    sequences: bool = True,
    name: str = "bidirectional",
) -> list[Layer]:
    """The records of a bidirectional layer: `forward`, `backward` with ``reverse=True``, and what merges them, which is called `name`.

    Parameters
    ----------
    forward, backward : recurrent layers
        Their own names and inputs are replaced.
    inputs : sequence of str, optional
        What both read; by default the layer before them, or the model's input, through a layer ``<name>.input`` that changes nothing.
    merge : {"concat", "sum", "mul", "ave"}
        How the two become one row: side by side, or their sum, product or mean (the modes of Keras' ``Bidirectional``).
    sequences : bool
        Whether each sample is answered. Else the recording is, from what each direction gave when it had read all of it: the last row
        of `forward` and the first of `backward`.
    name : str
        The directions are called ``<name>.forward`` and ``<name>.backward``.

    Returns
    -------
    list of Layer
        To be put into a model's list: ``[*el.Bidirectional(...), el.Dense(...)]``.

    Raises
    ------
    UsageError
        If a direction is no recurrent layer, or `merge` is none of these.
    """
    if merge not in MERGES:
        raise UsageError(f"merge must be one of {', '.join(MERGES)}; got {printable(repr(merge), 60)}.")
    for layer in (forward, backward):
        if not isinstance(layer, Recurrent):
            raise UsageError(f"Bidirectional takes two recurrent layers; got {printable(repr(layer), 60)}.")
    ends = {f"{name}.forward": "last", f"{name}.backward": "first"}
    names = tuple(ends)
    both = tuple(inputs) or (f"{name}.input",)
    width = forward.input_size
    layers: list[Layer] = [] if inputs else [_made("normalizer", mean=np.zeros(width), scale=np.ones(width), name=both[0])]
    layers += [replace(forward, name=names[0], inputs=both, reverse=False), replace(backward, name=names[1], inputs=both, reverse=True)]
    if not sequences and merge == "concat":
        return [*layers, _made("last", ends=list(ends.values()), name=name, inputs=names)]
    if not sequences:
        layers += [_made("last", ends=[end], name=f"{at}.{end}", inputs=(at,)) for at, end in ends.items()]
        names = tuple(f"{at}.{end}" for at, end in ends.items())
    return [*layers, *_merged(merge, name, names)]


def _merged(merge: str, name: str, names: tuple[str, ...]) -> list[Layer]:
    if merge == "concat":
        return [_made("concat", name=name, inputs=names)]
    if merge == "ave":
        return [_made("add", name=f"{name}.sum", inputs=names), _made("activation", function="affine(0.5, 0)", name=name)]
    return [_made({"sum": "add", "mul": "mul"}[merge], name=name, inputs=names)]


def _made(kind: str, **fields: object) -> Layer:
    return record_of(kind)(**fields)  # type: ignore[arg-type]
