"""Streams in an asyncio program: samples are awaited, stepped, and their answers come as they fall due."""

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..runners import Input, Samples
from ..runners.reading import Reading
from . import Wanted, open_input

if TYPE_CHECKING:
    from ..field.bank import StreamBank

#: What a source may give: the key of a stream and a sample for it, or what sources of this package give.
Item = tuple[Any, ArrayLike] | Samples


async def arun(bank: "StreamBank", source: "str | AsyncIterable[Item] | Iterable[Item]") -> AsyncIterator[tuple[Any, NDArray[np.float32]]]:
    """Step what a source gives through the streams of a bank.

    Parameters
    ----------
    bank : StreamBank
        A new key starts from the initial state.
    source : str, asynchronous iterable, or iterable
        A URL as `edgelstm run --input` takes it, or what yields ``key, x`` with x (input_size,). An iterable that waits is iterated in a
        thread of its own, one item ahead; no more is asked of it until the answers to that item were taken.

    Yields
    ------
    key, (output_size,) float32
        An array of the taker's own; nothing for a sample whose answer is not due.

    Raises
    ------
    InputError
        If a sample is refused; the streams stand where the answers before it left them.

    Examples
    --------
    >>> async for key, y in el.arun(bank, "mqtt://localhost/sensors/+/imu"):
    ...     print(key, y)
    """
    opened: Input | None = None
    items: Any = source
    if isinstance(source, str):
        items = opened = open_input(source, Wanted(bank, Reading(bad_lines="skip", absent=True), print))
    try:
        async for item in items if isinstance(items, AsyncIterable) else _in_a_thread(items):
            if isinstance(item, Samples):
                keys: Any = item.keys or [""] * len(item.values)
                xs = item.values
            else:
                keys, xs = [item[0]], np.asarray(item[1], np.float32).reshape(1, -1)
            for key, answer in zip(keys, _stepped(bank, keys, xs), strict=True):
                if answer is not None:
                    yield key, answer
    finally:
        if opened is not None:
            opened.close()


def _stepped(bank: "StreamBank", keys: Sequence[Any], xs: NDArray[np.float32]) -> list[NDArray[np.float32] | None]:
    """The answers to samples (count, input_size); None where none is due."""
    if bank.every == bank.first == 1:
        return [answer.copy() for answer in bank.step_many(keys, xs)]
    return [bank.step(key, x) for key, x in zip(keys, xs, strict=True)]


async def _in_a_thread(items: Iterable[Any]) -> AsyncIterator[Any]:
    """What an iterable gives, waiting for it elsewhere. The thread ends with the program if the iterable waits for ever."""
    loop = asyncio.get_running_loop()
    handed: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    asked, left = threading.Semaphore(0), threading.Event()

    def hand(kind: str, what: Any) -> bool:
        loop.call_soon_threadsafe(handed.put_nowait, (kind, what))
        asked.acquire()
        return not left.is_set()

    def work() -> None:
        try:
            for item in items:
                if not hand("item", item):
                    return
            hand("end", None)
        except Exception as problem:  # noqa: BLE001  raised where the items are taken
            hand("problem", problem)

    threading.Thread(target=work, daemon=True, name="edgelstm-arun").start()
    try:
        while True:
            kind, what = await handed.get()
            if kind == "problem":
                raise what
            if kind == "end":
                return
            yield what
            asked.release()
    finally:
        left.set()
        asked.release()
