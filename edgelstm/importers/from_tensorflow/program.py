"""A frozen graph of TensorFlow as a graph that `from_onnx` follows: its operators stay TensorFlow's own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import ModelFileError, UnsupportedModelError, printable
from ..from_onnx.calls import Call
from ..from_onnx.file import DEEPEST, File, Graph, Node, Tensor
from ..graph.tracing import Value
from .arithmetic import ARITHMETIC
from .comparing import COMPARING
from .cudnn import CUDNN
from .file import Called, Dtype, GraphDef, NodeDef, check_frozen
from .frames import structured
from .lists import LISTS
from .loops import LOOPS
from .moving import MOVING
from .recurrent import RECURRENT
from .sections import Section, consumers, followed, name_of, needed, normalised, of_function
from .settled import settled
from .sliding import SLIDING
from .values import DOMAIN, Dead, Handler, plain


def _answer(call: Call) -> Sequence[Value]:
    """An output of the graph, which is an array."""
    if isinstance(call.value(0), Dead):
        call.refuse("is an output in a branch that is not taken")
    return plain(lambda inner: [inner.value(0)])(call)


_OPERATORS: Mapping[str, Handler] = {
    "Answer": _answer, **ARITHMETIC, **COMPARING, **MOVING, **SLIDING, **RECURRENT, **CUDNN, **LISTS, **LOOPS,
}  # fmt: skip

#: Attributes that change nothing.
_SILENT = {"N", "parallel_iterations", "is_constant", "frame_name", "swap_memory", "output_shapes", "container", "shared_name"}
_SILENT |= {"config", "config_proto", "executor_type", "use_cudnn_on_gpu", "max_bound", "num_original_outputs"}

#: Operators whose result no one reads, that are no answers.
_SILENT_OPS = ("NoOp", "Assert", "Print", "PrintV2", "Const", "Placeholder", "PlaceholderWithDefault", "SaveV2", "RestoreV2")

#: Most outputs of a graph that may hold several networks.
_MOST_ANSWERS = 64

#: Operators that tell that a network is recurrent.
_RECURRENT = {*RECURRENT, *CUDNN, "LoopCond", "While", "StatelessWhile"}

#: Operators at the end that choose from an answer; what they choose from is the answer.
_CHOOSING = ("ArgMax", "TopKV2", "TopK", "CTCGreedyDecoder", "CTCBeamSearchDecoder")

_CALLS = {"While": ("cond", "body"), "If": ("then_branch", "else_branch"), "Call": ("f",)}
_NAMES = {"StatelessWhile": "While", "StatelessIf": "If", "PartitionedCall": "Call", "StatefulPartitionedCall": "Call"}


def program(graph: GraphDef, ends: dict[str, str] | None = None) -> tuple[File, list[str]]:
    """A frozen graph, and notes for the user.

    Parameters
    ----------
    graph : GraphDef
    ends : dict of str to str, optional
        References to its outputs, and what they are called. Default: what no node reads.

    Raises
    ------
    UnsupportedModelError
        If weights are not in it, or it has no input or output.
    ModelFileError
        If parts of the file do not fit together.
    """
    check_frozen(graph)
    notes: list[str] = []
    nodes = settled(normalised(graph.nodes), notes)
    inputs = [node for node in nodes if node.op == "Placeholder"]
    ends = _one_network(nodes, _answers(nodes, notes), notes) if ends is None else ends
    section = Section(tuple(f"{node.name}:0" for node in inputs), tuple(ends), nodes)
    main = _Library(graph).graph(needed(structured(section)))
    called = {f"{node.name}:0" for node in inputs}
    used = {one for node in main.nodes for one in node.inputs} & called
    signature = tuple(_signature(node) for node in inputs if f"{node.name}:0" in used)
    names = tuple(ends.values())
    begin = [_same(f"{tensor.name}:0", tensor.name, tensor.name) for tensor in signature]
    finish = [Node("Answer", DOMAIN, name, (one.name,), (name,), {}) for name, one in zip(names, main.outputs, strict=True)]
    whole = Graph(signature, tuple(Tensor(n, None, "float") for n in names), (*begin, *main.nodes, *finish), main.constants)
    return File(whole, {}, {"ai.onnx": 20, DOMAIN: 1}, "TensorFlow", {(DOMAIN, op): handler for op, handler in _OPERATORS.items()}), notes


def _same(given: str, name: str, read: str) -> Node:
    """A node that gives `given` the value of `read`."""
    return Node("Identity", "ai.onnx", name, (read,), (given,), {})


def _signature(node: NodeDef) -> Tensor:
    dtype, shape = node.attributes.get("dtype"), node.attributes.get("shape")
    kind = dtype.kind if isinstance(dtype, Dtype) else "other"
    return Tensor(node.name, None if shape is None else tuple(n if n >= 0 else "" for n in shape), kind)


def _answers(nodes: Sequence[NodeDef], notes: list[str]) -> dict[str, str]:
    """The graph's outputs: what depends on an input and is read by no node. References, and how outputs are called."""
    readers = consumers(nodes)
    reached = followed(nodes, readers, "Placeholder") - followed(nodes, readers, "Enter", until="Exit")
    known, found = {node.name: node for node in nodes}, dict[str, str]()
    for node in nodes:
        if node.name not in reached or node.op in _SILENT_OPS or node.name in readers or _left_over(node):
            continue
        end = _chosen(node, known)
        if end is not None:
            notes.append(f"The output {node.name!r} is {end.op} of {end.inputs[0]!r}, which is the answer here.")
        answers = _outputs(node) if end is None else [end.inputs[0]]
        found |= {ref: name_of(ref) if ref.endswith(":0") else ref for ref in answers}
    if not found:
        raise UnsupportedModelError("holds no node that depends on an input (Placeholder) and is read by no other; freeze the graph again.")
    return found


