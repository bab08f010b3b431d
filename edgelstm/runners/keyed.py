"""Many streams in one run: samples carry the name of theirs, and answers are written beside it."""

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from . import Samples, Sink, Watch

#: What the column is called that holds the name of an answer's stream.
KEY = "key"


class Streams(Protocol):
    """Streams by name: `bank.StreamBank`."""

    def step_many(self, keys: Sequence[Any], xs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Step the stream of each key with its row of xs (n, input_size), in this order: (n, output_size)."""


def run(streams: Streams, source: Iterable[Samples], sink: Sink, watch: Watch | None = None) -> None:
    """Step every sample of `source` through its stream and hand the answers to `sink`, in order, each beside its key.

    Raises
    ------
    InputError
        If the source meets a bad line or a stream refuses a sample; the message names key and line. All answers before it were written.
    """
    for samples in source:
        begin = perf_counter_ns()
        try:
            answers = streams.step_many(samples.keys, samples.values)  # (count, output_size)
        except InputError:
            _step_each(streams, samples, sink)
        else:
            if watch is not None:
                watch.saw(samples.keys, samples.values, answers, perf_counter_ns() - begin)
            sink.write(answers, _beside(samples))


def _step_each(streams: Streams, samples: Samples, sink: Sink) -> None:
    """`step_many` refuses all or takes all: one at a time the culprit is found, and what came before it is answered."""
    for i, (key, line) in enumerate(zip(samples.keys, samples.lines, strict=True)):
        one = samples.only([i])
        try:
            answers = streams.step_many(one.keys, one.values)  # (1, output_size)
        except InputError as problem:
            raise InputError(f"{key}, line {line}: {problem}") from None
        sink.write(answers, _beside(one))


def _beside(samples: Samples) -> Sequence[Sequence[Any]]:
    kept = samples.kept or [()] * len(samples.keys)
    return [[key, *row] for key, row in zip(samples.keys, kept, strict=True)]


def by_column(source: Iterable[Samples]) -> Iterator[Samples]:
    """Samples whose key is the last of the kept values, which is not handed on."""
    for samples in source:
        kept = [row[:-1] for row in samples.kept]
        yield samples._replace(keys=[str(row[-1]) for row in samples.kept], kept=kept if len(samples.kept[0]) > 1 else ())
