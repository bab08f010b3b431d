"""`edgelstm describe`: what a model file holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import diagram as drawing
from . import given, show, timing

if TYPE_CHECKING:
    from ..model import Model
    from ..runtime.library_file import LibraryFile


def record(model: "Model", path: Path) -> dict[str, Any]:
    """What `describe` prints of a model stored at `path`, as plain JSON values."""
    from ..files.elstm import model_digest

    when = timing.timings(model)
    layers = [
        {
            "name": layer.name,
            "kind": layer.kind,
            "inputs": list(layer.needs),
            "output_size": model.size_of(layer.name),
            "shapes": {name: list(array.shape) for name, array in layer.arrays().items()},
            "options": layer.options(),
            "parameters": sum(array.size for array in layer.arrays().values()),
            "multiply_accumulates": layer.multiply_accumulates,
            **when[layer.name]._asdict(),
        }
        for layer in model.layers
    ]
    return {
        "file": str(path),
        "file_bytes": path.stat().st_size,
        "digest": model_digest(model),
        "source": model.source,
        "input_size": model.input_size,
        "output_size": model.output_size,
        "vocabulary_size": model.vocabulary_size,
        "vocabularies": list(model.vocabularies),
        "parameters": model.parameters,
        "parameter_bytes": sum(array.nbytes for layer in model.layers for array in layer.arrays().values()),
        "multiply_accumulates": sum(layer.multiply_accumulates for layer in model.layers),
        "instructions": _instructions(model),
        "input_names": list(model.input_names),
        "labels": list(model.labels),
        "thresholds": list(model.thresholds),
        "vocabulary": None if model.vocabulary is None else model.vocabulary.document(),
        "input_statistics": None if model.statistics is None else model.statistics.document(),
        "rate_hz": model.rate_hz,
        "window": model.window,
        "stateful": model.stateful,
        "streams": model.streams,
        "sums_up": model.sums_up,
        "answers": model.answers,
        "probe": _probe(model),
        "layers": layers,
    }


def _instructions(model: "Model") -> dict[str, int]:
    """Estimates for the targets whose instructions were counted."""
    from ..compiler.step_cost import instructions
    from ..compiler.targets import TARGETS

    estimates = {name: instructions(model, TARGETS[name].architecture, TARGETS[name].dot) for name in ("rpi4", "rpi5")}
    return {name: estimate.instructions for name, estimate in estimates.items() if estimate}


def _probe(model: "Model") -> dict[str, Any] | None:
    """The stored probe, and how far the float64 reference is from its answers."""
    if model.probe is None:
        return None
    from ..reference import run

    difference = abs(run(model, model.probe.inputs) - model.probe.outputs).max()
    return {"source": model.probe.source, "steps": len(model.probe.inputs), "replay_difference": float(difference)}


def print_model(told: dict[str, Any]) -> None:
    """Print a `record` as tables."""
    ranges = [f"0 to {rows - 1}" for rows in told["vocabularies"] if rows]
    indices = f", {len(ranges)} of them {'an index' if len(ranges) == 1 else 'indices'}, {', '.join(ranges)}" if ranges else ""
    inputs = f"1 index, {ranges[0]}" if told["vocabulary_size"] else f"{told['input_size']}{indices}"
    facts = [
        ("source", told["source"] or "not stated"),
        ("file size", show.bytes_text(told["file_bytes"])),
        ("inputs", inputs + (f": {', '.join(told['input_names'])}" if told["input_names"] else "")),
        ("outputs", f"{told['output_size']}" + (f": {', '.join(told['labels'])}" if told["labels"] else "")),
        *((("thresholds", ", ".join(f"{value:g}" for value in told["thresholds"])),) if told["thresholds"] else ()),
        *((("vocabulary", _tokens(told["vocabulary"])),) if told["vocabulary"] else ()),
        *timing.facts(told["layers"]),
        ("rate", "not stated" if told["rate_hz"] is None else f"{told['rate_hz']:g} Hz"),
        ("trained on", _regime(told)),
        *((("its inputs", _statistics_text(told)),) if told["input_statistics"] else ()),
        ("parameters", f"{told['parameters']:,} ({show.bytes_text(told['parameter_bytes'])})"),
        ("a step", f"{told['multiply_accumulates']:,} multiply-accumulates"),
        *((f"on {name}", show.estimate_text(count)) for name, count in told["instructions"].items()),
        ("probe", _probe_text(told["probe"])),
        ("digest", told["digest"]),
    ]
    show.table(told["file"], (), facts)
    rows = [
        (
            layer["name"],
            ", ".join([layer["kind"], *unusual(layer)]),
            ", ".join(layer["inputs"]),
            layer["output_size"],
            f"{layer['parameters']:,}",
            f"{layer['multiply_accumulates']:,}",
            *timing.cells(layer, told["layers"]),
        )
        for layer in told["layers"]
    ]
    columns = ("layer", "kind", "reads", "outputs", "parameters", "multiply-acc.", *timing.columns(told["layers"]))
    show.table("Layers", columns, rows)


def _statistics_text(told: dict[str, Any]) -> str:
    """The range of each input in training."""
    found = told["input_statistics"]
    names = told["input_names"] or [f"x{i}" for i in range(told["input_size"])]
    ranges = [f"{name} {low:.4g} to {high:.4g}" for name, low, high in zip(names, found["low"], found["high"], strict=True)]
    return f"{', '.join(ranges[:12])}{', …' * (len(ranges) > 12)} in {found['count']:,} samples"


def _tokens(vocabulary: dict[str, Any]) -> str:
    """The first tokens of a vocabulary, as Python writes them."""
    tokens = vocabulary["tokens"]
    return f"{len(tokens)} tokens: {' '.join(map(repr, tokens[:12]))}{' …' * (len(tokens) > 12)}"


def unusual(layer: dict[str, Any]) -> list[str]:
    """The options of a layer that are not what its kind has when nothing is said."""
    from dataclasses import fields

    from ..layers import record_of

    defaults = {field.name: field.default for field in fields(record_of(layer["kind"]))}
    usual = {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}
    changed = {name: value for name, value in layer["options"].items() if value != usual.get(name)}
    return [_option(name.replace("_", " "), value) for name, value in changed.items()]


def _option(name: str, value: object) -> str:
    """An option in words: ``"stride 2"``, ``"reverse"``, ``"no reset after"``."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    values = value if isinstance(value, list) else [value]
    return " ".join([name, *(f"{one:g}" if isinstance(one, float) else f"{one}" for one in values)])