def _left_over(node: NodeDef) -> bool:
    """Whether it is a variable of a loop as TensorFlow 2 writes loops out: it gives all of them (``lower_while_op.cc``)."""
    return node.op == "Exit" and re.search(r"/exit/_[0-9]+$", node.name) is not None


def _one_network(nodes: Sequence[NodeDef], ends: dict[str, str], notes: list[str]) -> dict[str, str]:
    """The outputs that share inputs with a recurrence, where the graph holds several networks; all, where none or each of them has one."""
    known, sets = {node.name: node for node in nodes}, dict[str, set[str]]()
    for end in ends if 1 < len(ends) <= _MOST_ANSWERS else ():
        sets[end] = {n.name for n in needed(Section((), (end,), tuple(nodes)), circles=True).nodes}
    groups: list[set[str]] = []
    for end, names in sets.items():
        inputs = {name for name in names if known[name].op == "Placeholder"}
        joined = [group for group in groups if any(inputs & sets[other] for other in group)]
        groups = [group for group in groups if group not in joined] + [{end}.union(*joined)]
    recurrent = [group for group in groups if any(known[name].op in _RECURRENT for end in group for name in sets[end])]
    if not recurrent or len(recurrent) == len(groups):
        return ends
    kept = {end: name for end, name in ends.items() if any(end in group for group in recurrent)}
    notes += [
        f"The output {name!r} is of another network in the same graph, and left out." for end, name in ends.items() if end not in kept
    ]
    return kept


def _chosen(node: NodeDef, known: Mapping[str, NodeDef]) -> NodeDef | None:
    """The node that chooses from an answer, where `node` passes on what it gives."""
    seen = 0
    while node.op in ("Identity", "Cast") and node.inputs and seen < len(known):
        node, seen = known.get(name_of(node.inputs[0]), node), seen + 1
    return node if node.op in _CHOOSING and node.inputs and name_of(node.inputs[0]) in known else None


