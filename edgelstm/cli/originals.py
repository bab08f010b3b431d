"""What `convert --verify` tells: how far a model is from its file in the framework that the file was made for."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import show

if TYPE_CHECKING:
    from ..importers import Imported
    from ..originals import Comparison
    from .given import How


def compared(source: Path, taken: "Imported", how: "How") -> "Comparison":
    """The model as it was read, without a scaler in front, beside its file."""
    from ..originals import compare

    return compare(source, taken.format, taken.model, {name: text for name, text in how.said.items() if text is not None})


def record(found: "Comparison") -> dict[str, Any]:
    """A comparison as plain JSON values."""
    return {**asdict(found), "layers": [asdict(layer) for layer in found.layers], "passed": found.passed}


def print_comparison(found: "Comparison") -> None:
    """Print the same as a table."""
    if found.error is None:
        click.echo(show.printable(f"not verified: {found.reason}"))
        return
    head = f"beside {found.framework}, {found.steps} random steps"
    if found.tapped:
        rows = [
            (layer.layer, layer.kind, layer.original or "no array of the same numbers", "" if layer.error is None else f"{layer.error:.2g}")
            for layer in found.layers
        ]
        show.table(head, ("layer", "kind", "array there", "largest error"), rows)
    else:
        click.echo(f"{head}: only the answers can be seen there, not the layers")
    click.echo(f"largest error of the compiled answers {found.error:.2g}, relative to the largest answer or 1: {_verdict(found.error)}")
    if (worst := max((layer.error or 0 for layer in found.layers), default=0)) and not found.passed:
        name = next(layer.layer for layer in found.layers if layer.error == worst)
        click.echo(show.printable(f"largest error of a layer {worst:.2g}, of {name!r}: {_verdict(worst)}"))


def _verdict(error: float) -> str:
    from .. import originals

    return f"{'within' if error <= originals.TOLERANCE else 'beyond'} 1e-05"
