"""ATen's operators on packed sequences and their lengths, as nodes of `native`. Schemas as in `operators`."""

from typing import Any

from ..from_onnx.writer import Given, Ref, Writer
from .native import DOMAIN
from .recurrent import Handler


def _packed(w: Writer, input: Ref, lengths: Ref, batch_first: bool = False) -> list[Ref]:  # noqa: A002
    w.require(input.rank > 1, "packs an array without a batch")
    return w.several("Packed", [input, lengths], 2, [input.rank, 1], domain=DOMAIN, batch_first=bool(batch_first))


def _padded(
    w: Writer, data: Ref, batch_sizes: Ref, batch_first: bool = False, padding_value: float = 0.0, total_length: Given = -1
) -> list[Ref]:
    return w.several("Padded", [data, total_length], 2, [data.rank, 1], domain=DOMAIN, batch_first=bool(batch_first))


def _sorted(w: Writer, x: Ref, dim: int = -1, descending: bool = False, stable: bool | None = None) -> list[Ref]:
    return w.several("Sorted", [x], 2, [x.rank] * 2, domain=DOMAIN, axis=int(dim), descending=bool(descending))


def _order(w: Writer, x: Ref, dim: int = -1, descending: bool = False, stable: bool | None = None) -> Ref:
    return _sorted(w, x, dim, descending)[1]


def _scatter(w: Writer, x: Ref, dim: int, index: Ref, src: Ref, **_: Any) -> Ref:
    return w.one("ScatterElements", x, index, src, rank=x.rank, axis=int(dim))


PACKING: dict[str, Handler] = {
    "_pack_padded_sequence": _packed,
    "_pad_packed_sequence": _padded,
    "sort": _sorted,
    "argsort": _order,
    "scatter": _scatter,
    "numel": lambda w, x: w.one("Size", x, rank=0),
}
