"""TensorFlow's SavedModel: a folder with a graph and a checkpoint, which become a frozen graph. Nothing is executed.

Format: ``tensorflow/core/protobuf/``: ``saved_model.proto``, ``meta_graph.proto``. Which variable is saved under which key, the graph's
own operators of restoring tell.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ..chain import listed
from ..messages import Field, fields, inside, text
from .bundle import Bundle
from .calling import in_place
from .file import MOST_BYTES, Called, GraphDef, NodeDef, Text, parse
from .sections import name_of, normalised, of_function, reference

#: The signatures that are called where none is named, in this order, and the tag of a graph that serves.
_SIGNATURES, _SERVE = ("serving_default", "serve", "predict"), "serve"

#: Operators that are variables or handles of them; that read one; that write one.
_VARIABLES = ("VarHandleOp", "Variable", "VariableV2")
_READING = ("ReadVariableOp", "ResourceGather")
_WRITING = ("Assign", "ResourceScatter", "Scatter", "ResourceApply", "Apply")


@dataclass(frozen=True, eq=False)
class Signature:
    """A call of the model: its inputs and outputs by the names that users know, as references into the graph."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


class Saved(NamedTuple):
    """A graph with its numbers, references to its outputs and their names, and how its signature is called."""

    graph: GraphDef
    outputs: dict[str, str]
    signature: str


def read(file: BinaryIO) -> Saved:
    """The graph of an open ``saved_model.pb``, with the numbers of the variables beside it.

    Raises
    ------
    ModelFileError
        If it is damaged, or its variables are not there.
    UnsupportedModelError
        If it has no signature to call, or a call changes variables.
    """
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ModelFileError(f"has more than {MOST_BYTES >> 20} MiB; edgelstm reads no such graphs.")
    graph, signatures = _serving(memoryview(data))
    called = _chosen(signatures)
    signature = signatures[called]
    nodes = {node.name: node for node in normalised(graph.nodes)}
    keys = dict(_keys(graph, nodes))
    bundle = Bundle(os.path.join(os.path.dirname(getattr(file, "name", "")), "variables", "variables")) if keys else None
    main = [_settled(node, bundle, keys) for node in _needed(graph.nodes, signature)]
    functions = {name: replace(function, nodes=tuple(_plain(function.nodes))) for name, function in graph.functions.items()}
    names = {name_of(one): name for name, one in signature.inputs.items() if name not in nodes}
    main = [replace(node, name=names.get(node.name, node.name), inputs=tuple(_renamed(node.inputs, names))) for node in _plain(main)]
    outputs = {next(_renamed([one], names)): name for name, one in signature.outputs.items()}
    whole, ends = in_place(GraphDef(tuple(main), functions), outputs)
    _refuse_changes(whole, ends)
    return Saved(whole, ends, called)


def _renamed(references: Iterable[str], names: Mapping[str, str]) -> Iterator[str]:
    for one in references:
        name, colon, number = one.partition(":")
        yield f"{names.get(name, name)}{colon}{number}"


def _serving(data: memoryview) -> tuple[GraphDef, dict[str, Signature]]:
    """The graph that is there to be called, and its signatures."""
    graphs = [inside(part) for number, part in fields(data) if number == 2]
    tagged = [graph for graph in graphs if _SERVE in _tags(graph)] or graphs
    if len(tagged) != 1:
        raise ModelFileError(f"holds {len(tagged)} graphs that are tagged {_SERVE!r}; save the model again.")
    found, signatures = b"", dict[str, Signature]()
    for number, part in fields(tagged[0]):
        if number == 2:
            found = bytes(inside(part))
        elif number == 5:
            name, value = _entry(part)
            signatures[name] = _signature(value)
    return parse(found), signatures


def _tags(graph: memoryview) -> list[str]:
    return [text(tag) for number, part in fields(graph) if number == 1 for n, tag in fields(inside(part)) if n == 4]


def _entry(part: Field) -> tuple[str, memoryview]:
    """Key and value of a map's entry."""
    found = dict(fields(inside(part)))
    return text(found.get(1, memoryview(b""))), inside(found.get(2, memoryview(b"")))


def _signature(data: memoryview) -> Signature:
    sides: dict[int, dict[str, str]] = {1: {}, 2: {}}
    for number, part in fields(data):
        if number in sides:
            name, tensor = _entry(part)
            sides[number][name] = reference(next((text(value) for n, value in fields(tensor) if n == 1), ""))
    return Signature(sides[1], sides[2])


def _chosen(signatures: Mapping[str, Signature]) -> str:
    """The name of the signature that is called.

    Raises
    ------
    UnsupportedModelError
        If there is none with an input and an output, or several of which none has a name of its own.
    """
    calls = {name: one for name, one in signatures.items() if one.inputs and one.outputs}
    name = next((name for name in _SIGNATURES if name in calls), next(iter(calls)) if len(calls) == 1 else None)
    if name is None:
        raise UnsupportedModelError(
            f"has {len(calls)} signatures to call ({listed(sorted(calls))}), of which none is called {_SIGNATURES[0]!r}; "
            "save it with one: tf.saved_model.save(model, folder, signatures=function.get_concrete_function(…))."
        )
    return name


def _needed(nodes: Sequence[NodeDef], signature: Signature) -> list[NodeDef]:
    """The nodes of the file's graph that the signature's outputs need, what they wait for too."""
    known, found = {node.name: node for node in nodes}, dict[str, None]()
    ends = {name_of(one) for one in signature.inputs.values()}
    stack = [name_of(one) for one in signature.outputs.values()]
    while stack:
        name = stack.pop()
        if name in known and name not in found:
            found[name] = None
            stack += [name_of(one) for one in known[name].inputs] if name not in ends else []
    if lost := next((one for side in (signature.inputs, signature.outputs) for one in side.values() if name_of(one) not in known), None):
        raise ModelFileError(f"calls {printable(lost, 80)!r}, which is no node of its graph; the file is damaged, save it again.")
    return [_placeholder(node) if node.name in ends else node for node in nodes if node.name in found]


