"""A queue of bounded length between a thread that receives and the one that steps, with a named policy for when it is full."""

import time
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Generic, Literal, TypeVar, get_args

from ..errors import InputError, UsageError

Item = TypeVar("Item")

#: What a full queue does with a further item.
Policy = Literal["block", "drop-oldest", "drop-newest", "stop"]
POLICIES: tuple[str, ...] = get_args(Policy)


def _let_go(item: object) -> None:
    """Do nothing with what was dropped."""


class BoundedQueue(Generic[Item]):
    """First in, first out.

    Parameters
    ----------
    capacity : int
        Most items that wait.
    policy : {"block", "drop-oldest", "drop-newest", "stop"}
        What `put` does when that many wait: wait for room; let the oldest go; let the new one go; end the queue with an error.
    on_drop : callable
        Takes each item that is let go.

    Attributes
    ----------
    dropped : int
        Items let go so far.

    Raises
    ------
    UsageError
        If there is no such policy.
    """

    def __init__(self, capacity: int, policy: str = "block", on_drop: Callable[[Item], None] = _let_go) -> None:
        if policy not in POLICIES:
            raise UsageError(f"{policy!r} is no policy of a full queue; there are {', '.join(POLICIES)}.")
        self._capacity, self._policy, self._on_drop = capacity, policy, on_drop
        self._items: deque[Item] = deque()
        self._changed = Condition()
        self._closed = False
        self._problem: Exception | None = None
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Add an item, as the policy says; nothing once the queue is closed."""
        gone: Item
        with self._changed:
            if len(self._items) >= self._capacity and not self._closed:
                if self._policy == "stop":
                    self._end(InputError(f"{self._capacity} samples wait and more came: the machine does not keep up."))
                elif self._policy == "block":
                    self._changed.wait_for(lambda: len(self._items) < self._capacity or self._closed)
            if self._closed:
                return
            if len(self._items) < self._capacity:
                self._items.append(item)
                self._changed.notify_all()
                return
            gone = item
            if self._policy == "drop-oldest":
                gone = self._items.popleft()
                self._items.append(item)
            self.dropped += 1
        self._on_drop(gone)

    def take(self, most: int, seconds: float | None = None) -> list[Item]:
        """Wait for an item, at most `seconds`, and return all that are there, up to `most`; none at the end, or when time is up.

        Raises
        ------
        Exception
            The one that the queue was closed with, once it is empty.
        """
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, None if end is None else max(0.0, end - time.monotonic()))
            if not self._items and self._problem is not None:
                raise self._problem
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    def close(self, problem: Exception | None = None) -> None:
        """Let nothing more in; `take` gives what is left, then raises `problem` if there is one."""
        with self._changed:
            self._end(problem)

    def _end(self, problem: Exception | None) -> None:
        self._closed = True
        self._problem = self._problem or problem
        self._changed.notify_all()
