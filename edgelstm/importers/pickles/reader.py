"""Pickles read as data: an interpreter of the few opcodes that checkpoints use, which calls nothing that a file names.

`pickle.Unpickler` is no base for this, even with a restricted ``find_class``: nested tuples as a key overflow its C stack,
and one opcode of 5 bytes makes it clear 16 GiB of memory. What the named things mean is the part of those who read a format.
"""

import struct
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ...errors import ModelFileError, printable
from .names import ADVICE, DATA_NAMES, INERT_NAMES, is_foreign, refusal
from .opcodes import opcodes

#: Python hashes larger whole numbers modulo a prime, so that a file could make all keys of a dict collide.
_MAX_INT_KEY = 1 << 60

#: The most opcodes that are read: some fifteen thousand tensors, and half a second.
MAX_OPCODES = 1 << 19


@dataclass(frozen=True, eq=False)
class Global:
    """A function or class that a pickle names."""

    name: str


@dataclass(frozen=True, eq=False)
class Inert:
    """A value that is known to be harmless and not needed."""

    name: str

    @property
    def is_data(self) -> bool:
        """Whether it holds numbers that a user may miss."""
        return self.name in DATA_NAMES

    @property
    def is_foreign(self) -> bool:
        """Whether it is an object of a class that nothing is known of."""
        return self.name not in INERT_NAMES


@dataclass(frozen=True, eq=False)
class Made(Inert):
    """An object of a class that nothing is known of, with the attributes that the pickle gives it."""

    state: dict[str, Any] = field(default_factory=dict)

    def build(self, state: Any) -> None:
        """Take the attributes that a plain object would get; what else a class may be given is passed over."""
        if isinstance(state, dict):
            self.state.update(state)


