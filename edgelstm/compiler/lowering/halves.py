"""How weights in half precision are packed, and what their products are bound by: what the kinds that have them share."""

from typing import Any

import numpy as np

from ...layers import record_of
from ...layers.record import Layer
from ..targets import Target
from . import Floats, Reach

#: What kernels multiply inputs by where rows are woven: `kernels.tiles_f32.LARGER`.
LARGER = 2.0**56

#: Most weights of a layer that is held in float32 where a target `widens`: 32 KB, which stay in the first-level cache. Measured on Zen 4
#: and Zen 5: a step of 32 units takes 1.0 to 1.4 times as long with conversion, a Dense layer of 64 units 1.1 to 1.4, an LSTM of 64 units,
#: which is twice as large, 0.9 to 1.2.
WIDEST = 8192


def in_memory(layer: Layer, target: Target) -> Layer:
    """A layer with weights in half precision as it is held: itself, or with the same numbers in float32 where it is small."""
    names = [name for name, array in layer.arrays().items() if array.dtype == np.float16]
    if not target.widens or sum(layer.arrays()[name].size for name in names) > WIDEST:
        return layer
    wide: Layer = object.__new__(record_of(layer.float_kind))
    wide.__dict__.update(layer.__dict__, **{name: layer.arrays()[name].astype(np.float32) for name in names})
    return wide


def form(target: Target, *weights: Any, whole: bool = True) -> int:
    """What kernels call `halves`: 2 where pairs of rows are woven, which hold numbers below 2 alone. whole: whether tiles begin rows."""
    return 2 if target.weaves and whole and all(np.abs(array).max(initial=0) < 2 for array in weights) else 1


def packed(rows: Any) -> Floats:
    """(rows, size) in half precision, two in the place of a float32, each row filled up to whole floats: (rows, (size + 1) // 2)."""
    filled = np.pad(np.asarray(rows, np.float32), ((0, 0), (0, rows.shape[1] % 2)))
    return np.ascontiguousarray(filled.astype("<f2")).view(np.float32)


def woven(rows: Any) -> Floats:
    """The same with pairs of rows woven, as many as four rows at a time take up: a word for each lane, as `kernels.simd.halves` reads it.

    The even row stands where a float32 has its sign, lower four bits of the exponent and upper ten of the fraction. Of the odd one, the
    lower three bits of the fraction are bits 0 to 2, the others and the lowest of the exponent 4 to 11, the rest of the exponent 28 to
    30; its sign is bit 3 of the word beside. rows: below 2, of even size.
    """
    plain = packed(rows)
    fours = len(plain) // 4 * 4
    if not fours:
        return plain
    bits = plain.view("<u2")[:fours].astype(np.uint32)  # sign, 5 bits of the exponent, 10 of the fraction
    even, odd = bits[0::2], bits[1::2]
    signs = (odd >> 15).reshape(len(odd), -1, 2)[..., ::-1].reshape(odd.shape)
    words = (even & 0x8000) << 16 | (even & 0x3FFF) << 13 | odd & 7 | signs << 3 | (odd >> 3 & 0xFF) << 4 | (odd >> 11 & 7) << 28
    plain[:fours] = words.astype("<u4").view(np.float32).reshape(fours, -1)
    return plain


def held(rows: Any, form: int) -> Floats:
    """`packed` or `woven`, as kernels read the form."""
    return woven(rows) if form == 2 else packed(rows)


def half_tiles(rows: Any, units: int, inputs: int, form: int) -> Floats:
    """As `lowering.tiled`, the first row of a tile, its bias, in float32 and the others, those of inputs first, in half precision."""
    parts = []
    for start in range(0, rows.shape[1], units):
        tile = rows[:, start : start + units].transpose(2, 0, 1)  # (row, gate, unit)
        matrix = tile[1:].reshape(len(tile) - 1, -1)
        parts += [tile[0].ravel(), held(matrix[:inputs], form).ravel(), held(matrix[inputs:], form).ravel()]
    return np.concatenate(parts)


def half_reach(reach: Reach) -> Reach:
    """The reach of a layer with such weights: what it reads is multiplied, whatever the target, so that limits are the same on all."""
    return reach._replace(factor=LARGER)
