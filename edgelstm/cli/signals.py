"""SIGTERM and SIGHUP end the process as Ctrl-C does, by unwinding: files are closed, the terminal is put right. Then the signal kills."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Ended(BaseException):
    """A signal asked the process to end."""


@contextmanager
def unwinding() -> Iterator[None]:
    """Within, a signal that would kill at once raises `Ended` instead, and kills when everything is unwound.

    Signals that are ignored (nohup) or handled already are left alone, and so are threads that are not the main one.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
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
