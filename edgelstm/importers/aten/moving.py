"""ATen's operators that move numbers, make constants or do nothing, as ONNX's nodes. Schemas as in `operators`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..from_onnx.folding import DTYPES
from ..from_onnx.writer import Given, Ref, Writer
from .recurrent import Handler

#: The end of an axis, as ATen writes it.
_END = 1 << 62


def _axis(w: Writer, x: Ref, dim: int, extra: int = 0) -> int:
    rank = x.rank + extra
    w.require(isinstance(dim, int) and -rank <= dim < max(rank, 1), f"names axis {dim} of an array of {x.rank} axes")
    return dim % max(rank, 1)


def _listed(w: Writer, dims: Given) -> list[int]:
    """Whole numbers, one or several."""
    found = list(dims) if isinstance(dims, list | tuple) else [dims]
    w.require(all(isinstance(n, int) for n in found), f"takes {found} where it should take whole numbers")
    return [int(n) for n in found if isinstance(n, int)]


def _same(w: Writer, x: Ref, *_: Any, **__: Any) -> Ref:
    """What gives its input; its other parameters say where or how numbers are kept."""
    return x


def _to(w: Writer, x: Ref, dtype: Any = None, *_: Any, **__: Any) -> Ref:
    """Another type of numbers, by NumPy's name."""
    if dtype is None or not isinstance(dtype, np.dtype):
        return x
    number = next((number for number, found in DTYPES.items() if np.dtype(found) == dtype.newbyteorder("=")), None)
    if number is None:
        w.refuse(f"converts to {dtype}")
    return w.one("Cast", x, to=number)


def _dropout(w: Writer, input: Ref, p: float, train: bool) -> Ref:  # noqa: A002
    w.require(not train or p == 0, "drops numbers at random, as in training; export model.eval()")
    return input


def _select(w: Writer, x: Ref, dim: int, index: Given) -> Ref:
    return w.one("Gather", x, index, rank=x.rank - 1, axis=_axis(w, x, dim))


def _slice(w: Writer, x: Ref, dim: int = 0, start: Given = None, end: Given = None, step: int = 1) -> Ref:
    axis = _axis(w, x, dim)
    first = 0 if start is None else start
    last = _END if end is None else min(end, _END) if isinstance(end, int) else end
    if (first, last, step) == (0, _END, 1):
        return x
    return w.one("Slice", x, w.ints([first]), w.ints([last]), w.ints([axis]), w.ints([step]), rank=x.rank)


def _cat(w: Writer, tensors: Sequence[Ref], dim: int = 0) -> Ref:
    return w.one("Concat", *tensors, axis=_axis(w, tensors[0], dim))


def _stack(w: Writer, tensors: Sequence[Ref], dim: int = 0) -> Ref:
    axis = _axis(w, tensors[0], dim, 1)
    parts = [w.one("Unsqueeze", tensor, w.ints([axis]), rank=tensor.rank + 1) for tensor in tensors]
    return w.one("Concat", *parts, axis=axis)


def _transpose(w: Writer, x: Ref, dim0: int, dim1: int) -> Ref:
    order = list(range(x.rank))
    a, b = _axis(w, x, dim0), _axis(w, x, dim1)
    order[a], order[b] = order[b], order[a]
    return w.one("Transpose", x, perm=order)


def _swapaxes(w: Writer, x: Ref, axis0: int, axis1: int) -> Ref:
    return _transpose(w, x, axis0, axis1)


def _t(w: Writer, x: Ref) -> Ref:
    return _transpose(w, x, 0, 1) if x.rank == 2 else x


def _permute(w: Writer, x: Ref, dims: Sequence[int]) -> Ref:
    return w.one("Transpose", x, perm=[_axis(w, x, dim) for dim in dims])


def _movedim(w: Writer, x: Ref, source: int, destination: int) -> Ref:
    order = [axis for axis in range(x.rank) if axis != _axis(w, x, source)]
    order.insert(_axis(w, x, destination), _axis(w, x, source))
    return w.one("Transpose", x, perm=order)


def _unsqueeze(w: Writer, x: Ref, dim: int) -> Ref:
    return w.one("Unsqueeze", x, w.ints([_axis(w, x, dim, 1)]), rank=x.rank + 1)


def _squeeze(w: Writer, x: Ref, dim: Given = None) -> Ref:
    if dim is None:
        w.refuse("drops all axes of length 1 without naming them; name the axis, squeeze(dim)")
    axes = [_axis(w, x, n) for n in _listed(w, dim)]
    return w.one("Squeeze", x, w.ints(axes), rank=x.rank - len(axes))


