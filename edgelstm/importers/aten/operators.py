"""ATen's operators as ONNX's nodes. Parameters are called as ATen's schemas call them; ``self`` is x.

Schemas: ``aten/src/ATen/native/native_functions.yaml``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..from_onnx.writer import Given, Ref, Writer
from .comparing import COMPARING
from .elementwise import ELEMENTWISE
from .normalising import NORMALISING
from .recurrent import RECURRENT, Handler
from .reducing import REDUCING
from .resizing import RESIZING
from .sliding import SLIDING


def _linear(w: Writer, input: Ref, weight: Ref, bias: Ref | None = None) -> Ref:  # noqa: A002
    out = w.one("MatMul", input, w.one("Transpose", weight, perm=[1, 0]), rank=input.rank)
    return out if bias is None else w.one("Add", out, bias)


def _addmm(w: Writer, x: Ref, mat1: Ref, mat2: Ref, beta: float = 1, alpha: float = 1) -> Ref:
    return w.one("Gemm", mat1, mat2, x, alpha=float(alpha), beta=float(beta))


def _matmul(w: Writer, x: Ref, other: Ref) -> Ref:
    rank = x.rank - 1 if other.rank == 1 else other.rank - 1 if x.rank == 1 else None
    return w.one("MatMul", x, other, rank=rank)


def _mm(w: Writer, x: Ref, mat2: Ref) -> Ref:
    return w.one("MatMul", x, mat2)


def _dot_product_attention(
    w: Writer,
    query: Ref,
    key: Ref,
    value: Ref,
    attn_mask: Ref | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Ref:
    """ONNX's Attention; where heads have no axis, there is one."""
    w.require(not enable_gqa, "shares keys among heads")
    heads: dict[str, Any] = {} if query.rank == 4 else {"q_num_heads": 1, "kv_num_heads": 1}
    how: dict[str, Any] = {} if scale is None else {"scale": float(scale)}
    return w.one("Attention", query, key, value, attn_mask, rank=query.rank, is_causal=int(is_causal), **heads, **how)


def _einsum(w: Writer, equation: str, tensors: Sequence[Ref], path: Any = None) -> Ref:
    rank = len(equation.replace(" ", "").partition("->")[2])
    return w.one("Einsum", *tensors, rank=rank, equation=equation)


def _sum_of(sign: int) -> Handler:
    def write(w: Writer, x: Given, other: Given, alpha: float = 1) -> Ref:
        other = other if alpha == 1 else w.one("Mul", other, float(alpha))
        return w.one("Add" if sign == 1 else "Sub", x, other)

    return write


def _rsub(w: Writer, x: Ref, other: Given, alpha: float = 1) -> Ref:
    return w.one("Sub", other, x if alpha == 1 else w.one("Mul", x, float(alpha)))


def _binary(op: str) -> Handler:
    return lambda w, x, other: w.one(op, x, other)


def _div(w: Writer, x: Given, other: Given, rounding_mode: str | None = None) -> Ref:
    w.require(rounding_mode in (None, "trunc"), f"divides with rounding_mode {rounding_mode!r}")
    quotient = w.one("Div", x, other)
    return quotient if rounding_mode is None else w.one("Mul", w.one("Sign", quotient), w.one("Floor", w.one("Abs", quotient)))


def _pow(w: Writer, x: Ref, exponent: Given) -> Ref:
    return w.one("Pow", x, float(exponent) if isinstance(exponent, int) else exponent)


def _unary(op: str, **attributes: Any) -> Handler:
    return lambda w, x: w.one(op, x, **attributes)