def library_record(file: "LibraryFile") -> dict[str, Any]:
    """What `describe` prints of a library, as plain JSON values: what it says of itself, and whether it runs here.

    Raises
    ------
    LibraryError
        If it is for this machine and does not load, or does not give the answers of its probe.
    """
    from ..doctor.trial import library

    tried: dict[str, Any] = {}
    library(file.path, tried)
    return {
        **file.info,
        "file": file.path,
        "file_bytes": Path(file.path).stat().st_size,
        "needs": file.needs,
        "runs_here": not tried["misfit"],
        "misfit": tried["misfit"],
        "probe": {"steps": file.probe_steps, "replay_difference": tried.get("difference")},
    }


def print_library(told: dict[str, Any]) -> None:
    """Print a `library_record` as tables."""
    probe, cpu = told["probe"], ", ".join(map(str, filter(None, (told.get("cpu"), *told["needs"]))))
    replayed = "not replayed: it is for another machine"
    if told["runs_here"]:
        replayed = f"replayed here, off by at most {probe['replay_difference']:.1e}"
    rate = told.get("rate_hz")
    facts = [
        ("built for", f"{told.get('target')}" + (f" ({cpu})" if cpu else "") + f" by edgelstm {told.get('edgelstm')}"),
        ("runs here", f"no: it {told['misfit']}" if told["misfit"] else "yes"),
        ("numbers", told.get("scheme")),
        ("in C", _c_text(told.get("prefix"), recordings="row_bytes" in told)),
        ("file size", show.bytes_text(told["file_bytes"])),
        ("inputs", f"{told.get('input_size')}" + _names(told.get("input_names"))),
        ("outputs", f"{told.get('output_size')}" + _names(told.get("labels"))),
        ("rate", "not stated" if rate is None else f"{rate} Hz"),
        *_cost(told),
        *(
            (name, f"{told[key]:,} bytes" + " of RAM" * (name in ("a stream", "a row")))
            for key, name in _LIBRARY_SIZES.items()
            if isinstance(told.get(key), int)
        ),
        ("probe", f"{probe['steps']} steps, {replayed}"),
        ("file", "whole: its own digest fits"),
        ("digest", told.get("digest")),
    ]
    show.table(told["file"], (), facts)
    layers = [layer for layer in _list(told.get("layers")) if isinstance(layer, dict)]
    rows = [(layer.get("name"), layer.get("kind"), layer.get("output_size")) for layer in layers]
    show.table("Layers", ("layer", "kind", "outputs"), rows)


