"""Recurrent layers from either end and past padding, and what looks at a recording as a whole, over many windows at once.

Where a window is shorter than the longest, only its own steps are turned. One row for a recording stands at each of its steps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError
from ...layers.attention import AttentionPool, SelfAttention
from ...layers.fake_quantize import DynamicFakeQuantize
from ...layers.norms import LayerNorm
from ...layers.recording import Last, Mask, Repeat, Reverse
from ...layers.recurrent import Recurrent
from ...reference import over as over_recording
from ...reference import twin
from .lstm import Float
from .rounding import Floats

Steps = NDArray[np.int64]


class Order(NamedTuple):
    """The steps of a recurrent layer, in the order in which it takes them.

    Parameters
    ----------
    turn : (windows, time)
        Step that stands at each place of the layer's own order; its own inverse.
    keep : (windows, time) bool
        In that order: where the layer steps.
    """

    turn: Steps
    keep: NDArray[np.bool_]

    def taken(self, x: Floats) -> Floats:
        """The rows at which the layer steps, in its order, before all others."""
        return rows(rows(x, self.turn), np.argsort(~self.keep, axis=1, kind="stable"))

    def given(self, y: Floats, start: Floats | float) -> Floats:
        """Of what the layer had after each of `taken`: what it has at each step, which is `start` before the first."""
        at = np.cumsum(self.keep, axis=1) - 1  # (windows, time)
        return rows(np.where((at >= 0)[..., None], rows(y, np.maximum(at, 0)), start), self.turn)


def rows(x: Floats, at: Steps) -> Floats:
    """Rows of x (windows, time, size) at steps (windows, time)."""
    return np.take_along_axis(x, at[..., None], axis=1)


def turned(steps: int, lengths: Steps) -> Steps:
    """Every window's own steps backwards, then the others: (windows, time)."""
    time = np.arange(steps)
    return np.asarray(np.where(time < lengths[:, None], lengths[:, None] - 1 - time, time))


def order(layer: Recurrent, x: Floats, lengths: Steps) -> Order:
    """x: (windows, time, size), with the layer's mask behind what it reads."""
    windows, steps = x.shape[:2]
    turn = turned(steps, lengths) if layer.reverse else np.broadcast_to(np.arange(steps), (windows, steps))
    keep = x[..., -1] != 0 if layer.mask else np.ones((windows, steps), np.bool_)
    return Order(turn, np.take_along_axis(keep, turn, axis=1))


def over(layer: Recurrent, form: Float, x: Floats, lengths: Steps) -> tuple[Floats, Floats | None, Floats]:
    """Outputs, cells and the h before of every step of x, as `order` takes it: (windows, time, hidden_size) each."""
    steps = order(layer, x, lengths)
    h, c = form.over(steps.taken(x[..., : layer.input_size]))
    carried = steps.given(h, form.start()[0])  # (windows, time, hidden_size)
    before = rows(carried, steps.turn)
    before = np.concatenate([np.broadcast_to(form.start()[0], before[:, :1].shape), before[:, :-1]], axis=1)
    y = steps.given(h, 0.0)
    if layer.mask == "zero":
        y = np.where(np.take_along_axis(steps.keep, steps.turn, axis=1)[..., None], y, np.float32(0))
    return np.asarray(y, np.float32), None if c is None else steps.given(c, form.start()[1]), rows(before, steps.turn)


def restarted(layer: Recurrent, x: Floats) -> tuple[Floats, Floats | None, Floats]:
    """What `over` gives of a layer whose state its mask multiplies."""
    kind, parts = twin(layer), list[tuple[NDArray[Any], ...]]()
    for window in x.astype(np.float64):
        state = kind.start(layer)
        for row in window:
            before = row[-1] * state[0]
            _, state = kind.step(layer, [row], state)
            parts.append((before, *state))
    before, h, *cells = (np.array(part, np.float32).reshape(*x.shape[:2], -1) for part in zip(*parts, strict=True))
    return h, cells[0] if cells else None, before


def _last(layer: Last, xs: list[Floats], lengths: Steps) -> Floats:
    ends = [
        np.take_along_axis(x, (lengths - 1)[:, None, None], axis=1) if end == "last" else x[:, :1]
        for x, end in zip(xs, layer.ends, strict=True)
    ]
    row = np.concatenate(ends, axis=-1)
    return np.repeat(row, xs[0].shape[1], axis=1)


