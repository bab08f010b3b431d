"""`edgelstm run`: stream lines of text through a model."""

import os
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import UsageError
from . import given
from .field import Field, field_options
from .inputs import check, is_url
from .log import settle
from .reading import reading_options
from .run_lines import Lines
from .session import Session
from .state import SECONDS, StateFile
from .state_folder import StateFolder, is_folder
from .target import Target

if TYPE_CHECKING:
    from ..runners.reading import Reading
    from ..runtime.samples import NanPolicyName


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--input", "-i", "sources", multiple=True, metavar="FILE",
              help="CSV or JSON lines, - is standard input; .npy, .npz; or serial:, mqtt:, wav:, mic:, python: URLs. Several: each from "
                   "the initial state.  [default: -]")  # fmt: skip
@click.option("--output", "-o", "target", default="-", metavar="FILE", show_default=True,
              help=".csv or .jsonl; - is standard output; mqtt://HOST/TOPIC a broker.")  # fmt: skip
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "label"]),
              help="All outputs, or the label of the largest alone; where the name of the output does not tell.")  # fmt: skip
@click.option("--on-change", is_flag=True, help="Write an answer only when it decides otherwise than the one before.")
@click.option("--keep", "kept", multiple=True, metavar="LIST", help="Columns to write beside the answers, such as a time.")
@click.option("--append", is_flag=True, help="Write behind what the output file holds, without a second header.")
@click.option(
    "--state", metavar="FILE|DIR/", help="Take up the state kept there, and keep it: in a file at the end, in a folder all along."
)
@click.option("--state-every", type=click.FloatRange(min=0), default=SECONDS, show_default=True, metavar="S",
              help="Seconds between two states of an input that goes on.")  # fmt: skip
@click.option("--web", metavar="[HOST:]PORT", help="Show it live on a page, for this machine alone unless HOST is said.")
@click.option("--log", type=click.Choice(["text", "json"]), help="How stderr is written by a service; SIGHUP then opens the output anew.")
@click.option("--reset-every", type=click.IntRange(min=1), metavar="N", help="Go back to the initial state after every N samples.")
@click.option("--reset-on", metavar="COLUMN", help="Go back to the initial state where this column changes.")
@field_options
@reading_options
@click.option("--key", metavar="COLUMN", help="Step a stream for each value of this column.  [default: what + and # in a topic stand for]")
@click.option("--streams", type=click.IntRange(min=1), default=100_000, metavar="N", help="Most streams by key.", show_default=True)
@click.option("--sequence", metavar="COLUMN", help="Leave out samples whose number here is not beyond the last one of their stream.")
@click.option("--on-full", "full", type=click.Choice(["block", "drop-oldest", "drop-newest", "stop"]),
              help="When mic: or mqtt: gives samples faster than they are stepped.  [default: block; drop-oldest of mic:]")  # fmt: skip
@click.option("--ha", "discovery", flag_value="homeassistant", default="", help="Announce answers to Home Assistant, by MQTT discovery.")
@click.option("--bad-lines", type=click.Choice(["stop", "skip", "missing"]),
              help="For a line that is no sample: stop; leave it out; take all its values for missing.  "
                   "[default: stop; skip of URLs]")  # fmt: skip
@click.option(
    "--nan-policy",
    type=click.Choice(["raise", "hold", "reset", "propagate"]),
    help="For a missing or infinite value: stop; repeat the last good one; restart from the initial state; let it through.  "
    "[default: raise; hold of URLs]",
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
    state_every: float,
    reading: "Reading",
    nan_policy: "NanPolicyName | None",
    full: str | None,
    streams: int,
    discovery: str,
    web: str | None,
    log: str | None,
    field: Field,
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
      edgelstm run gesture.so -i serial:///dev/ttyACM0?baud=115200 --format label --on-change
      edgelstm run gesture.so -i mqtt://localhost/sensors/+/imu -o mqtt://localhost/gestures/{key} --state gestures.state
    """  # noqa: D301
    settle(log or "text")
    lines = Lines(paths := sources or ("-",), reading, nan_policy, time=field.clock.column, **asked)
    where = Target(target, kind, on_change=on_change, append=append, discovery=discovery)
    _refuse_idle(click.get_current_context(), lines)
    _check(where, state, lines)
    check(paths)
    files = [path for path in paths if not is_url(path)]
    _refuse_overwriting({"--output": where.path, "--state": state, "--metrics": field.metrics}, model, *files)
    if where.path is not None and field.metrics is not None:
        given.refuse_overwriting("--metrics", field.metrics, where.path)
    with ExitStack() as stack:
        kept = None
        if state is not None:
            kept = stack.enter_context(closing((StateFolder if is_folder(state) else StateFile)(state, state_every)))
        model = field.followers.first(model, "" if kept is None else kept.owner)
        stack.enter_context(where)
        Session(
            given.opened(model, how), model, lines, where, kept, field, full=full or "", streams=streams, web=web, reopens=log is not None
        ).run()


def _check(where: Target, state: str | None, lines: Lines) -> None:
    if lines.live:
        _check_urls(where, lines)
    if state is not None and lines.resets:
        raise UsageError(
            "--state carries one stream from run to run; leave out --reset-every, --reset-on, further --input and files of arrays."
        )
    if state is not None and where.path is not None and os.path.realpath(state) == os.path.realpath(where.path):
        raise UsageError(f"--state and --output both name {where.path}; write the state elsewhere.")


def _check_urls(where: Target, lines: Lines) -> None:
    from .. import sources

    for path in lines.paths[:-1]:
        if sources.never_ends(path):
            raise UsageError(f"{sources.shown(path)} has no end, so that nothing behind it would be read; give it last, or alone.")
    for path in lines.paths:
        if sources.feeds_back(path, where.name):
            told = f"--output {sources.shown(where.name)} would be read again by --input {sources.shown(path)}"
            raise UsageError(f"{told}; answer to another topic.")


def _refuse_idle(context: click.Context, lines: Lines) -> None:
    """Refuse options that would do nothing, since what they are of was not asked for."""
    from .. import sources

    asked = context.params
    idle = {
        "--time COLUMN": (asked["time"] is None, ("time_unit", "period", "on_gap", "max_gap", "jitter", "late")),
        "--watch DIR": (asked["watch"] is None, ("shadow", "keep_state")),
        "--metrics FILE": (asked["metrics"] is None, ("metrics_every",)),
        "--state": (asked["state"] is None, ("state_every",)),
        "--key COLUMN, or + or # in a topic": (not lines.keyed, ("streams",)),
        "--input mqtt: or mic:": (not any(map(sources.may_wait, lines.paths)), ("full",)),
    }
    options = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    for needed, (absent, names) in idle.items():
        for name in names:
            if absent and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise UsageError(f"{options[name]} does nothing without {needed}; say both, or neither.")


def _refuse_overwriting(targets: Mapping[str, str | None], *inputs: Path | str) -> None:
    for option, written in targets.items():
        if written is not None:
            given.refuse_overwriting(option, written, *inputs)
