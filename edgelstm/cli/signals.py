"""SIGTERM and SIGHUP end the process as Ctrl-C does, by unwinding: files are closed, the terminal is put right. Then the signal kills."""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

#: Seconds that a signal waits for what is being stepped to be answered and kept.
PATIENCE = 1.0

Item = TypeVar("Item")


class Ended(BaseException):
    """A signal asked the process to end."""


class Bursts:
    """Lets a signal that ends the process wait until the samples that are being stepped are answered, and their state is remembered.

    A second signal does not wait, nor does one that waited for `PATIENCE` seconds: a reader may never read on, and a large model may take
    long.

    Attributes
    ----------
    cut_short : bool
        Whether one came through in between, so that what was counted belongs to no state.
    """

    def __init__(self) -> None:
        self.cut_short = False
        self._held, self._waits = False, 0
        self._timer: threading.Timer | None = None

    def whole(self, source: Iterable[Item]) -> Iterator[Item]:
        """Bursts of samples on their way to the step loop; signals are heard while it waits for the next one."""
        for burst in source:
            self._held = True
            yield burst
            self.release()

    def defers(self, number: int) -> bool:
        """Whether a signal is to be heard later; it is then."""
        if not self._held:
            return False
        if self._waits:
            self.cut_short = True
            return False
        self._waits, main = number, threading.main_thread().ident or 0
        self._timer = threading.Timer(PATIENCE, signal.pthread_kill, (main, number))
        self._timer.daemon = True
        self._timer.start()
        return True

    def release(self) -> None:
        """Hear the signal that waits, and those to come."""
        self._held, number, self._waits = False, self._waits, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # if it fires just now, the signal is heard here, and not a second time
            self._timer = None
        handler = signal.getsignal(number) if number else None
        if callable(handler):
            handler(number, None)


#: That of the run which goes on, if one does.
_bursts: list[Bursts] = []


@contextmanager
def deferring() -> Iterator[Bursts]:
    """Within, signals that `unwinding` hears, and Ctrl-C, wait for whole bursts."""
    bursts, before = Bursts(), signal.getsignal(signal.SIGINT)
    mine = threading.current_thread() is threading.main_thread() and before is signal.default_int_handler

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not bursts.defers(number):
            raise KeyboardInterrupt

    if mine:
        signal.signal(signal.SIGINT, interrupt)
    _bursts.append(bursts)
    try:
        yield bursts
    finally:
        _bursts.remove(bursts)
        if mine:
            signal.signal(signal.SIGINT, before)
        bursts.release()


@contextmanager
def unwinding() -> Iterator[None]:
    """Within, a signal that would kill at once raises `Ended` instead, and kills when everything is unwound.

    Signals that are ignored (nohup) or handled already are left alone, and so are threads that are not the main one.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if any(bursts.defers(number) for bursts in _bursts):
            return
        for other in taken:
            signal.signal(other, signal.SIG_IGN)
        received.append(number)
        raise Ended

    taken: list[int] = []
    if threading.current_thread() is threading.main_thread():
        taken += [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
        if received:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            os.kill(os.getpid(), received[0])
