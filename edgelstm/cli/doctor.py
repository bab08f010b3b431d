"""`edgelstm doctor`: what this machine is, what runs on it, and what to do about the rest."""

from pathlib import Path
from typing import Any

import click

from .. import __version__
from . import show


@click.command()
@click.argument("library", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON; times in nanoseconds.")
@click.option("--mqtt", "broker", metavar="URL", help="Try a broker out instead: does it keep messages for a client that is away?")
@click.pass_context
def doctor(ctx: click.Context, *, library: Path | None, as_json: bool, broker: str | None) -> None:
    """Examine this machine: targets that fit it, packages, code cache, clocks and heat; try a toy model, or LIBRARY.

    The toy model is compiled where Numba is installed, compared with the float64 reference, built into a library, loaded and replayed.
    LIBRARY is a file of `edgelstm build`: it is loaded, its probe replayed and a step timed. Trials run in processes of
    their own. Exit code 1 if something is broken; advice alone is no fault.

    \b
    Examples:
      edgelstm doctor
      edgelstm doctor gesture.so
      edgelstm doctor --json
      edgelstm doctor --mqtt mqtt://localhost
    """  # noqa: D301
    if broker is not None:
        ctx.exit(_broker(broker, as_json=as_json))
    what = "a toy model: compiling, building, loading" + (f"; then {library}" if library else "")
    with show.status(f"trying {what}"):
        told = record(library)
    if as_json:
        show.emit_json(told)
    else:
        print_record(told)
    if told["verdict"] == "broken":
        ctx.exit(1)


def _broker(url: str, *, as_json: bool) -> int:
    """Print what a broker does; the exit code."""
    from ..doctor.broker import check

    with show.status("trying the broker"):
        told = check(url)
    if as_json:
        show.emit_json(told)
    else:
        show.table(
            "The broker", (), [("says it is", told["broker"]), ("sent to a client that was away", told["sent"]), ("kept", told["kept"])]
        )
        click.echo(f"{show.printable(told['problem'])}." if told["problem"] else "The broker keeps what it is given.")
        click.echo("Lines of mosquitto.conf with which it loses nothing:")
        for line, why in told["lines"]:
            click.echo(f"  {line:28}# {why}")
        for sentence in told["limits"]:
            click.echo(sentence)
    return 1 if told["problem"] else 0


def record(library: Path | None) -> dict[str, Any]:
    """What ``--json`` prints."""
    from ..doctor import diagnosis, trial
    from ..doctor.machine import look

    machine = look()
    told: dict[str, Any] = {
        "edgelstm": __version__,
        "machine": machine.record(),
        "targets": [target.name for target in diagnosis.fitting(machine)],
        "packages": diagnosis.packages(),
        "code_memory": diagnosis.code_memory(),
        "cache": diagnosis.code_cache(),
        "toy": trial.apart(),
        "library": None if library is None else trial.apart(str(library)),
    }
    found = diagnosis.findings(machine, told)
    broken = any(finding.level == "broken" for finding in found)
    return {"verdict": "broken" if broken else "works", **told, "findings": [finding._asdict() for finding in found]}


def print_record(told: dict[str, Any]) -> None:
    """Print a `record`: tables of facts, then the verdict and what to do."""
    show.table("This machine", (), [row for row in _machine(told["machine"]) if row[1]])
    show.table("Packages", ("", "version", "for"), [(p["name"], p["version"] or "absent", p["purpose"]) for p in told["packages"]])
    show.table("Running code", (), _code(told))
    if told["library"]:
        show.table(told["library"].get("path", "the library"), (), _library(told["library"]))
    click.echo("edgelstm works here." if told["verdict"] == "works" else "Something is broken.")
    marks = {"ok": "+", "advice": "!", "broken": "x"}
    for finding in told["findings"]:
        click.echo(f" {marks[finding['level']]} {show.printable(finding['what'])}.")
        if finding["do"]:
            click.echo(f"     {show.printable(finding['do'])}")


def _machine(told: dict[str, Any]) -> list[tuple[str, object]]:
    bits = {name: f"{told[f'{name}_bits'] or '?'}-bit" for name in ("kernel", "system", "python")}
    clock = ", ".join([*told["governors"], *([f"{told['mhz']} MHz now"] if told["mhz"] else [])])
    throttled = told["throttled"]
    return [
        ("board", " ".join(filter(None, (told["board"], "(in a container)" if told["container"] else "")))),
        ("CPU", f"{told['cpu'] or 'unknown'}, {told['cores']} cores" + (f", at most {told['max_mhz']} MHz" if told["max_mhz"] else "")),
        ("features", ", ".join(told["features"])),
        ("kernel", f"{told['kernel']} {told['system']}, {bits['kernel']}"),
        ("system", f"{bits['system']}" + (f", {told['libc']}" if told["libc"] else "") + (", read-only root" * told["read_only_root"])),
        ("Python", f"{told['python']}, {bits['python']}"),
        ("clock", clock),
        ("throttling", "" if throttled is None else ", ".join(throttled) or "none since the start"),
        ("temperature", "" if told["celsius"] is None else f"{told['celsius']:.0f} °C"),
        ("isolated CPUs", told["isolated"]),
        (
            "memory",
            f"{show.bytes_text(told['memory_bytes'])}, {show.bytes_text(told['free_bytes'])} available" if told["memory_bytes"] else "",
        ),
    ]


def _code(told: dict[str, Any]) -> list[tuple[str, str]]:
    cache, toy = told["cache"], told["toy"]
    state = [f"{cache['entries']} entries, {show.bytes_text(cache['bytes'])}" if cache["exists"] else "not made yet"]
    state += ["writable" if cache["writable"] else "not writable", "trusted" if cache["trusted"] else "not trusted, ignored"]
    rows = [
        ("targets that fit", ", ".join(told["targets"]) or "none"),
        ("libraries load from", told["code_memory"] or "nowhere"),
        ("code cache", f"{cache['folder']}: {', '.join(state)}" if cache["folder"] else "none: this user has no home folder"),
    ]
    rows += [(f"toy: {name}", show.time_text(ns)) for name, ns in toy.get("phases_ns", {}).items()]
    if "step_ns" in toy:
        found = "found in the cache" if toy["cached"] else "compiled now"
        rows.append(("toy: a step", f"{show.time_text(toy['step_ns'])}; {found}; off the reference by {toy['difference']:.1e}"))
    if toy.get("library"):
        rows += [(f"toy library: {name}", text) for name, text in _library(toy["library"]) if name in ("loaded in", "a step")]
    return rows


def _library(told: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(name, told[key]) for name, key in (("target", "target"), ("numbers", "scheme"), ("digest", "digest")) if told.get(key)]
    if taken := [(name, told[key]) for name, key in (("a step", "step_ns"), ("the probe's recording", "recording_ns")) if key in told]:
        rows += [
            ("loaded in", show.time_text(told["load_ns"])),
            ("probe", f"{told['probe_steps']} steps, off by at most {told['difference']:.1e}"),
            *((name, f"{show.time_text(ns)} through edgelstm.device") for name, ns in taken),
        ]
    return rows or [("", told["problem"])]
