"""Model -> Plan: what all streams of a model share. Compiles, or finds compiled code in the cache."""

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import CompileError, UsageError, printable
from ..model import Model
from ..runtime.fields import Fields
from ..runtime.memory import aligned
from ..runtime.program import About, Program, run_of, tokens_of, worst_difference
from ..runtime.sizes import PROBE_LIMIT, Sizes
from . import cache
from .layout import Layout, lay_out
from .library import MADE_FOR, Library
from .reach import input_limit
from .targets import Target, host

if TYPE_CHECKING:
    from numpy.typing import NDArray

_loaded: dict[str, Library] = {}
_plans: "WeakKeyDictionary[Model, Plan]" = WeakKeyDictionary()


class Plan(Fields):
    """A model packed and compiled for one CPU. Immutable; shared by all streams.

    Attributes
    ----------
    program : Program
        What streams run on.
    layout : Layout
        Where everything lies.
    weights : (n,) float32
        All layers' weights as the kernels read them, on a cache line's boundary.
    target : Target
        What it is compiled for.
    cached : bool
        Whether the code came from the cache.
    seconds : float
        What packing and compiling, or finding, took.
    """

    program: Program
    layout: Layout
    weights: "NDArray[np.float32]"
    target: Target
    cached: bool
    seconds: float


def plan_of(model: Model) -> Plan:
    """The plan that all streams of this Model object share; compiled, and its probe replayed, when first asked for.

    Raises
    ------
    UnsupportedModelError, CompileError
        As `compile_model`; also if compiled code does not give the probe's answers on this machine.
    UsageError
        If it is no Model.
    """
    if not isinstance(model, Model):
        raise UsageError(f"expected a Model, or the path of a built library; got {printable(type(model).__name__, 60)}.")
    if model not in _plans:
        plan = compile_model(model)
        if model.probe is not None:
            worst, step = worst_difference(plan.program, model.probe.inputs, model.probe.outputs)
            if not worst <= PROBE_LIMIT:
                raise CompileError(
                    f"compiled for {plan.target.cpu}, the model differs from its probe ({model.probe.source}) by {worst:.1e} (limit "
                    f"{PROBE_LIMIT:.0e}) at step {step}. Clear the cache folder {cache.folder() or '(there is none)'} and try again; "
                    "if it stays, report this."
                )
        _plans[model] = plan
    return _plans[model]


def compile_model(model: Model) -> Plan:
    """Pack and compile a model for this machine, or find its code in the cache.

    Raises
    ------
    UnsupportedModelError
        If a layer has no kernel.
    CompileError
        If compiling fails, or Numba is needed and not installed.
    """
    started = time.perf_counter()
    target = host()
    layout = lay_out(model, target)
    library, cached = library_of(layout, target)
    weights = aligned(layout.weights)
    weights.flags.writeable = False
    target = target._replace(cpu=library.cpu)
    about = About(model.input_names, model.labels, target.name, target.cpu, weights.nbytes, library.size, model.outline())
    sizes, initial_state = sizes_of(model, layout), layout.initial_state.view(np.uint8)
    program = Program(
        sizes=sizes,
        initial_state=initial_state,
        weights=weights.ctypes.data,
        run=run_of(library.handle, sizes, initial_state),
        python_step=library.python_step,
        owner=(weights, library),
        about=lambda: about,
        tokens=tokens_of(library.handle),
    )
    return Plan(program, layout, weights, target, cached, time.perf_counter() - started)


def sizes_of(model: Model, layout: Layout, digest: bytes = b"") -> Sizes:
    """What a stream must know of a layout."""
    vocabulary = model.vocabulary_size or 0
    return Sizes(
        input_size=layout.input_size,
        output_size=layout.output_size,
        vocabulary=vocabulary,
        arena_bytes=layout.arena_bytes,
        state_bytes=layout.state_bytes,
        sample_offset=layout.sample_offset,
        input_offset=layout.input_offset,
        output_offset=layout.output_offset,
        input_limit=float(vocabulary or input_limit(model)),
        digest=digest,
        every=layout.every,
        first=layout.first,
        input_shape=layout.input_shape,
        output_shape=layout.output_shape,
        row_bytes=None if layout.work is None else 4 * layout.work,
        answers=model.answers or 0,
        vocabularies=model.vocabularies if model.takes_index else (),
    )


def library_of(layout: Layout, target: Target, *, many: bool = False) -> tuple[Library, bool]:
    """The code of a layout, and whether it was there already. many: that which steps many streams in one call."""
    name = cache.key(layout.signature, target, *(["many"] if many else []))
    if name in _loaded:
        return _loaded[name], True
    data = cache.find(name)
    if data is not None:
        try:
            _loaded[name] = Library(data)
        except CompileError as problem:
            cache.warn("cache entry %s is made anew: %s", cache.path_of(name), problem)
        else:
            return _loaded[name], True
    data = _compiled(layout, target, many)
    _loaded[name] = Library(data)
    cache.keep(name, data)
    return _loaded[name], False


def _compiled(layout: Layout, target: Target, many: bool) -> bytes:
    from .room import within_memory

    with within_memory():
        return _made(layout, target, many)


def _made(layout: Layout, target: Target, many: bool) -> bytes:
    try:
        from .numba_start import ready

        ready()
        from . import fuse, fuse_recordings, object_code
        from .elf import link as elf
    except ImportError as problem:
        raise CompileError(
            f"compiling needs Numba and llvmlite ({problem}). Install them, or compile on a machine of this kind that has them "
            f"and copy its cache folder to {cache.folder() or 'a folder that EDGELSTM_CACHE_DIR names'}."
        ) from None
    fuser: Any = fuse if layout.work is None else fuse_recordings
    if many:
        from . import fuse_streams as fuser
    exports = (*fuser.exports(layout), MADE_FOR)
    texts = fuser.fuse(layout, target) if many else fuser.fuse(layout)
    code = object_code.emit([object_code.text_constant(MADE_FOR, object_code.host_cpu()), *texts], target, exports)
    return elf.link(code, exports)
