"""`edgelstm run`: stream lines of text through a model."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..runners.sinks import TextSink
    from ..samples import NanPolicyName
    from ..stream import Stream

Read = Callable[[int], bytes]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--input", "-i", "source", default="-", metavar="FILE", show_default=True, help="CSV or JSON lines; - is standard input.")
@click.option("--output", "-o", "target", default="-", metavar="FILE", show_default=True, help=".csv or .jsonl; - is standard output.")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), help="Output format, where the name of the output does not tell.")
@click.option("--columns", default="", metavar="LIST", help="Columns to take, in the model's order: numbers from 1, ranges, names.")
@click.option(
    "--nan-policy",
    type=click.Choice(["raise", "hold", "reset", "propagate"]),
    default="raise",
    show_default=True,
    help="For a missing or infinite value: stop; repeat the last good sample; restart from the initial state; let it through.",
)
def run(*, model: Path, source: str, target: str, kind: str | None, columns: str, nan_policy: "NanPolicyName") -> None:
    """Stream lines through MODEL: one sample a line in, one answer a line out, each flushed before more input is awaited.

    MODEL is a model file, or a library that `edgelstm build` made for this machine.

    Input is CSV (a header is optional) or JSON lines (arrays, or objects keyed by input name). Columns are taken by name where MODEL
    has input names and the header has them, else in order. An empty cell, nan or null is a missing value. Blank lines
    at the end are ignored; between samples they are an error.

    \b
    Examples:
      edgelstm run gesture.elstm --input recording.csv --output answers.csv
      sensor-logger | edgelstm run gesture.so --columns 2-7 --format jsonl
    """  # noqa: D301
    from .. import runners
    from ..runners.lines import LineSource
    from ..runners.rows import parse_columns
    from ..stream import Stream
    from . import given

    kind = kind or _kind_of(target)
    chosen = parse_columns(columns) if columns else ()
    with _reader(source, target) as read:
        _refuse_overwriting(target, model, source)
        stream = Stream(given.source(given.opened(model)), nan_policy=nan_policy)
        with _sink(target, kind, stream) as sink:
            runners.run(stream, LineSource(read, stream, chosen), sink)
    if stream.bad_inputs:
        click.echo(f"edgelstm: {stream.bad_inputs} samples were not finite; nan policy {nan_policy}.", err=True)


def _kind_of(target: str) -> str:
    suffix = Path(target).suffix.lower()
    if target == "-" or suffix == ".csv":
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    raise UsageError(f"--output {target}: the name does not tell the format; end it in .csv or .jsonl, or say --format.")


def _refuse_overwriting(target: str, *inputs: Path | str) -> None:
    for path in inputs:
        if target != "-" and os.path.exists(target) and os.path.exists(path) and os.path.samefile(target, path):
            raise UsageError(f"--output {target} would overwrite {path}; write elsewhere.")


@contextmanager
def _reader(source: str, target: str) -> Iterator[Read]:
    """A function that waits for some bytes of the input and returns what has arrived."""
    if source == "-":
        yield cast(BufferedReader, sys.stdin.buffer).read1
        return
    with open(source, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size and sys.stderr.isatty() and not (target == "-" and sys.stdout.isatty()):
            with _progress(file.read, size) as read:
                yield read
        else:
            yield file.read


@contextmanager
def _progress(read: Read, size: int) -> Iterator[Read]:
    """`read` with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("run", total=size)

        def counting(count: int) -> bytes:
            data = read(count)
            progress.advance(task, len(data))
            return data

        yield counting


@contextmanager
def _sink(target: str, kind: str, stream: "Stream") -> Iterator["TextSink"]:
    """The sink, on a file that holds whole lines only, whatever happens."""
    if target == "-":
        yield _text_sink(sys.stdout.buffer, kind, stream)
        return
    with open(target, "wb", buffering=0) as file:
        sink = _text_sink(file, kind, stream)
        try:
            yield sink
        finally:
            if file.seekable() and file.tell() > sink.written:
                file.truncate(sink.written)


def _text_sink(file: BinaryIO, kind: str, stream: "Stream") -> "TextSink":
    from ..runners.sinks import CsvSink, JsonLinesSink

    return CsvSink(file, stream.output_size, stream.labels) if kind == "csv" else JsonLinesSink(file, stream.labels)
