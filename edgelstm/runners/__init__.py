"""Runners: samples from somewhere, through a stream, to somewhere.

A source yields `Samples` as they arrive, a sink takes the answers; neither knows the other. Nothing here opens files or
parses a command line.
"""

from collections.abc import Iterable, Sequence
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
    """

    values: NDArray[np.float32]
    lines: Sequence[int]
    kept: Sequence[Sequence[Any]] = ()
    file: str = ""
    begins: bool = False


class Source(Protocol):
    """Where samples come from.

    Iterating waits until a sample is there, then yields all that have arrived and never waits for more.
    What is wrong with a line is raised as `InputError`, after the samples before it were yielded.
    """

    def __iter__(self) -> Iterable[Samples]: ...


class Sink(Protocol):
    """Where answers go. `write` returns when they have left this process."""

    def write(self, answers: NDArray[np.float32], kept: Sequence[Sequence[Any]] = ()) -> None:
        """Take answers (count, output_size) float32, which may change after the call, and what stands beside each."""


def run(stream: "Stream", source: Iterable[Samples], sink: Sink, replaced: LineCount | None = None) -> None:
    """Step every sample of `source` through `stream` and hand each answer that is due to `sink`, in order.

    See `whole` for models that cannot step.

    Parameters
    ----------
    replaced : LineCount, optional
        Counts the lines that the stream's NaN policy acted upon.

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
        _answer(stream, samples, sink, LineCount() if replaced is None else replaced)


# A line is counted before its answer is written: whoever has read the answer and then ends the process is told of the line.


def _answer(stream: "Stream", samples: Samples, sink: Sink, replaced: LineCount) -> None:
    if stream.program.sizes.each_step:
        before = stream.bad_inputs
        try:
            answers = stream.process(samples.values)  # (count, output_size), or maps
        except InputError:
            pass  # `process` refuses all or takes all: stepping finds the culprit and answers what came before it
        else:
            if stream.bad_inputs > before:
                replaced.add(bad_lines(stream, samples), samples.file)
            sink.write(answers.reshape(len(answers), stream.output_size), samples.kept)
            return
    _step_each(stream, samples, sink, replaced)


def _step_each(stream: "Stream", samples: Samples, sink: Sink, replaced: LineCount) -> None:
    for index, (line, x) in enumerate(zip(samples.lines, samples.values, strict=True)):
        before = stream.bad_inputs
        try:
            answer = stream.step(x)  # (output_size,), or a map; None where none is due
        except InputError as problem:
            file = f"{samples.file}: " if samples.file else ""
            raise InputError(f"{file}line {line}: {problem}") from None
        if stream.bad_inputs > before:
            replaced.add((line,), samples.file)
        if answer is not None:
            sink.write(answer.reshape(1, -1), samples.kept[index : index + 1])


def bad_lines(stream: "Stream", samples: Samples) -> list[int]:
    """The lines whose samples may not enter the state."""
    from ..runtime.samples import Samples as Checks

    bad = ~Checks(stream.program).good(samples.values).all(axis=1)  # (count,)
    return [samples.lines[i] for i in np.flatnonzero(bad).tolist()]
