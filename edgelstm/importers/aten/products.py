"""ATen's products of vectors as ONNX's nodes. Schemas as in `operators`."""

from ..from_onnx.writer import Ref, Writer
from .recurrent import Handler


def _mv(w: Writer, x: Ref, vec: Ref) -> Ref:
    return w.one("MatMul", x, vec, rank=1)


def _dot(w: Writer, x: Ref, tensor: Ref) -> Ref:
    return w.one("ReduceSum", w.one("Mul", x, tensor), w.ints([0]), rank=0, keepdims=0)


def _vdot(w: Writer, x: Ref, other: Ref) -> Ref:
    return _dot(w, x, other)


def _cosine_similarity(w: Writer, x1: Ref, x2: Ref, dim: int = 1, eps: float = 1e-8) -> Ref:
    """``x1 x2 / (max(|x1|, eps) max(|x2|, eps))``."""
    axes = w.ints([dim])
    long = [w.one("Clip", w.one("ReduceL2", x, axes, keepdims=1), float(eps), None) for x in (x1, x2)]
    unit = [w.one("Div", x, length) for x, length in zip((x1, x2), long, strict=True)]
    return w.one("ReduceSum", w.one("Mul", *unit), axes, rank=max(x1.rank, x2.rank) - 1, keepdims=0)


PRODUCTS: dict[str, Handler] = {"mv": _mv, "dot": _dot, "vdot": _vdot, "cosine_similarity": _cosine_similarity}
