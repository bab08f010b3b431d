"""`edgelstm build`: a library or object file for another machine."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import given, show

if TYPE_CHECKING:
    from ..building import Build


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--target", default="host", show_default=True, help="What it is for: a name that `edgelstm targets` lists.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write.  [default: MODEL-TARGET.so, or .o for bare metal]")
@click.option("--cpu", default="", metavar="NAME", help="Another CPU of the target's kind, in LLVM's words, such as cortex-a55.")
@click.option("--features", default="", metavar="LIST", help="More or fewer instructions, in LLVM's words, such as +dotprod,-crc.")
@click.option("--header", type=click.Path(path_type=Path), metavar="EDGELSTM.H", help="Write the C interface's header there too.")
@click.option("--json", "as_json", is_flag=True, help="Print what was built as JSON.")
def build(
    *, model: Path, how: given.How, target: str, output: Path | None, cpu: str, features: str, header: Path | None, as_json: bool
) -> None:
    """Compile MODEL ahead of time for --target, weights inside.

    For Linux boards and PCs it writes a shared library, which needs no compiler, no Numba and no other library where it runs:
    Python steps it with edgelstm.Stream("gesture.so"), or edgelstm.device.Stream without NumPy; C through edgelstm.h.
    For microcontrollers it writes an object file to link, edgelstm.h, and a header with this model's sizes.

    \b
    Examples:
      edgelstm build gesture.elstm --target rpi4 -o gesture.so
      edgelstm build gesture.elstm --target cortex-m4f -o firmware/gesture.o
      edgelstm build gesture.elstm --target aarch64 --cpu cortex-a55 --features +dotprod
      edgelstm build gesture.elstm --target x86-64-v3 --features +avxvnni
    """  # noqa: D301
    from ..building import build as compiled
    from ..compiler.targets import named

    chosen = named(target, cpu=cpu, features=features)
    place = output or Path(f"{model.stem}-{target}{'.o' if chosen.bare_metal else '.so'}")
    given.refuse_overwriting("--output", place, model)
    loaded = given.loaded(model, how)
    with show.status(f"compiling for {target}"):
        made = compiled(loaded, chosen)
    made.write(place)
    written = [place]
    if chosen.bare_metal:
        written += [place.with_suffix(".h"), header or place.with_name("edgelstm.h")]
        written[1].write_text(made.header, encoding="utf-8")
    elif header is not None:
        written.append(header)
    if len(written) > 1:
        written[-1].write_text((files("edgelstm") / "include" / "edgelstm.h").read_text("utf-8"), encoding="utf-8")
    told = record(made, written)
    if as_json:
        show.emit_json(told)
    else:
        print_build(told)


def record(made: "Build", written: list[Path]) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "files": [str(path) for path in written],
        "target": made.target.name,
        "cpu": made.target.cpu,
        "scheme": made.info["scheme"],
        "digest": made.info["digest"],
        "file_bytes": len(made.data),
        "flash_bytes": made.weight_bytes + made.code_bytes,
        "weight_bytes": made.weight_bytes,
        "code_bytes": made.code_bytes,
        "ram_bytes": made.arena_bytes,
        "snapshot_bytes": made.info["snapshot_bytes"],
        "helpers": list(made.helpers),
        "seconds": made.seconds,
        "tested": made.target.tested,
    }


def print_build(told: dict[str, Any]) -> None:
    """Print a `record`."""
    rows = [
        ("target", told["target"] + (f" ({told['cpu']})" if told["cpu"] else "")),
        ("numbers", told["scheme"]),
        ("flash", f"{told['flash_bytes']:,} bytes: weights {told['weight_bytes']:,}, code and constants {told['code_bytes']:,}"),
        ("RAM", f"{told['ram_bytes']:,} bytes a stream, from the caller"),
        ("built in", show.time_text(told["seconds"] * 1e9)),
        ("target tested", told["tested"] or "this machine"),
    ]
    if told["helpers"]:
        rows.insert(3, ("links with", f"{', '.join(told['helpers'])} of the compiler's own library (libgcc, compiler-rt)"))
    show.table(", ".join(told["files"]), (), rows)
