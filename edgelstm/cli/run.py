"""`edgelstm run`: stream lines of text through a model."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from ..errors import UsageError
from . import given
from .answers import Answers, Form, WindowNote
from .inputs import Recordings, check, say
from .output import OutputFile
from .reading import reading_options
from .state import StateFile

if TYPE_CHECKING:
    from ..model import Model
    from ..runners import Samples
    from ..runners.counts import LineCount
    from ..runners.reading import Reading
    from ..runtime.library_file import LibraryFile
    from ..runtime.samples import NanPolicyName


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--input", "-i", "sources", multiple=True, metavar="FILE",
              help="CSV or JSON lines; - is standard input. Several: each from the initial state.  [default: -]")  # fmt: skip
@click.option("--output", "-o", "target", default="-", metavar="FILE", show_default=True, help=".csv or .jsonl; - is standard output.")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "label"]),
              help="All outputs, or the label of the largest alone; where the name of the output does not tell.")  # fmt: skip
@click.option("--on-change", is_flag=True, help="Write an answer only when it decides otherwise than the one before.")
@click.option("--keep", "kept", multiple=True, metavar="LIST", help="Columns to write beside the answers, such as a time.")
@click.option("--append", is_flag=True, help="Write behind what the output file holds, without a second header.")
@click.option("--state", metavar="FILE", help="Take up the state of FILE, if it exists, and keep it there at the end.")
@click.option("--reset-every", type=click.IntRange(min=1), metavar="N", help="Go back to the initial state after every N samples.")
@click.option("--reset-on", metavar="COLUMN", help="Go back to the initial state where this column changes.")
@reading_options
@click.option("--bad-lines", type=click.Choice(["stop", "skip", "missing"]), default="stop", show_default=True,
              help="For a line that is no sample: stop; leave it out; take all its values for missing.")  # fmt: skip
@click.option(
    "--nan-policy",
    type=click.Choice(["raise", "hold", "reset", "propagate"]),
    default="raise",
    show_default=True,
    help="For a missing or infinite value: stop; repeat the last good one; restart from the initial state; let it through.",
)
def run(
    *,
    model: Path,
    how: given.How,
    sources: tuple[str, ...],
    target: str,
    kind: str | None,
    on_change: bool,
    append: bool,
    state: str | None,
    reading: "Reading",
    nan_policy: "NanPolicyName",
    **asked: Any,
) -> None:
    """Stream lines through MODEL: one sample a line in, one answer a line out, each flushed before more input is awaited.

    MODEL is a model file, or a library that `edgelstm build` made for this machine. One that reads whole recordings answers each when
    its last line has come: at the end of a file, or where --reset-on and --reset-every end it.

    Input is CSV (a header is optional) or JSON lines (arrays, or objects keyed by input name, nested ones as acc.x). Columns
    are taken by name where MODEL has input names, whatever their case, blanks and units, else in order. An empty cell, nan
    and JSON's null are missing values. Blank lines at the end are ignored, and a header that comes again is.

    \b
    Examples:
      edgelstm run gesture.elstm --input recording.csv --output answers.csv
      edgelstm run gesture.elstm -i day.csv --delimiter ';' --decimal , --keep time
      stty -F /dev/ttyACM0 115200 raw
      edgelstm run gesture.so -i /dev/ttyACM0 --bad-lines skip --format label --on-change
    """  # noqa: D301
    form = Form(kind or _kind_of(target), on_change)
    lines = _Lines(paths := sources or ("-",), reading, nan_policy, **asked)
    _check(target, append, state, lines)
    check(paths)
    _refuse_overwriting(target, state, model, *paths)
    kept = None if state is None else StateFile(state)
    with nullcontext(sys.stdout.buffer) if target == "-" else closing(OutputFile(target, append=append, headed=form.kind == "csv")) as file:
        _step(lambda: given.opened(model, how), lines, form, cast(BinaryIO, file), kept)


class _Lines:
    """What is read, and how."""

    def __init__(
        self,
        paths: Sequence[str],
        reading: "Reading",
        nan_policy: "NanPolicyName",
        *,
        kept: Sequence[str],
        bad_lines: str,
        reset_every: int | None,
        reset_on: str | None,
    ) -> None:
        from ..runners.reading import parse_columns

        if bad_lines == "missing" and nan_policy == "raise":
            raise UsageError(
                "--bad-lines missing leaves missing values, at which --nan-policy raise stops; say --nan-policy hold or reset."
            )
        if reset_every is not None and reset_on is not None:
            raise UsageError("say either --reset-every or --reset-on; got both.")
        marks = parse_columns(reset_on) if reset_on is not None else []
        if len(marks) > 1:
            raise UsageError(f"--reset-on takes one column; got {reset_on}.")
        keep = [column for text in kept for column in parse_columns(text)]
        self.paths, self.nan_policy = paths, nan_policy
        self.reset_every, self.reset_on = reset_every, bool(marks)
        self.resets = len(paths) > 1 or self.reset_on or reset_every is not None
        self.reading = reading._replace(bad_lines=bad_lines, keep=[*keep, *marks], absent=nan_policy != "raise")

    def cut(self, samples: "Iterable[Samples]") -> "Iterable[Samples]":
        """Samples that say where a recording begins."""
        from ..runners import recordings

        if self.reset_every is not None:
            return recordings.every(samples, self.reset_every)
        return recordings.on_change(samples) if self.reset_on else samples

    def kept_names(self, inputs: Recordings) -> Sequence[str]:
        """What stands beside the answers, as the first input with a sample calls it."""
        names = next((source.kept_names for source in inputs.sources if source.kept_names), ())
        return names[:-1] if self.reset_on else names


def _step(opened: "Callable[[], Model | LibraryFile]", lines: _Lines, form: Form, file: BinaryIO, state: StateFile | None) -> None:
    """Step all samples of a model or library, and say at the end, however it comes, what was out of the ordinary."""
    from .. import runners
    from ..runners.counts import LineCount
    from ..runtime.library_file import LibraryFile
    from ..stream import Stream

    loaded = opened()
    stream = Stream(given.source(loaded), nan_policy=lines.nan_policy)
    form.check(stream)
    inputs = Recordings(lines.paths, bar=not (file is sys.stdout.buffer and sys.stdout.isatty()))
    endless = not (lines.resets or stream.program.reads_recordings)
    trained = loaded.window if endless and not (isinstance(loaded, LibraryFile) or loaded.stateful) else None
    after: list[Callable[[], None]] = [WindowNote(stream, trained, say)]
    answers = Answers(lambda: form.sink(file, stream, lines.kept_names(inputs)), after)
    replaced = LineCount()
    if state is not None:
        state.take_up(stream)
        after.append(state.remember)
    try:
        with closing(inputs.samples(stream, lines.reading)) as samples:
            runners.run(stream, lines.cut(samples), answers, replaced)
        if file is sys.stdout.buffer:
            answers.begin()
    finally:
        try:
            if state is not None:
                state.keep()
        finally:
            _report(inputs, lines, replaced)
    for source in inputs.sources:
        if not source.samples:
            say(f"{source.file or 'the input'} holds no samples.")


def _report(inputs: Recordings, lines: _Lines, replaced: "LineCount") -> None:
    """What the lines held that was no sample, or none that could enter the state."""
    for source in inputs.sources:
        if source.bad.count:
            became = "skipped" if lines.reading.bad_lines == "skip" else "taken for missing samples, where one was due"
            say(f"{source.bad.count} bad line{_plural(source.bad)} {became} ({source.bad}). The first: {source.fault}")
        if source.repeated.count:
            say(f"{source.repeated.count} repeated header{_plural(source.repeated)} passed over ({source.repeated}).")
    if replaced.count:
        verb = "were" if replaced.count > 1 else "was"
        say(f"{replaced.count} sample{_plural(replaced)} {verb} not finite or too large ({replaced}); --nan-policy {lines.nan_policy}.")


def _plural(lines: "LineCount") -> str:
    return "s" * (lines.count > 1)


def _kind_of(target: str) -> str:
    suffix = Path(target).suffix.lower()
    if target == "-" or suffix == ".csv":
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    raise UsageError(f"--output {target}: the name does not tell the format; end it in .csv or .jsonl, or say --format.")


def _check(target: str, append: bool, state: str | None, lines: _Lines) -> None:
    if append and target == "-":
        raise UsageError("--append needs --output FILE; standard output is written from where it stands.")
    if state is not None and lines.resets:
        raise UsageError("--state carries one stream from run to run; leave out --reset-every, --reset-on and further --input.")
    if state is not None and target != "-" and os.path.realpath(state) == os.path.realpath(target):
        raise UsageError(f"--state and --output both name {target}; write the state elsewhere.")


def _refuse_overwriting(target: str, state: str | None, *inputs: Path | str) -> None:
    for option, written in (("--output", target), ("--state", state)):
        if written not in (None, "-"):
            given.refuse_overwriting(option, str(written), *inputs)
