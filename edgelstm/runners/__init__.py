"""Runners: samples from somewhere, through a stream, to somewhere.

A source yields `Samples` as they arrive, a sink takes the answers; neither knows the other. Nothing here opens files or
parses a command line.
"""

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .counts import LineCount

if TYPE_CHECKING:
    from ..stream import Stream


class Samples(NamedTuple):
    """Samples that arrived together, one a line.

    Parameters
    ----------
    values : (count, input_size) float32
        At least one; NaN where a value is missing.
    lines : sequence of int
        The number of each sample's line, from 1.
    kept : sequence of sequences
        For each sample the values of the input that stand beside its answer; empty where none were asked for.
    file : str
        What errors call the input; empty where there is only one.
    begins : bool
        Whether the first sample begins a recording: the stream is reset before it.
    keys : sequence of str
        For each sample the name of the stream that it belongs to; empty where there is one stream.
    """

    values: NDArray[np.float32]
    lines: Sequence[int]
    kept: Sequence[Sequence[Any]] = ()
    file: str = ""
    begins: bool = False
    keys: Sequence[str] = ()

    def only(self, chosen: Sequence[int]) -> "Samples":
        """Those at these places."""
        kept = [self.kept[i] for i in chosen] if self.kept else ()
        keys = [self.keys[i] for i in chosen] if self.keys else ()
        return self._replace(values=self.values[list(chosen)], lines=[self.lines[i] for i in chosen], kept=kept, keys=keys)


class Source(Protocol):
    """Where samples come from.

    Iterating waits until a sample is there, then yields all that have arrived and never waits for more.
    What is wrong with a line is raised as `InputError`, after the samples before it were yielded.
    """

    def __iter__(self) -> Iterator[Samples]: ...


class Input(Source, Protocol):
    """A source that tells what became of what it read.

    Attributes
    ----------
    file : str
        What errors call the input; empty where there is only one.
    bad, repeated : LineCount
        Lines that were passed over or taken for missing samples, and lines that were the header again.
    fault : str
        What was wrong with the first bad line.
    samples : int
        Yielded so far.
    """

    file: str
    bad: LineCount
    repeated: LineCount
    fault: str
    samples: int

    @property
    def kept_names(self) -> Sequence[str]:
        """What the kept values are called; known from the first sample on."""

    @property
    def seen(self) -> Sequence[tuple[int, int]]:
        """What tells a later process that something came before; empty where nothing comes twice."""

    def remarks(self) -> Iterable[str]:
        """Sentences on what else was out of the ordinary."""

    def close(self) -> None:
        """Let go of what is read."""


class Sink(Protocol):
    """Where answers go. `write` returns when they have left this process."""

    def write(self, answers: NDArray[np.float32], kept: Sequence[Sequence[Any]] = ()) -> None:
        """Take answers (count, output_size) float32, which may change after the call, and what stands beside each."""


class Watch(Protocol):
    """Who looks on while samples are stepped."""

    def saw(self, keys: Sequence[str], xs: NDArray[np.float32], answers: NDArray[np.float32], nanoseconds: int) -> None:
        """Take samples (count, input_size), the names of their streams if they have any, the answers (n, output_size), and the time."""


def run(stream: "Stream", source: Iterable[Samples], sink: Sink, replaced: LineCount | None = None, watch: Watch | None = None) -> None:
    """Step every sample of `source` through `stream` and hand each answer that is due to `sink`, in order.

    See `whole` for models that cannot step.

    Parameters
    ----------
    replaced : LineCount, optional
        Counts the lines that the stream's NaN policy acted upon.
    watch : Watch, optional

    Raises
    ------
    InputError
        If the source meets a bad line or the stream refuses a sample; the message names the line. All answers before it
        were written, and the stream stands where they left it.
    """
    if stream.program.reads_recordings:
        from . import whole

        whole.run(stream, source, sink, replaced)
        return
    for samples in source:
        if samples.begins:
            stream.reset()
        _answer(stream, samples, sink, LineCount() if replaced is None else replaced, watch)


# A line is counted before its answer is written: whoever has read the answer and then ends the process is told of the line.


def _answer(stream: "Stream", samples: Samples, sink: Sink, replaced: LineCount, watch: Watch | None) -> None:
    if stream.program.sizes.each_step:
        before, begin = stream.bad_inputs, perf_counter_ns()
        try:
            answers = stream.process(samples.values)  # (count, output_size), or maps
        except InputError:
            pass  # `process` refuses all or takes all: stepping finds the culprit and answers what came before it
        else:
            taken = perf_counter_ns() - begin
            if stream.bad_inputs > before:
                replaced.add(bad_lines(stream, samples), samples.file)
            answers = answers.reshape(len(answers), stream.output_size)
            if watch is not None:
                watch.saw((), samples.values, answers, taken)
            sink.write(answers, samples.kept)
            return
    _step_each(stream, samples, sink, replaced, watch)


def _step_each(stream: "Stream", samples: Samples, sink: Sink, replaced: LineCount, watch: Watch | None) -> None:
    for index, (line, x) in enumerate(zip(samples.lines, samples.values, strict=True)):
        before, begin = stream.bad_inputs, perf_counter_ns()
        try:
            answer = stream.step(x)  # (output_size,), or a map; None where none is due
        except InputError as problem:
            file = f"{samples.file}: " if samples.file else ""
            raise InputError(f"{file}line {line}: {problem}") from None
        taken = perf_counter_ns() - begin
        if stream.bad_inputs > before:
            replaced.add((line,), samples.file)
        if watch is not None:
            watch.saw((), x.reshape(1, -1), np.empty((0, 0), np.float32) if answer is None else answer.reshape(1, -1), taken)
        if answer is not None:
            sink.write(answer.reshape(1, -1), samples.kept[index : index + 1])


def bad_lines(stream: "Stream", samples: Samples) -> list[int]:
    """The lines whose samples may not enter the state."""
    from ..runtime.samples import Samples as Checks

    bad = ~Checks(stream.program).good(samples.values).all(axis=1)  # (count,)
    return [samples.lines[i] for i in np.flatnonzero(bad).tolist()]
