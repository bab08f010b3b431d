"""What twins share: their form, the functions that records name, the float cell, and activations rounded to int8."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers.activations import SELU_ALPHA, SELU_SCALE, parts
from ..layers.recurrent import MOST_KEPT
from ..runtime.fields import Fields

if TYPE_CHECKING:
    from numpy.typing import NDArray

Vector = np.ndarray[Any, np.dtype[np.float64]]
#: A recording: (rows, width).
Rows = Vector
Integers = np.ndarray[Any, np.dtype[np.int64]]

#: What a layer keeps from step to step.
State = tuple[Vector, ...]

#: Largest magnitude of an int8 activation.
LIMIT = 127


def cannot_step(layer: Any, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """In place of the step of a layer that needs the whole recording."""
    raise TypeError(f"{layer.label} needs the whole recording; see reference.run.")


class Twin(Fields):
    """A kind of layer, slow and obvious.

    Parameters
    ----------
    step : callable
        ``(layer, xs, state) -> (y, new state)``. xs: the vectors that the layer reads, in order; y: (output_size,), or None where no
        answer is due. A layer is stepped when what it reads is due.
    start : callable
        ``layer -> state`` before the first step; layers without a state have the empty one.
    whole : callable, optional
        ``(layer, xs) -> rows`` of a layer that cannot step. xs: the recordings that it reads, (rows, width) each.
    """

    step: Callable[[Any, list[Vector], State], tuple[Vector | None, State]] = cannot_step
    start: Callable[[Any], State] = lambda layer: ()
    whole: Callable[[Any, list[Rows]], Rows] | None = None


def stateless(function: Callable[[Any, Vector], Vector]) -> Twin:
    """The twin of a layer that keeps nothing and reads its inputs side by side: ``function(layer, x) -> y``."""
    return Twin(lambda layer, xs, state: (function(layer, np.concatenate(xs)), state))


def levels_over_range(x: Rows) -> tuple[Rows, np.float32]:
    """The nearest of 256 levels over the range of all values, less the zero point, and their scale, in float32:
    `layers.fake_quantize.DynamicFakeQuantize`.
    """
    x = x.astype(np.float32)
    low, high = min(x.min(), np.float32(0)), max(x.max(), np.float32(0))
    scale = (high - low) / np.float32(255)
    scale = scale if scale > 0 else np.float32(1)
    zero = np.rint(np.clip(-low / scale, 0, 255))
    return np.clip(np.rint(x / scale) + zero, 0, 255) - zero, scale


def rounded_over_range(x: Rows) -> Rows:
    """Values rounded to these levels."""
    levels, scale = levels_over_range(x)
    return np.asarray((levels * scale).astype(np.float64))


def masked(twin: Twin) -> Twin:
    """The twin of a recurrent layer with a mask (`layers.recurrent.Recurrent`). The output before stands first in its state."""

    def step(layer: Any, xs: list[Vector], state: State) -> tuple[Vector, State]:
        x = np.concatenate(xs)
        if x[-1] == 0:
            before = np.broadcast_to(state[0], layer.output_size([one.size for one in xs]))
            return (before if layer.mask == "repeat" else 0 * before), state
        y, inner = twin.step(layer, [x[:-1]], state[1:])
        assert y is not None
        return y, (y, *inner)

    return Twin(step, lambda layer: (np.zeros(1), *twin.start(layer)))


def restarting(twin: Twin) -> Twin:
    """The twin of a recurrent layer whose state is multiplied by the last number that it reads (`layers.recurrent.Restarting`)."""

    def step(layer: Any, xs: list[Vector], state: State) -> tuple[Vector | None, State]:
        x = np.concatenate(xs)
        return twin.step(layer, [x[:-1]], tuple(np.clip(x[-1] * part, -MOST_KEPT, MOST_KEPT) for part in state))

    return Twin(step, twin.start)


def sigmoid(x: Vector) -> Vector:
    """``1 / (1 + exp(-x))``, without overflow."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


