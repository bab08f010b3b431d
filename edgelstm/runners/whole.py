"""Whole recordings through a stream: for models that cannot step. A recording is held in memory until its last sample has come."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from . import Samples, Sink, bad_lines

if TYPE_CHECKING:
    from ..stream import Stream
    from .counts import LineCount


def run(stream: "Stream", source: Iterable[Samples], sink: Sink, replaced: "LineCount | None" = None) -> None:
    """Answer each recording of `source` when it is whole. The last answer stands beside what was kept of the last sample, those
    before it beside what was kept of the samples before it; answers that are more than the samples, beside the first.

    Raises
    ------
    InputError
        If the source meets a bad line or the stream refuses a sample. All recordings before it were answered.
    """
    for recording in gathered(source):
        before = stream.bad_inputs
        try:
            answers = stream.process(recording.values)
        except InputError as problem:
            if not (bad := bad_lines(stream, recording)):
                raise
            file = f"{recording.file}: " if recording.file else ""
            raise InputError(f"{file}line {bad[0]}: {problem}") from None
        if replaced is not None and stream.bad_inputs > before:
            replaced.add(bad_lines(stream, recording), recording.file)
        kept = list(recording.kept[-len(answers) :])
        sink.write(answers, kept[:1] * (len(answers) - len(kept)) + kept if kept else ())


def gathered(source: Iterable[Samples]) -> Iterator[Samples]:
    """The samples of each recording together."""
    parts: list[Samples] = []
    for samples in source:
        if samples.begins and parts:
            yield _joined(parts)
            parts = []
        parts.append(samples)
    if parts:
        yield _joined(parts)


def _joined(parts: list[Samples]) -> Samples:
    values = np.concatenate([part.values for part in parts])
    lines = [line for part in parts for line in part.lines]
    return Samples(values, lines, [row for part in parts for row in part.kept], parts[0].file, begins=True)
