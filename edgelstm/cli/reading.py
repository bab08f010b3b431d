"""The options that say how lines are read, for every verb that reads them: one decorator, one record."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ..errors import UsageError

_OPTIONS = (
    click.option("--columns", default="", metavar="LIST", help="Columns to take, in the model's order: numbers from 1, ranges, names."),
    click.option("--header", type=click.Choice(["yes", "no"]), help="Whether a CSV begins with a header.  [default: look at it]"),
    click.option(
        "--delimiter", default="", metavar="CHAR", help="Between cells: ; or tab, space, pipe.  [default: , or ; with --decimal ,]"
    ),
    click.option("--decimal", type=click.Choice([".", ","]), default=".", show_default=True, help="What separates decimals."),
    click.option("--comment", default="", metavar="TEXT", help="Pass over lines that begin with TEXT, as in --comment '#'."),
    click.option("--skip-lines", type=click.IntRange(min=0), default=0, metavar="N", help="Pass over the first N lines."),
    click.option("--missing", default="", metavar="LIST", help="Words and numbers that mean a missing value, as in NA,null,-127."),
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one keyword argument, ``reading``: a `runners.reading.Reading`."""

    @wraps(command)
    def with_reading(
        *, columns: str, header: str | None, delimiter: str, decimal: str, comment: str, skip_lines: int, missing: str, **others: Any
    ) -> Any:
        from ..runners.reading import Reading, parse_columns, parse_delimiter, parse_missing

        reading = Reading(
            columns=parse_columns(columns) if columns else (),
            header=None if header is None else header == "yes",
            delimiter=parse_delimiter(delimiter) if delimiter else "",
            decimal=decimal,
            comment=comment,
            skip_lines=skip_lines,
            missing=parse_missing(missing) if missing else (),
        )
        if reading.separator == decimal:
            raise UsageError(f"--delimiter and --decimal are both {decimal!r}; cells and decimals need signs of their own.")
        return command(reading=reading, **others)

    for option in reversed(_OPTIONS):
        with_reading = option(with_reading)
    return with_reading
