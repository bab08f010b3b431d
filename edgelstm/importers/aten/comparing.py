"""ATen's comparisons, and what they choose between, as ONNX's nodes. Schemas as in `operators`."""

import numpy as np

from ..from_onnx.writer import Given, Ref, Writer
from .recurrent import Handler


def _compared(op: str, opposite: bool = False) -> Handler:
    def write(w: Writer, x: Ref, other: Given) -> Ref:
        found = w.one(op, x, float(other) if isinstance(other, int) and not isinstance(other, bool) else other)
        return w.one("Not", found) if opposite else found

    return write


def _where(w: Writer, condition: Ref, x: Given, other: Given) -> Ref:
    return w.one("Where", condition, *(float(v) if isinstance(v, int) else v for v in (x, other)))


def _masked_fill(w: Writer, x: Ref, mask: Ref, value: Given) -> Ref:
    return w.one("Where", mask, float(value) if isinstance(value, int) else value, x)


def _threshold(w: Writer, x: Ref, threshold: float, value: float) -> Ref:
    """x where it is above a threshold, else a number."""
    return _where(w, w.one("Greater", x, float(threshold)), x, float(value))


def _clamp_min(w: Writer, x: Ref, min: float) -> Ref:  # noqa: A002
    return w.one("Clip", x, w.constant(np.float32(min)), None)


def _clamp_max(w: Writer, x: Ref, max: float) -> Ref:  # noqa: A002
    return w.one("Clip", x, None, w.constant(np.float32(max)))


def _binary(op: str) -> Handler:
    return lambda w, x, other: w.one(op, x, other)


COMPARING: dict[str, Handler] = {
    "gt": _compared("Greater"),
    "lt": _compared("Less"),
    "ge": _compared("GreaterOrEqual"),
    "le": _compared("LessOrEqual"),
    "eq": _compared("Equal"),
    "ne": _compared("Equal", True),
    "logical_and": _binary("And"),
    "logical_or": _binary("Or"),
    "bitwise_and": _binary("And"),
    "bitwise_or": _binary("Or"),
    "logical_not": lambda w, x: w.one("Not", x),
    "bitwise_not": lambda w, x: w.one("Not", x),
    "where": _where,
    "masked_fill": _masked_fill,
    "masked_fill_": _masked_fill,
    "threshold": _threshold,
    "clamp_min": _clamp_min,
    "clamp_min_": _clamp_min,
    "clamp_max": _clamp_max,
    "clamp_max_": _clamp_max,
}