def softplus(x: Vector) -> Vector:
    """``log(1 + exp(x))``, without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def exp_below(x: Vector) -> Vector:
    """``exp(x) - 1`` where x is below zero, else 0."""
    return np.expm1(np.minimum(x, 0))


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu_tanh(x: Vector) -> Vector:
    return x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


#: What each name of `layers.activations.FUNCTIONS` means: ``function(x, *numbers)``.
ACTIVATIONS: dict[str, Callable[..., Vector]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu6": lambda x: np.clip(x, 0, 6),
    "clip": np.clip,
    "hard_sigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "positive": lambda x: np.maximum(x, 0) + sigmoid(np.minimum(x, 0)),
    "softplus": lambda x, a: softplus(a * x) / a,
    "log_sigmoid": lambda x: -softplus(-x),
    "elu": lambda x, a: np.maximum(x, 0) + a * exp_below(x),
    "celu": lambda x, a: np.maximum(x, 0) + a * exp_below(x / a),
    "selu": lambda x: SELU_SCALE * (np.maximum(x, 0) + SELU_ALPHA * exp_below(x)),
    "leaky_relu": lambda x, a: np.where(x > 0, x, a * x),
    "thresholded_relu": lambda x, a: np.where(x > a, x, 0),
    "hard_shrink": lambda x, a: np.where(np.abs(x) > a, x, 0),
    "soft_shrink": lambda x, a: x - np.clip(x, -a, a),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "scaled_tanh": lambda x, a, b: a * np.tanh(b * x),
    "affine": lambda x, a, b: a * x + b,
    "gelu": lambda x: x * (1 + _erf(x / np.sqrt(2))) / 2,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "exp": np.exp,
    "abs": np.abs,
    "sqrt": lambda x: np.sqrt(np.maximum(x, 0)),
    "log": lambda x, a: np.log(np.maximum(x, a)),
    "reciprocal": lambda x, a: x / np.maximum(np.abs(x), a) ** 2,
}


@lru_cache(maxsize=64)
def activation(word: str) -> Callable[[Vector], Vector]:
    """The function that a word of `layers.activations` means, in float64; its numbers are those of float32."""
    name, numbers = parts(word)
    if not numbers:
        return ACTIVATIONS[name]
    rounded = [float(np.float32(number)) for number in numbers]
    return lambda x: ACTIVATIONS[name](x, *rounded)


def softmax(x: Vector) -> Vector:
    """``exp(x) / sum(exp(x))``, shifted by the largest value first."""
    e: Vector = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def log_softmax(x: Vector) -> Vector:
    """``x - log(sum(exp(x)))``, shifted by the largest value first."""
    shifted: Vector = x - x.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def quantised(x: "NDArray[Any]", steps: "np.float32 | NDArray[np.float32]") -> Vector:
    """round(x * steps), ties to even, within +-127. `steps`: integers a unit, the inverse of the scale.

    An activation in float32 times its steps, exactly, is what kernels round to an integer, and so does this.
    """
    exact = np.asarray(x, np.float32).astype(np.float64) * steps
    return np.asarray(np.clip(np.rint(exact), -LIMIT, LIMIT))


def input_steps(x: Vector, input_scale: "NDArray[np.float32] | None") -> np.float32:
    """Integers a unit of x: from the calibrated scale, or so that the largest magnitude of this step becomes 127."""
    if input_scale is not None:
        return np.float32(1) / np.float32(input_scale[0])
    largest = np.float32(np.abs(np.asarray(x, np.float32)).max())
    return np.float32(LIMIT) / max(largest, np.float32(1e-30))


def sums(weight: "NDArray[np.int8]", x: Vector, steps: np.float32) -> Integers:
    """Product of weight and x, both as integers: exact."""
    return np.asarray(weight.astype(np.int64) @ quantised(x, steps).astype(np.int64))
