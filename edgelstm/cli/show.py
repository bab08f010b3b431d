"""How verbs print: tables and JSON on stdout, safe whatever a model file calls its parts."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from ..errors import printable as printable  # noqa: PLC0414  verbs find it here

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress

#: Width of a table that is not printed on a terminal.
WIDTH = 120


def emit_json(record: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    click.echo(json_text(record))


def json_text(record: Mapping[str, Any]) -> str:
    """JSON for people and programs; it knows neither NaN nor infinity, which become null."""
    return json.dumps(_finite(record), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: int = 0) -> None:
    """Print a table; columns of numbers are aligned right. Without `columns` it has no head, and text in two columns.

    The first `whole` columns hold what is copied: they are never broken.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(
        title=Text(printable(title), "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD if columns else box.SIMPLE,
        show_header=bool(columns),
        pad_edge=bool(columns),
    )
    cells = [[printable(cell) for cell in row] for row in rows]
    for index, column in enumerate(columns):
        numbers = all(row[index][:1].isdecimal() for row in cells)
        grid.add_column(column, justify="right" if numbers else "left", overflow="fold", no_wrap=index < whole)
    if not columns:
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
    for row in cells:
        grid.add_row(*map(Text, row))
    with_terminal = sys.stdout.isatty()
    Console(width=None if with_terminal else WIDTH, highlight=False).print(grid)


def stop(live: "Live | Progress", *, screen: bool = False) -> None:
    """Stop what Rich draws; show the cursor, and leave the alternate `screen`, though a signal cut Rich short where it began to draw."""
    with suppress(RuntimeError, IndexError):  # its thread, or its hook in the console, may not be there yet
        live.stop()
    terminal = live.console.file
    if terminal.isatty():
        with suppress(OSError):
            terminal.write("\x1b[?1049l" * screen + "\x1b[?25h")
            terminal.flush()


@contextmanager
def status(doing: str) -> Iterator[None]:
    """Show on a terminal's stderr that work is going on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(printable(doing)):
        yield


def bytes_text(size: int) -> str:
    """A number of bytes for people: ``"512 B"``, ``"12.5 KiB"``."""
    if size < 1024:
        return f"{size} B"
    power = min((size.bit_length() - 1) // 10, 3)
    return f"{size / 1024**power:.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"


def estimate_text(instructions: int) -> str:
    """An estimate of instructions."""
    return f"about {two_digits(instructions)} instructions, estimated from counted models"


def two_digits(count: int) -> str:
    """An estimate: more digits would claim what it does not hold."""
    return f"{round(count, 2 - len(str(count))) if count > 99 else count:,}"


def time_text(nanoseconds: float) -> str:
    """A time for people, three digits: ``"85 ns"``, ``"1.24 µs"``, ``"153 ms"``."""
    value = nanoseconds
    for unit in ("ns", "µs", "ms"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} s"
