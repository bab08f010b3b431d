"""In what power an array has the scale of a DynamicQuantizeLinear: levels have its inverse, and what meets it once has none.

Graphs are followed with a constant in the place of each such scale (`quantised.UNIT`), which is right where no number depends on it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from ...errors import UnsupportedModelError
from .file import Graph, Node
from .living import held

#: Powers by the name of the scale.
Units = Mapping[str, int]

#: What multiplies its output where it multiplies its first input, and reads numbers of no scale beside.
_KEEPS = {
    *("Identity", "Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Slice", "Gather", "Split", "Tile"),
    *("Neg", "Abs", "Relu", "LeakyRelu", "Floor", "Ceil", "Round", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Pad"),
    *("ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum"),
}

#: What does so where it multiplies all that it reads.
_ALIKE = {"Add", "Sub", "Sum", "Concat", "Max", "Min"}

#: Products of levels, by where their scale and their zero point stand: what they make has the powers of the levels that are left.
_PRODUCTS = {"MatMulInteger": (None, 2), "ConvInteger": (None, 2), "DequantizeLinear": (1, 2), "MatMulIntegerToFloat": (2, 4)}


def check_scales(graph: Graph) -> None:
    """Refuse a graph in which some number depends on a scale, or levels meet another one than their own.

    Raises
    ------
    UnsupportedModelError
    """
    _check(graph, {}, {})


def _check(graph: Graph, units: dict[str, Units], zeros: dict[str, str]) -> None:
    """units: by name of an array, without those that have none; zeros: by name of a zero point, the scale that it belongs to."""
    for node in graph.nodes:
        if node.op == "DynamicQuantizeLinear":
            levels, scale, zero = (*node.outputs, "", "")[:3]
            units |= {levels: {scale: -1}, scale: {scale: 1}}
            zeros[zero] = scale
            continue
        for inner in held(node):
            _check(inner, dict(units), dict(zeros))
        if any(name in units or name in zeros for name in node.inputs):
            found = _made(node, units, zeros)
            if found is None:
                raise UnsupportedModelError(_refused(node))
            units.update(dict.fromkeys(filter(None, node.outputs), found) if found else {})
    for tensor in graph.outputs:
        if tensor.name in units or tensor.name in zeros:
            raise UnsupportedModelError(_refused(next(node for node in graph.nodes if tensor.name in node.outputs)))


def _refused(node: Node) -> str:
    return (
        f"{node}: computes with the scale that DynamicQuantizeLinear finds, or with levels that meet another one, which is not imported; "
        "convert the file of float32 weights that this one was made of."
    )


def _made(node: Node, units: Mapping[str, Units], zeros: Mapping[str, str]) -> Units | None:
    """The powers of what a node makes of arrays that have some; None where it is no power of them."""
    given = [units.get(name, {}) for name in node.inputs]
    if node.op in _PRODUCTS:
        return _product(node, given, zeros)
    if node.op.startswith(("QLinear", "QGemm")):
        return {} if len({scale for one in given for scale in one} | {zeros[name] for name in node.inputs if name in zeros}) == 1 else None
    if any(name in zeros for name in node.inputs):
        return None
    if node.op in _KEEPS:
        return given[0] if not any(given[1:]) else None
    if node.op in _ALIKE:
        return given[0] if all(one == given[0] for one in given) else None
    if node.op in ("Mul", "MatMul", "Conv") and not any(given[2:]):
        return _times(given[:2], (1, 1)) if node.op == "Mul" or not (len(node.inputs) > 2 and given[0]) else None
    return _times(given, (1, -1)) if node.op == "Div" else None


def _product(node: Node, given: list[Units], zeros: Mapping[str, str]) -> Units | None:
    """That of levels, whose zero point must be their own."""
    at_scale, at_zero = _PRODUCTS[node.op]
    (scale, power), *others = given[0].items() or [("", 0)]
    own = zeros.get(node.inputs[at_zero]) if len(node.inputs) > at_zero else None
    meets = given[0] if at_scale is None else _times([given[0], given[at_scale]], (1, 1))
    beside = [one for at, one in enumerate(given) if at not in (0, at_scale)]
    if others or power != -1 or own != scale or any(beside):
        return None
    return meets if at_scale is None or not meets else None


def _times(given: Iterable[Units], signs: tuple[int, int]) -> Units:
    total = Counter[str]()
    for one, sign in zip(given, signs, strict=True):
        for scale, power in one.items():
            total[scale] += sign * power
    return {scale: power for scale, power in total.items() if power}
