"""ATen's sums, means and largest numbers along axes as ONNX's nodes. Schemas as in `operators`."""

from typing import Any

import numpy as np

from ..from_onnx.writer import Given, Ref, Writer
from .recurrent import Handler


def _mean(op: str) -> Handler:
    def write(w: Writer, x: Ref, dim: Given = None, keepdim: bool = False, dtype: Any = None) -> Ref:
        axes = [dim] if isinstance(dim, int) else list(dim) if isinstance(dim, list | tuple) else list(range(x.rank))
        return w.one(op, x, w.ints(axes), rank=x.rank if keepdim else x.rank - len(axes), keepdims=int(keepdim))

    return write


def _extreme(sign: int) -> Handler:
    """``max`` and ``min``: of two tensors, of all numbers, or along an axis, with the places where they stand behind them."""

    def largest(w: Writer, x: Ref, axes: list[int], keepdim: bool) -> Ref:
        x = x if sign == 1 else w.one("Neg", x)
        y = w.one("ReduceMax", x, w.ints(axes), rank=x.rank if keepdim else x.rank - len(axes), keepdims=int(keepdim))
        return y if sign == 1 else w.one("Neg", y)

    def write(w: Writer, x: Ref, dim: Given = None, keepdim: bool = False, other: Given = None) -> Ref | list[Ref]:
        if isinstance(dim, Ref) or other is not None:
            return w.one("Max" if sign == 1 else "Min", x, other if dim is None else dim)
        if dim is None:
            return largest(w, x, list(range(x.rank)), False)
        w.require(isinstance(dim, int) and not isinstance(dim, bool), f"goes over {dim}")
        values = largest(w, x, [int(dim)], keepdim)  # type: ignore[arg-type]
        return [values, w.one("ArgMax" if sign == 1 else "ArgMin", x, rank=values.rank, axis=dim, keepdims=int(keepdim))]

    return write


def _axes(x: Ref, dim: Given) -> list[int]:
    """The axes that a call names; all where it names none."""
    if isinstance(dim, int):
        return [dim]
    return [int(n) for n in dim] if isinstance(dim, list | tuple) and dim else list(range(x.rank))


def _reduced(w: Writer, op: str, x: Ref, dim: Given, keep: bool) -> Ref:
    axes = _axes(x, dim)
    return w.one(op, x, w.ints(axes), rank=x.rank if keep else x.rank - len(axes), keepdims=int(keep))


def _variance(root: bool) -> Handler:
    """``var`` and ``std``: the mean square of distances from the mean, times ``n / (n - correction)``."""

    def write(w: Writer, x: Ref, dim: Given = None, unbiased: Given = None, keepdim: bool = False, correction: Given = None) -> Ref:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        less = correction if correction is not None else 0 if unbiased is False else 1
        w.require(less in (0, 1), f"has the correction {less}")
        away = w.one("Sub", x, _reduced(w, "ReduceMean", x, dim, True))
        found = _reduced(w, "ReduceMean", w.one("Mul", away, away), dim, keepdim)
        if less:
            count = w.one(
                "ReduceProd", w.one("Gather", w.one("Shape", x, rank=1), w.ints(_axes(x, dim)), rank=1, axis=0), rank=0, keepdims=0
            )
            count = w.one("Cast", count, to=1)
            found = w.one("Mul", found, w.one("Div", count, w.one("Sub", count, 1.0)))
        return w.one("Sqrt", found) if root else found

    return write


def _norm(w: Writer, x: Ref, p: Given = 2, dim: Given = None, keepdim: bool = False, dtype: Any = None, ord: Given = None) -> Ref:  # noqa: A002
    """The first or second norm along axes."""
    order = p if ord is None else ord
    w.require(order in (None, 1, 2), f"is a norm of order {order}")
    return _reduced(w, "ReduceL1" if order == 1 else "ReduceL2", x, dim, keepdim)


def _log_sum_exp(w: Writer, x: Ref, dim: Given, keepdim: bool = False) -> Ref:
    return _reduced(w, "ReduceLogSumExp", x, dim, keepdim)


REDUCING: dict[str, Handler] = {
    "mean": _mean("ReduceMean"),
    "sum": _mean("ReduceSum"),
    "amax": _mean("ReduceMax"),
    "amin": _mean("ReduceMin"),
    "var": _variance(False),
    "std": _variance(True),
    "norm": _norm,
    "linalg_vector_norm": _norm,
    "frobenius_norm": lambda w, x, dim, keepdim=False: _reduced(w, "ReduceL2", x, dim, keepdim),
    "logsumexp": _log_sum_exp,
    "cumsum": lambda w, x, dim, dtype=None: w.one("CumSum", x, w.constant(np.int64(dim)), rank=x.rank),
    "max": _extreme(1),
    "min": _extreme(-1),
}
