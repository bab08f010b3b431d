"""`edgelstm targets`: what `edgelstm build` can compile for."""

from typing import TYPE_CHECKING, Any

import click

from . import show

if TYPE_CHECKING:
    from ..compiler.targets import Target


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def targets(*, as_json: bool) -> None:
    """List the targets of `edgelstm build`: CPU, float32 lanes of a vector, int8 form, what is built, how it was tested.

    The int8 forms, fastest first where a CPU has them: vnni, sdot, smlal and pmaddwd, generic. All give the same integers.

    \b
    Examples:
      edgelstm targets
      edgelstm targets --json
    """  # noqa: D301
    from ..compiler.targets import TARGETS, host

    told = [record(target) for target in (host(), *TARGETS.values())]
    if as_json:
        show.emit_json({"targets": told})
        return
    rows = [(t["name"], t["cpu"], t["lanes"], t["dot"], t["boards"]) for t in told]
    show.table("Targets", ("target", "CPU", "lanes", "int8", "runs on"), rows, whole=4)
    for fact in ("built", "tested"):
        names: dict[str, list[str]] = {}
        for target in told:
            names.setdefault(target[fact], []).append(target["name"])
        show.table(fact.capitalize(), (), [(what, ", ".join(these)) for what, these in names.items()])


def record(target: "Target") -> dict[str, Any]:
    """One target as plain JSON values."""
    return {
        "name": target.name,
        "architecture": target.architecture,
        "bits": target.bits,
        "cpu": target.cpu or "this CPU",
        "features": target.features,
        "lanes": target.lanes,
        "dot": target.dot,
        "built": ".o, .a, with headers" if target.bare_metal else ".so; .o, .a, with headers",
        "boards": target.boards or "machines like this one",
        "tested": target.tested or "this machine",
        "needs": list(target.needs),
    }
