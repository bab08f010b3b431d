"""DFT and STFT as the matrices that they are: cosines and sines of each bin, over one frame.

Definitions: https://onnx.ai/onnx/operators/onnx__DFT.html, onnx__STFT.html.
"""

import numpy as np

from ..graph.convolving import convolve
from ..graph.sliding import Window
from ..graph.tracing import Flow, Value
from .calls import Array, Call, floats

#: Longest frame: a matrix has as many rows, and about as many columns.
_MOST = 1 << 12


def _matrix(length: int, rows: int, bins: int, parts: int, *, inverse: bool) -> Array:
    """(rows, parts, bins, 2): what each number of a frame, real or with an imaginary part, adds to each bin."""
    angle = (2 if inverse else -2) * np.pi / length * (np.outer(np.arange(rows), np.arange(bins)) % length)
    real, imaginary = np.stack([np.cos(angle), np.sin(angle)], -1), np.stack([-np.sin(angle), np.cos(angle)], -1)
    found = np.stack([real, imaginary][:parts], 1)
    return found / length if inverse else found


def _bins(call: Call, length: int, parts: int, default: int) -> int:
    """How many bins are given; half of them, and the middle one, where the others mirror these."""
    if not 1 <= length <= _MOST or parts not in (1, 2):
        call.refuse(f"transforms frames of {length} numbers in {parts} parts; at most {_MOST} are imported")
    return length // 2 + 1 if call.attribute("onesided", default) else length


def _dft(call: Call) -> list[Value]:
    """Inputs: numbers (…, frame, …, parts), length and, from operator set 20 on, axis of the frame."""
    x = call.flow(0).ids
    axis = call.attribute("axis", 1) if call.opset < 20 else int(call.constant(2).item()) if call.has(2) else -2
    axis, inverse = call.axis(axis, x.ndim), bool(call.attribute("inverse", 0))
    frames = np.moveaxis(x, axis, -2)
    length = int(call.constant(1).item()) if call.has(1) else frames.shape[-2]
    parts, rows = frames.shape[-1], min(length, frames.shape[-2])
    bins = _bins(call, length, parts, 0)
    weight = _matrix(length, rows, bins, parts, inverse=inverse)
    flat = np.ascontiguousarray(frames[..., :rows, :]).reshape(*frames.shape[:-2], rows * parts)
    out = call.tracer.affine(Flow(flat), weight.reshape(rows * parts, -1)).ids
    return [Flow(np.moveaxis(out.reshape(*frames.shape[:-2], bins, 2), -2, axis))]


def _stft(call: Call) -> list[Value]:
    """Inputs: signal (batch, samples, parts), step, window, length of a frame."""
    x, step = call.flow(0).ids, int(call.constant(1).item())
    x = x[..., None] if x.ndim == 2 else x
    window = floats(call.constant(2)) if call.has(2) else None
    length = int(call.constant(3).item()) if call.has(3) else 0 if window is None else window.size
    bins = _bins(call, length, x.shape[-1], 1)
    if step < 1 or x.ndim != 3 or length > x.shape[1] or (window is not None and window.shape != (length,)):
        call.refuse(f"takes frames of {length} numbers, one each {step}, of an array of shape {x.shape}")
    weight = _matrix(length, length, bins, x.shape[-1], inverse=False)
    weight = weight if window is None else weight * window[:, None, None, None]
    kernel = weight.transpose(2, 3, 1, 0).reshape(2 * bins, x.shape[-1], length)
    window_along = Window((length,), (step,), (1,), (0,), (0,))
    out = convolve(call.tracer, Flow(np.swapaxes(x, 1, 2)), kernel, None, window_along, 1).ids  # (batch, bins * 2, frames)
    return [Flow(np.swapaxes(out, 1, 2).reshape(len(out), -1, bins, 2))]


#: By operator.
FOURIER = {"DFT": _dft, "STFT": _stft}
