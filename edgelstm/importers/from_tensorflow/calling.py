"""Functions that a graph calls, written out where they are called: what stands around a layer is then seen beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...errors import ModelFileError, printable
from .file import MOST_NODES, Called, GraphDef, NodeDef
from .sections import name_of, normalised, of_function, reference

#: Operators that call a function and give what it gives.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")

#: How deep functions call functions.
_DEEPEST = 64


def in_place(graph: GraphDef, outputs: Mapping[str, str]) -> tuple[GraphDef, dict[str, str]]:
    """The graph with the functions that its own nodes call in their place, and its outputs, whose references may be others then.

    Raises
    ------
    ModelFileError
        If functions call one another without end, or are not there.
    """
    nodes, ends = tuple(graph.nodes), dict(outputs)
    for _ in range(_DEEPEST):
        calls = [node for node in nodes if node.op in _CALLS]
        if not calls:
            return GraphDef(nodes, graph.functions), ends
        nodes, given = _once(normalised(nodes), graph)
        ends = {_followed(reference(one), given): name for one, name in ends.items()}
    raise ModelFileError(f"calls functions within functions deeper than {_DEEPEST}; edgelstm reads no such graphs.")


def _once(nodes: Iterable[NodeDef], graph: GraphDef) -> tuple[tuple[NodeDef, ...], dict[str, str]]:
    """Each call replaced by its function's nodes, whose names begin with its own; and by reference to a call's output what gives it."""
    found: list[NodeDef] = []
    given: dict[str, str] = {}
    for node in nodes:
        if node.op not in _CALLS:
            found.append(node)
            continue
        called = node.attributes.get("f")
        if not isinstance(called, Called) or called.name not in graph.functions:
            raise ModelFileError(f"has {node}, which calls a function that is not in the file; save the model again.")
        section = of_function(graph.functions[called.name])
        if len(section.arguments) != len(node.inputs):
            raise ModelFileError(f"has {node}, which gives {len(node.inputs)} inputs where its function has {len(section.arguments)}.")
        places = dict(zip(section.arguments, node.inputs, strict=True))
        found += [
            replace(inner, name=f"{node.name}/{inner.name}", inputs=_within(node.name, inner.inputs, places)) for inner in section.nodes
        ]
        given |= {f"{node.name}:{index}": one for index, one in enumerate(_within(node.name, section.results, places))}
        if len(found) > MOST_NODES:
            raise ModelFileError(f"holds more than {MOST_NODES} nodes; edgelstm reads no such graphs.")
    return tuple(replace(node, inputs=tuple(_followed(one, given) for one in node.inputs)) for node in found), given


def _within(call: str, references: Iterable[str], places: Mapping[str, str]) -> tuple[str, ...]:
    """References of a function as its caller has them."""
    return tuple(places.get(one, f"{call}/{one}") for one in references)


def _followed(one: str, given: Mapping[str, str]) -> str:
    """What gives a reference, behind calls that pass others' outputs on."""
    for _ in range(len(given) + 1):
        if one not in given:
            return one
        one = given[one]
    raise ModelFileError(f"reads {printable(name_of(one), 80)!r}, which is given by itself; the file is damaged.")
