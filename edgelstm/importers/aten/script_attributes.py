"""What modules of a script hold: weights, numbers, methods, and the attributes that their code sets from call to call."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError, printable
from ..from_onnx.writer import Ref
from ..from_torch import archive
from ..pickles.reader import Thing
from .program import Program
from .script_archive import Script
from .script_values import Method, Shape

#: An attribute by its owner and name.
Key: TypeAlias = tuple[int, str]


def class_of(script: Script, name: str) -> ast.ClassDef:
    """The code of a class.

    Raises
    ------
    UnsupportedModelError
        If the file has none.
    """
    module, _, kind = name.rpartition(".")
    body = script.code[module].body if module in script.code else []
    found = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == kind), None)
    if found is None:
        raise UnsupportedModelError(f"has no code of its class {printable(name, 80)!r}.")
    return found


def method_of(script: Script, thing: Thing, name: str) -> ast.FunctionDef:
    """The code of a module's method.

    Raises
    ------
    UnsupportedModelError
        If the file has none.
    """
    body = class_of(script, thing.name).body
    found = next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    if found is None:
        raise UnsupportedModelError(f"has no method {name!r} in its class {printable(thing.name, 80)!r}.")
    return found


@dataclass(eq=False)
class Attributes:
    """The attributes of one call of a script's code.

    `begins`: what attributes that the code sets begin as: numbers, and of tensors the shape. Default: as in the file.
    `fixed`: whether these tensors are zeros at every call, not states.
    `changed`: weights that the code changes in place, by where they are: states too.
    `unsettled`: whether some attribute ends otherwise than it begins, and is no state.
    """

    script: Script
    program: Program
    begins: Mapping[Key, Any] = field(default_factory=dict)
    fixed: bool = False
    changed: frozenset[tuple[object, ...]] = frozenset()
    unsettled: bool = False
    _weights: dict[tuple[object, ...], Ref] = field(default_factory=dict)
    _held: dict[Key, Any] = field(default_factory=dict)  # what the code has set, or read of what it sets
    _states: dict[Key, str] = field(default_factory=dict)  # those of them that are read before: their outputs' names

    def left(self) -> dict[Key, Any]:
        """Behind a call: what the attributes that the code sets have become."""
        return dict(self._held)

    def states(self) -> dict[str, Ref]:
        """Behind a call: what each tensor that a module keeps from call to call has become, by the name of its output."""
        in_place = {f"{self._weights[key].name} after": self._weights[key] for key in self.changed}
        return in_place | {name: self._held[key] for key, name in self._states.items()}

    def written(self) -> frozenset[tuple[object, ...]]:
        """Behind a call: the weights that the code changed in place, by where they are."""
        written = self.program.memory.written()
        return frozenset(key for key, ref in self._weights.items() if ref.name in written)

    def keep(self, owner: Thing, name: str, value: Any) -> bool:
        """Set an attribute: a tensor is the module's own until the next call, and a state if that reads it.

        False for a number that goes on changing from call to call.
        """
        key = (id(owner), name)
        if not isinstance(value, Ref) and value != self.begins.get(key, owner.state.get(name)):
            if key in self.begins:
                return False
            self.unsettled = True
        self._held[key] = value
        return True

    def member(self, owner: Thing, name: str) -> Any:
        """An attribute as it is now; a `Method` where the owner holds none of that name."""
        key = (id(owner), name)
        if key not in self._held and key in self.begins:
            self._held[key] = self._begun(key, self.begins[key])
        elif key not in self._held and isinstance(owner.state.get(name), archive.Tensor) and self._sets(owner, name):
            if 0 in owner.state[name].shape:
                self.unsettled = True
            else:
                self._held[key] = self._state(key, np.asarray(owner.state[name]))
        if key in self._held:
            return self._held[key]
        if name not in owner.state:
            return Method(owner, name)
        value = owner.state[name]
        if isinstance(value, list):
            return [self.weight(one) if isinstance(one, archive.Tensor) else one for one in value]
        return self.weight(value) if isinstance(value, archive.Tensor) else value

    def weight(self, tensor: archive.Tensor, name: str = "") -> Ref:
        """A tensor of a module, or the constant called `name`."""
        key = (name, *tensor.place)
        if key not in self._weights:
            name, array = f"weight {len(self._weights)}", np.asarray(tensor)
            if key in self.changed and array.dtype.kind != "f":
                raise UnsupportedModelError("its code changes a tensor of whole numbers at every call, which is not imported.")
            state = key in self.changed
            self._weights[key] = self.program.state(name, array, f"{name} after") if state else self.program.constant(name, array)
        return self._weights[key]

    def _state(self, key: Key, initial: NDArray[Any]) -> Ref:
        """A tensor that is kept from call to call."""
        number = len(self._states)
        self._states[key] = f"{key[1]} {number} after"
        return self.program.state(f"state {key[1]} {number}", initial, self._states[key])

    def _begun(self, key: Key, begin: Any) -> Any:
        """What an attribute begins as."""
        if not isinstance(begin, Shape):
            return begin
        zeros = np.zeros(begin, np.float32)
        return self.program.constant(f"zeros of {key[1]} {len(self._held)}", zeros) if self.fixed else self._state(key, zeros)

    def _sets(self, owner: Thing, name: str) -> bool:
        """Whether some method of a module's class sets an attribute of this name."""
        nodes = ast.walk(class_of(self.script, owner.name))
        targets = (target for node in nodes if isinstance(node, ast.Assign) for target in node.targets)
        return any(isinstance(target, ast.Attribute) and target.attr == name for target in targets)
