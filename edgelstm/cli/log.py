"""What commands say on stderr: a sentence a line, or a JSON object for those who collect logs."""

import json
from contextlib import suppress

import click

from ..errors import printable

#: How it is said: one form for the whole process, settled by its command line.
_form = ["text"]


def settle(form: str) -> None:
    """Say everything as ``text`` or ``json`` from now on."""
    _form[0] = form


def say(sentence: str, level: str = "info") -> None:
    """One line on stderr."""
    line = "edgelstm: " + printable(sentence)
    if _form[0] == "json":
        from datetime import UTC, datetime

        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": sentence})
    with suppress(OSError):  # nobody may listen any more
        click.echo(line, err=True)
