"""Operators that ONNX Runtime's optimiser makes of several: what it saves, others run.

Definitions: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from collections.abc import Callable

import numpy as np

from ...layers.activations import spelled
from ..graph.tracing import Flow, Value
from .activations import clipped
from .calls import Call, floats
from .products import PRODUCTS
from .sliding import SLIDING

_MICROSOFT = "com.microsoft"


def _activated(call: Call, x: Flow, word: str, parameters: list[float]) -> Flow:
    """The function that is fused into an operator, with its parameters."""
    plain = {"": "linear", "Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
    scaled = {"LeakyRelu": "leaky_relu", "HardSigmoid": "hard_sigmoid"}
    if word == "Clip" and len(parameters) == 2:
        return clipped(call, x, *(None if abs(bound) > 1e30 else bound for bound in parameters))
    if word not in plain and word not in scaled:
        call.refuse(f"has the fused function {word!r}, which is not imported")
    named = spelled(scaled[word], *parameters) if word in scaled else plain[word]
    return call.tracer.apply(named, x) if word else x


def _conv(call: Call) -> list[Value]:
    """A convolution, what is added to it, and a function."""
    word, parameters = call.attribute("activation", ""), call.attribute("activation_params") or []
    (found,) = SLIDING["Conv"](call)
    assert isinstance(found, Flow)
    if call.has(3):
        other = call.value(3)
        found = call.tracer.combine("add", found, other) if isinstance(other, Flow) else call.tracer.scale(found, 1, floats(other))
    return [_activated(call, found, word, list(parameters))]


def _matmul(call: Call) -> list[Value]:
    """A product of matrices, of which the last two axes may be turned, times alpha."""
    alpha = call.attribute("alpha", 1.0)
    if call.attribute("transBatchA", 0) or call.attribute("transBatchB", 0):
        call.refuse("turns axes of a batch, which is not imported")
    for index, name in enumerate(("transA", "transB")):
        value = call.value(index)
        if call.attribute(name, 0):
            call.values[index] = Flow(np.swapaxes(value.ids, -1, -2)) if isinstance(value, Flow) else np.swapaxes(value, -1, -2)
    (found,) = PRODUCTS["MatMul"](call)
    return [call.tracer.scale(found, alpha, 0)] if isinstance(found, Flow) else [found]


def _gemm(call: Call) -> list[Value]:
    word = call.attribute("activation", "")
    given = [call.attribute(f"activation_{name}") for name in ("alpha", "beta", "gamma")]
    (found,) = PRODUCTS["Gemm"](call)
    assert isinstance(found, Flow)
    return [_activated(call, found, word, [p for p in given if p is not None])]


def _biased(word: str) -> Callable[[Call], list[Value]]:
    """A function of x and, where there is one, a bias."""

    def apply(call: Call) -> list[Value]:
        x = call.flow(0)
        x = call.tracer.scale(x, 1, floats(call.constant(1))) if call.has(1) else x
        return [call.tracer.apply(word, x)]

    return apply


def _quick_gelu(call: Call) -> list[Value]:
    """``x sigmoid(alpha x)``."""
    x = call.flow(0)
    gate = call.tracer.apply("sigmoid", call.tracer.scale(x, call.attribute("alpha", 1.702), 0))
    return [call.tracer.combine("mul", x, gate)]


#: By domain and operator.
FUSED: dict[tuple[str, str], Callable[[Call], list[Value]]] = {
    (_MICROSOFT, "FusedConv"): _conv,
    (_MICROSOFT, "FusedMatMul"): _matmul,
    (_MICROSOFT, "FusedGemm"): _gemm,
    (_MICROSOFT, "Gelu"): _biased("gelu"),
    (_MICROSOFT, "BiasGelu"): _biased("gelu"),
    (_MICROSOFT, "FastGelu"): _biased("gelu_tanh"),
    (_MICROSOFT, "QuickGelu"): _quick_gelu,
}
