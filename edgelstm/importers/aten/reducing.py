"""ATen's sums, means and largest numbers along axes as ONNX's nodes. Schemas as in `operators`."""

from typing import Any

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


REDUCING: dict[str, Handler] = {
    "mean": _mean("ReduceMean"),
    "sum": _mean("ReduceSum"),
    "amax": _mean("ReduceMax"),
    "max": _extreme(1),
    "min": _extreme(-1),
}
