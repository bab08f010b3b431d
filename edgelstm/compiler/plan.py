"""Model -> Plan: what all streams of a model share. Compiles, or finds compiled code in the cache."""

import json
import time
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..errors import CompileError
from ..model import Model, Probe
from . import cache
from .layout import Layout, lay_out
from .library import INFO, Library
from .limits import input_limit
from .memory import aligned, allocate
from .targets import Target, host

_loaded: dict[str, Library] = {}
_plans: WeakKeyDictionary[Model, "Plan"] = WeakKeyDictionary()

#: Largest difference from its probe that compiled code may show, relative to max(1, |output|).
PROBE_LIMIT = 1e-4


class Plan(NamedTuple):
    """A model packed and compiled for one CPU. Immutable; shared by all streams.

    Attributes
    ----------
    layout : Layout
        Where everything lies.
    weights : (n,) float32
        All layers' weights as the kernels read them, on a cache line's boundary.
    library : Library
        The compiled entry points.
    target : Target
        What it is compiled for.
    cached : bool
        Whether the code came from the cache.
    seconds : float
        What packing and compiling, or finding, took.
    input_limit : float
        Largest magnitude of an input for which no intermediate value can overflow float32; the vocabulary's size for an index.
    """

    layout: Layout
    weights: NDArray[np.float32]
    library: Library
    target: Target
    cached: bool
    seconds: float
    input_limit: float

    @property
    def weight_bytes(self) -> int:
        return self.weights.nbytes

    @property
    def arena_bytes(self) -> int:
        """Memory of one stream."""
        return self.layout.arena_bytes

    @property
    def code_bytes(self) -> int:
        """Size of the library file: code, constants and tables."""
        return self.library.size


def plan_of(model: Model) -> Plan:
    """The plan that all streams of this Model object share; compiled, and its probe replayed, when first asked for.

    Raises
    ------
    UnsupportedModelError, CompileError
        As `compile_model`; also if compiled code does not give the probe's answers on this machine.
    """
    if model not in _plans:
        plan = compile_model(model)
        if model.probe is not None:
            _replay(plan, model.probe)
        _plans[model] = plan
    return _plans[model]


def _replay(plan: Plan, probe: Probe) -> None:
    arena = allocate(plan.arena_bytes)
    arena[: plan.layout.state_bytes] = plan.layout.initial_state.view(np.uint8)
    answers = np.empty_like(probe.outputs)
    addresses = (a.ctypes.data for a in (plan.weights, arena, probe.inputs, answers))
    plan.library.run(*addresses, len(probe.inputs), plan.input_limit, 0)
    error = np.abs(answers - probe.outputs) / np.maximum(1, np.abs(probe.outputs))
    worst = float(error.max())
    if not worst <= PROBE_LIMIT:
        step = int(np.argmax(~(error <= PROBE_LIMIT).all(axis=1)))
        raise CompileError(
            f"compiled for {plan.target.cpu}, the model differs from its probe ({probe.source}) by {worst:.1e} (limit {PROBE_LIMIT:.0e}) "
            f"at step {step}. Clear the cache folder {cache.folder()} and try again; if it stays, please report this."
        )


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
    library, cached = _library(layout, target)
    weights = aligned(layout.weights)
    weights.flags.writeable = False
    limit = float(model.vocabulary_size or input_limit(model))
    target = target._replace(cpu=library.info["cpu"])
    return Plan(layout, weights, library, target, cached, time.perf_counter() - started, limit)


def _library(layout: Layout, target: Target) -> tuple[Library, bool]:
    name = cache.key(layout.signature, target)
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
    data = _compiled(layout, target)
    _loaded[name] = Library(data)
    cache.keep(name, data)
    return _loaded[name], False


def _compiled(layout: Layout, target: Target) -> bytes:
    try:
        from . import elf, fuse, object_code
    except ImportError as problem:
        raise CompileError(
            f"compiling needs Numba and llvmlite ({problem}). Install them, or compile on a machine of this kind that has them "
            f"and copy its cache folder to {cache.folder()}."
        ) from None
    exports = (*fuse.EXPORTS, INFO)
    info = json.dumps({"abi": 1, "cpu": object_code.host_cpu(), "input_size": layout.input_size, "output_size": layout.output_size})
    code = object_code.emit([object_code.text_constant(INFO, info), *fuse.fuse(layout)], target, exports)
    return elf.link(code, exports)
