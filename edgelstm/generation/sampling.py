"""Tokens from a model that reads its own answers: `generate`, and the `Sampler` by which it draws them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import UsageError, printable
from .given import check_reads_itself, start_of, stops_of, whole

if TYPE_CHECKING:
    from ..stream import Stream

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
    check_reads_itself(stream)
    if not isinstance(sample, Sampler) and sample != "greedy":
        raise UsageError(f'sample must be "greedy" or a Sampler; got {printable(repr(sample), 60)}.')
    count = whole(steps, "steps")
    if not 0 <= count <= MOST_TOKENS:
        raise UsageError(f"steps must be a number of tokens up to {MOST_TOKENS}; got {count}.")
    before, first = start_of(stream, start)
    stops = np.array(stops_of(stream, stop), np.int32)
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
