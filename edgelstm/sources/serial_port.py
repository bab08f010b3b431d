"""``serial:///dev/ttyACM0?baud=115200``: lines from a serial port, which may be unplugged and come back."""

import errno
import termios
import time
from collections.abc import Callable, Iterator

from ..errors import UsageError
from ..runners.lines import MAX_LINE, LineSource
from . import Wanted
from .address import Address
from .backoff import BackOff
from .extras import extra

#: A port that says nothing for so many seconds after it was opened does not stand in the middle of a line.
QUIET = 0.03

#: What the system says of a port that is not there (yet), and of one that may not be used.
_ABSENT = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_HELD = (errno.EACCES, errno.EPERM, errno.EAGAIN, errno.EBUSY)


class SerialPort:
    """Whole lines of a serial port, in raw mode; half ones are left out, where the port was opened and where it vanished.

    Parameters
    ----------
    address : Address
        Its options are ``baud``, ``bits``, ``parity`` (N, E, O), ``stop`` (1, 1.5, 2), ``dtr`` and ``rts`` (whether these lines are raised
        when the port is opened; many boards restart when DTR rises), ``exclusive``.
    note : callable
        Takes a sentence when the port is awaited, and when it is back.

    Attributes
    ----------
    cut : int
        Half lines left out.
    lost : int
        How often the port vanished.

    Raises
    ------
    UsageError
        If pyserial is not installed, or the URL says what no port has.
    """

    def __init__(self, address: Address, note: Callable[[str], None]) -> None:
        self._serial = extra("serial", "pyserial", "serial:", "serial")
        asked = address.settled(baud=115200, bits=8, parity="N", stop=1.0, dtr=True, rts=True, exclusive=True)
        self._path, self._note = address.path if address.path.startswith("/") else f"/{address.path}", note
        if address.host or self._path == "/":
            raise UsageError(f"{address.shown}: name the port with three slashes, as in serial:///dev/ttyACM0?baud=115200.")
        try:
            self._port = self._serial.Serial(
                None, asked["baud"], asked["bits"], asked["parity"].upper(), asked["stop"], exclusive=asked["exclusive"]
            )
        except ValueError as problem:
            raise UsageError(f"{address.shown}: no port works so ({problem}).") from None
        self._port.port, self._port.dtr, self._port.rts = self._path, asked["dtr"], asked["rts"]
        self._back_off = BackOff()
        self._tail = b""
        self._doubtful = False
        self.cut = self.lost = 0

    def read(self, count: int) -> bytes:
        """Wait for whole lines and return those that have arrived; ``b""`` never, since a port has no end."""
        while True:
            try:
                if not self._port.is_open:
                    self._open()
                self._tail += self._port.read(1)
                if waiting := self._port.in_waiting:
                    self._tail += self._port.read(min(waiting, count))
            except (OSError, termios.error) as problem:
                self._lose(problem)
                continue
            if whole := self._whole_lines():
                return whole

    def _open(self) -> None:
        """Open the port. If it speaks at once, its first line may be half a line."""
        self._port.timeout = None
        self._port.open()
        self._port.timeout = QUIET
        self._tail = self._port.read(1)
        self._doubtful = bool(self._tail)
        self._port.timeout = None
        if self.lost:
            self._note(f"{self._path} is back.")
        self._back_off.reset()

    def _lose(self, problem: Exception) -> None:
        """Close the port and wait a while before it is tried again.

        Raises
        ------
        OSError
            If the port is there and was never opened: waiting would not help.
        """
        number = getattr(problem, "errno", None)
        if self._port.is_open:
            self._port.close()
            self.lost += 1
            self.cut += bool(self._tail)
            self._note(f"{self._path} is gone; waiting for it.")
        elif not self.lost and isinstance(problem, OSError) and number not in _ABSENT:
            said = "it is held by another program, or is another group's (dialout)" if number in _HELD else str(problem)
            raise OSError(number or errno.ENOTTY, f"this port cannot be opened: {said}", self._path)
        elif self._back_off.fresh and not self.lost:
            self._note(f"{self._path} is not there; waiting for it. Ctrl-C ends.")
        time.sleep(self._back_off.seconds())

    def _whole_lines(self) -> bytes:
        whole, end, tail = self._tail.rpartition(b"\n")
        if not end:
            if len(self._tail) > MAX_LINE:  # the wrong speed, or a wire that is off
                self._tail, self._doubtful = b"", True
            return b""
        self._tail = tail
        if self._doubtful:
            self._doubtful = False
            self.cut += 1
            whole = whole.partition(b"\n")[2]
            if not whole:
                return b""
        return whole + end

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()


class SerialSource(LineSource):
    """Samples from a serial port; as `LineSource`."""

    def __init__(self, address: Address, wanted: Wanted) -> None:
        self._port = SerialPort(address, wanted.note)
        super().__init__(self._port.read, wanted.model, wanted.reading, live=True, note=wanted.note)

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()

    def remarks(self) -> Iterator[str]:
        """How often the port was gone, and the half lines that this cost."""
        if self._port.lost:
            yield f"the serial port was gone {self._port.lost} time{'s' * (self._port.lost != 1)}."
        if self._port.cut:
            yield f"{self._port.cut} half line{'s' * (self._port.cut != 1)} left out where the port was opened or lost."


def open_input(address: Address, wanted: Wanted) -> SerialSource:
    """The lines of a port."""
    return SerialSource(address, wanted)
