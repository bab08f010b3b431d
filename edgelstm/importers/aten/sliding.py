"""ATen's convolutions, pooling and padding as ONNX's nodes. Schemas as in `operators`."""

from collections.abc import Sequence
from typing import Any

from ..from_onnx.writer import Given, Ref, Writer
from .recurrent import Handler

#: Most rows of a window that is cut out.
_MOST_ROWS = 256


def _each(w: Writer, value: Given, axes: int) -> list[int]:
    """A whole number for each axis, of which one may stand for all."""
    listed = list(value) if isinstance(value, list | tuple) else [value]
    numbers = [n for n in listed if isinstance(n, int) and not isinstance(n, bool)]
    if len(numbers) != len(listed) or len(numbers) not in (1, axes):
        w.refuse(f"takes {value!r} where it should take {axes} whole number(s)")
    return numbers * axes if len(numbers) == 1 else numbers


def _convolution(axes: int) -> Handler:
    def write(
        w: Writer,
        input: Ref,  # noqa: A002
        weight: Ref,
        bias: Ref | None = None,
        stride: Given = 1,
        padding: Given = 0,
        dilation: Given = 1,
        groups: int = 1,
    ) -> Ref:
        how: dict[str, Any] = {"strides": _each(w, stride, axes), "dilations": _each(w, dilation, axes), "group": int(groups)}
        if isinstance(padding, str):
            w.require(padding in ("same", "valid"), f"pads by {padding!r}")
            how |= {"auto_pad": {"same": "SAME_UPPER", "valid": "VALID"}[padding]}
        else:
            how |= {"pads": _each(w, padding, axes) * 2}
        kernel = [int(n) for n in w.array(weight).shape[2:]]
        w.require(len(kernel) == axes and input.rank == axes + 2, f"needs {axes + 2} axes; export it with a batch")
        return w.one("Conv", input, weight, bias, kernel_shape=kernel, **how)

    return write


def _transposed(axes: int) -> Handler:
    def write(
        w: Writer,
        input: Ref,  # noqa: A002
        weight: Ref,
        bias: Ref | None = None,
        stride: Given = 1,
        padding: Given = 0,
        output_padding: Given = 0,
        groups: int = 1,
        dilation: Given = 1,
    ) -> Ref:
        how: dict[str, Any] = {"strides": _each(w, stride, axes), "dilations": _each(w, dilation, axes), "group": int(groups)}
        how |= {"pads": _each(w, padding, axes) * 2, "output_padding": _each(w, output_padding, axes)}
        w.require(w.array(weight).ndim == input.rank == axes + 2, f"needs {axes + 2} axes; export it with a batch")
        return w.one("ConvTranspose", input, weight, bias, **how)

    return write


def _mode(w: Writer, x: Ref, weight: Ref, bias: Ref | None, stride: Given, padding: Given, dilation: Given, groups: int) -> Ref:
    """``aten._convolution_mode``, whose padding is a word."""
    made = _convolution(w.array(weight).ndim - 2)(w, x, weight, bias, stride, padding, dilation, groups)
    assert isinstance(made, Ref)
    return made


def _general(
    w: Writer,
    input: Ref,  # noqa: A002
    weight: Ref,
    bias: Ref | None,
    stride: Given,
    padding: Given,
    dilation: Given,
    transposed: bool,
    output_padding: Given,
    groups: int,
    *_: Any,
) -> Ref:
    """``aten.convolution``, of any number of axes; scripts say more behind it, which changes no number."""
    axes = w.array(weight).ndim - 2
    if transposed:
        made = _transposed(axes)(w, input, weight, bias, stride, padding, output_padding, groups, dilation)
    else:
        made = _convolution(axes)(w, input, weight, bias, stride, padding, dilation, groups)
    assert isinstance(made, Ref)
    return made


def _pool(op: str, axes: int) -> Handler:
    def largest(
        w: Writer, x: Ref, kernel_size: Given, stride: Given = None, padding: Given = 0, dilation: Given = 1, ceil_mode: bool = False
    ) -> Ref:
        sizes = _each(w, kernel_size, axes)
        steps = _each(w, stride, axes) if stride else sizes
        pads = _each(w, padding, axes) * 2
        how: dict[str, Any] = {"kernel_shape": sizes, "strides": steps, "pads": pads, "ceil_mode": int(ceil_mode)}
        return w.one(op, x, dilations=_each(w, dilation, axes), **how)

    def average(
        w: Writer,
        x: Ref,
        kernel_size: Given,
        stride: Given = None,
        padding: Given = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Given = None,
    ) -> Ref:
        w.require(divisor_override is None, "divides by a number of its own")
        sizes = _each(w, kernel_size, axes)
        steps = _each(w, stride, axes) if stride else sizes
        pads = _each(w, padding, axes) * 2
        how: dict[str, Any] = {"kernel_shape": sizes, "strides": steps, "pads": pads, "ceil_mode": int(ceil_mode)}
        return w.one(op, x, count_include_pad=int(count_include_pad), **how)

    return largest if op == "MaxPool" else average


