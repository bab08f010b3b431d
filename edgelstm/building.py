"""Model -> a library or object file for another machine, with its weights inside: what `edgelstm.build` does."""

import json
import os
import time
from typing import Any, NamedTuple

from . import __version__, container, snapshot
from .compiler import targets
from .compiler.layout import Layout, lay_out
from .compiler.plan import shape_of
from .compiler.room import within_memory
from .compiler.targets import Target
from .errors import CompileError, LibraryError
from .library_file import ABI, DIGEST_SIZE, MACHINES, MAGIC, NEEDS_SIZE, TRAILER, Shape, digest_of
from .model import Model, Probe
from .modelfile import model_digest
from .probes import reference_probe

#: Functions of the ARM run-time ABI that every compiler for bare metal brings: arithmetic of 64-bit integers, and of float32 without FPU.
HELPERS = frozenset(
    f"__aeabi_{name}"
    for name in (
        *("lmul", "ldivmod", "uldivmod", "llsl", "llsr", "lasr", "lcmp", "ulcmp", "idiv", "uidiv", "idivmod", "uidivmod"),
        *("fadd", "fsub", "frsub", "fmul", "fdiv", "fcmpeq", "fcmplt", "fcmple", "fcmpge", "fcmpgt", "fcmpun"),
        *("f2iz", "f2uiz", "f2lz", "f2ulz", "i2f", "ui2f", "l2f", "ul2f"),
    )
)