def _repeat(layer: Repeat, xs: list[Floats], lengths: Steps) -> Floats:
    if layer.rows is not None:
        raise UnsupportedModelError(
            f"{layer.label}: gives {layer.rows} rows for any recording, and calibration follows one at each sample; keep the model in f32."
        )
    return rows(np.concatenate(xs, axis=-1), np.repeat((lengths - 1)[:, None], xs[0].shape[1], axis=1))


def _reverse(layer: Reverse, xs: list[Floats], lengths: Steps) -> Floats:
    return rows(np.concatenate(xs, axis=-1), turned(xs[0].shape[1], lengths))


def _mask(layer: Mask, xs: list[Floats], lengths: Steps) -> Floats:
    return np.asarray((np.concatenate(xs, axis=-1) != np.float32(layer.value)).any(axis=-1, keepdims=True), np.float32)


def _attention(layer: AttentionPool, xs: list[Floats], lengths: Steps) -> Floats:
    x = np.concatenate(xs, axis=-1)
    keep = x[..., -1:] != 0 if layer.mask else np.ones_like(x[..., -1:], np.bool_)
    size = layer.output_size([x.shape[-1]])
    score = np.where(keep, x[..., size : size + 1], -np.inf)
    largest = np.maximum.accumulate(score, axis=1)
    mean, y = np.zeros_like(x[:, 0, :size]), np.zeros_like(x[..., :size])
    weights, top = np.zeros_like(x[:, 0, :1]), np.full_like(x[:, 0, :1], -np.inf)
    for t in range(x.shape[1]):
        with np.errstate(invalid="ignore"):  # before the first score
            before, now = (np.nan_to_num(np.exp(each - largest[:, t])) for each in (top, score[:, t]))
        weights, top = weights * before + now, largest[:, t]
        mean = mean + now / np.where(weights > 0, weights, 1) * (x[:, t, :size] - mean)
        y[:, t] = mean if layer.mask != "zero" else np.where(keep[:, t], mean, 0)
    return y


def _self_attention(layer: SelfAttention, xs: list[Floats], lengths: Steps) -> Floats:
    """By the twin; what stands behind a window's own steps is padding, whose rows are zeros."""
    x = np.concatenate(xs, axis=-1)
    y = np.zeros((*x.shape[:2], layer.output_size([x.shape[-1]])), np.float32)
    for window, length in enumerate(lengths):
        y[window, :length] = over_recording(layer, [x[window, :length].astype(np.float64)])
    return y


def _fake_quantize(layer: DynamicFakeQuantize, xs: list[Floats], lengths: Steps) -> Floats:
    x = np.concatenate(xs, axis=-1)
    kept = np.where((np.arange(x.shape[1]) < lengths[:, None])[..., None], x, 0)
    axes = (1, 2) if layer.whole else (2,)
    low, high = (np.asarray(f(kept, axis=axes, keepdims=True, initial=0), np.float32) for f in (np.min, np.max))
    scale = (high - low) / np.float32(255)
    scale = np.where(scale > 0, scale, np.float32(1))
    zero = np.rint(np.clip(-low / scale, 0, 255))
    levels = np.clip(np.rint(x / scale) + zero, 0, 255) - zero
    return np.asarray({"numbers": levels * scale, "levels": levels, "scale": scale + np.zeros_like(x[..., :1])}[layer.gives], np.float32)


def _layer_norm(layer: LayerNorm, xs: list[Floats], lengths: Steps) -> Floats:
    x = np.concatenate(xs, axis=-1)
    found = np.zeros_like(x)
    for window, steps in enumerate(lengths):
        found[window, :steps] = over_recording(layer, [x[window, :steps].astype(np.float64)])
    return found


#: By kind: a layer, (windows, time, size) of each input and the steps of each window -> (windows, time, output_size).
RECORDINGS: dict[str, Callable[[Any, list[Floats], Steps], Floats]] = {
    "last": _last,
    "repeat": _repeat,
    "reverse": _reverse,
    "mask": _mask,
    "attention_pool": _attention,
    "self_attention": _self_attention,
    "dynamic_fake_quantize": _fake_quantize,
    "layer_norm": _layer_norm,
}
