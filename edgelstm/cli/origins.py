"""What `convert` tells of the arrays that it made: which tensors of the trained file they were, and what was done with them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from . import show

if TYPE_CHECKING:
    from ..importers import Imported

#: Arrays and names that are printed; JSON has all.
MOST = 40


def record(taken: "Imported") -> dict[str, Any]:
    """The origins of all arrays as plain JSON values, the tensors that none holds, and the layers that leave nothing to compute."""
    found = taken.provenance
    if found is None:
        return {}
    return {
        "origins": [asdict(origin) | {"shape": list(origin.shape), "sources": list(origin.sources)} for origin in found.origins],
        "unused": list(found.unused),
        "passed": list(found.passed),
    }


def print_origins(taken: "Imported") -> None:
    """Print the same as a table."""
    found = taken.provenance
    if found is None or not found.origins:
        return
    rows = [
        (origin.layer, origin.array, "x".join(map(str, origin.shape)), " + ".join(origin.sources), origin.how or "as it is")
        for origin in found.origins[:MOST]
    ]
    show.table("what the arrays were made of", ("layer", "array", "shape", "tensors of the file", "what was done"), rows)
    if len(found.origins) > MOST:
        click.echo(f"and {len(found.origins) - MOST} arrays more; --json prints all")
    if found.passed:
        click.echo(show.printable(f"leave nothing to compute: {_listed(found.passed)}"))
    if found.unused:
        click.echo(show.printable(f"tensors in no array as they are: {_listed(found.unused)}"))


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
