"""Activation functions: ONNX's operators and names as words of `layers.feedforward.Activation`.

Definitions and defaults: https://onnx.ai/onnx/operators/.
"""

from collections.abc import Callable

import numpy as np

from ...layers.activations import spelled
from ...layers.channelwise import PReLU
from ..graph.expressions import Made
from ..graph.tracing import Flow, Value
from .calls import Call

#: Names of a recurrent node, in small letters: our word, and the defaults of alpha and beta that all runtimes agree on.
_WORDS: dict[str, tuple[str, tuple[float | None, ...]]] = {
    "relu": ("relu", ()),
    "tanh": ("tanh", ()),
    "sigmoid": ("sigmoid", ()),
    "softsign": ("softsign", ()),
    "softplus": ("softplus", ()),
    "elu": ("elu", (1.0,)),
    "leakyrelu": ("leaky_relu", (0.01,)),
    "thresholdedrelu": ("thresholded_relu", (None,)),
    "hardsigmoid": ("hard_sigmoid", (0.2, 0.5)),
    "scaledtanh": ("scaled_tanh", (None, None)),
    "affine": ("affine", (None, None)),
}

_DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}


def words(call: Call, count: int) -> list[str]:
    """The activations of a recurrent node, for all directions. alpha and beta go, in order, to those that take them."""
    each = _DEFAULTS[call.node.op]
    names = call.attribute("activations") or list(each) * (count // len(each))
    if len(names) != count:
        call.refuse(f"names {len(names)} activations; it needs {count}")
    given = {0: list(call.attribute("activation_alpha") or []), 1: list(call.attribute("activation_beta") or [])}
    found = []
    for name in names:
        if name.lower() not in _WORDS:
            call.refuse(f"activation {name!r} is not one of {', '.join(_WORDS)}")
        word, defaults = _WORDS[name.lower()]
        parameters = [given[place].pop(0) if given[place] else default for place, default in enumerate(defaults)]
        if None in parameters:
            call.refuse(f"activation {name} stands without its alpha or beta, for which runtimes take different defaults; export them")
        found.append(spelled(word, *(p for p in parameters if p is not None)))
    if given[0] or given[1]:
        call.refuse("has more activation_alpha or activation_beta than its activations take")
    return found


def _fixed(word: str, *parameters: tuple[str, float]) -> Callable[[Call], list[Value]]:
    """An operator that is a word with attributes as parameters."""

    def apply(call: Call) -> list[Value]:
        return [call.tracer.apply(spelled(word, *(call.attribute(name, default) for name, default in parameters)), call.flow(0))]

    return apply


def _selu(call: Call) -> list[Value]:
    alpha, gamma = call.attribute("alpha", 1.6732632), call.attribute("gamma", 1.0507010)
    if abs(alpha - 1.6732632) > 1e-6 or abs(gamma - 1.0507010) > 1e-6:
        call.refuse(f"has alpha {alpha:g} and gamma {gamma:g}, not those of SELU's authors")
    return [call.tracer.apply("selu", call.flow(0))]


def _gelu(call: Call) -> list[Value]:
    return [call.tracer.apply("gelu_tanh" if call.attribute("approximate", "none") == "tanh" else "gelu", call.flow(0))]


def _shrink(call: Call) -> list[Value]:
    bias, most = call.attribute("bias", 0.0), call.attribute("lambd", 0.5)
    if bias not in (0.0, most):
        call.refuse(f"has bias {bias:g} and lambd {most:g}; 0 and equal ones are imported")
    return [call.tracer.apply(spelled("soft_shrink" if bias else "hard_shrink", most), call.flow(0))]


def _prelu(call: Call) -> list[Value]:
    x, slopes = call.flow(0), call.constant(1)
    slope = np.unique(slopes)
    if slope.size == 1:
        return [call.tracer.apply(spelled("leaky_relu", float(slope[0])), x)]
    group = call.tracer.grouped([x.ids.reshape(-1, 1)], [np.broadcast_to(slopes, x.shape).astype(np.float64).ravel()])
    made = Made(call.tracer.place, PReLU(group.constants[0]), [group.refs[0][:, 0]])
    return [Flow(call.tracer.output(group, made).reshape(x.shape))]


def clip(call: Call) -> list[Value]:
    """Clip, with its bounds as inputs or attributes."""
    bounds = [float(call.constant(index).item()) if call.has(index) else call.attribute(name) for index, name in ((1, "min"), (2, "max"))]
    return [clipped(call, call.flow(0), *(None if b is None or abs(b) > 1e30 else b for b in bounds))]


def clipped(call: Call, x: Flow, low: float | None, high: float | None) -> Flow:
    """`x` between two bounds, by the functions that edgelstm has."""
    tracer = call.tracer
    if low is None and high is None:
        return x
    if low is not None and high is not None:
        return tracer.apply(spelled("clip", low, high), x)
    if low is not None:
        return tracer.apply("relu", x) if low == 0 else tracer.scale(tracer.apply("relu", tracer.scale(x, 1, -low)), 1, low)
    return tracer.scale(tracer.apply("relu", tracer.scale(x, -1, high)), -1, high or 0)


#: By operator.
ACTIVATIONS: dict[str, Callable[[Call], list[Value]]] = {
    "Relu": _fixed("relu"),
    "Sigmoid": _fixed("sigmoid"),
    "Tanh": _fixed("tanh"),
    "Softsign": _fixed("softsign"),
    "Softplus": _fixed("softplus"),
    "HardSwish": _fixed("hard_silu"),
    "Exp": _fixed("exp"),
    "Elu": _fixed("elu", ("alpha", 1.0)),
    "LeakyRelu": _fixed("leaky_relu", ("alpha", 0.01)),
    "ThresholdedRelu": _fixed("thresholded_relu", ("alpha", 1.0)),
    "HardSigmoid": _fixed("hard_sigmoid", ("alpha", 0.2), ("beta", 0.5)),
    "Sqrt": _fixed("sqrt"),
    "Erf": _fixed("erf"),
    "Abs": _fixed("abs"),
    "Mish": _fixed("mish"),
    "Celu": _fixed("celu", ("alpha", 1.0)),
    "Shrink": _shrink,
    "Selu": _selu,
    "Gelu": _gelu,
    "PRelu": _prelu,
    "Clip": clip,
}
