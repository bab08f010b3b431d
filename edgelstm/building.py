"""Model -> a library or object file for another machine, with its weights inside: what `edgelstm.build` does."""

import json
import os
import re
import time
from pathlib import PurePath
from typing import Any, NamedTuple

from . import __version__
from .compiler import numba_start, targets
from .compiler.c_header import PREFIX, of_model
from .compiler.elf import link as elf
from .compiler.elf.archive import archive
from .compiler.features import lacking
from .compiler.layout import Layout, lay_out
from .compiler.plan import sizes_of
from .compiler.room import within_memory
from .compiler.step_cost import instructions
from .compiler.targets import Target, TargetName
from .errors import CompileError, UnsupportedModelError, UsageError, printable
from .files import container
from .files.elstm import model_digest
from .files.library import sealed
from .files.probes import reference_probe
from .model import Model, Probe
from .runtime import outline, snapshot
from .runtime.library_file import ABI, DIGEST_SIZE, digest_of
from .runtime.sizes import Sizes
from .runtime.writing import write_atomic

#: Functions of the ARM run-time ABI that every compiler for bare metal brings: arithmetic of 64-bit integers, and of float32 without FPU.
HELPERS = frozenset(
    f"__aeabi_{name}"
    for name in (
        *("lmul", "ldivmod", "uldivmod", "llsl", "llsr", "lasr", "lcmp", "ulcmp", "idiv", "uidiv", "idivmod", "uidivmod"),
        *("fadd", "fsub", "frsub", "fmul", "fdiv", "fcmpeq", "fcmplt", "fcmple", "fcmpge", "fcmpgt", "fcmpun"),
        *("f2iz", "f2uiz", "f2lz", "f2ulz", "i2f", "ui2f", "l2f", "ul2f"),
    )
)


#: What a file's ending says that it is.
FORMS = {".so": "library", ".a": "archive", ".o": "object"}

#: How people call the forms.
CALLED = {"library": "a shared library", "object": "an object file", "archive": "an archive"}

#: Of a C name that functions and macros may begin with.
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


class Build(NamedTuple):
    """A model compiled for a target.

    Attributes
    ----------
    data : bytes
        The file's content, but for the name that `write` gives a library.
    form : {"library", "object", "archive"}
        A shared library; an object file to link; an archive of that.
    target : Target
        `needs` is what this code needs.
    header : str
        C text: the sizes of this model as macros, for memory that is reserved at compile time. With a prefix,
        the interface's functions too.
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
    form: str
    target: Target
    header: str
    info: dict[str, Any]
    weight_bytes: int
    code_bytes: int
    arena_bytes: int
    helpers: tuple[str, ...]
    seconds: float

    def __repr__(self) -> str:
        return printable(f"Build({outline.line(self.info)}, for {self.target.name}, {len(self.data):,} bytes)")

    def _repr_html_(self) -> str:
        sizes = (("weights", self.weight_bytes), ("code", self.code_bytes), ("memory of a stream", self.arena_bytes))
        facts = (("target", f"{self.target.name} ({self.info['cpu']})"), *((name, f"{size:,} bytes") for name, size in sizes))
        return outline.html("Build", self.info, facts)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all. A library gets its file name as its name for programs that are linked with it (SONAME).

        Raises
        ------
        ModelFileError
            If the disk is full or the folder is not writable.
        UsageError
            If the path ends as files of another form do, or as none.
        """
        place = container.path_text(path)
        if (form := _form_named(place) or self.form) != self.form:
            said, made = CALLED[form], CALLED[self.form]
            raise UsageError(f"{place} is named as {said} and this is {made}; name it otherwise, or build with form={form!r}.")
        data = self.data
        if self.form == "library":
            body = elf.with_soname(data, PurePath(place).name)[:-DIGEST_SIZE]
            data = body + digest_of(body)
        write_atomic(place, data)


