"""`edgelstm build`: a library or object file for another machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import given, show

if TYPE_CHECKING:
    from ..building import Build


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--target", default="host", show_default=True, help="What it is for: a name that `edgelstm targets` lists.")
@click.option(
    *("-o", "--output"),
    type=click.Path(path_type=Path),
    help="Where to write: .so a shared library, .a an archive, .o an object file.  [default: MODEL-TARGET.so, or .o for bare metal]",
)
@click.option("--prefix", metavar="NAME", help="C functions are NAME_step, …, macros NAME_ABI, …: for two models in one program.")
@click.option("--cpu", default="", metavar="NAME", help="Another CPU of the target's kind, in LLVM's words, such as cortex-a55.")
@click.option("--features", default="", metavar="LIST", help="More or fewer instructions, in LLVM's words, such as +dotprod,-crc.")
@click.option("--header", type=click.Path(path_type=Path), metavar="EDGELSTM.H", help="Write the C interface's header there too.")
@click.option("--json", "as_json", is_flag=True, help="Print what was built as JSON.")
def build(
    *,
    model: Path,
    how: given.How,
    target: str,
    output: Path | None,
    prefix: str | None,
    cpu: str,
    features: str,
    header: Path | None,
    as_json: bool,
) -> None:
    """Compile MODEL ahead of time for --target, weights inside.

    For Linux boards and PCs it writes a shared library, which needs no compiler, no Numba and no other library where it runs:
    Python steps it with edgelstm.Stream("gesture.so"), or edgelstm.device.Stream without NumPy; C through edgelstm.h.
    For microcontrollers, and for static programs on Linux (-o gesture.a), it writes a file to link, edgelstm.h, and a header with this
    model's sizes; with --prefix one header that holds both.

    \b
    Examples:
      edgelstm build gesture.elstm --target rpi4 -o gesture.so
      edgelstm build gesture.elstm --target cortex-m4f -o firmware/gesture.o
      edgelstm build gesture.elstm --target rpi4 --prefix gesture -o gesture.a
      edgelstm build gesture.elstm --target aarch64 --cpu cortex-a55 --features +dotprod
      edgelstm build gesture.elstm --target x86-64-v3 --features +avxvnni
    """  # noqa: D301
    with show.status("starting"):
        from .. import building
        from ..compiler import c_header
        from ..compiler.targets import named
        from ..runtime.writing import write_atomic

    chosen = named(target, cpu=cpu, features=features)
    place = output or Path(f"{model.stem}-{target}{'.o' if chosen.bare_metal else '.so'}")
    _refuse_clashes(model, [place])
    form, prefix = building.form_of(place, chosen), prefix or c_header.PREFIX
    headers = _headers(place, header, linked=form != "library", own=prefix != c_header.PREFIX)
    _refuse_clashes(model, [place, *headers])
    _refuse_nowhere([place, *headers])
    loaded = given.loaded(model, how)
    with show.status(f"compiling {model.name} for {target}"):
        made = building.build(loaded, chosen, prefix=prefix, form=form)
    texts = {"model": made.header, "interface": c_header.interface()}
    made.write(place)
    for path, holds in headers.items():
        write_atomic(str(path), texts[holds].replace('"edgelstm.h"', f'"{(header or Path("edgelstm.h")).name}"').encode())
    written = [place, *headers]
    told = record(made, written)
    if as_json:
        show.emit_json(told)
    else:
        print_build(told)


def _headers(place: Path, header: Path | None, *, linked: bool, own: bool) -> dict[Path, str]:
    """The headers to write, and what each holds: this ``model``'s sizes or the ``interface``, or with a prefix of its ``own`` both."""
    if own:
        return {header or place.with_suffix(".h"): "model"} if linked or header else {}
    interface = {header or place.with_name("edgelstm.h"): "interface"} if linked or header else {}
    sizes = place.with_suffix(".h")
    if linked and sizes in interface:
        raise UsageError(
            f"{sizes} would be the header of this model and that of the interface; name --output otherwise, or give --header another file."
        )
    return {sizes: "model", **interface} if linked else interface


def _refuse_clashes(model: Path, written: list[Path]) -> None:
    """No file is written over another, nor over the model, whatever its path is called."""
    kept = {model.resolve(): f"{model}, the model itself"}
    for path in written:
        place = path.resolve()
        if place in kept or (path.exists() and model.exists() and path.samefile(model)):
            raise UsageError(f"{path} would overwrite {kept.get(place, kept[model.resolve()])}; name another file.")
        kept[place] = f"{path}, which is written already"


def _refuse_nowhere(written: list[Path]) -> None:
    """A slip in a path is told before anything is compiled."""
    for path in written:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file in it.")
        if not path.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}; create it first.")


def record(made: "Build", written: list[Path]) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "files": [str(path) for path in written],
        "form": made.form,
        "prefix": made.info["prefix"],
        "target": made.target.name,
        "cpu": made.target.cpu,
        "scheme": made.info["scheme"],
        "digest": made.info["digest"],
        "file_bytes": len(made.data),
        "flash_bytes": made.weight_bytes + made.code_bytes,
        "weight_bytes": made.weight_bytes,
        "code_bytes": made.code_bytes,
        "multiply_accumulates": made.info["multiply_accumulates"],
        "instructions": made.info["instructions"],
        "ram_bytes": made.arena_bytes,
        **{name: made.info[name] for name in ("snapshot_bytes", "row_bytes") if name in made.info},
        "helpers": list(made.helpers),
        "seconds": made.seconds,
        "tested": made.target.tested,
    }


def _cost(told: dict[str, Any]) -> str:
    """The work of a step, and where such code was counted, its instructions."""
    products = f"{told['multiply_accumulates']:,} multiply-accumulates"
    return products if told["instructions"] is None else f"{products}; {show.estimate_text(told['instructions'])}"


def _ram(told: dict[str, Any]) -> str:
    rows = f", and {told['row_bytes']:,} for each row of a recording" if "row_bytes" in told else ""
    return f"{told['ram_bytes']:,} bytes a stream{rows}, from the caller"


def print_build(told: dict[str, Any]) -> None:
    """Print a `record`."""
    from ..building import CALLED

    rows = [
        ("form", CALLED[told["form"]]),
        ("target", told["target"] + (f" ({told['cpu']})" if told["cpu"] else "")),
        ("numbers", told["scheme"]),
        ("flash", f"{told['flash_bytes']:,} bytes: weights {told['weight_bytes']:,}, code and constants {told['code_bytes']:,}"),
        ("RAM", _ram(told)),
        ("a step", _cost(told)),
        ("built in", show.time_text(told["seconds"] * 1e9)),
        ("target tested", told["tested"] or "this machine"),
    ]
    if told["helpers"]:
        rows.insert(4, ("links with", f"{', '.join(told['helpers'])} of the compiler's own library (libgcc, compiler-rt)"))
    show.table(", ".join(told["files"]), (), rows)