#: Sizes that a library tells, and how people call them.
_LIBRARY_SIZES = {"weight_bytes": "weights", "arena_bytes": "a stream", "row_bytes": "a row", "snapshot_bytes": "snapshot"}


def _cost(told: dict[str, Any]) -> list[tuple[str, str]]:
    """What a library says of the cost of a step."""
    products, count = told.get("multiply_accumulates"), told.get("instructions")
    rows = [("a step", f"{products:,} multiply-accumulates")] if isinstance(products, int) else []
    return rows + ([("", show.estimate_text(count))] if isinstance(count, int) else [])


def _c_text(prefix: object, *, recordings: bool) -> str:
    """How C programs call a library."""
    calls = f"{prefix or 'edgelstm'}_{'process_recording' if recordings else 'step'}, {prefix or 'edgelstm'}_init, …"
    if prefix in (None, "edgelstm"):
        return f"{calls}; of two such libraries that one program is linked with, the second is never called: build --prefix NAME"
    return calls


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _names(names: object) -> str:
    return f": {', '.join(map(str, _list(names)))}" if _list(names) else ""


def _regime(told: dict[str, Any]) -> str:
    if not told["streams"]:
        count = told["answers"]
        answers = "one answer for each sample" if count is None else "one answer for each" if count == 1 else f"{count} answers for each"
        examples = "" if told["window"] is None else f"; of {told['window']} steps in training"
        return f"answers whole recordings alone: {answers}{examples}"
    window = "streams of any length" if told["window"] is None else f"windows of {told['window']} steps"
    if told["window"] is None and told["stateful"] is None:
        return "not stated"
    return window + {True: ", state carried on", False: ", each from the initial state", None: ""}[told["stateful"]]


def _probe_text(probe: dict[str, Any] | None) -> str:
    if probe is None:
        return "none: nothing proves that this is the network that was trained"
    return f"{probe['steps']} steps by {probe['source']}; the float64 reference differs by at most {probe['replay_difference']:.1e}"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--diagram", type=click.Path(path_type=Path), metavar="OUT.svg", help="Draw the network: names, kinds, sizes and rates.")
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def describe(*, model: Path, how: given.How, diagram: Path | None, as_json: bool) -> None:
    """Show what MODEL holds: layers, sizes, names, training regime, probe.

    MODEL is a .elstm file, any trained file that `edgelstm convert` takes, or a library that
    `edgelstm build` made. A library for another machine is described without being loaded; one for this machine replays its probe.

    \b
    Examples:
      edgelstm describe gesture.elstm
      edgelstm describe gesture.pt --json
      edgelstm describe gesture.keras --diagram gesture.svg
      edgelstm describe gesture.so
    """  # noqa: D301
    from ..runtime.library_file import LibraryFile

    found = given.opened(model, how)
    if diagram is not None and isinstance(found, LibraryFile):
        raise UsageError(f"{model} is a built library, which does not say what reads what; draw the model that it was built from.")
    told = library_record(found) if isinstance(found, LibraryFile) else record(found, model)
    if diagram is not None:
        drawing.write(diagram, told, model)
    if as_json:
        show.emit_json(told)
    elif isinstance(found, LibraryFile):
        print_library(told)
    else:
        print_model(told)