def _adaptive(op: str) -> Handler:
    """The mean of all places; or the largest, with where it stands behind it."""

    def write(w: Writer, x: Ref, output_size: Given) -> Ref | list[Ref]:
        w.require(output_size in (1, [1], (1,), [1, 1], (1, 1)), f"pools to {output_size}; it is imported to one")
        y = w.one(op, x)
        return [y, w.one("ArgMax", x)] if op == "GlobalMaxPool" else y

    return write


def _pad(w: Writer, x: Ref, pad: Sequence[int], mode: Given = "constant", value: Given = None) -> Ref:
    """ATen names the last axis first, each with what comes before and behind."""
    if not isinstance(mode, str):
        mode, value = "constant", mode
    w.require(len(pad) % 2 == 0 and len(pad) // 2 <= x.rank and all(isinstance(n, int) for n in pad), f"pads by {pad}")
    count = len(pad) // 2
    axes = [x.rank - 1 - n for n in range(count)]
    widths = w.ints([pad[2 * n] for n in range(count)] + [pad[2 * n + 1] for n in range(count)])
    named = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    w.require(mode in named, f"pads in mode {mode!r}")
    filled = None if mode != "constant" else w.constant(float(value) if isinstance(value, int | float) else 0.0)
    return w.one("Pad", x, widths, filled, w.ints(axes), rank=x.rank, mode=named[mode])


def _unfold(w: Writer, x: Ref, dimension: int, size: int, step: int) -> Ref:
    """The windows of an axis, each along a new last axis: as many slices as a window has rows, side by side."""
    axis = int(dimension) % x.rank
    w.require(0 < size <= _MOST_ROWS and step > 0, f"cuts windows of {size} rows, a step of {step} apart")
    every, at = w.ints([int(step)]), w.ints([axis])
    ends = [n - size + 1 for n in range(int(size))]  # from the axis's end; the last slice goes up to it
    slices = [w.one("Slice", x, w.ints([n]), w.ints([end or 1 << 62]), at, every, rank=x.rank) for n, end in enumerate(ends)]
    return w.one("Concat", *(w.one("Unsqueeze", one, w.ints([x.rank]), rank=x.rank + 1) for one in slices), axis=x.rank)


def _im2col(
    w: Writer,
    x: Ref,
    kernel_size: Sequence[Any],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> Ref:
    """``F.unfold`` by windows as wide as the map: (batch, channels, rows, width) -> (batch, channels x window x width, places)."""
    rows, width = kernel_size
    plain = tuple(dilation) == (1, 1) and padding[1] == 0 and stride[1] == 1
    w.require(x.rank == 4 and plain and isinstance(rows, int), "cuts windows of a map that are not as wide as the map")
    y = _pad(w, x, [0, 0, padding[0], padding[0]]) if padding[0] else x
    cut = w.one("Reshape", _unfold(w, y, 2, rows, stride[0]), w.ints([0, 0, 0, width, rows]), rank=5)
    turned = w.one("Transpose", cut, perm=[0, 1, 4, 3, 2])  # (batch, channels, window, width, places)
    places = w.one("Gather", w.one("Shape", turned, rank=1), w.ints([4]), rank=1, axis=0)
    return w.one("Reshape", turned, w.one("Concat", w.ints([0, -1]), places, axis=0), rank=3)


SLIDING: dict[str, Handler] = {
    "unfold": _unfold,
    "im2col": _im2col,
    "conv1d": _convolution(1),
    "conv2d": _convolution(2),
    "convolution": _general,
    "_convolution": _general,
    "_convolution_mode": _mode,
    "conv_transpose1d": _transposed(1),
    "conv_transpose2d": _transposed(2),
    "max_pool1d": _pool("MaxPool", 1),
    "max_pool2d": _pool("MaxPool", 2),
    "avg_pool1d": _pool("AveragePool", 1),
    "avg_pool2d": _pool("AveragePool", 2),
    "adaptive_avg_pool1d": _adaptive("GlobalAveragePool"),
    "adaptive_avg_pool2d": _adaptive("GlobalAveragePool"),
    "adaptive_max_pool1d": _adaptive("GlobalMaxPool"),
    "adaptive_max_pool2d": _adaptive("GlobalMaxPool"),
    "pad": _pad,
    "constant_pad_nd": _pad,
    "reflection_pad1d": lambda w, x, padding: _pad(w, x, padding, "reflect"),
    "replication_pad1d": lambda w, x, padding: _pad(w, x, padding, "replicate"),
}
