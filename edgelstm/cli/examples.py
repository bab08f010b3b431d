"""`edgelstm examples`: applications on real data, each measured beside a naive way."""

from dataclasses import asdict

import click

from . import show


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all that was measured as JSON.")
def examples(*, as_json: bool) -> None:
    """List applications on real data: what each does, how well, beside what, and the command that runs it.

    The figures are those measured when each was made; the command measures them again. What is in the package runs with
    `edgelstm demo NAME`, the others in a checkout.

    \b
    Examples:
      edgelstm examples
      edgelstm examples --json
    """  # noqa: D301
    from ..gallery.result import command, folders, read

    found = {name: read(folder) for name, folder in folders().items()}
    if as_json:
        show.emit_json({name: {**asdict(result), "command": command(name)} for name, result in found.items()})
        return
    rows = []
    for name, result in found.items():
        measure, (naive, figure) = result.measures[0], result.baseline
        beside = f"{measure.text(result.figure)} {measure.head}; {naive}: {measure.text(figure)}"
        rows.append((name, result.does, beside, show.time_text(result.step.ns), command(name)))
    show.table("Examples", ("", "what it does", "how well, and a naive way", "a step", "command"), rows, whole=1)
