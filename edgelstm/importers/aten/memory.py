"""Tensors that a program changes in place: what each is now, which views write through, and which are out of date."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import UnsupportedModelError
from ..from_onnx.writer import Ref

#: Operators that give another look at the same memory.
VIEWS = frozenset(
    [
        "select",
        "slice",
        "view",
        "reshape",
        "transpose",
        "t",
        "numpy_T",
        "permute",
        "unsqueeze",
        "squeeze",
        "expand",
        "narrow",
        "flatten",
        "unflatten",
        "chunk",
        "split",
        "split_with_sizes",
        "unbind",
        "swapaxes",
        "swapdims",
        "movedim",
        "expand_as",
        "view_as",
        "reshape_as",
    ]
)

#: The end of an axis, as ATen writes it.
_END = 1 << 62


@dataclass(eq=False)
class _Parts:
    """Rows along one axis that were written, by their places, over what was there before."""

    axis: int
    rows: dict[int, Ref] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _View:
    """A look at the tensor `of`: of select, at which place along which axis."""

    of: Ref
    axis: int | None = None
    place: int = 0


@dataclass(eq=False)
class Memory:
    """What was written in place, call by call. `write`: gives the result of an operator; `length`: that of an axis of
    a tensor, if it is known.
    """

    write: Callable[[str, Sequence[Any]], Ref]
    length: Callable[[Ref, int], int | None]
    _now: dict[str, Ref] = field(default_factory=dict)
    _parts: dict[str, _Parts] = field(default_factory=dict)
    _views: dict[str, _View] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)

    def now(self, value: Any) -> Any:
        """A value with every tensor as it is now.

        Raises
        ------
        UnsupportedModelError
            If it is a view of what was changed since, or the other way round.
        """
        if isinstance(value, list):
            return [self.now(one) for one in value]
        while isinstance(value, Ref):
            if value.name in self._stale:
                raise UnsupportedModelError("its code reads a tensor of which it changed a view in place, which is not imported.")
            if value.name in self._parts:
                self._now[value.name] = self._whole(self._now.get(value.name, value), self._parts.pop(value.name))
            if value.name not in self._now:
                break
            value = self._now[value.name]
        return value

    def written(self) -> set[str]:
        """The names of all tensors that were changed in place, or of which a view was."""
        return {*self._now, *self._parts, *self._stale}

    def called(self, name: str, given: Sequence[Any], results: Sequence[Ref]) -> None:
        """Remember what an operator, by its name, did to the memory of what it was given."""
        target = given[0] if given else None
        if not isinstance(target, Ref):
            return
        if name in VIEWS:
            place = given[1:3] if name == "select" and all(isinstance(n, int) for n in given[1:3]) else (None, 0)
            self._views |= {part.name: _View(target, *place) for part in results if part.name != target.name}
        elif name.endswith("_") and len(results) == 1:
            self._write(target, results[0])

    def found(self, name: str, given: Sequence[Any]) -> list[Ref] | None:
        """What ``copy_``, ``zero_`` and ``fill_`` give, and a look at what has rows that were written; None for other operators."""
        target = given[0] if given else None
        if not isinstance(target, Ref):
            return None
        if name == "copy_" and isinstance(given[1], Ref):
            value: Ref = self.now(given[1])
            return [value if value.rank == target.rank else self.write("expand_as", [value, target])]
        if name in ("copy_", "zero_", "fill_"):
            return [self.write("full_like", [target, 0.0 if name == "zero_" else given[1]])]
        parts = self._parts.get(target.name)
        if name == "slice" and _is_whole(*given[1:]):
            return [target]
        if name == "select" and parts is not None and given[1] == parts.axis and isinstance(given[2], int) and given[2] >= 0:
            row = parts.rows.get(given[2])
            return [self.write("select", [self._now.get(target.name, target), *given[1:]]) if row is None else self.write("clone", [row])]
        return None

    def _write(self, target: Ref, value: Ref) -> None:
        """Let `target`, and what it is a view of, be `value` from now on."""
        view = self._views.get(target.name)
        if target.name != value.name:
            self._now[target.name] = value
        self._outdate(target, None)
        if view is None:
            return
        self._views.setdefault(value.name, view)
        if view.axis is not None:
            self._write_row(view, value, target)
        else:
            self._outdate(view.of, view)
            self._stale -= {target.name, value.name}
            self._stale.add(view.of.name)

    def _write_row(self, view: _View, value: Ref, target: Ref) -> None:
        base = view.of
        if base.name in self._views or value.rank != base.rank - 1:
            raise UnsupportedModelError("its code writes to a view of a view, or a row of another shape, which is not imported.")
        assert view.axis is not None
        axis = view.axis % base.rank
        parts = self._parts.get(base.name)
        if parts is not None and parts.axis != axis:
            self.now(base)
            parts = None
        parts = parts or self._parts.setdefault(base.name, _Parts(axis))
        length = self.length(base, axis) if view.place < 0 else None
        place = view.place if length is None else view.place + length
        if place < 0:
            raise UnsupportedModelError("its code writes to a row from the end of an axis of open length, which is not imported.")
        parts.rows[place] = value
        self._outdate(base, view)
        self._stale -= {target.name, value.name}

    def _outdate(self, base: Ref, written: _View | None) -> None:
        """Views of `base` are out of date, but for rows beside the one that was written."""
        for name, view in self._views.items():
            beside = written is not None and view.axis is not None and view.axis == written.axis and view.place != written.place
            if view.of.name == base.name and not beside:
                self._stale.add(name)

    def _whole(self, base: Ref, parts: _Parts) -> Ref:
        """The tensor with its written rows in their places."""
        found: list[Ref] = []
        at = 0
        for place in sorted(parts.rows):
            if place > at:
                found.append(self.write("slice", [base, parts.axis, at, place]))
            found.append(self.write("unsqueeze", [parts.rows[place], parts.axis]))
            at = place + 1
        if at != self.length(base, parts.axis):
            found.append(self.write("slice", [base, parts.axis, at, _END]))
        return found[0] if len(found) == 1 else self.write("cat", [found, parts.axis])


def _is_whole(axis: Any = 0, start: Any = None, end: Any = None, step: Any = 1) -> bool:
    """Whether a slice is all of an axis."""
    return start in (None, 0) and (end is None or (isinstance(end, int) and end >= _END)) and step in (None, 1)