def _placeholder(node: NodeDef) -> NodeDef:
    """An input of the signature, whatever gives it in the file."""
    if node.op not in ("Placeholder", "PlaceholderWithDefault"):
        raise UnsupportedModelError(f"reads its input at {node}, which is not imported; save it with placeholders as inputs.")
    return replace(node, op="Placeholder", inputs=())


def _refuse_changes(graph: GraphDef, outputs: Iterable[str]) -> None:
    """Refuse a graph of which a call changes what its outputs are made of: a state that it keeps.

    What Keras changes besides, the seed of dropout that nothing reads after training, is no part of the network.
    """
    known = {node.name: node for node in graph.nodes}
    used, stack = set[str](), [name_of(one) for one in outputs]
    while stack:
        name = stack.pop()
        if name in known and name not in used:
            used.add(name)
            stack += [name_of(one) for one in known[name].inputs if not one.startswith("^")]
    variables = {known[name].attributes.get("shared_name", name) for name in used}
    changes = [node for node in graph.nodes if node.op.startswith(_WRITING) and (node.name in used or _target(node, known) in variables)]
    for node in (*changes, *_changed_within(graph)):
        raise UnsupportedModelError(
            f"has {node}, by which a call changes a variable: a state that is kept from call to call (stateful=True), or training. "
            "Save the model as a .keras file, which says what its states are, or for inference."
        )


def _target(node: NodeDef, known: Mapping[str, NodeDef]) -> str:
    """The variable that a node changes."""
    for _ in range(len(known)):
        if not node.inputs or (found := known.get(name_of(node.inputs[0]))) is None:
            break
        node = found
        if node.op != "Identity":
            break
    return str(node.attributes.get("shared_name", node.name))


def _changed_within(graph: GraphDef) -> Iterator[NodeDef]:
    """Nodes that change variables in functions of loops and branches, whatever reads them."""
    waiting, seen = [graph.nodes], set[str]()
    while waiting:
        for node in waiting.pop():
            for name in (value.name for value in node.attributes.values() if isinstance(value, Called)):
                if name in graph.functions and name not in seen:
                    seen.add(name)
                    waiting.append(graph.functions[name].nodes)
                    yield from (inner for inner in graph.functions[name].nodes if inner.op.startswith(_WRITING))


def _keys(graph: GraphDef, nodes: Mapping[str, NodeDef]) -> Iterator[tuple[str, str]]:
    """By which key the checkpoint holds each variable: their names in the graph, and the keys."""
    for one, key in _restored(tuple(nodes.values())):
        yield name_of(one), key
    for node in nodes.values():
        for called in (value for value in node.attributes.values() if isinstance(value, Called)):
            function = graph.functions.get(called.name)
            if function is not None and any(inner.op == "RestoreV2" for inner in function.nodes):
                section = of_function(function)
                given = dict(zip(section.arguments, node.inputs, strict=False))
                yield from ((name_of(given[one]), key) for one, key in _restored(section.nodes) if one in given)


def _restored(nodes: Sequence[NodeDef]) -> Iterator[tuple[str, str]]:
    """What is assigned numbers of the checkpoint: references to variables, and the keys of their numbers."""
    known = {node.name: node for node in nodes}
    for node in nodes:
        if node.op not in ("Assign", "AssignVariableOp") or len(node.inputs) < 2:
            continue
        value, steps = node.inputs[1], 0
        while (source := known.get(name_of(value))) is not None and source.op == "Identity" and source.inputs and steps < len(known):
            value, steps = source.inputs[0], steps + 1
        if source is None or source.op != "RestoreV2" or len(source.inputs) < 3:
            continue
        keys, slices = (_texts(known.get(name_of(one))) for one in source.inputs[1:3])
        index = int(value.partition(":")[2] or 0)
        if index < len(keys) and not "".join(slices[index : index + 1]):
            yield node.inputs[0], keys[index]


def _texts(node: NodeDef | None) -> tuple[str, ...]:
    value = node.attributes.get("value") if node is not None else None
    return value.values if isinstance(value, Text) else ()


def _settled(node: NodeDef, bundle: Bundle | None, keys: Mapping[str, str]) -> NodeDef:
    """A variable as the constant that the checkpoint holds.

    Raises
    ------
    ModelFileError, UnsupportedModelError
    """
    if node.op not in _VARIABLES:
        return node
    if bundle is None or node.name not in keys:
        raise UnsupportedModelError(f"has {node}, which is not restored from its checkpoint by a key of its own; save the model again.")
    value: NDArray[Any] = bundle.tensor(keys[node.name])
    said = node.attributes.get("shape")
    if isinstance(said, tuple) and -1 not in said and said != value.shape:
        raise ModelFileError(f"has {node} of shape {said}, for which its checkpoint holds shape {value.shape}; save both again.")
    return NodeDef(node.name, "Const", (), {"value": value, "shared_name": node.attributes.get("shared_name") or node.name})


def _plain(nodes: Iterable[NodeDef]) -> Iterator[NodeDef]:
    """Nodes that read variables as nodes that read constants."""
    for node in nodes:
        if node.op == "ReadVariableOp":
            yield replace(node, op="Identity")
        elif node.op == "ResourceGather":
            axis = f"{node.name}/axis_of_gather"
            yield NodeDef(axis, "Const", (), {"value": np.array(0, np.int32)})
            yield replace(node, op="GatherV2", inputs=(*node.inputs[:2], axis, *node.inputs[2:]))
        else:
            yield node
