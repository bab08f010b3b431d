"""A stream that is looked at while it works: what it counts, as records and as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from .. import __version__
from ..errors import UsageError
from ..runtime import native_call
from ..runtime.samples import Samples
from . import exposition
from .native_clock import counting
from .sensors import SensorChecks
from .telemetry import FINEST, About, Telemetry

if TYPE_CHECKING:
    from ..runtime.step_clock import StepClock
    from ..stream import Stream


class Observed(Telemetry):
    """Telemetry of a stream.

    Samples that a runner hands on are counted by `observe`. Who steps the stream himself calls ``observed.step`` in place of
    ``stream.step``: the same, with the CPU's counter read before and after it, which costs some nanoseconds.

    Parameters
    ----------
    stream : Stream
    deadline : float, optional
        Seconds within which a sample is to be answered: the period of the samples.

    Examples
    --------
    >>> observed = el.Observed(stream, deadline=0.02)
    >>> for sample in imu:
    ...     scores = observed.step(sample)
    >>> print(observed.text())
    """

    def __init__(self, stream: Stream, *, deadline: float | None = None) -> None:
        super().__init__(_about(stream), deadline=deadline, sensors=_sensors(stream))
        self._stepped, self._stepped_sensors = stream, self.sensors
        self._native: StepClock | None = None
        self._read = Samples(stream.program).one

    @cached_property
    def step(self) -> Callable[..., Any]:
        """``stream.step``, timed by the CPU's counter, or by Python's clock where there is none; sensors are looked at."""
        step = self._stepped.step
        if not isinstance(getattr(step, "__self__", None), native_call.Binding):
            return self._slow_step
        if (handle := counting()) is None:
            return self._slow_step
        from ..runtime.step_clock import StepClock

        self._native = StepClock(step, handle, self._stepped.program.python_step, FINEST, self._deadline_ns, self._answered)
        if self._stepped_sensors is not None:
            self._native.look_at(self._stepped_sensors.record)
        self._clocks.append(self._native)
        return self._native.step

    def _answered(self, x: Any) -> None:
        """Look at a sample as the user gave it; True: what stands in the stream's input."""
        if self._stepped_sensors is not None:
            self._stepped_sensors.look((self._stepped.input if x is True else self._read(x)).reshape(1, -1))

    def _slow_step(self, *x: Any) -> Any:
        begin = self._clock()
        answer = self._stepped.step(*x)
        self.took(self._clock() - begin, 1)
        self._answered(x[0] if x else True)
        return answer

    def record(self) -> dict[str, Any]:
        """All of it as plain JSON values; times in nanoseconds where the name says so, else in seconds."""
        return {"held_samples": self._stepped.bad_inputs, **super().record()}

    def text(self) -> str:
        """The record in Prometheus' text format."""
        return exposition.text(self.record())

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "an Observed counts what this process steps, and is neither copied nor pickled; make another of the stream's copy."
        )

    def follow(self, stream: Stream) -> None:
        """Tell of another model from now on, whose samples `observe` sees."""
        self.look()
        self.about, self.sensors = _about(stream), _sensors(stream)
        self._look_from_here()


def _about(stream: Stream) -> About:
    return About(stream.digest, __version__, stream.input_names)


def _sensors(stream: Stream) -> SensorChecks | None:
    return None if stream.statistics is None else SensorChecks(stream.statistics)
