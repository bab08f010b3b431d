"""Runners: samples from somewhere, through a stream, to somewhere.

A source yields `Samples` as they arrive, a sink takes the answers; neither knows the other. Nothing here opens files or
parses a command line.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

if TYPE_CHECKING:
    from ..stream import Stream


class Samples(NamedTuple):
    """Samples that arrived together, one a line.

    Parameters
    ----------
    values : (count, input_size) float32
        At least one; NaN where a value is missing.
    line : int
        Number of the first sample's line, from 1. The others follow without a gap.
    """

    values: NDArray[np.float32]
    line: int


class Source(Protocol):
    """Where samples come from.

    Iterating waits until a sample is there, then yields all that have arrived and never waits for more.
    What is wrong with a line is raised as `InputError`, after the samples before it were yielded.
    """

    def __iter__(self) -> Iterable[Samples]: ...


class Sink(Protocol):
    """Where answers go. `write` returns when they have left this process."""

    def write(self, answers: NDArray[np.float32]) -> None:
        """Take answers (count, output_size) float32; they may change after the call."""


def run(stream: "Stream", source: Iterable[Samples], sink: Sink) -> None:
    """Step every sample of `source` through `stream` and hand each answer to `sink`, in order.

    Raises
    ------
    InputError
        If the source meets a bad line or the stream refuses a sample; the message names the line. All answers before it
        were written, and the stream stands where they left it.
    """
    for samples in source:
        try:
            answers = stream.process(samples.values)  # (count, output_size)
        except InputError:
            # `process` refuses all or takes all: stepping finds the culprit and answers what came before it.
            _step_each(stream, samples, sink)
        else:
            sink.write(answers)


def _step_each(stream: "Stream", samples: Samples, sink: Sink) -> None:
    for line, x in enumerate(samples.values, samples.line):
        try:
            answer = stream.step(x)  # (output_size,)
        except InputError as problem:
            raise InputError(f"line {line}: {problem}") from None
        sink.write(answer[np.newaxis])