class Build(NamedTuple):
    """A model compiled for a target.

    Attributes
    ----------
    data : bytes
        The library, or for bare metal the object file.
    target : Target
    header : str
        C text: the sizes of this model as macros, for memory that is reserved at compile time.
    info : dict
        What ``edgelstm_info`` says.
    weight_bytes, code_bytes : int
        Weights, and all else that the file brings into memory: code, constants, initial state.
    arena_bytes : int
        Memory of one stream: the RAM that the caller gives.
    helpers : tuple of str
        Which of `HELPERS` an object file calls; none for a library.
    seconds : float
        What building took.
    """

    data: bytes
    target: Target
    header: str
    info: dict[str, Any]
    weight_bytes: int
    code_bytes: int
    arena_bytes: int
    helpers: tuple[str, ...]
    seconds: float

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        ModelFileError
            If the disk is full or the folder is not writable.
        """
        container.write_atomic(container.path_text(path), self.data)


def build(model: Model, target: str | Target = "host") -> Build:
    """Compile a model ahead of time.

    Parameters
    ----------
    model : Model
    target : str or Target
        A name that ``edgelstm targets`` lists, or a changed one from `compiler.targets.named`.

    Returns
    -------
    Build
        A shared library that `Stream`, `device.Stream` and C load; for bare metal an object file to link.

    Raises
    ------
    UsageError
        If there is no such target.
    UnsupportedModelError, CompileError
        If a layer has no kernel there, LLVM refuses the CPU or its features, or the code calls what a microcontroller may not have.
    """
    started = time.perf_counter()
    target = targets.named(target) if isinstance(target, str) else target
    layout = lay_out(model, target)
    digest = model_digest(model)
    shape = shape_of(model, layout, bytes.fromhex(digest))
    info = _info(model, layout, target, digest)
    with within_memory():
        object_file = _object_file(layout, target, info, shape)
    if target.bare_metal:
        data = object_file
    else:
        probe = model.probe or reference_probe(model)
        library = _linked(object_file, target)
        data = sealed(library, shape, target.architecture, target.needs, _info_text(info), _probe_bytes(probe))
    loaded, helpers = _measured(object_file)
    weights = layout.weights.nbytes
    sizes = (weights, loaded - weights, layout.arena_bytes)
    return Build(data, target, _macros(info), info, *sizes, helpers, time.perf_counter() - started)


def sealed(library: bytes, shape: Shape, architecture: str, needs: tuple[str, ...], info: bytes, probe: tuple[bytes, bytes, int]) -> bytes:
    """A library as the file that `LibraryFile` reads.

    Parameters
    ----------
    library : bytes
        ELF shared library.
    shape : Shape
    architecture : str
        First word of LLVM's triple.
    needs : tuple of str
        What /proc/cpuinfo must list where it is to run.
    info : bytes
        The JSON text that stands in the library.
    probe : (bytes, bytes, int)
        Inputs and outputs as float32, and the number of steps.
    """
    machine, bits = MACHINES[architecture]
    library += bytes(-len(library) % 4)
    body = library + probe[0] + probe[1]
    fields = (shape.input_size, shape.output_size, shape.vocabulary, probe[2])
    sizes = (library.index(info), len(info), shape.arena_bytes, shape.state_bytes)
    places = (shape.sample_offset, shape.input_offset, shape.output_offset, shape.input_limit)
    words = " ".join(needs).encode()
    if len(words) > NEEDS_SIZE:
        raise LibraryError(
            f"the names of what the CPU must have take {len(words)} bytes, more room than the trailer has. Please report this."
        )
    trailer = TRAILER.pack(
        *(machine, bits, ABI, *fields, *sizes, *places),
        *(words, shape.digest, MAGIC, len(library), bytes(DIGEST_SIZE)),
    )
    body += trailer[:-DIGEST_SIZE]
    return body + digest_of(body)


def _info(model: Model, layout: Layout, target: Target, digest: str) -> dict[str, Any]:
    kinds = {layer.kind for layer in model.layers}
    schemes = {layer.scheme for layer in model.layers if hasattr(layer, "scheme")}
    scheme = "int8-static" if any("static" in kind for kind in kinds) else ", ".join(sorted(schemes)) or "f32"
    return {
        "abi": ABI,
        "edgelstm": __version__,
        "target": target.name,
        "cpu": target.cpu,
        "features": target.features,
        "scheme": scheme,
        "digest": digest,
        "input_size": model.input_size,
        "output_size": model.output_size,
        "vocabulary_size": model.vocabulary_size,
        "input_names": list(model.input_names),
        "labels": list(model.labels),
        "rate_hz": model.rate_hz,
        "layers": [{"name": layer.name, "kind": layer.kind, "output_size": model.size_of(layer.name)} for layer in model.layers],
        "weight_bytes": layout.weights.nbytes,
        "arena_bytes": layout.arena_bytes,
        "snapshot_bytes": snapshot.size(layout.state_bytes),
    }


def _info_text(info: dict[str, Any]) -> bytes:
    return json.dumps(info).encode()


def _object_file(layout: Layout, target: Target, info: dict[str, Any], shape: Shape) -> bytes:
    try:
        from .compiler import c_abi, child, fuse
    except ImportError as problem:
        raise CompileError(
            f"building needs Numba and llvmlite ({problem}). Build where they are installed, and copy the library."
        ) from None
    constants = c_abi.Constants(ABI, _info_text(info).decode(), snapshot.header(layout.state_bytes, info["digest"]), shape.input_limit)
    texts = [*fuse.fuse(layout, small=True), *c_abi.interface(layout, constants, target)]
    return child.emit_apart(texts, target, _exports(target))


def _exports(target: Target) -> tuple[str, ...]:
    from .compiler import c_abi, fuse

    if target.bare_metal:
        return c_abi.EXPORTS
    python = fuse.EXPORTS if target.bits == 64 else fuse.EXPORTS[:1]  # the call from Python reads structs of 64-bit CPython
    return (*c_abi.EXPORTS, *c_abi.DATA, *python)


def _linked(object_file: bytes, target: Target) -> bytes:
    from .compiler import elf

    return elf.link(object_file, _exports(target))


def _measured(object_file: bytes) -> tuple[int, tuple[str, ...]]:
    """Bytes in memory, and the compiler's functions that are called."""
    from .compiler import elf

    helpers = elf.undefined(object_file)
    if unknown := [name for name in helpers if name not in HELPERS]:
        raise CompileError(
            f"the generated code calls {', '.join(unknown)}, which a program without an operating system may not have; only functions of "
            "the compiler's own library were expected. Please report this, with the model's `edgelstm describe`."
        )
    return elf.loaded_bytes(object_file), helpers


def _probe_bytes(probe: Probe) -> tuple[bytes, bytes, int]:
    return probe.inputs.tobytes(), probe.outputs.tobytes(), len(probe.inputs)


def _macros(info: dict[str, Any]) -> str:
    """Sizes as C macros, so that an arena can be reserved at compile time."""
    names = ("arena_bytes", "snapshot_bytes", "input_size", "output_size")
    lines = [f"#define EDGELSTM_{name.upper()} {info[name]}" for name in names]
    about = f"/* {info['scheme']} model {info['digest'][:12]} for {info['target']}, made by edgelstm {info['edgelstm']}. */"
    return "\n".join([about, "#ifndef EDGELSTM_MODEL_H", "#define EDGELSTM_MODEL_H", '#include "edgelstm.h"', *lines, "#endif", ""])