def _form_named(name: str) -> str:
    """The form that a file name says; empty where it has no ending."""
    suffix = PurePath(re.sub(r"(?<=\.so)(\.\d+)+$", "", name)).suffix
    if suffix and suffix not in FORMS:
        endings = ", ".join(f"{ending} for {CALLED[form]}" for ending, form in FORMS.items())
        raise UsageError(f"{name} ends in {suffix}, as nothing does that is built here: say {endings}.")
    return FORMS.get(suffix, "")


def form_of(path: str | os.PathLike[str], target: Target) -> str:
    """The form that a file of this name is to have.

    Raises
    ------
    UsageError
        If no form is named so, or the target's programs load no libraries and the name is a library's.
    """
    form = _form_named(os.fspath(path)) or ("object" if target.bare_metal else "library")
    if form == "library" and target.bare_metal:
        raise UsageError(
            f"{os.fspath(path)} is named as a shared library, and {target.name} has no system that loads one; write an object file (.o) "
            "or an archive (.a)."
        )
    return form


def build(model: Model, target: TargetName | Target = "host", *, prefix: str = PREFIX, form: str = "") -> Build:
    """Compile a model ahead of time.

    Parameters
    ----------
    model : Model
    target : str or Target
        A name that ``edgelstm targets`` lists, or a changed one from `compiler.targets.named`.
    prefix : str
        What the names of C functions begin with, and in capitals those of macros: two models in one program need two.
    form : {"", "library", "object", "archive"}
        A shared library, an object file to link, or an archive of that; empty: a library where there is a system that loads one,
        else an object file.

    Returns
    -------
    Build
        A shared library that `Stream`, `device.Stream` and C load, or a file to link.

    Raises
    ------
    UsageError
        If there is no such target, or no file of this form or prefix can be made.
    UnsupportedModelError, CompileError
        If a layer has no kernel there, LLVM refuses the CPU or its features, or the code calls what a microcontroller may not have.
    """
    started = time.perf_counter()
    if not isinstance(model, Model):
        raise UsageError(f"build takes a Model; got {type(model).__name__}. Read a file with edgelstm.load(path).")
    if not isinstance(target, str | Target):
        raise UsageError(f"target is the name of a target, or a Target; got {target!r}. `edgelstm targets` lists them.")
    if waiting := [layer.label for layer in model.layers if layer.waits]:
        raise UnsupportedModelError(
            f"{waiting[0]} waits for a memory, which no library can be given yet; run the model file itself, with el.Stream, or build with "
            "the memory in the layer, Attention(memory=…)."
        )
    target = targets.named(target) if isinstance(target, str) else target
    form = _checked(form, prefix, target)
    layout = lay_out(model, target)
    digest = model_digest(model)
    sizes = sizes_of(model, layout, bytes.fromhex(digest))
    info = _info(model, layout, target, digest) | {"prefix": prefix}
    with within_memory():
        exports = _exports(sizes, target, form)
        object_file, needs = _object_file(layout, target, info, sizes, exports)
    target = target._replace(needs=needs)
    loaded, helpers = _measured(object_file, target)
    data = object_file
    if form == "library":
        probe = model.probe or reference_probe(model)
        library = _linked(object_file, target, tuple(_shown(exports, prefix).values()))
        data = sealed(library, sizes, target.architecture, needs, _info_text(info), _probe_bytes(probe))
    elif form == "archive":
        data = archive(object_file, tuple(_shown(exports, prefix).values()), f"{digest[:12]}.o")
    weights = layout.weights.nbytes
    taken = (weights, loaded - weights, layout.arena_bytes)
    return Build(data, form, target, of_model(info), info, *taken, helpers, time.perf_counter() - started)


def _checked(form: str, prefix: str, target: Target) -> str:
    """The form to make.

    Raises
    ------
    UsageError
    """
    form = form or ("object" if target.bare_metal else "library")
    if form not in CALLED:
        raise UsageError(f"form is one of {', '.join(map(repr, CALLED))}; got {form!r}.")
    if form == "library" and target.bare_metal:
        raise UsageError(f"{target.name} has no system that loads a library; build with form='object' or form='archive'.")
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(f"a prefix is a name in C: a letter, then letters, digits and underscores, at most 40; got {prefix!r}.")
    return form