def _view(w: Writer, x: Ref, size: Sequence[Given] = (), shape: Sequence[Given] = ()) -> Ref:
    wanted = list(size or shape)
    return w.one("Reshape", x, w.ints(wanted), rank=len(wanted), allowzero=1)


def _flatten(w: Writer, x: Ref, start_dim: int = 0, end_dim: int = -1) -> Ref:
    first, last = _axis(w, x, start_dim), _axis(w, x, end_dim)
    if first == last:
        return x
    behind = [_size(w, x, axis) for axis in range(last + 1, x.rank)]
    return w.one("Reshape", x, w.ints([*[0] * first, -1, *behind]), rank=first + 1 + len(behind))


def _expand(w: Writer, x: Ref, size: Sequence[Given], implicit: bool = False) -> Ref:
    return w.one("Expand", x, w.ints([1 if n == -1 else n for n in size]), rank=max(x.rank, len(size)))


def _repeat(w: Writer, x: Ref, repeats: Sequence[Given]) -> Ref:
    w.require(len(repeats) == x.rank, "repeats along more axes than it has")
    return w.one("Tile", x, w.ints(repeats))


def _unflatten(w: Writer, x: Ref, dim: int, sizes: Sequence[int]) -> Ref:
    axis = _axis(w, x, dim)
    w.require(axis == x.rank - 1, "splits an axis that is not the array's last")
    return w.one("Reshape", x, w.ints([*[0] * axis, *sizes]), rank=axis + len(sizes))


def _narrow(w: Writer, x: Ref, dim: int, start: int, length: int) -> Ref:
    w.require(isinstance(start, int) and isinstance(length, int), "cuts a length that is not known")
    return w.one("Slice", x, w.ints([start]), w.ints([start + length]), w.ints([_axis(w, x, dim)]), rank=x.rank)


def _flip(w: Writer, x: Ref, dims: Sequence[int]) -> Ref:
    axes = [_axis(w, x, dim) for dim in dims]
    parts = [w.ints([n] * len(axes)) for n in (-1, -_END, -1)]
    return w.one("Slice", x, parts[0], parts[1], w.ints(axes), parts[2], rank=x.rank)


def _split(w: Writer, x: Ref, dim: int, outputs: int, sizes: Sequence[int] | None) -> list[Ref]:
    inputs: list[Given] = [x] if sizes is None else [x, w.ints(list(sizes))]
    how: dict[str, Any] = {"num_outputs": outputs} if sizes is None else {}
    return w.several("Split", inputs, outputs, [x.rank] * outputs, axis=_axis(w, x, dim), **how)


def _chunk(w: Writer, x: Ref, chunks: int, dim: int = 0) -> list[Ref]:
    w.require(isinstance(chunks, int) and 0 < chunks <= 64, f"splits into {chunks} parts")
    return _split(w, x, dim, chunks, None)


def _split_with_sizes(w: Writer, x: Ref, split_sizes: Sequence[int], dim: int = 0) -> list[Ref]:
    return _split(w, x, dim, len(split_sizes), split_sizes)


def _full(value: float | None) -> Handler:
    def write(
        w: Writer,
        size: Sequence[Given],
        fill_value: float = 0.0,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        pin_memory: Any = None,
    ) -> Ref:
        number = np.array([fill_value if value is None else value], np.float32)
        if all(isinstance(n, int) for n in size) and np.prod([int(n) for n in size if isinstance(n, int)]) <= 1 << 20:
            return w.constant(np.full([int(n) for n in size if isinstance(n, int)], number[0], np.float32))
        return w.one("ConstantOfShape", w.ints(list(size)), rank=len(size), value=number)

    return write


def _new_zeros(w: Writer, x: Ref, size: Sequence[Given], **_: Any) -> Ref:
    made = _full(0.0)(w, size)
    assert isinstance(made, Ref)
    return made


def _like(value: float | None) -> Handler:
    """An array of one number in the shape of another."""

    def write(w: Writer, x: Ref, fill_value: float = 0.0, **_: Any) -> Ref:
        number = np.array([fill_value if value is None else value], np.float32)
        return w.one("ConstantOfShape", w.one("Shape", x, rank=1), rank=x.rank, value=number)

    return write


def _expand_as(w: Writer, x: Ref, other: Ref) -> Ref:
    return w.one("Expand", x, w.one("Shape", other, rank=1), rank=max(x.rank, other.rank))


def _view_as(w: Writer, x: Ref, other: Ref) -> Ref:
    return w.one("Reshape", x, w.one("Shape", other, rank=1), rank=other.rank)


def _index_select(w: Writer, x: Ref, dim: int, index: Ref) -> Ref:
    return w.one("Gather", x, index, rank=x.rank, axis=_axis(w, x, dim))


