"""Tokens from a model that reads its own answers: `generate`, and `beam_search` over its snapshots."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, UsageError, printable

if TYPE_CHECKING:
    from .stream import Stream

#: Temperatures between these leave a weight to tell from the others.
COLDEST, HOTTEST = 1e-4, 1e4

#: Most tokens of one call.
MOST_TOKENS = 1 << 28


@dataclass(frozen=True)
class Sampler:
    """How a token is drawn from the model's answer.

    The probability of each is that of the answer to the power of ``1 / temperature``, of those tokens that `top_k` and then `top_p` leave.
    What is drawn depends on the seed, on the number of steps that the stream has taken, and on the answer: it is the same on every CPU
    that gives the same answer.

    Parameters
    ----------
    temperature : float
        Below 1 likely tokens become likelier, above 1 all become alike: 1e-4 to 1e4.
    top_k : int
        Draw one of so many likeliest tokens; 0: of all.
    top_p : float
        Draw one of the likeliest tokens that together have this probability: above 0, up to 1.
    seed : int
        0 to 2**64 - 1.

    Raises
    ------
    UsageError
        If a number is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        ranges = {"temperature": (COLDEST, HOTTEST), "top_k": (0, 1 << 31), "top_p": (1 / (1 << 16), 1), "seed": (0, (1 << 64) - 1)}
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            whole = name in ("top_k", "seed")
            kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
            if not isinstance(value, kinds) or isinstance(value, bool) or not least <= value <= most:
                kind = "a whole number" if whole else "a number"
                raise UsageError(f"{name} must be {kind} from {least:g} to {most:g}; got {printable(repr(value), 60)}.")


def generate(
    stream: Stream,
    start: int | str | Sequence[int],
    steps: int,
    *,
    sample: Literal["greedy"] | Sampler = "greedy",
    stop: int | str | Iterable[int | str] = (),
) -> Iterator[int]:
    """Read `start`, then draw up to `steps` tokens, each from the answer to the one before.

    All of it runs in compiled code when this function is called. The stream has then read `start` and every token drawn but the last one,
    or but the one that stopped it: ``generate(stream, last, …)`` goes on, and gives what one longer call would have given.

    Parameters
    ----------
    stream : Stream
        Of a model that reads an index at each step, and answers with a score or a probability for each index.
    start : int, sequence of int, or str
        What to read first: one index or more; or a text, where the model has a vocabulary.
    steps : int
        Most tokens to draw.
    sample : "greedy" or Sampler
        Take the likeliest token, the first one of equals; or draw.
    stop : int, str, or several of them
        Indices or tokens of the vocabulary that end the text. They are not yielded.

    Yields
    ------
    int
        Indices; ``model.vocabulary.text(…)`` makes a text of them.

    Raises
    ------
    UsageError
        If the model does not read its own answers, or the arguments contradict themselves.
    InputError
        If `start` or `stop` holds what is no index, or no token. The stream is then as it was.

    Examples
    --------
    >>> tokens = el.generate(stream, "Once ", 200, sample=el.Sampler(temperature=0.7, seed=1), stop="<end>")
    >>> print(stream.model.vocabulary.text(tokens))
    """
    _check_reads_itself(stream)
    if not isinstance(sample, Sampler) and sample != "greedy":
        raise UsageError(f'sample must be "greedy" or a Sampler; got {printable(repr(sample), 60)}.')
    count = _whole(steps, "steps")
    if not 0 <= count <= MOST_TOKENS:
        raise UsageError(f"steps must be a number of tokens up to {MOST_TOKENS}; got {count}.")
    *before, first = _indices(stream, start, "start") or [-1]
    if first < 0:
        raise InputError("start must hold at least one index or token; got none.")
    stops = np.array(_stops(stream, stop), np.int32)
    tokens = np.empty(count, np.int32)
    if before:
        stream.process(np.array(before, np.float32))
    chosen = sample if isinstance(sample, Sampler) else None
    seed, sharpness, most, share = (chosen.seed, 1 / chosen.temperature, chosen.top_k, chosen.top_p) if chosen else (0, 0.0, 0, 1.0)
    places = (tokens.ctypes.data, count, stops.ctypes.data, stops.size)
    signed = int(seed) - (1 << 64) if seed >= 1 << 63 else int(seed)
    run = stream.program.tokens
    assert run is not None
    done = run(*stream._arena.addresses, first, *places, signed, sharpness, int(most), share)
    return iter(tokens[:done].tolist())


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
    _check_reads_itself(stream)
    count, kept = _whole(steps, "steps"), _whole(width, "width")
    if count < 0 or kept < 1:
        raise UsageError(f"steps must not be negative, and width at least 1; got {count} and {kept}.")
    *before, first = _indices(stream, start, "start") or [-1]
    if first < 0:
        raise InputError("start must hold at least one index or token; got none.")
    ends = set(_stops(stream, stop))
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


def _check_reads_itself(stream: Stream) -> None:
    if stream.program.tokens is None:
        raise UsageError(
            "this model does not read what it answers: generate needs one that reads an index at each step, and answers with a number for "
            "each index."
        )


def _stops(stream: Stream, stop: int | str | Iterable[int | str]) -> list[int]:
    """What ends a text, as indices."""
    return [index for one in ([stop] if isinstance(stop, int | str) else stop) for index in _indices(stream, one, "stop")]


def _whole(value: object, name: str) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{name} must be a whole number; got {printable(repr(value), 60)}.") from None


def _indices(stream: Stream, given: object, name: str) -> list[int]:
    """What a user gave as indices that the model reads."""
    if isinstance(given, str):
        vocabulary = stream.model.vocabulary
        if vocabulary is None:
            raise UsageError(f"{name} is a text, and the model has no vocabulary: give indices, or convert it again with --vocabulary.")
        return [vocabulary.index(given)] if name == "stop" else vocabulary.indices(given)
    found = [_whole(value, name) for value in (given if isinstance(given, Iterable) else [given])]
    if bad := [index for index in found if not 0 <= index < stream.program.sizes.vocabulary]:
        raise InputError(f"{name} holds {bad[0]}, and the model reads indices from 0 to {stream.program.sizes.vocabulary - 1}.")
    return found
