"""Named values that never change, of which every start makes many."""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Fields:
    """Base of classes whose fields are their annotations, in order; what stands behind ``=`` is a field's default.

    For what a start loads: ``typing.NamedTuple`` and ``dataclasses`` compile code for each class, a tenth of a millisecond and more.

    Raises
    ------
    TypeError
        At construction, if a field is missing, unknown or given twice.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(cls.__annotations__)
        cls._defaults = {name: cls.__dict__[name] for name in cls._fields if name in cls.__dict__}

    def __init__(self, *given: Any, **named: Any) -> None:
        held = self.__dict__
        held.update(self._defaults)
        held.update(zip(self._fields, given, strict=False))
        held.update(named)
        if len(given) > len(self._fields) or held.keys() != {*self._fields} or any(name in self._fields[: len(given)] for name in named):
            missing = [name for name in self._fields if name not in held]
            wrong = f"missing {missing}" if missing else f"{len(given)} values and {[*named]} are not {self._fields}"
            raise TypeError(f"{type(self).__name__}: {wrong}.")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} never changes; make another with _replace.")

    def _asdict(self) -> dict[str, Any]:
        """The values by name, in the order of the fields."""
        return {name: getattr(self, name) for name in self._fields}

    def _replace(self, **changes: Any) -> Self:
        """The same with other values."""
        return type(self)(**(self._asdict() | changes))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, name) == getattr(other, name) for name in self._fields)

    def __hash__(self) -> int:
        return hash((type(self), *self._asdict().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"