def _repeat_interleave(w: Writer, x: Ref, repeats: Given, dim: Given = None, output_size: Given = None) -> Ref:
    """Each row of an axis so many times."""
    w.require(isinstance(repeats, int) and isinstance(dim, int) and not isinstance(dim, bool), "repeats rows differently, or no axis's")
    axis, count = _axis(w, x, dim), int(repeats)  # type: ignore[arg-type]
    wide = w.one("Unsqueeze", x, w.ints([axis + 1]), rank=x.rank + 1)
    tiled = w.one("Tile", wide, w.ints([count if n == axis + 1 else 1 for n in range(x.rank + 1)]))
    return w.one("Reshape", tiled, w.ints([*[0] * axis, -1, *([_size(w, x, n) for n in range(axis + 1, x.rank)])]), rank=x.rank)


def _roll(w: Writer, x: Ref, shifts: Given, dims: Given = ()) -> Ref:
    """Rows behind an axis's end stand at its beginning."""
    listed, axes = _listed(w, shifts), [_axis(w, x, dim) for dim in _listed(w, dims)]
    w.require(len(listed) == len(axes), "turns an array without naming axes")
    for shift, axis in zip(listed, axes, strict=True):
        tail, head = _slice(w, x, axis, -shift), _slice(w, x, axis, None, -shift)
        x = w.one("Concat", tail, head, axis=axis) if shift else x
    return x


def _size(w: Writer, x: Ref, dim: int) -> Ref:
    return w.one("Gather", w.one("Shape", x, rank=1), w.constant(np.int64(_axis(w, x, dim))), rank=0, axis=0)


def _one_hot(w: Writer, x: Ref, num_classes: int = -1) -> Ref:
    w.require(num_classes > 0, "is one_hot of a number of classes that it does not say")
    return w.one("OneHot", x, int(num_classes), w.ints([0, 1]), rank=x.rank + 1, axis=-1)


def _arange(w: Writer, *bounds: Given, start: Given = 0, end: Given = None, step: Given = 1, dtype: Any = None, **_: Any) -> Ref:
    first, last, each = {0: (start, end, step), 1: (0, *bounds, 1), 2: (*bounds, 1), 3: bounds}[len(bounds)]
    return w.one("Range", first, last, each, rank=1)


MOVING: dict[str, Handler] = {
    **dict.fromkeys(("detach", "contiguous", "alias", "lift_fresh_copy", "detach_", "type_as", "cpu", "requires_grad_", "data"), _same),
    "clone": lambda w, x, **_: w.one("Identity", x),
    "to": _to,
    "_to_copy": _to,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), _dropout),
    "select": _select,
    "slice": _slice,
    "cat": _cat,
    "concat": _cat,
    "stack": _stack,
    "transpose": _transpose,
    "t": _t,
    "mT": lambda w, x: _transpose(w, x, -2, -1),
    "numpy_T": lambda w, x: w.one("Transpose", x, perm=list(range(x.rank))[::-1]),
    "permute": _permute,
    "movedim": _movedim,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "view": _view,
    "reshape": _view,
    "_unsafe_view": _view,
    "flatten": _flatten,
    "expand": _expand,
    "repeat": _repeat,
    "flip": _flip,
    "unflatten": _unflatten,
    "narrow": _narrow,
    "swapaxes": _swapaxes,
    "swapdims": _transpose,
    "chunk": _chunk,
    "unsafe_chunk": _chunk,
    "split_with_sizes": _split_with_sizes,
    "zeros": _full(0.0),
    "ones": _full(1.0),
    "full": _full(None),
    "new_zeros": _new_zeros,
    "zeros_like": _like(0.0),
    "empty_like": _like(0.0),
    "empty": _full(0.0),
    "ones_like": _like(1.0),
    "full_like": _like(None),
    "new_ones": lambda w, x, size, **_: _full(1.0)(w, size),
    "new_full": lambda w, x, size, fill_value, **_: _full(None)(w, size, fill_value),
    "expand_as": _expand_as,
    "view_as": _view_as,
    "reshape_as": _view_as,
    "index_select": _index_select,
    "repeat_interleave": _repeat_interleave,
    "roll": _roll,
    "tile": _repeat,
    "one_hot": _one_hot,
    "arange": _arange,
    "triu": lambda w, x, diagonal=0: w.one("Trilu", x, int(diagonal), upper=1),
    "tril": lambda w, x, diagonal=0: w.one("Trilu", x, int(diagonal), upper=0),
    "size": _size,
    "sym_size": _size,
    "floordiv": lambda w, x, other: w.one("Div", x, other),
    "floor_divide": lambda w, x, other: w.one("Floor", w.one("Div", x, other)),
}
