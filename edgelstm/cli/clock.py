"""`run --time`: samples carry their time, and the stream is stepped on a grid."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..field.bank import StreamBank
    from ..field.grid import TimeCounts
    from ..field.timed import Timed
    from ..field.timed_bank import TimedBank
    from ..runners.succession import Succession
    from ..stream import Stream

_OPTIONS = (
    click.option("--time", metavar="COLUMN", help="Times of the samples: gaps are filled, what comes late or twice is left out."),
    click.option(
        "--time-unit", type=click.Choice(["s", "ms", "us", "ns"]), default="s", show_default=True, help="Of times that are numbers."
    ),
    click.option("--period", type=float, metavar="S", help="Seconds between samples.  [default: by MODEL's rate]"),
    click.option(
        "--on-gap",
        type=click.Choice(["hold", "interpolate", "reset", "skip"]),
        default="hold",
        show_default=True,
        help="For instants without a sample: repeat the last; draw a line; restart from the initial state; pass them by.",
    ),
    click.option("--max-gap", type=float, metavar="S", help="After a longer gap the stream begins anew.  [default: 10 periods]"),
    click.option("--jitter", type=float, metavar="S", help="What a sample may be off without being counted.  [default: a quarter period]"),
    click.option(
        "--late", type=click.Choice(["drop", "error"]), default="drop", show_default=True, help="For samples older than the last."
    ),
)


class Asked(NamedTuple):
    """What was asked for: the column of the times, their unit, and the arguments of `Timed`."""

    column: str | None
    unit: str
    period: float | None
    policies: dict[str, Any]

    def over(self, stream: "Stream | Succession", bank: "StreamBank | None", rate_hz: float | None) -> "Timed | TimedBank | None":
        """The streams of a bank on their grids, or the one stream where there is no bank; None where nobody asked.

        Sensors are left to telemetry.

        Raises
        ------
        UsageError
            If neither the options nor the model say how often samples come.
        """
        if self.column is None:
            return None
        if self.period is None and rate_hz is None:
            raise UsageError("--time needs --period S: the model does not say how many samples a second it was trained on.")
        period = 1 / rate_hz if self.period is None and rate_hz else self.period or 0.0
        if bank is not None:
            from ..field.timed_bank import TimedBank

            return TimedBank(bank, period, **self.policies)
        from ..field.timed import Timed

        timed = Timed(cast("Stream", stream), period, **self.policies)
        timed.sensors = None
        return timed


def remarks(asked: Asked, before: "Mapping[str, int]", counts: "TimeCounts") -> "Iterator[str]":
    """What times have made of samples since `before`, in sentences; none where each fell on an instant of its own, in order."""
    since = {name: count - before[name] for name, count in counts.record().items()}
    if asked.policies["late"] == "error":  # which was told
        since["late"] = 0
    samples = f"{since['samples']:,} samples"
    kinds = {"late": "older than the one before", "duplicates": "at a time that had one", "extra": "between two instants"}
    if out := sum(since[name] for name in kinds):
        said = ", ".join(f"{since[name]:,} {kind}" for name, kind in kinds.items() if since[name])
        yield f"{out:,} of {samples} {'was' if out == 1 else 'were'} left out by their times: {said}."
    if missing := since["missing"]:
        yield f"{missing:,} instant{'s' * (missing > 1)} had no sample; --on-gap says what is done then."
    if begun := since["long_gaps"] + since["clock_jumps"]:
        often = f" Most are: are times in {asked.unit} (--time-unit), and is --period theirs?" * (2 * begun > since["samples"])
        yield f"the stream began anew at {begun:,} of {samples}: they came long after the one before (--max-gap), or long before it.{often}"


def clock_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one keyword argument, ``clock``: an `Asked`."""

    @wraps(command)
    def with_clock(*, time: str | None, time_unit: str, period: float | None, **others: Any) -> Any:
        policies = {name: others.pop(name) for name in ("on_gap", "max_gap", "jitter", "late")}
        return command(clock=Asked(time, time_unit, period, policies), **others)

    for option in reversed(_OPTIONS):
        with_clock = option(with_clock)
    return with_clock
