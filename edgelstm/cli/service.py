"""`run` as a service: systemd is told when it is ready, that it lives, and when it ends; SIGHUP opens outputs anew.

The protocol is that of sd_notify(3): datagrams to the socket in NOTIFY_SOCKET. Without that variable nothing is sent.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runners import Samples


#: Seconds that READY and STOPPING wait for room where systemd does not come to read; a sign of life waits for none.
PATIENCE = 5.0


class Service:
    """Tells systemd how the step loop is.

    The loop lives while it waits for samples, or for whom it answers, or has taken some samples since the last look. A timer looks in the
    main thread: a loop that hangs in compiled code or in a disk that does not answer lets no look happen, one that runs in circles is seen
    not to come on; both are silent, and systemd restarts them.

    Parameters
    ----------
    answering : callable
        Whether the loop waits until its answers are taken.
    """

    def __init__(self, answering: Callable[[], bool] = lambda: False) -> None:
        self._answering = answering
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._waits, self._taken, self._seen = False, 0, -1

    @property
    def watched(self) -> bool:
        """Whether systemd listens."""
        return bool(self._address)

    @property
    def seconds(self) -> float:
        """From one sign of life to the next: a third of what systemd waits for it; 0 where it does not wait."""
        own = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        wanted = os.environ.get("WATCHDOG_USEC", "0")
        return int(wanted) / 3e6 if self.watched and own and wanted.isdecimal() else 0.0

    def tell(self, text: str, *, waits: bool = True) -> None:
        """Send a line such as ``READY=1``, if there is room for it, or there is while this waits."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(PATIENCE if waits else 0)
            line.sendto(text.encode(), address)

    def looked_at(self, source: "Iterable[Samples]") -> "Iterator[Samples]":
        """Samples on their way to the step loop."""
        self._waits = True
        for samples in source:
            self._waits = False
            self._taken += len(samples.values)
            yield samples
            self._waits = True

    def look(self) -> None:
        """Tell that the loop lives, if it does."""
        if self._waits or self._taken != self._seen or self._answering():
            self._seen = self._taken
            self.tell("WATCHDOG=1", waits=False)  # others are there to be read, where there is no room

    @contextmanager
    def running(self, reopen: Callable[[], None] | None) -> Iterator[None]:
        """While the step loop runs; `reopen`: what SIGHUP does, if it is not to end the run.

        Only the main thread hears signals; elsewhere there are none.
        """
        before: dict[int, Any] = {}

        def heard(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP and reopen is not None:
                reopen()
            elif number == signal.SIGALRM:
                self.look()

        if threading.current_thread() is threading.main_thread():
            if reopen is not None:
                before[signal.SIGHUP] = signal.signal(signal.SIGHUP, heard)
            if self.seconds:
                before[signal.SIGALRM] = signal.signal(signal.SIGALRM, heard)
                signal.setitimer(signal.ITIMER_REAL, self.seconds, self.seconds)
        self.tell("READY=1")
        try:
            yield
        finally:
            if signal.SIGALRM in before:
                signal.setitimer(signal.ITIMER_REAL, 0)
            self.tell("STOPPING=1")
            for number, handler in before.items():
                signal.signal(number, handler)
