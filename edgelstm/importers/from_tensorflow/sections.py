"""Parts of a graph with names that are unique: of the file's graph, of a function that it calls, of a loop's body or condition."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...errors import ModelFileError, printable
from .file import Function, NodeDef

#: Names of the outputs of operators that have several, in order, each with the attribute that says how many arrays it is.
_OUTPUTS: dict[str, tuple[str, ...]] = {
    "Switch": ("output_false", "output_true"),
    "Merge": ("output", "value_index"),
    "TensorArrayV3": ("handle", "flow"),
    "TopKV2": ("values", "indices"),
    **dict.fromkeys(("BlockLSTM", "BlockLSTMV2", "LSTMBlockCell"), ("i", "cs", "f", "o", "ci", "co", "h")),
    "GRUBlockCell": ("r", "u", "c", "h"),
    **dict.fromkeys(("CudnnRNN", "CudnnRNNV2", "CudnnRNNV3"), ("output", "output_h", "output_c", "reserve_space", "host_reserved")),
    **dict.fromkeys(
        ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
        ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"),
    ),
}


@dataclass(frozen=True, eq=False)
class Section:
    """Nodes with what they read from outside and what they give. All references are ``name:number``."""

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    nodes: tuple[NodeDef, ...]


def reference(text: str) -> str:
    """``name`` as ``name:0``."""
    return text if ":" in text else f"{text}:0"


def name_of(text: str) -> str:
    """The node that a reference is of."""
    return text.removeprefix("^").partition(":")[0]


def normalised(nodes: Sequence[NodeDef]) -> tuple[NodeDef, ...]:
    """Nodes of the file's graph. Of what they wait for is kept what tells whether a branch is taken, as inputs of its constants."""
    known = {node.name: node for node in nodes}
    return tuple(replace(node, inputs=(*_read(node), *_gates(node, known))) for node in nodes)


def _read(node: NodeDef) -> tuple[str, ...]:
    return tuple(reference(one) for one in node.inputs if not one.startswith("^"))


def _gates(node: NodeDef, known: Mapping[str, NodeDef]) -> tuple[str, ...]:
    """What a constant waits for, where that passes on one side of a branch."""
    if node.op != "Const":
        return ()
    waits = [known[name_of(one)] for one in node.inputs if one.startswith("^") and name_of(one) in known]
    passed = [wait for wait in waits if wait.op == "Identity" and wait.inputs and _branches(wait.inputs[0], known)]
    return tuple(f"{wait.name}:0" for wait in passed)


def _branches(one: str, known: Mapping[str, NodeDef]) -> bool:
    """Whether a reference is a side of a branch, and not of a loop."""
    switch = known.get(name_of(one))
    if switch is None or switch.op != "Switch" or len(switch.inputs) < 2:
        return False
    chosen = known.get(name_of(switch.inputs[1]))
    return chosen is not None and chosen.op != "LoopCond"


def of_function(function: Function) -> Section:
    """A function of the library, whose nodes read ``node:output:number``."""
    kinds = {node.name: node.op for node in function.nodes}

    def flat(text: str) -> str:
        name, _, rest = text.partition(":")
        output, _, number = rest.partition(":")
        if not number:
            return reference(text)
        names = _OUTPUTS.get(kinds.get(name, ""), ())
        if not number.isdigit() or len(number) > 6:
            raise ModelFileError(f"reads {printable(text, 80)!r} in a function; the file is damaged, freeze the graph again.")
        return f"{name}:{int(number) + (names.index(output) if output in names else 0)}"

    nodes = tuple(replace(node, inputs=tuple(flat(one) for one in node.inputs if not one.startswith("^"))) for node in function.nodes)
    if lost := [name for name in function.results if name not in function.returned]:
        raise ModelFileError(f"has a function that does not say what its result {printable(lost[0], 60)!r} is; the file is damaged.")
    return Section(tuple(map(reference, function.arguments)), tuple(flat(function.returned[n]) for n in function.results), nodes)


def renamed(nodes: Iterable[NodeDef], names: Mapping[str, str]) -> tuple[NodeDef, ...]:
    """Nodes that read other things under the same places."""
    return tuple(replace(node, inputs=tuple(names.get(one, one) for one in node.inputs)) for node in nodes)


def needed(section: Section, circles: bool = False) -> Section:
    """The section with those nodes alone that its results need, each behind what it reads; `circles`: whether loops are still spelled out.

    Raises
    ------
    ModelFileError
        If nodes need one another in a circle, or read what is not there.
    """
    known = {node.name: node for node in section.nodes}
    outside = set(section.arguments)
    order: dict[str, NodeDef] = {}
    open_: set[str] = set()
    stack = [(one, False) for one in reversed(section.results)]
    while stack:
        one, done = stack.pop()
        name = name_of(one)
        if done:
            open_.discard(name)
            order[name] = known[name]
        elif one not in outside and name not in order:
            if name in open_ and circles:
                continue
            if name in open_:
                raise ModelFileError(f"has nodes that need one another in a circle, among them {printable(name, 80)!r}.")
            if name not in known:
                raise ModelFileError(f"reads {printable(name, 80)!r}, which is no node of it; the file is damaged, freeze the graph again.")
            open_.add(name)
            stack.append((one, True))
            stack += [(inner, False) for inner in reversed(known[name].inputs)]
    return replace(section, nodes=tuple(order.values()))


def consumers(nodes: Sequence[NodeDef]) -> dict[str, list[NodeDef]]:
    """By name, the nodes that read what a node gives."""
    found: dict[str, list[NodeDef]] = {}
    for node in nodes:
        for one in node.inputs:
            found.setdefault(name_of(one), []).append(node)
    return found


def followed(nodes: Sequence[NodeDef], readers: Mapping[str, list[NodeDef]], op: str, until: str = "") -> set[str]:
    """Names of nodes that depend on a node of one operator; one of the operator `until` ends the way."""
    found: set[str] = set()
    stack = [node for node in nodes if node.op == op]
    while stack:
        node = stack.pop()
        if node.name not in found and node.op != until:
            found.add(node.name)
            stack += readers.get(node.name, [])
    return found
