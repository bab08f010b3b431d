"""How `run` writes answers: in which form, which of them, and what is done after each that is written."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

if TYPE_CHECKING:
    from ..runners import Sink
    from ..stream import Stream


class Form(NamedTuple):
    """What a line of the output holds, and which answers get one.

    Parameters
    ----------
    kind : {"csv", "jsonl", "label"}
    on_change : bool
        Whether only answers are written that decide otherwise than the one before.
    """

    kind: str
    on_change: bool

    def check(self, stream: "Stream") -> None:
        """Refuse to decide where there is no choice.

        Raises
        ------
        UsageError
        """
        if stream.output_size < 2 and not stream.thresholds and (self.on_change or self.kind == "label"):
            asked = "--on-change" if self.on_change else "--format label"
            raise UsageError(
                f"{asked} takes the largest of several outputs, and this model has one; write it as csv or jsonl, or convert the model "
                "with --thresholds, from which it decides."
            )

    def sink(self, file: BinaryIO, stream: "Stream", kept_names: Sequence[str], *, keyed: bool = False) -> "Sink":
        """A sink of this form; `keyed`: the first of what is kept names the stream of an answer."""
        from ..runners.sinks import CsvSink, JsonLinesSink, LabelSink

        sink: Sink
        if self.kind == "label":
            sink = LabelSink(file, stream.labels, stream.thresholds)
        elif self.kind == "csv":
            sink = CsvSink(file, stream.output_size, stream.labels, kept_names)
        else:
            sink = JsonLinesSink(file, stream.labels, kept_names)
        return self.chosen(sink, stream, keyed=keyed)

    def chosen(self, sink: "Sink", stream: "Stream", *, keyed: bool) -> "Sink":
        """A sink that gets the answers of this form alone."""
        from ..runners.sinks import OnChange

        return OnChange(sink, keyed=keyed, thresholds=stream.thresholds) if self.on_change else sink


class Answers:
    """A sink that is made with the first answer, so that nothing is written before one is there.

    Parameters
    ----------
    make : callable
        Makes the sink.
    after : sequence of callable
        Called after each write.
    """

    def __init__(self, make: "Callable[[], Sink]", after: Sequence[Callable[[], None]]) -> None:
        self._make, self._after = make, after
        self._sink: Sink | None = None

    def begin(self) -> "Sink":
        """Make the sink, if there is none yet."""
        if self._sink is None:
            self._sink = self._make()
        return self._sink

    def write(self, answers: NDArray[np.float32], kept: Sequence[Sequence[Any]] = ()) -> None:
        """Hand answers (count, output_size) float32 on."""
        self.begin().write(answers, kept)
        for done in self._after:
            done()


class WindowNote:
    """Says once that a stream has gone beyond the windows that its model was trained on."""

    def __init__(self, stream: "Stream", window: int | None, say: Callable[[str], None]) -> None:
        self._stream, self._window, self._say = stream, window, say

    def __call__(self) -> None:
        if self._window is not None and self._stream.steps > self._window:
            self._say(
                f"the model was trained on windows of {self._window} samples, each from the initial state, and this recording is longer: "
                f"its state is carried on. --reset-every {self._window} starts anew as in training."
            )
            self._window = None