@dataclass(eq=False)
class Thing:
    """An object of a class that a pickle names: its name, what it was made from, and the attributes that it was given."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)

    def build(self, state: Any) -> None:
        """Take the attributes that ``__setstate__`` would get.

        Raises
        ------
        ValueError
            If they are no attributes.
        """
        if not isinstance(state, dict):
            raise ValueError("it sets attributes that are no dict")
        self.state.update(state)


class Reader:
    """Reads one pickle.

    Parameters
    ----------
    builders : mapping of str to callable
        What is done where the pickle calls the global of that name: it gets the pickled arguments and gives the value. A value with a
        method `build` gets the attributes that the pickle sets.
    constants : set of str
        Globals that may be named but not called.
    persistent : callable
        Gives the value of a persistent id.
    classes : str, optional
        What the names of classes begin with whose objects become `Thing`, whatever they are.
    foreign : bool
        Whether objects of classes that nothing is known of are passed over, as `Inert`, in place of an error.
    advice : str
        What to do about a name that is none of these.
    """

    def __init__(
        self,
        builders: Mapping[str, Callable[..., object]],
        constants: frozenset[str] = frozenset(),
        persistent: Callable[[Any], object] = lambda _: None,
        *,
        classes: str = "",
        foreign: bool = False,
        advice: str = ADVICE,
    ) -> None:
        self._builders, self._constants, self._persistent = builders, constants, persistent
        self._classes, self._foreign, self._advice = classes, foreign, advice
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def read(self, stream: BinaryIO) -> object:
        """The value of the pickle at the stream's position, which is left behind its end.

        Raises
        ------
        ModelFileError
            If the pickle is damaged, needs code to be run, or names a global that is neither known nor inert.
        """
        try:
            with warnings.catch_warnings(action="ignore"):  # pickletools warns of odd escapes in names
                return self._interpret(stream)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error) as problem:
            raise ModelFileError(f"its pickle is damaged ({printable(problem, 200)}); copy or save the file again.") from None

    def _interpret(self, stream: BinaryIO) -> object:
        for count, (opcode, argument) in enumerate(opcodes(stream)):
            if count >= MAX_OPCODES:
                raise ModelFileError(f"its pickle has more than {MAX_OPCODES} instructions; save only the model's state_dict.")
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name in _PUSH:
                self._stack.append(argument)
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            else:
                raise ModelFileError(f"its pickle uses {opcode.name}, which no such file has; {self._advice}")
        raise ValueError("it has no end")

    def _pop_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _pop(self, count: int) -> tuple[Any, ...]:
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise ValueError("it takes more values than it has")
        items = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        return items

    def _ignore(self, _: object) -> None:
        """Versions and frame lengths, which say nothing about the value."""

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _tuple(self, _: object) -> None:
        self._stack.append(tuple(self._pop_mark()))

    def _list(self, _: object) -> None:
        self._stack.append(self._pop_mark())

    def _dict(self, _: object) -> None:
        items = self._pop_mark()
        self._stack.append({})
        self._update(items)

    def _append(self, _: object) -> None:
        self._extend(list(self._pop(1)))

    def _appends(self, _: object) -> None:
        self._extend(self._pop_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Inert):
            raise ValueError("it appends to what is no list")

    def _set_item(self, _: object) -> None:
        self._update(list(self._pop(2)))

    def _set_items(self, _: object) -> None:
        self._update(self._pop_mark())

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            target.update((_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True))
        elif not isinstance(target, Inert):
            raise ValueError("it sets items of what is no dict")

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _global(self, argument: str) -> None:
        self._push_global(argument.replace(" ", "."))

    def _stack_global(self, _: object) -> None:
        module, name = self._pop(2)
        self._push_global(f"{module}.{name}")

    def _push_global(self, name: str) -> None:
        name = name.replace("__builtin__.", "builtins.")
        if name in self._builders or name in self._constants or (self._classes and name.startswith(self._classes)):
            self._stack.append(Global(name))
        elif name in INERT_NAMES or (self._foreign and is_foreign(name)):
            self._stack.append(Inert(name))
        else:
            raise ModelFileError(refusal(name, self._advice))

    def _reduce(self, _: object) -> None:
        function, arguments = self._pop(2)
        if isinstance(function, Inert):
            self._stack.append(Made(function.name) if function.is_foreign else function)
        elif function.name in self._builders:
            self._stack.append(self._builders[function.name](*arguments))
        elif function.name in self._constants:
            raise ValueError(f"it calls {function.name}")
        else:
            self._stack.append(Thing(function.name, tuple(arguments)))

    def _build(self, _: object) -> None:
        """Attributes of a value. Those of a dict, for example the ``_metadata`` of a state_dict, carry no weights."""
        (state,) = self._pop(1)
        target = self._stack[-1]
        if hasattr(target, "build"):
            target.build(state)
        elif not isinstance(target, dict | Inert):
            raise ValueError("it sets attributes of what can have none")

    def _persistent_id(self, _: object) -> None:
        self._stack.append(self._persistent(*self._pop(1)))


def _key(key: object) -> object:
    """`key`, if hashing it costs little: nested tuples overflow the C stack."""
    parts = key if isinstance(key, tuple) else (key,)
    if all(
        isinstance(part, str | bytes | float | bool | Inert) or part is None or (isinstance(part, int) and abs(part) < _MAX_INT_KEY)
        for part in parts
    ):
        return key
    raise ValueError(f"it uses a {type(key).__name__} as a key")


def _push(value: Callable[[], object]) -> Callable[[Reader, Any], None]:
    return lambda reader, _: reader._stack.append(value())


def _collect(count: int) -> Callable[[Reader, Any], None]:
    return lambda reader, _: reader._stack.append(reader._pop(count))


#: Opcodes whose argument is the value itself.
_PUSH = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
        *("BINBYTES", "SHORT_BINBYTES", "BYTEARRAY8", "INT", "LONG", "FLOAT", "STRING", "UNICODE"),
    )
)

_ACTIONS: dict[str, Callable[[Reader, Any], None]] = {
    "PROTO": Reader._ignore,
    "FRAME": Reader._ignore,
    "NONE": _push(lambda: None),
    "NEWTRUE": _push(lambda: True),
    "NEWFALSE": _push(lambda: False),
    "EMPTY_LIST": _push(list),
    "EMPTY_SET": _push(list),
    "EMPTY_DICT": _push(dict),
    "EMPTY_TUPLE": _push(tuple),
    "TUPLE1": _collect(1),
    "TUPLE2": _collect(2),
    "TUPLE3": _collect(3),
    "MARK": Reader._mark,
    "TUPLE": Reader._tuple,
    "LIST": Reader._list,
    "DICT": Reader._dict,
    "FROZENSET": Reader._list,
    "APPEND": Reader._append,
    "APPENDS": Reader._appends,
    "ADDITEMS": Reader._appends,
    "SETITEM": Reader._set_item,
    "SETITEMS": Reader._set_items,
    "MEMOIZE": Reader._memoize,
    "PUT": Reader._put,
    "GET": Reader._get,
    "BINPUT": Reader._put,
    "LONG_BINPUT": Reader._put,
    "BINGET": Reader._get,
    "LONG_BINGET": Reader._get,
    "GLOBAL": Reader._global,
    "STACK_GLOBAL": Reader._stack_global,
    "REDUCE": Reader._reduce,
    "NEWOBJ": Reader._reduce,
    "BUILD": Reader._build,
    "BINPERSID": Reader._persistent_id,
}