def _elu(w: Writer, x: Ref, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Ref:
    w.require(scale == input_scale == 1, "is an ELU of a scale other than 1")
    return w.one("Elu", x, alpha=float(alpha))


def _leaky(w: Writer, x: Ref, negative_slope: float = 0.01) -> Ref:
    return w.one("LeakyRelu", x, alpha=float(negative_slope))


def _gelu(w: Writer, x: Ref, approximate: str = "none") -> Ref:
    return w.one("Gelu", x, approximate=approximate)


def _clamp(w: Writer, x: Ref, min: float | None = None, max: float | None = None) -> Ref:  # noqa: A002
    bounds = [None if bound is None else w.constant(np.float32(bound)) for bound in (min, max)]
    return w.one("Clip", x, *bounds)


def _relu6(w: Writer, x: Ref) -> Ref:
    return _clamp(w, x, 0.0, 6.0)


def _hardtanh(w: Writer, x: Ref, min_val: float = -1, max_val: float = 1) -> Ref:
    return _clamp(w, x, min_val, max_val)


def _silu(w: Writer, x: Ref) -> Ref:
    return w.one("Mul", x, w.one("Sigmoid", x))


def _mish(w: Writer, x: Ref) -> Ref:
    return w.one("Mul", x, w.one("Tanh", w.one("Softplus", x)))


def _log_sigmoid(w: Writer, x: Ref) -> Ref:
    return w.one("Neg", w.one("Softplus", w.one("Neg", x)))


def _square(w: Writer, x: Ref) -> Ref:
    return w.one("Mul", x, x)


def _glu(w: Writer, x: Ref, dim: int = -1) -> Ref:
    """``a * sigmoid(b)`` of the two halves of an axis."""
    a, b = w.several("Split", [x], 2, [x.rank] * 2, axis=dim % x.rank, num_outputs=2)
    return w.one("Mul", a, w.one("Sigmoid", b))


def _softmax(op: str) -> Handler:
    def write(w: Writer, x: Ref, dim: int, dtype: Any = None, half_to_float: bool = False) -> Ref:
        return w.one(op, x, axis=int(dim))

    return write


def _embedding(w: Writer, weight: Ref, indices: Ref, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False) -> Ref:
    return w.one("Gather", weight, indices, rank=indices.rank + 1, axis=0)


def _celu(w: Writer, x: Ref, alpha: float = 1) -> Ref:
    """``max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)``, which is ELU of ``x / alpha``, times alpha."""
    return _elu(w, x) if alpha == 1 else w.one("Mul", _elu(w, w.one("Mul", x, 1 / float(alpha))), float(alpha))


PLAIN: dict[str, Handler] = {
    **RECURRENT,
    **SLIDING,
    **REDUCING,
    **ELEMENTWISE,
    **COMPARING,
    **NORMALISING,
    **RESIZING,
    "linear": _linear,
    "addmm": _addmm,
    "matmul": _matmul,
    "mm": _mm,
    "bmm": _mm,
    "einsum": _einsum,
    "scaled_dot_product_attention": _dot_product_attention,
    "add": _sum_of(1),
    "add_": _sum_of(1),
    "sub": _sum_of(-1),
    "rsub": _rsub,
    "mul": _binary("Mul"),
    "div": _div,
    "pow": _pow,
    "neg": _unary("Neg"),
    "relu": _unary("Relu"),
    "tanh": _unary("Tanh"),
    "sigmoid": _unary("Sigmoid"),
    "exp": _unary("Exp"),
    "abs": _unary("Abs"),
    "sqrt": _unary("Sqrt"),
    "selu": _unary("Selu"),
    "hardswish": _unary("HardSwish"),
    "hardsigmoid": _unary("HardSigmoid", alpha=1 / 6, beta=0.5),
    "relu6": _relu6,
    "silu": _silu,
    "mish": _mish,
    "log_sigmoid": _log_sigmoid,
    "square": _square,
    "elu": _elu,
    "leaky_relu": _leaky,
    "gelu": _gelu,
    "softsign": _unary("Softsign"),
    "clamp": _clamp,
    "clip": _clamp,
    "hardtanh": _hardtanh,
    "softmax": _softmax("Softmax"),
    "_softmax": _softmax("Softmax"),
    "log_softmax": _softmax("LogSoftmax"),
    "_log_softmax": _softmax("LogSoftmax"),
    "embedding": _embedding,
    "glu": _glu,
    "maximum": _binary("Max"),
    "minimum": _binary("Min"),
    "celu": _celu,
}

#: In-place forms that write the same.
PLAIN |= {f"{name}_": PLAIN[name] for name in ("relu", "tanh", "sigmoid", "elu", "leaky_relu", "hardtanh", "silu", "mul", "sub", "div")}
