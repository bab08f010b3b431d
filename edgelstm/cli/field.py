"""What `run` does beside stepping: it keeps time, counts, and follows new models. One decorator, one record."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

from . import clock, watching
from .output import OutputFile

_METRICS = (
    click.option("--metrics", metavar="FILE", help="Append what is counted to FILE as JSON lines: latencies, misses, gaps, drift."),
    click.option(
        "--metrics-every", type=click.FloatRange(min=0), default=10.0, show_default=True, metavar="S", help="Seconds between those lines."
    ),
)


class Field(NamedTuple):
    """What was asked for.

    Parameters
    ----------
    metrics : str or None
        A file.
    metrics_every : float
        Seconds.
    clock : clock.Asked
    followers : watching.Asked
    """

    metrics: str | None
    metrics_every: float
    clock: clock.Asked
    followers: watching.Asked


def field_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one keyword argument, ``field``: a `Field`."""

    @wraps(command)
    def with_field(*, metrics: str | None, metrics_every: float, clock: clock.Asked, followers: watching.Asked, **others: Any) -> Any:
        if metrics is not None:
            OutputFile(metrics, append=True, headed=False).close()
        return command(field=Field(metrics, metrics_every, clock, followers), **others)

    for option in reversed(_METRICS):
        with_field = option(with_field)
    return clock_and_followers(with_field)


def clock_and_followers(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `clock` and `watching`."""
    return clock.clock_options(watching.watch_options(command))
