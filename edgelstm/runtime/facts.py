"""What streams tell of themselves, whether NumPy carries their samples or the standard library alone."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from .sizes import Sizes


class Facts:
    """Sizes and names of a program's samples and answers.

    A subclass has `_sizes` and `_told`.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _sizes: Sizes

        def _told(self) -> "dict[str, Any]":
            """What `outline.line` and `outline.html` read, and the target."""

    @property
    def input_size(self) -> int:
        """Values in a sample."""
        return self._sizes.input_size

    @property
    def output_size(self) -> int:
        """Values in an answer."""
        return self._sizes.output_size

    @property
    def input_shape(self) -> "tuple[int, ...]":
        """Shape of a sample: ``(input_size,)``, or that of a map."""
        return self._sizes.input_shape

    @property
    def output_shape(self) -> "tuple[int, ...]":
        """Shape of an answer: ``(output_size,)``, or that of a map."""
        return self._sizes.output_shape

    @property
    def every(self) -> int:
        """Steps from one answer to the next: 1 for most models."""
        return self._sizes.every

    @property
    def first(self) -> int:
        """Steps from the initial state to the first answer: 1 for most models."""
        return self._sizes.first

    @property
    def input_names(self) -> "tuple[str, ...]":
        """Of the channels of a sample; empty where they have none."""
        return tuple(self._told()["input_names"])

    @property
    def labels(self) -> "tuple[str, ...]":
        """Of the values of an answer; empty where they have none."""
        return tuple(self._told()["labels"])

    @property
    def thresholds(self) -> "tuple[float, ...]":
        """From which value on each output decides for its label; empty where the largest output decides."""
        return tuple(self._told().get("thresholds", ()))


class StreamFacts(Facts):
    """The same of a stream, how it is shown, and what its copies take along.

    A subclass has `steps`, `__copy__` and `_OWN`: the attributes that are its own, and not the user's.
    """

    __slots__ = ()

    _OWN: "frozenset[str]"

    if TYPE_CHECKING:

        @property
        def steps(self) -> int: ...

        def __copy__(self) -> Self: ...

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            raise AttributeError(f"a stream has no {name!r}; it has step(x) for a sample and process(xs) for a recording.")

    def __repr__(self) -> str:
        from ..errors import printable
        from .outline import line

        return printable(f"Stream({line(self._told())}, {self.steps} step{'s' * (self.steps != 1)})")

    def _repr_html_(self) -> str:
        from .outline import html

        told = self._told()
        return html("Stream", told, (("target", told["target"]), ("steps", self.steps)))

    def __deepcopy__(self, memo: "dict[int, Any]") -> "Self":
        from copy import deepcopy

        made = memo[id(self)] = self.__copy__()
        made.__dict__.update(deepcopy(self._added(), memo))
        return made

    def _added(self) -> "dict[str, Any]":
        """Attributes that the user has given this stream."""
        return {name: value for name, value in self.__dict__.items() if name not in self._OWN}
