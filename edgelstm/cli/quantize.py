"""`edgelstm quantize`: a float model to an int8 one, with a report on what that costs."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import given, show
from .reading import reading_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..quantization.places import Place
    from ..quantization.search import Progress
    from ..runners.reading import Reading


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--data", "-d", "data", required=True, multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="What MODEL meets in use: .csv, .jsonl, .npy or .npz. Repeat it for several recordings.")  # fmt: skip
@click.option("--output", "-o", "target", required=True, type=click.Path(path_type=Path), metavar="OUT.elstm", help="File to write.")
@click.option("--scheme", default="int8-dynamic", show_default=True, metavar="NAME", help="One of those above.")
@click.option("--keep", multiple=True, metavar="LAYER", help="Leave this layer in f32. Repeat it for several.")
@click.option(
    "--int8", multiple=True, metavar="LAYER", help="Quantise this Dense or Conv1D layer even where f32 is faster. Repeat it for several."
)
@click.option("--elsewhere", is_flag=True, help="With --scheme auto: for another machine, so that speed on this one does not count.")
@reading_options
@click.option("--labels-column", metavar="COLUMN", help="Column of a CSV with the right answer of each step; empty where there is none.")
@click.option(
    "--window", type=click.IntRange(min=1), metavar="N", help="Cut recordings into windows of N steps.  [default: as MODEL was trained]"
)
@click.option("--report", type=click.Path(path_type=Path), metavar="OUT.html", help="Write a page with plots, for any browser.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def quantize(*, model: Path, data: tuple[Path, ...], target: Path, report: Path | None, as_json: bool, **asked: Any) -> None:
    """Make MODEL about four times smaller, and faster where it is large, by int8 weights; measure what that costs.

    \b
    Schemes (the cell is float32, but in int8-static):
      f16-weight    weights in half precision, arithmetic in float32: half the memory
      int8-weight   weights in int8, arithmetic in float32: for memory
      int8-dynamic  x and h in int8 too, integer dot products: for speed
      int8-static   integers alone, cell in int16: for devices without an FPU
      auto          picks int8-dynamic, int8-weight or f32 for each layer

    The float model runs over your data; each layer's input range is the one that disturbs the model's output least. Give what
    the model meets in use, some hundred steps of each situation, quiet and extreme ones. With the right answers
    (--labels-column, or the array "labels" of an .npz file) accuracy before and after is told as well; without them, how well the output
    is kept in decibels: 30 dB is an error of 3 %. The model is calibrated on all data; the figures are of data that calibration
    did not see: each half is answered by a model that was calibrated on the other.

    An .npy file holds an array (time, inputs) or (windows, time, inputs); an .npz file one called "windows", or one for each recording.
    A layer that a scheme cannot do is refused by name; --keep leaves it in f32.

    \b
    Examples:
      edgelstm quantize gesture.elstm --data day.csv -o gesture-int8.elstm --report report.html
      edgelstm quantize gesture.elstm --data test.csv --labels-column activity --scheme auto -o small.elstm
    """  # noqa: D301
    _check_targets(target, report, (model, *data))
    told = _quantise(model, data, target, **asked)
    if report is not None:
        from ..quantization.report.page import html
        from ..runtime.writing import write_atomic

        write_atomic(str(report), html(told).encode())
    if as_json:
        show.emit_json(told)
    else:
        _print(told, report)


def _quantise(
    path: Path,
    data: tuple[Path, ...],
    target: Path,
    *,
    how: given.How,
    scheme: str,
    keep: tuple[str, ...],
    int8: tuple[str, ...],
    elsewhere: bool,
    reading: "Reading",
    labels_column: str | None,
    window: int | None,
) -> dict[str, Any]:
    """Write the quantised model, and return the record of what changed."""
    from ..files.elstm import save
    from ..quantization.calibration import batch_of
    from ..quantization.choosing import choose
    from ..quantization.places import Place
    from ..quantization.report.compare import compare
    from ..quantization.report.metrics import checked_labels
    from ..stream import Stream
    from . import measure
    from .quantize_data import read

    model = given.loaded(path, how)
    model = model if model.source else replace(model, source=show.printable(path.name))
    places: list[Place] = []
    windows, labels = read(data, model, reading, labels_column, window, places)
    batch = batch_of(model, windows, places)
    if labels is not None:
        checked_labels(model, labels, batch)
    batch = batch._replace(places=_shortened(batch.places, data))
    with _bar() as progress:
        choice = choose(model, batch, scheme, keep=keep, int8=int8, elsewhere=elsewhere, progress=progress)
        save(choice.model, target)
        progress(1, 2, "comparing compiled code")
        return {"file": str(target), **compare(choice, labels, measure.machine(Stream(model)))}


def _shortened(places: "Sequence[Place]", data: tuple[Path, ...]) -> "tuple[Place, ...]":
    """Places named by their files alone, without folders, where that is clear."""
    paths = set(data)
    if len({path.name for path in paths}) < len(paths):
        return tuple(places)
    folders = {str(path): path.name for path in paths}
    files = [next(text for text in folders if place.name == text or place.name.startswith(f"{text}, ")) for place in places]
    return tuple(place._replace(name=folders[text] + place.name[len(text) :]) for place, text in zip(places, files, strict=True))


def _check_targets(target: Path, report: Path | None, inputs: tuple[Path, ...]) -> None:
    for option, path in (("--output", target), ("--report", report)):
        if path is None:
            continue
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path}: there is no folder {path.parent}; create it first.")
        given.refuse_overwriting(option, path, *inputs)
    given.refuse_foreign_ending("--output", target)
    if report is not None and report.resolve() == target.resolve():
        raise UsageError("--report and --output name the same file; write the page elsewhere.")


@contextmanager
def _bar() -> "Iterator[Progress]":
    """A progress bar on stderr; rich shows none where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("quantize")
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=show.printable(what))


def _print(told: dict[str, Any], report: Path | None) -> None:
    from ..quantization.report.page import HEADLINES, WAYS

    verdict, size = told["verdict"], told["size"]
    show.table(f"{told['file']}: {HEADLINES[verdict['level']]}", (), [("·", reason) for reason in verdict["reasons"]])
    facts = [(".elstm file", *map(show.bytes_text, size["file_bytes"])), ("weights in memory", *map(show.bytes_text, size["weight_bytes"]))]
    facts += [(WAYS[way], *map(show.time_text, times)) for way, times in told["latency_ns"].items()]
    show.table(f"On {told['machine'].get('cpu', 'this machine')}, least of many", ("", "f32", "quantised"), facts)
    rows = [(layer["name"], layer["scheme"], f"{layer['snr_db']:.1f} dB", layer["reason"]) for layer in told["layers"]]
    show.table("Layers", ("layer", "scheme", "its output", "why"), rows)
    if report is not None:
        click.echo(f"report: {show.printable(report)}")
