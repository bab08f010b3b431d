"""The likeliest texts of a model that reads its own answers: `beam_search` over the stream's snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .given import check_reads_itself, start_of, stops_of, whole

if TYPE_CHECKING:
    from ..stream import Stream


class Found(NamedTuple):
    """A text of `beam_search`: its tokens, without the one that stopped it, and the logarithm of its probability, with that one."""

    tokens: list[int]
    log_probability: float


def beam_search(
    stream: Stream, start: int | str | Sequence[int], steps: int, *, width: int = 5, stop: int | str | Iterable[int | str] = ()
) -> list[Found]:
    """The likeliest texts behind `start` that a beam finds: at each step the `width` likeliest beginnings are kept.

    The stream is stepped from Python, with a snapshot of each beginning, so that what it attends to and whatever state it has are theirs.
    Afterwards it is as it was when `start` had been read but for its last token.

    Parameters
    ----------
    stream : Stream
        As `generate` takes it, of a model and not of a built library.
    start, steps, stop
        As `generate` takes them.
    width : int
        Beginnings that are kept.

    Returns
    -------
    list of Found
        At most `width` texts that a token of `stop` ended, or that have `steps` tokens; likeliest first.

    Raises
    ------
    UsageError, InputError
        As `generate`.
    """
    check_reads_itself(stream)
    count, kept = whole(steps, "steps"), whole(width, "width")
    if count < 0 or kept < 1:
        raise UsageError(f"steps must not be negative, and width at least 1; got {count} and {kept}.")
    before, first = start_of(stream, start)
    ends = set(stops_of(stream, stop))
    likely = np.log if stream.plan.layout.draws == "probabilities" else _log_softmax
    if before:
        stream.process(np.array(before, np.float32))
    begun = stream.snapshot()
    beams, ended = [_Beam([], 0.0, begun)], list[Found]()
    for _ in range(count):
        grown = [new for beam in beams for new in _grown(stream, beam, first, kept, likely)]
        grown.sort(key=lambda new: -new.log_probability)
        ended += [Found(new.tokens[:-1], new.log_probability) for new in grown[:kept] if new.tokens[-1] in ends]
        beams = [new for new in grown[:kept] if new.tokens[-1] not in ends]
        best = sorted((text.log_probability for text in ended), reverse=True)[:kept]
        if not beams or (len(best) == kept and best[-1] >= beams[0].log_probability):
            beams = []  # none of them can become likelier than what has ended
            break
    stream.restore(begun)
    found = [*ended, *(Found(beam.tokens, beam.log_probability) for beam in beams)]
    return sorted(found, key=lambda text: -text.log_probability)[:kept]


class _Beam(NamedTuple):
    """The beginning of a text, and the stream's state where all of it but its last token has been read."""

    tokens: list[int]
    log_probability: float
    state: bytes


def _grown(stream: Stream, beam: _Beam, first: int, kept: int, likely: Callable[[Any], NDArray[np.float64]]) -> list[_Beam]:
    """A beginning with each of the likeliest tokens behind it, likeliest first."""
    stream.restore(beam.state)
    with np.errstate(divide="ignore"):
        scores = likely(stream.step(np.array([[first, *beam.tokens][-1]], np.float32)).astype(np.float64))
    after = stream.snapshot()
    order = np.argsort(-scores, kind="stable")[:kept].tolist()
    return [_Beam([*beam.tokens, token], beam.log_probability + float(scores[token]), after) for token in order]


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of probabilities (symbols,), of scores or of such logarithms."""
    shifted = scores - scores.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
