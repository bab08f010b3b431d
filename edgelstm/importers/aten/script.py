"""The code of TorchScript, read as a description of a graph: each call of an operator is written down, nothing is executed.

A method is a list of assignments, calls, choices by known values, and one return (``torch/csrc/jit/serialization/python_print.cpp``).
Modules of ``torch.nn`` whose own code is long, the recurrent ones, are taken by the constants that their classes state.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ...errors import ModelFileError, UnsupportedModelError, printable
from ..from_onnx.writer import Ref
from ..from_torch import archive
from ..pickles.reader import Thing
from .program import Program
from .script_archive import Script
from .script_asking import Asking, need
from .script_attributes import Attributes, class_of, method_of
from .script_modules import QUANTISED, packed_recurrent, recurrent, unpacked
from .script_values import (
    CHECKS,
    COMPARED,
    COUNTED,
    FREE,
    FUNCTIONS,
    GRADIENTS,
    NUMBERS,
    Fields,
    Function,
    Method,
    OpenLoop,
    Raises,
    Scope,
    cast,
    complains,
    dotted,
    is_of,
    is_type,
    taken_apart,
)

#: NumPy's types by TorchScript's numbers.
_DTYPES = {number: np.dtype(name) for number, name in {3: "<i4", 4: "<i8", 5: "<f2", 6: "<f4", 7: "<f8"}.items()}

#: Why a loop over an axis of open length is refused.
_OPEN = "loops as long as the recording says are not imported"

#: Deepest nesting of calls, and most statements that are read.
_DEEPEST, _MOST = 60, 20_000


@dataclass(eq=False)
class Follower:
    """Reads the methods of a script and writes what they call into the program of its attributes."""

    attributes: Attributes
    _depth: int = 0
    _count: int = 0
    _names: int = 1  # how many names the present assignment has

    def __post_init__(self) -> None:
        self._asking = Asking(self.program)

    @property
    def script(self) -> Script:
        return self.attributes.script

    @property
    def program(self) -> Program:
        return self.attributes.program

    def run(self, arguments: Sequence[Any]) -> Any:
        """What ``forward`` of the whole module returns for these arguments."""
        return self.call(Method(self.script.root, "forward"), list(arguments), {})

    def parameters(self) -> list[ast.arg]:
        """The parameters of ``forward``, without self, that have no default."""
        found = method_of(self.script, self.script.root, "forward").args
        return found.args[1 : len(found.args) - len(found.defaults)]

    def defaults(self) -> list[Any]:
        """The defaults of the others."""
        return [self._value(default, {}) for default in method_of(self.script, self.script.root, "forward").args.defaults]

    def _refuse(self, node: ast.AST, why: str, kind: type[UnsupportedModelError] = UnsupportedModelError) -> NoReturn:
        raise kind(f"its code has {printable(ast.unparse(node), 100)!r}: {why}.")

    def constants(self, thing: Thing) -> dict[str, Any]:
        """What a class states of itself: ``batch_first : Final[bool] = True``."""
        body = [node for node in class_of(self.script, thing.name).body if isinstance(node, ast.AnnAssign) and node.value is not None]
        return {
            node.target.id: self._value(node.value, {}) for node in body if isinstance(node.target, ast.Name) and node.value is not None
        }

    def call(self, what: Any, arguments: list[Any], named: dict[str, Any]) -> Any:
        """The result of a method or function of the script."""
        if isinstance(what, Method):
            stated = self.constants(what.thing) if ".torch.nn.modules.rnn." in what.thing.name else {}
            if "mode" in stated and what.name.startswith("forward"):
                names = [name for level in what.thing.state["_all_weights"] for name in level]
                return recurrent(self.program, stated, [self._member(what.thing, name) for name in names], *arguments)
            if what.name in ("forward_tensor", "forward_packed") and (packed := packed_recurrent(self.attributes, what.thing)):
                return recurrent(self.program, *packed, *arguments)
            return self._body(method_of(self.script, what.thing, what.name), [what.thing, *arguments], named)
        return None if what.node.name in CHECKS else self._body(what.node, arguments, named)

    def _body(self, function: ast.FunctionDef, arguments: list[Any], named: dict[str, Any]) -> Any:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnsupportedModelError("its code calls itself too deep.")
        parameters = [argument.arg for argument in function.args.args]
        defaults = function.args.defaults
        scope: Scope = {
            name: self._value(value, {}) for name, value in zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True)
        }
        if len(arguments) > len(parameters) or not {*parameters[: len(arguments)], *named, *scope} >= set(parameters):
            self._refuse(function.args, f"it is given {len(arguments)} arguments")
        scope |= dict(zip(parameters, arguments, strict=False)) | named
        returned = self._statements(function.body, scope)
        self._depth -= 1
        return returned[0] if returned else None

    def _statements(self, body: Sequence[ast.stmt], scope: Scope) -> list[Any]:
        """The returned value in a list; an empty one where nothing is returned."""
        apart = taken_apart(body)
        for node in body:
            self._count += 1
            if self._count > _MOST:
                raise ModelFileError(f"its code has more than {_MOST} statements to follow; edgelstm reads no such models.")
            if isinstance(node, ast.Return):
                return [None if node.value is None else self._value(node.value, scope)]
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                self._assign(node.target, self._value(node.value, scope), scope)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                self._names = len(target.elts) if isinstance(target, ast.Tuple) else apart.get(ast.unparse(target), 1)
                self._assign(node.targets[0], self._value(node.value, scope), scope)
            elif isinstance(node, ast.If):
                if returned := self._statements(node.body if self._chooses(node, scope) else node.orelse, scope):
                    return returned
            elif isinstance(node, ast.Expr):
                self._value(node.value, scope)
            elif isinstance(node, ast.For | ast.While):
                self._repeated(node, scope)
            elif isinstance(node, ast.With) and all(self._value(item.context_expr, scope) is FREE for item in node.items):
                if returned := self._statements(node.body, scope):
                    return returned
            elif not isinstance(node, ast.Pass):
                self._refuse(node, "loops and such are not imported")
        return []

    def _chooses(self, node: ast.If | ast.While, scope: Scope) -> bool:
        """Whether the condition of a choice holds, which is known."""
        chosen = self._value(node.test, scope)
        if isinstance(chosen, Ref) and (complains(node.body) or complains(node.orelse)):
            self._asking.ask(chosen, "ne" if complains(node.body) else "eq")
            return not complains(node.body)
        known = self._number(chosen)
        if not isinstance(known, bool | int):
            self._refuse(node.test, "a choice that depends on the recording is not imported", OpenLoop)
        return bool(known)

    def _number(self, value: Any) -> Any:
        """A value; a tensor as the number that it is, if that is known."""
        number = self.program.known(value) if isinstance(value, Ref) and value.rank == 0 else None
        return value if number is None else number

    def _repeated(self, node: ast.For | ast.While, scope: Scope) -> None:
        """A loop over a known range of whole numbers, over a list, or while a known condition holds."""
        for value in self._rounds(node, scope):
            if isinstance(node, ast.For):
                self._assign(node.target, value, scope)
            if self._statements(node.body, scope):
                self._refuse(node, "a loop that returns is not imported")

    def _rounds(self, node: ast.For | ast.While, scope: Scope) -> Iterator[Any]:
        if isinstance(node, ast.While):
            while self._chooses(node, scope):
                yield None
            return
        over = self._number(self._value(node.iter, scope))
        if not isinstance(over, int | list) or (isinstance(over, int) and over > _MOST) or node.orelse:
            self._refuse(node.iter, _OPEN, OpenLoop)
        yield from range(over) if isinstance(over, int) else over

    def _assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope[target.id] = value
            return
        if isinstance(target, ast.Attribute):
            owner = self._value(target.value, scope)
            if not isinstance(owner, Thing) or not self.attributes.keep(owner, target.attr, value):
                self._refuse(target, "an attribute that is no tensor changes from call to call")
            return
        if not isinstance(target, ast.Tuple) or not isinstance(value, list | tuple) or len(target.elts) != len(value):
            self._refuse(target, "it takes another number of values")
        for part, one in zip(target.elts, value, strict=True):
            self._assign(part, one, scope)

    def _value(self, node: ast.expr, scope: Scope) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name) and (node.id in scope or node.id in NUMBERS):
            return scope[node.id] if node.id in scope else NUMBERS[node.id]
        if isinstance(node, ast.List | ast.Tuple):
            return [self._value(one, scope) for one in node.elts]
        if isinstance(node, ast.Dict) and None not in node.keys:
            return {self._value(key, scope): self._value(value, scope) for key, value in zip(node.keys, node.values, strict=True) if key}
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._value(node.operand, scope)
        if isinstance(node, ast.Subscript):
            return self._value(node.value, scope)[self._value(node.slice, scope)]
        if isinstance(node, ast.Attribute):
            return self._attribute(node, scope)
        return self._called(node, scope) if isinstance(node, ast.Call) else self._refuse(node, "it is no part of the code that is imported")

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        """An attribute of a module, or a name with dots."""
        name = dotted(node)
        if name and name.partition(".")[0] not in scope:
            return self._named(name, node)
        owner = self._value(node.value, scope)
        if owner is FREE:
            return FREE
        if isinstance(owner, Fields):
            return owner.field(node.attr)
        if not isinstance(owner, Thing):
            self._refuse(node, "it is an attribute of what has none")
        return self._member(owner, node.attr)

    def _named(self, name: str, node: ast.AST) -> Any:
        if name.startswith("CONSTANTS.c"):
            value = self.script.constants[int(name.removeprefix("CONSTANTS.c"))]
            return self.attributes.weight(value, name) if isinstance(value, archive.Tensor) else value
        if not name.startswith("__torch__."):
            return name
        if name.startswith(GRADIENTS):
            return FREE
        module, _, function = name.rpartition(".")
        body = self.script.code[module].body if module in self.script.code else []
        found = next((one for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == function), None)
        if found is None:
            self._refuse(node, "the file has no such function")
        return Function(found) if isinstance(found, ast.FunctionDef) else found

    def _called(self, node: ast.Call, scope: Scope) -> Any:
        results, self._names = self._names, 1
        arguments = [self._value(one, scope) for one in node.args if not is_type(one, node)]
        named = {one.arg: self._value(one.value, scope) for one in node.keywords if one.arg and one.arg not in ("layout", "device")}
        if isinstance(node.func, ast.Name) and node.func.id not in scope:
            if node.func.id == "getattr":
                return self._member(arguments[0], arguments[1])
            if node.func.id == "isinstance":
                return is_of(arguments[0], node.args[1:])
            return cast(node.func.id, arguments[-1]) if arguments else None  # annotate(type, x), int(x), uninitialized(type)
        what = self._value(node.func, scope)
        if what is FREE:
            return FREE
        if isinstance(what, ast.ClassDef):
            fields = [one.target.id for one in what.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
            return Fields(fields, arguments) if len(fields) == len(arguments) else self._refuse(node, "it makes an object")
        if isinstance(what, Method | Function):
            return self.call(what, arguments, named)
        if not isinstance(what, str):
            self._refuse(node, "it calls what is no function")
        return self._operator(what, arguments, named, node, results)

    def _split_into(self, arguments: list[Any], named: dict[str, Any], node: ast.AST) -> int:
        """Into how many parts a tensor is split, of one size or of a list of them."""
        if not isinstance(arguments[1], int) or arguments[1] < 1:
            return len(arguments[1]) if isinstance(arguments[1], list) else 1
        length = self.program.size(arguments[0], arguments[2] if len(arguments) > 2 else named.get("dim", 0))
        return -(-length // arguments[1]) if isinstance(length, int) else self._refuse(node, _OPEN, OpenLoop)

    def _operator(self, name: str, arguments: list[Any], named: dict[str, Any], node: ast.AST, count: int = 1) -> Any:
        short = name.rpartition(".")[2]
        need(short, arguments)
        if name == "ops.prim.RaiseException":
            self._refuse(node, "the module raises an error here for such an input", Raises)
        if short in COUNTED:
            arguments = [self._number(argument) for argument in arguments]
        if short in FUNCTIONS and FUNCTIONS[short].takes(arguments):
            return FUNCTIONS[short].value(arguments)
        if short in COMPARED and not any(isinstance(argument, Ref) for argument in arguments):
            return COMPARED[short](*arguments)
        if short == "size" and len(arguments) == 1:
            return [self._operator(name, [arguments[0], axis], {}, node) for axis in range(arguments[0].rank)]
        if short == "len" or (short == "size" and isinstance(arguments[1], int)):
            return self._asking.length(arguments[0], arguments[1] if short == "size" else 0)
        if short == "unbind" and count == 1:
            length = self.program.size(arguments[0], arguments[1] if len(arguments) > 1 else 0)
            count = length if isinstance(length, int) else self._refuse(node, _OPEN, OpenLoop)
        if short in ("split", "split_with_sizes") and count == 1:
            count = self._split_into(arguments, named, node)
            if count == 1:
                return [arguments[0]]
        if name == "ops.quantized.linear_dynamic" or short in QUANTISED:
            name, arguments, named = unpacked(self.attributes, short, arguments)
            short = name.rpartition(".")[2]
        if short == "to":
            numbers = [n for n in (*arguments[1:3], named.get("dtype")) if type(n) is int]
            arguments, named = [arguments[0], _DTYPES.get(numbers[0]) if numbers else None], {}
        results = self.program.call(f"torch.{short}" if name.startswith("torch.") else name, arguments, named, [None] * count)
        self._asking.compared(short, arguments, results[0])
        return results[0] if len(results) == 1 and short not in ("chunk", "unsafe_chunk", "split", "unbind") else results

    def _member(self, owner: Thing, name: str) -> Any:
        """An attribute of a module, a constant of its class, or its method."""
        found = self.attributes.member(owner, name)
        stated = self.constants(owner) if isinstance(found, Method) else {}
        return stated.get(name, found)
