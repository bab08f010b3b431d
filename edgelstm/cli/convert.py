"""`edgelstm convert`: a trained file to a `.elstm` file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import describe, given, originals, origins, scaler, show
from . import diagram as drawing
from .reading import reading_options

if TYPE_CHECKING:
    from ..model import Model
    from ..runners.reading import Reading


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--output", "-o", "target", type=click.Path(path_type=Path), metavar="OUT.elstm", help="File to write.")
@given.how_to_read
@click.option("--draft-recipe", "drafting", is_flag=True, help="Print a recipe to begin from, in place of converting.")
@click.option("--labels", metavar="A,B,…", help="Names of the outputs, in order.")
@click.option("--thresholds", metavar="A,B,…", help="From which value on each output decides for its label; one for all, or one each.")
@click.option("--input-names", metavar="A,B,…", help="Names of the inputs, in order; `run` finds columns by them.")
@click.option("--rate", type=float, metavar="HZ", help="Samples a second that the network was trained on.")
@click.option("--window", type=int, metavar="N", help="Steps of one training example.")
@click.option("--vocabulary", type=click.Path(path_type=Path), metavar="FILE", help="Tokens by index: one a line, or in JSON.")
@scaler.options
@click.option("--stats", "recordings", type=click.Path(path_type=Path), multiple=True, metavar="DATA.csv",
              help="Recordings from training (.csv, .jsonl, .npy, .npz): OUT keeps each input's mean, range and longest run.")  # fmt: skip
@reading_options
@click.option("--diagram", type=click.Path(path_type=Path), metavar="OUT.svg", help="Draw the network: names, kinds, sizes and rates.")
@click.option("--verify", "verified", is_flag=True,
              help="Run SOURCE in its own framework, if installed; print how far each layer is from it. Exit 1 beyond 1e-5.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def convert(
    *,
    source: Path,
    target: Path | None,
    drafting: bool,
    how: given.How,
    labels: str | None,
    thresholds: str | None,
    input_names: str | None,
    rate: float | None,
    window: int | None,
    vocabulary: Path | None,
    diagram: Path | None,
    verified: bool,
    as_json: bool,
    recordings: tuple[Path, ...],
    reading: "Reading",
    **scaling: Any,
) -> None:
    """Turn SOURCE, a trained file, into a .elstm file, and show what was taken from it.

    Files that hold the whole network need nothing but their path: Keras (.keras, .h5), ONNX, torch.export (.pt2),
    TorchScript, TensorFlow Lite, frozen TensorFlow graphs (.pb), amplifier models in JSON (GuitarML, RTNeural, AIDA-X,
    .nam), madmom.

    A PyTorch state_dict (.pt, .pth, .ckpt, .safetensors) names its tensors but not the order of its layers, nor the
    activations between; so do Keras' .weights.h5, Flax' .msgpack, and .npz. Where only one chain fits it is taken and
    printed; anything else is refused with the list of tensors found, and --layers says it:
    a module and the function after it, "add:input" for a skip connection, "bn" for a BatchNorm in front.
    Neither PyTorch nor any other framework is needed. Nothing in SOURCE is executed.
    Files that hold nothing but named arrays are read by a recipe, --recipe; --draft-recipe prints one to begin from.

    If samples were scaled before training, --scaler, or --mean and --scale, put the same in front of the network: (x - mean) / scale.
    If the right answers were, --output-scaler, or --output-mean and --output-scale, put the way back behind it: y * scale + mean.

    --stats takes recordings from training, in the units of the sensors, and keeps what their channels looked like: sensors in the
    field are judged by it. Lines are read as `run` reads them, by --columns, --delimiter and the others.

    \b
    Examples:
      edgelstm convert gesture.keras -o gesture.elstm
      edgelstm convert gesture.onnx -o gesture.elstm --diagram gesture.svg --verify
      edgelstm convert gesture.pt --layers "lstm, fc1:relu, fc2:softmax" --labels idle,wave,tap --rate 50 -o gesture.elstm
      edgelstm convert weather.pt --mean 20.1,55 --scale 5.2,10.4 -o weather.elstm
      edgelstm convert alarm.keras --labels smoke,water --thresholds 0.8,0.5 -o alarm.elstm
      edgelstm convert gesture.keras --stats training.csv -o gesture.elstm
      edgelstm convert text.pt --vocabulary vocabulary.json -o text.elstm
      edgelstm convert research.npz --draft-recipe > research.toml
    """  # noqa: D301
    from ..files.elstm import save
    from ..generation.vocabulary import read_vocabulary
    from ..importers import draft_recipe, import_file
    from ..loading import load

    if drafting:
        click.echo(draft_recipe(source), nl=False)
        return
    if target is None:
        raise UsageError("convert needs --output, the .elstm file to write.")
    given.refuse_overwriting("--output", target, source)
    given.refuse_foreign_ending("--output", target)
    taken = import_file(source, traced=True, **how.said)
    stated: dict[str, Any] = {"labels": _names(labels), "input_names": _names(input_names), "rate_hz": rate, "window": window}
    if vocabulary is not None:
        stated["vocabulary"] = read_vocabulary(vocabulary)
    model = replace(taken.model, **{name: value for name, value in stated.items() if value is not None})
    model = scaler.decided(scaler.scaled(model, **scaling), thresholds)
    model = _with_statistics(model, recordings, reading)
    save(model, target)
    told = describe.record(load(target), target)
    if diagram is not None:
        drawing.write(diagram, told, source, target)
    notes = [given.spelled(note) for note in taken.notes]
    compared = originals.compared(source, taken, how) if verified else None
    if as_json:
        more = {"verification": originals.record(compared)} if compared else {}
        show.emit_json({"format": taken.format, "chain": taken.chain, "notes": notes, **origins.record(taken), **told, **more})
    else:
        click.echo(show.printable(f"{source}, {taken.format}: {taken.chain}"))
        for note in notes:
            click.echo(show.printable(f"note: {note}"))
        origins.print_origins(taken)
        describe.print_model(told)
        if compared:
            originals.print_comparison(compared)
    if compared and not compared.passed:
        raise click.exceptions.Exit(1)


def _with_statistics(model: "Model", recordings: tuple[Path, ...], reading: "Reading") -> "Model":
    """The model with the statistics of recordings, if there are any."""
    if not recordings:
        return model
    from ..statistics import InputStatistics
    from .quantize_data import read

    rows, _ = read(recordings, replace(model, window=None), reading._replace(absent=True), None, None)
    return replace(model, statistics=InputStatistics.of(rows))


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))
