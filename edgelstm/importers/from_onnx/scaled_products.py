"""Products of levels that a recording is rounded to with matrices of whole numbers, and what both scales make of the sums.

They are several operators in a file, and one once ONNX Runtime's optimiser saves it. Either way sums are whole numbers, and the product of
the scales, that with the sums and the bias round to float32 each.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...layers.fake_quantize import Rescale
from ..graph.expressions import Made, State
from ..graph.tracing import Flow
from .calls import Array, Call
from .dynamic_rounding import levels_of
from .file import Graph, Node
from .living import reads

#: The number of float32 among ONNX's types.
_FLOAT = 1


def scaled_sums(call: Call, x: Flow, weight: Array, scale: Array, bias: Array | None) -> Flow | None:
    """``x weight scale + bias`` in the sums that integers make, of x rounded over a recording; None of another, and of several rows a step.

    What is rounded at each step may be a state, which is known by the weighted sums that read it.

    weight: (inputs, outputs) levels less their zero point; scale: one number or (outputs,); bias: (outputs,).
    """
    tracer, outputs = call.tracer, weight.shape[-1]
    if weight.ndim != 2 or scale.size not in (1, outputs) or any(isinstance(wire.source, State) for wire in tracer.space.wires):
        return None
    if x.ids.shape[-1] != len(weight) or (bias is not None and bias.shape != (outputs,)) or (found := levels_of(tracer, x.ids)) is None:
        return None
    levels, step = found
    if (wire := tracer.space.wire_of(step)) is None or not isinstance(wire.source, Made) or not wire.source.record.whole:
        return None
    ids = np.concatenate([tracer.affine(Flow(levels), weight).ids, step], axis=-1)
    group = tracer.grouped([ids.reshape(-1, outputs + 1)])
    if len(group.refs[0]) != 1:
        return None
    read, record = group.refs[0][0], Rescale(np.broadcast_to(scale.ravel(), outputs), bias)
    out = tracer.output(group, Made(tracer.place, record, [read[:-1], read[-1:]]), width=outputs)
    return Flow(out.reshape(*ids.shape[:-1], outputs))


def joined(graph: Graph) -> Graph:
    """The graph with one operator where it makes integers of numbers, multiplies them, and scales the sums."""
    if not any(node.op == "MatMulInteger" for node in graph.nodes):
        return graph
    readers, seen = defaultdict[str, list[Node]](list), set[int]()
    for node in graph.nodes:
        for name in reads(node, seen):
            readers[name].append(node)
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    ends = {tensor.name for tensor in graph.outputs}
    found, gone = dict[int, Node](), set[int]()
    for node in graph.nodes:
        if node.op == "MatMulInteger" and (chain := _scaled(graph, node, makers, {n: r for n, r in readers.items() if n not in ends})):
            *inner, last = chain
            found[id(last)] = _one(graph, node, chain)
            gone.update(map(id, inner))
    if not found:
        return graph
    return replace(graph, nodes=tuple(found.get(id(node), node) for node in graph.nodes if id(node) not in gone))


def _scaled(graph: Graph, product: Node, makers: dict[str, Node], readers: dict[str, list[Node]]) -> Sequence[Node]:
    """A product of integers, the Cast of its sums, their product with both scales, and the Add of a bias if there is one; or nothing."""
    weight = graph.constants.get(product.inputs[1])
    maker = makers.get(product.inputs[0])
    if weight is None or weight.ndim != 2 or maker is None or maker.op != "DynamicQuantizeLinear" or len(product.inputs) < 3:
        return ()
    given = (product.inputs[0], product.inputs[2]) == (maker.outputs[0], maker.outputs[2])
    cast = _only(readers, product)
    if not given or cast is None or cast.op != "Cast" or cast.attributes.get("to") != _FLOAT:
        return ()
    times = _only(readers, cast)
    if times is None or times.op != "Mul" or (scales := makers.get(_other(times, cast))) is None or scales.op != "Mul":
        return ()
    if maker.outputs[1] not in scales.inputs or not _fits(graph, _beside(scales, maker.outputs[1]), (1, weight.shape[1])):
        return ()
    add = _only(readers, times)
    biased = add is not None and add.op == "Add" and _fits(graph, _other(add, times), (weight.shape[1],))
    return (product, cast, times, *([add] if biased and add is not None else []))


def _only(readers: dict[str, list[Node]], node: Node) -> Node | None:
    """The only node that reads what one makes."""
    found = readers.get(node.outputs[0], [])
    return found[0] if len(found) == 1 else None


def _beside(node: Node, name: str) -> str:
    """The input of two that is another than that of a name; "" where both are it."""
    return next((one for one in node.inputs if one != name), "")


def _other(node: Node, made: Node) -> str:
    return _beside(node, made.outputs[0])


def _fits(graph: Graph, name: str, sizes: Sequence[int]) -> bool:
    """Whether a constant has so many numbers, along the last axis alone."""
    value = graph.constants.get(name)
    return value is not None and value.ndim <= 1 and value.size in sizes


def _one(graph: Graph, product: Node, chain: Sequence[Node]) -> Node:
    """The operator in the place of a chain."""
    maker = next(node for node in graph.nodes if product.inputs[0] in node.outputs)
    scales = next(node for node in graph.nodes if _other(chain[2], chain[1]) in node.outputs)
    zero = product.inputs[3] if len(product.inputs) > 3 else ""
    bias = _other(chain[3], chain[2]) if len(chain) > 3 else ""
    levels, scale, level = maker.outputs
    names = (levels, product.inputs[1], scale, _beside(scales, scale), level, zero, bias)
    return Node("MatMulIntegerToFloat", "com.microsoft", product.name, names, chain[-1].outputs, {})
