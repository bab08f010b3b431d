"""Rules of convolutional LSTM layers: int8 kernels, and nothing else in integers."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from ...errors import UnsupportedModelError
from ...layers import record_of
from ...layers.conv_lstm import ConvLSTM
from ...layers.record import Layer
from ..calibration import Range, Seen
from ..weights import quantised_rows
from . import Rule, without_half


def weights_alone(layer: ConvLSTM, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """A scale for each output of a kernel. No window changes it."""
    given = {field.name: getattr(layer, field.name) for field in fields(layer)}
    for name, scale in (("kernel", "scale"), ("recurrent_kernel", "recurrent_scale")):
        kernel = given[name]
        integers, given[scale] = quantised_rows(kernel.reshape(-1, kernel.shape[-1]).T)
        given[name] = np.ascontiguousarray(integers.T).reshape(kernel.shape)
    int8: Callable[..., Layer] = record_of("conv_lstm_int8")
    return int8(**given)


def without(scheme: str) -> Rule:
    """The rule of a scheme that rounds activations."""

    def refused(layer: Layer, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
        raise UnsupportedModelError(f"{layer.label}: {scheme} has no convolutional LSTM; int8-weight has. Keep it in f32.")

    return refused


RULES = {
    "conv_lstm": {
        "f16-weight": without_half,
        "int8-weight": weights_alone,
        **{scheme: without(scheme) for scheme in ("int8-dynamic", "int8-static")},
    }
}
