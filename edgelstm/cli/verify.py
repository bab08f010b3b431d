"""`edgelstm verify`: a model's answers beside those of the framework that trained it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..verifying import TOLERANCE
from . import given, show
from .reading import reading_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runners.reading import Reading
    from ..verifying import OutputError, Place, Verification

#: Outputs that are printed as a table.
MOST_OUTPUTS = 24


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--data", "-d", "data", required=True, multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Samples: .csv or .jsonl (a recording), .npy or .npz (a recording or windows). Repeat it for several.")  # fmt: skip
@click.option("--expect", "-e", "expect", required=True, multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="What the trained network answered: .npy, .npz or .csv. One file for all, or one for each --data.")  # fmt: skip
@click.option("--tolerance", type=float, default=TOLERANCE, show_default=True, metavar="T",
              help="How far an answer may be off: T, or T times the answer expected where that is beyond 1.")  # fmt: skip
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def verify(
    *, model: Path, how: given.How, data: tuple[Path, ...], expect: tuple[Path, ...], tolerance: float, reading: "Reading", as_json: bool
) -> None:
    """Compare what MODEL answers with what the network answered in the framework that trained it.

    MODEL is a model file, or a library that `edgelstm build` made for this machine. Each recording is stepped from the initial state.
    Answers are one a step, or one a recording: the last step's. Exit code 1 says that an answer is beyond the tolerance.

    In PyTorch, samples and answers are written by (batch_first; samples a float32 array (recordings, time, inputs)):

    \b
      with torch.no_grad():
          answers = network.eval()(torch.from_numpy(samples)).numpy()
      np.savez("samples.npz", windows=samples)
      np.save("answers.npy", answers)

    In Keras by:

    \b
      answers = network.predict(samples)
      np.savez("samples.npz", windows=samples)
      np.save("answers.npy", answers)

    \b
    Examples:
      edgelstm verify gesture.elstm --data samples.npz --expect answers.npy
      edgelstm verify gesture.so --data recording.csv --expect answers.csv --tolerance 0.01
    """  # noqa: D301
    from .. import verifying
    from ..stream import Stream
    from .verify_data import read_answers, read_samples

    source = given.source(given.opened(model, how))
    stream = Stream(source)
    recordings, names = read_samples(data, stream, reading)
    answers = read_answers(expect, stream, len(recordings))
    found = verifying.verify(source, recordings, answers, tolerance=tolerance)
    if as_json:
        show.emit_json(record(found, model, names))
    else:
        _print(found, model, names)
    if not found.passed:
        raise click.exceptions.Exit(1)


def record(found: "Verification", model: Path, names: list[str]) -> dict[str, Any]:
    """What `verify` prints, as plain JSON values; recordings and steps count from 0."""
    worst = found.worst
    return {
        "file": str(model),
        "passed": found.passed,
        "tolerance": found.tolerance,
        "recordings": found.recordings,
        "steps": found.steps,
        "error": worst.error,
        "worst": {"output": worst.output, "label": worst.label, **_place(worst.worst, names)},
        "first_beyond": found.first_beyond and _place(found.first_beyond, names),
        "hint": found.hint,
        "outputs": [_output(output, names) for output in found.outputs],
    }


def _output(output: "OutputError", names: list[str]) -> dict[str, Any]:
    return {
        "output": output.output,
        "label": output.label,
        "error": output.error,
        **_place(output.worst, names),
        "expected": output.expected,
        "got": output.got,
        "range": [output.low, output.high],
        "first_beyond": output.first_beyond and _place(output.first_beyond, names),
    }


def _place(place: "Place", names: list[str]) -> dict[str, Any]:
    return {"recording": place.recording, "name": names[place.recording], "step": place.step}


def _print(found: "Verification", model: Path, names: list[str]) -> None:
    several = found.recordings > 1

    def where(place: "Place | None") -> str:
        if place is None:
            return "none"
        return f"step {place.step}" + (f" of {names[place.recording]}" if several else "")

    head = f"{model}: " + ("the answers expected" if found.passed else "not the answers expected")
    rows = [
        (
            output.label or f"y{output.output}",
            f"{output.error:.2g}",
            where(output.worst),
            f"{output.expected:.6g}",
            f"{output.got:.6g}",
            f"{output.low:.4g} to {output.high:.4g}",
            where(output.first_beyond),
        )
        for output in _shown(found)
    ]
    show.table(head, ("output", "largest error", "at", "expected", "got", "expected range", "first beyond tolerance"), rows)
    recordings = f" of {found.recordings} recordings" if several else ""
    click.echo(f"{found.steps:,} answers{recordings} compared; largest error {found.worst.error:.2g}, tolerance {found.tolerance:g}")
    if found.first_beyond is not None:
        click.echo(show.printable(f"first beyond it: {where(found.first_beyond)}. Steps count from 0. {_advice(found)}"))


def _shown(found: "Verification") -> "Sequence[OutputError]":
    """All outputs, or the worst ones where they are too many to read."""
    if len(found.outputs) <= MOST_OUTPUTS:
        return found.outputs
    click.echo(f"the {MOST_OUTPUTS} worst of {len(found.outputs)} outputs (--json prints all):")
    return sorted(found.outputs, key=lambda output: -output.error)[:MOST_OUTPUTS]


def _advice(found: "Verification") -> str:
    if found.hint:
        return found.hint
    if found.begins_wrong:
        return "Wrong from the first answer on: look for an activation, a scaler, the order of layers or of inputs."
    return "Right at first: look at the state, that is at where recordings begin, and whether training carried it on."
