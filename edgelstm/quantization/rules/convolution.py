"""Rules of convolutions along time: int8 weights, and rows too where the scheme rounds them."""

from collections.abc import Callable
from dataclasses import fields

from ...layers import record_of
from ...layers.convolution import Conv1D
from ...layers.record import Layer
from ..calibration import Range, Seen
from ..weights import quantised_rows
from . import Rule, left
from .scales import step_of


def conv1d(scheme: str) -> Rule:
    """A scale for each output."""

    def rule(layer: Conv1D, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        integers, scale = quantised_rows(layer.weight.reshape(len(layer.weight), -1))
        given = {field.name: getattr(layer, field.name) for field in fields(layer)} | {"weight": integers.reshape(layer.weight.shape)}
        int8: Callable[..., Layer] = record_of("conv1d_int8")
        return int8(scheme, scale=scale, input_scale=step_of(span), **given)

    return rule


RULES = {
    "conv1d": {
        "f16-weight": left,
        "int8-weight": conv1d("int8-weight"),
        "int8-dynamic": conv1d("int8-dynamic"),
        "int8-static": left,
    }
}