def _outputs(node: NodeDef) -> list[str]:
    """References to what a node gives, as far as it may be an answer."""
    number = {"BlockLSTM": 6, "BlockLSTMV2": 6, "LSTMBlockCell": 6, "GRUBlockCell": 3}.get(node.op, 0)
    count = {"Split": "num_split", "SplitV": "num_split", "Unpack": "num"}.get(node.op, "")
    said = node.attributes.get(count, 1)
    if not isinstance(said, int):
        raise ModelFileError(f"has {node}, whose number of outputs is no number; the file is damaged, freeze the graph again.")
    return [f"{node.name}:{number + index}" for index in range(min(said, 1024))]


@dataclass(eq=False)
class _Library:
    """Sections as graphs; functions by name, those being written in `inside`."""

    file: GraphDef
    made: dict[str, Graph] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)

    def graph(self, section: Section) -> Graph:
        """A section whose nodes stand in order."""
        most: dict[str, int] = {}
        for one in (*section.results, *(one for node in section.nodes for one in node.inputs)):
            name, _, number = one.partition(":")
            if not number.isdigit() or len(number) > 4:
                raise ModelFileError(f"reads {printable(one, 80)!r}, which is no output of a node; the file is damaged.")
            most[name] = max(most.get(name, 0), int(number))
        nodes, constants = [], {}
        for node in section.nodes:
            if node.op == "Const":
                constants[f"{node.name}:0"] = self._constant(node)
                if node.inputs:
                    name = f"{node.name}:value"
                    constants[name] = constants.pop(f"{node.name}:0")
                    nodes.append(Node("Identity", DOMAIN, node.name, (name, *node.inputs), (f"{node.name}:0",), {}))
            else:
                nodes.append(self._node(node, most.get(node.name, 0) + 1))
        inputs, outputs = (tuple(Tensor(one, None, "float") for one in side) for side in (section.arguments, section.results))
        return Graph(inputs, outputs, tuple(nodes), constants)

    def _constant(self, node: NodeDef) -> np.ndarray[Any, Any]:
        value = node.attributes.get("value")
        return value if isinstance(value, np.ndarray) else np.empty(0, np.str_)

    def _node(self, node: NodeDef, outputs: int) -> Node:
        op = _NAMES.get(node.op, node.op)
        kept = {
            name: value
            for name, value in node.attributes.items()
            if name not in _SILENT and not name.startswith("_") and (name == "DstT" or not _is_type(value))
        }
        if op in _CALLS:
            names = ("condition" if n == "cond" else "body" if n == "f" else n for n in _CALLS[op])
            kept = {new: self._part(node, kept.get(new, kept.get(old))) for new, old in zip(names, _CALLS[op], strict=True)}
        given = tuple(f"{node.name}:{index}" for index in range(outputs))
        return Node(op, DOMAIN, node.name, node.inputs, given, kept)

    def _part(self, node: NodeDef, value: Any) -> Graph:
        """The graph inside a node: a section, or a function of the library."""
        if isinstance(value, Section):
            return self.graph(value)
        if not isinstance(value, Called) or value.name not in self.file.functions:
            raise ModelFileError(f"has {node}, which calls a function that is not in the file; freeze the graph again.")
        if value.name in self.inside:
            raise ModelFileError(f"has the function {printable(value.name, 80)!r}, which calls itself; edgelstm reads no such graphs.")
        if len(self.inside) == DEEPEST:
            raise ModelFileError(f"nests functions deeper than {DEEPEST}; edgelstm reads no such graphs.")
        if value.name not in self.made:
            self.inside.append(value.name)
            self.made[value.name] = self.graph(needed(of_function(self.file.functions[value.name])))
            self.inside.pop()
        return self.made[value.name]


def _is_type(value: Any) -> bool:
    """Whether an attribute says an element type, or several."""
    return isinstance(value, Dtype) or (isinstance(value, list) and bool(value) and all(isinstance(one, Dtype) for one in value))
