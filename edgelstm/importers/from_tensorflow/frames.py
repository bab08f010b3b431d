"""Loops that TensorFlow 1 spells out in single nodes: Enter, Merge, Switch, NextIteration and Exit become one While.

Source: Yu et al., Dynamic Control Flow in Large-Scale Machine Learning, 2018, section 4.
"""

from dataclasses import dataclass

from ...errors import ModelFileError, printable
from .file import NodeDef
from .sections import Section, consumers, name_of, needed, renamed

#: Most loops of a graph.
_MOST = 256


@dataclass(frozen=True, eq=False)
class _Variable:
    """What goes round a loop: references to what it is in the graphs of the loop, begins as and becomes, and the nodes that leave."""

    name: str
    begins: str
    becomes: str
    switches: tuple[NodeDef, ...]
    exits: tuple[str, ...]


def structured(section: Section) -> Section:
    """The section with loops as nodes While, innermost ones first.

    Raises
    ------
    ModelFileError
        If nodes of a loop do not fit together.
    """
    nodes, results = section.nodes, section.results
    frames = _frames(nodes)
    if len(frames) > _MOST:
        raise ModelFileError(f"has {len(frames)} loops; edgelstm reads graphs with at most {_MOST}.")
    while frames:
        frame = next((frame for frame in frames if not _inside(nodes, frames[frame], frame)), None)
        if frame is None:
            raise ModelFileError("has loops that are inside of one another; the file is damaged, freeze the graph again.")
        loop, names = _loop(nodes, frame, frames.pop(frame))
        gone = {enter.name for enter in nodes if enter.op == "Enter" and enter.attributes.get("frame_name") == frame}
        nodes = (*renamed((node for node in nodes if node.name not in gone), names), loop)
        results = tuple(names.get(one, one) for one in results)
        frames = {other: [n for n in nodes if n.op == "Enter" and n.attributes.get("frame_name") == other] for other in frames}
    return Section(section.arguments, results, nodes)


def _frames(nodes: tuple[NodeDef, ...]) -> dict[str, list[NodeDef]]:
    found: dict[str, list[NodeDef]] = {}
    for node in nodes:
        if node.op in ("Enter", "RefEnter"):
            found.setdefault(str(node.attributes.get("frame_name")), []).append(node)
    return found


def _inside(nodes: tuple[NodeDef, ...], enters: list[NodeDef], frame: str) -> bool:
    """Whether another loop is entered from within one."""
    readers, seen, stack = consumers(nodes), set(), list(enters)
    while stack:
        node = stack.pop()
        if node.op in ("Exit", "RefExit") or node.name in seen:
            continue
        seen.add(node.name)
        if node.op in ("Enter", "RefEnter") and node.attributes.get("frame_name") != frame:
            return True
        stack += readers.get(node.name, [])
    return False


def _loop(nodes: tuple[NodeDef, ...], frame: str, enters: list[NodeDef]) -> tuple[NodeDef, dict[str, str]]:
    """A loop as one node, and what its ends are now called."""
    known, readers = {node.name: node for node in nodes}, consumers(nodes)
    merges = list({reader.name: reader for enter in enters for reader in readers.get(enter.name, []) if _turns(reader, known)}.values())
    variables = [_variable(merge, enters, known, readers) for merge in merges]
    conditions = {switch.inputs[1] for variable in variables for switch in variable.switches}
    if len(conditions) != 1:
        raise ModelFileError(f"has the loop {printable(frame, 80)!r}, which has {len(conditions)} conditions; the file is damaged.")
    begun = {name_of(variable.begins) for variable in variables}
    read = [enter for enter in enters if enter.name not in begun]
    inner = {f"{switch.name}:{side}": variable.name for variable in variables for switch in variable.switches for side in (0, 1)}
    own = renamed((node for node in nodes if node.op not in ("Placeholder", "Enter", "RefEnter")), inner)
    outside = tuple(f"{node.name}:0" for node in nodes if node.op == "Placeholder")
    arguments = (*(variable.name for variable in variables), *(f"{enter.name}:0" for enter in read))

    def part(*results: str) -> Section:
        ends = tuple(inner.get(one, one) for one in results)
        found = needed(Section((*arguments, *outside), ends, own))
        return Section(arguments, found.results, found.nodes)

    attributes = {"condition": part(*conditions), "body": part(*(variable.becomes for variable in variables))}
    inputs = [known[name_of(variable.begins)].inputs[0] for variable in variables] + [enter.inputs[0] for enter in read]
    name = f"{frame}/loop"
    leaving = {one: f"{name}:{index}" for index, variable in enumerate(variables) for one in variable.exits}
    return NodeDef(name, "While", tuple(inputs), attributes), leaving


def _turns(node: NodeDef, known: dict[str, NodeDef]) -> bool:
    """Whether a node is where a loop's variable comes round."""
    kinds = {known[name_of(one)].op for one in node.inputs if name_of(one) in known}
    return node.op in ("Merge", "RefMerge") and len(node.inputs) == 2 and bool(kinds & {"NextIteration", "RefNextIteration"})


def _variable(merge: NodeDef, enters: list[NodeDef], known: dict[str, NodeDef], readers: dict[str, list[NodeDef]]) -> _Variable:
    entering = {enter.name for enter in enters}
    begins = [one for one in merge.inputs if name_of(one) in entering]
    turns = [known[name_of(one)] for one in merge.inputs if one not in begins and name_of(one) in known]
    loops = [node for node in readers.get(merge.name, []) if node.op in ("Switch", "RefSwitch") and len(node.inputs) > 1]
    switches = tuple(node for node in loops if (one := known.get(name_of(node.inputs[1]))) is not None and one.op == "LoopCond")
    if len(begins) != 1 or len(turns) != 1 or not turns[0].inputs or any(not enter.inputs for enter in enters):
        raise ModelFileError(f"has {merge}, which lacks what a loop's variable begins as or becomes; the file is damaged.")
    exits = tuple(f"{node.name}:0" for switch in switches for node in readers.get(switch.name, []) if node.op in ("Exit", "RefExit"))
    return _Variable(f"{merge.name}:0", begins[0], turns[0].inputs[0], switches, exits)
