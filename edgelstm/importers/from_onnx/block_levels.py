"""Operators whose weights are levels of few bits, with a scale, and often a zero point, for each block of a row.

Definitions: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..graph.tracing import Value
from .calls import Array, Call, floats
from .file import Node
from .folding import spread

_MICROSOFT = "com.microsoft"

#: Which bits levels have that fill whole bytes.
_BITS = (2, 4, 8)

#: The accuracy level by which a runtime may round what it multiplies to 8 bits.
_IN_BYTES = 4

#: The note on a product that has it.
_NOTE = (
    "The file lets runtimes round what they multiply to 8 bits (accuracy_level 4), and ONNX Runtime does; edgelstm does not, so that "
    "its answers differ a little."
)


def _unpacked(packed: Array, bits: int, count: int) -> Array:
    """The first `count` levels of each row of bytes, the lowest bits first."""
    parts = packed[..., None] >> np.arange(0, 8, bits, dtype=np.uint8)
    return (parts & ((1 << bits) - 1)).reshape(*packed.shape[:-1], -1)[..., :count]


def _bits(call: Call) -> int:
    bits = int(call.attribute("bits", 4))
    if bits not in _BITS:
        call.refuse(f"has weights of {bits} bits, which are not imported; those of 2, 4 and 8 are")
    return bits


def _zeros(call: Call, index: int, bits: int, shape: tuple[int, ...]) -> Array:
    """Zero points of this shape, which are packed where they are bytes; the middle of all levels where there are none."""
    if not call.has(index):
        return np.full(shape, float(1 << (bits - 1)))
    given = call.constant(index)
    if given.dtype != np.uint8:
        return floats(given).reshape(shape)
    return floats(_unpacked(given.reshape(*shape[:-1], -(-shape[-1] * bits // 8)), bits, shape[-1]))


def _product(call: Call) -> Sequence[Value]:
    """A, B (columns, blocks, bytes of a block), its scales, its zero points, the block of each row, bias."""
    bits, size = _bits(call), int(call.attribute("block_size"))
    rows, columns = int(call.attribute("K")), int(call.attribute("N"))
    if call.attribute("accuracy_level", 0) == _IN_BYTES and _NOTE not in call.runner.notes:
        call.runner.notes.append(_NOTE)
    blocks = -(-rows // size)
    packed = call.constant(1).reshape(columns, blocks, -(-size * bits // 8))
    levels = _unpacked(packed, bits, size).reshape(columns, -1)[:, :rows]
    if call.has(4) and (call.constant(4) != np.arange(rows) // size).any():
        call.refuse("has rows in an order of their own (g_idx), which is not imported")
    scales, zeros = floats(call.constant(2)).reshape(columns, blocks), _zeros(call, 3, bits, (columns, blocks))
    weight = (levels - spread(call, zeros, levels, 1, size)) * spread(call, scales, levels, 1, size)
    out = call.tracer.affine(call.flow(0), weight.T)
    return [call.tracer.scale(out, 1, floats(call.constant(5))) if call.has(5) else out]


def _gather(call: Call) -> Sequence[Value]:
    """A table of levels, the index, the scales, the zero points: what Gather takes of the numbers that the levels stand for."""
    bits, size = _bits(call), int(call.attribute("block_size", 128))
    axis, along = int(call.attribute("gather_axis", 0)), int(call.attribute("quantize_axis", 1))
    levels, scales = call.constant(0), floats(call.constant(2))
    along = call.axis(along, levels.ndim)
    if levels.dtype == np.uint8:
        if along != levels.ndim - 1:
            call.refuse("has packed levels in blocks along another axis than the last, which is not imported")
        levels = _unpacked(levels, bits, levels.shape[-1] * 8 // bits)
        zeros = _zeros(call, 3, bits, scales.shape)
    else:
        zeros = floats(call.constant(3)) if call.has(3) else np.zeros(scales.shape)
    table = (levels - spread(call, zeros, levels, along, size)) * spread(call, scales, levels, along, size)
    node = Node("Gather", "ai.onnx", call.node.name, call.node.inputs[:2], call.node.outputs, {"axis": axis})
    return call.runner.operator(node, [table.astype(np.float32), call.value(1)])


#: By domain and operator.
BLOCK_LEVELS: dict[tuple[str, str], Callable[[Call], Sequence[Value]]] = {
    (_MICROSOFT, "MatMulNBits"): _product,
    (_MICROSOFT, "GatherBlockQuantized"): _gather,
}