def _info(model: Model, layout: Layout, target: Target, digest: str) -> dict[str, Any]:
    estimate = instructions(model, target.architecture, target.dot)
    return {
        "abi": ABI,
        "edgelstm": __version__,
        "target": target.name,
        "cpu": target.cpu,
        "features": target.features,
        "digest": digest,
        **model.outline(),
        "multiply_accumulates": sum(layer.multiply_accumulates for layer in model.layers),
        "instructions": estimate and estimate.instructions,
        "weight_bytes": layout.weights.nbytes,
        "arena_bytes": layout.arena_bytes,
        **({"snapshot_bytes": snapshot.size(layout.state_bytes)} if layout.work is None else {"row_bytes": 4 * layout.work}),
        **({"sums_up": True} if model.sums_up else {"answers": model.answers} if model.answers else {}),
    }


def _info_text(info: dict[str, Any]) -> bytes:
    return json.dumps(info).encode()


def _object_file(
    layout: Layout, target: Target, info: dict[str, Any], sizes: Sizes, exports: tuple[str, ...]
) -> tuple[bytes, tuple[str, ...]]:
    """The code, and what its CPU must have."""
    from .compiler import c_abi, child, fuse

    constants = c_abi.Constants(ABI, _info_text(info).decode(), snapshot.header(layout.state_bytes, info["digest"]), sizes.input_limit)
    if layout.work is None:
        texts = [*fuse.fuse(layout, small=True), *c_abi.interface(layout, constants, target)]
    else:
        from .compiler import c_abi_recordings, fuse_recordings

        texts = [*fuse_recordings.fuse(layout), *c_abi_recordings.interface(layout, constants, target, answers=sizes.answers)]
    return child.emit_apart(texts, target, exports, _shown(exports, info["prefix"]))


def _shown(exports: tuple[str, ...], prefix: str) -> dict[str, str]:
    """By the name of what is shown, its name in the file: what C calls has the prefix, what Python asks for keeps its name."""
    from .compiler import c_abi, fuse, fuse_recordings

    own = {*c_abi.DATA, *fuse.EXPORTS, fuse.TOKENS, *fuse_recordings.EXPORTS}
    return {name: name if name in own else prefix + name.removeprefix(PREFIX) for name in exports}


def _exports(sizes: Sizes, target: Target, form: str) -> tuple[str, ...]:
    try:
        numba_start.ready()
        from .compiler import c_abi, fuse, fuse_recordings
    except ImportError as problem:
        raise CompileError(
            f"building needs Numba and llvmlite ({problem}). Build where they are installed, and copy the library."
        ) from None
    shown = c_abi.exports(sizes, target)
    if form != "library":
        return shown
    if sizes.reads_recordings:
        return (*shown, *c_abi.DATA, *fuse_recordings.EXPORTS)
    python = fuse.EXPORTS if target.bits == 64 else fuse.EXPORTS[:1]  # the call from Python reads structs of 64-bit CPython
    return (*shown, *c_abi.DATA, *python, *([fuse.TOKENS] if sizes.generates else []))


def _linked(object_file: bytes, target: Target, exports: tuple[str, ...]) -> bytes:
    try:
        return elf.link(object_file, exports, nameable=True)
    except CompileError:
        if targets.changed(target):
            raise lacking(target) from None
        raise


def _measured(object_file: bytes, target: Target) -> tuple[int, tuple[str, ...]]:
    """Bytes in memory, and the compiler's functions that are called."""
    helpers = elf.undefined(object_file)
    known = HELPERS if target.bare_metal else ()
    if any(name not in known for name in helpers) and targets.changed(target):
        raise lacking(target)
    if unknown := [name for name in helpers if name not in known]:
        raise CompileError(
            f"the generated code calls {', '.join(unknown)}, which a program without an operating system may not have; only functions of "
            "the compiler's own library were expected. Please report this, with the model's `edgelstm describe`."
        )
    return elf.loaded_bytes(object_file), helpers


def _probe_bytes(probe: Probe) -> tuple[bytes, bytes, int]:
    return probe.inputs.tobytes(), probe.outputs.tobytes(), len(probe.inputs)
