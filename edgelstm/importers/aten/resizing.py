"""ATen's upsampling to the nearest number as ONNX's Resize. Schemas as in `operators`."""

from typing import Any

from ..from_onnx.writer import Given, Ref, Writer
from .recurrent import Handler


def _nearest(axes: int) -> Handler:
    """Each answer is the number at its place divided by the scale, rounded down; the axes behind the channels get so many answers."""

    def write(w: Writer, input: Ref, output_size: Given, *scales: Given, scale_factors: Given = None, **each: Given) -> Ref:  # noqa: A002
        w.require(input.rank == axes + 2, f"needs {axes + 2} axes; export it with a batch")
        one = scales[0] if len(scales) == 1 else scale_factors
        given = one if isinstance(one, list | tuple) else [*scales, *each.values()]
        factors = [float(factor) for factor in given if isinstance(factor, int | float)]
        how: dict[str, Any] = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        if len(factors) == axes:
            return w.one("Resize", input, None, w.constant([1.0, 1.0, *factors]), rank=input.rank, **how)
        w.require(isinstance(output_size, list | tuple) and len(output_size) == axes, f"resizes to {output_size}")
        return w.one("Resize", input, None, None, w.ints(output_size), rank=input.rank, axes=list(range(2, axes + 2)), **how)

    return write


def _named(handler: Handler) -> Handler:
    """Of the two forms of an operator one calls its tensor ``input``, the other ``self``."""
    return lambda w, x=None, *more, **named: handler(w, named.pop("input") if x is None else x, *more, **named)


RESIZING: dict[str, Handler] = {"upsample_nearest1d": _named(_nearest(1)), "upsample_nearest2d": _named(_nearest(2))}
