"""Trials on this machine: a toy model compiled, built, loaded and compared with the reference; a given library loaded and replayed.

``python -m edgelstm.doctor.trial [LIBRARY]`` prints what it saw as JSON. `apart` runs that in a process of its own, which an instruction
that the CPU lacks may end. A library's trial needs the standard library alone.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import CompileError, EdgeLSTMError
from ..runtime.library_file import LibraryFile

if TYPE_CHECKING:
    from ..device import Stream
    from ..model import Model

#: Seconds after which a trial is given up.
TIMEOUT = 900

#: Largest difference of the toy's answers from the float64 reference.
LIMIT = 1e-5

Told = dict[str, Any]


def apart(path: str = "") -> Told:
    """`toy`, or `library` of a path, in a process of its own; in this one where the system starts none.

    Returns
    -------
    dict
        Under ``problem`` what went wrong, empty if nothing did.
    """
    command = [sys.executable, "-P", "-m", "edgelstm.doctor.trial", *([path] if path else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return {"problem": f"it took more than {TIMEOUT} s and was given up"}
    except (OSError, ValueError):
        return _tried(path)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {"problem": _ending(done.returncode, done.stderr)}


def _ending(code: int, said: str) -> str:
    if code == -signal.SIGILL:
        return "the process was ended by an instruction that this CPU lacks"
    if code < 0:
        return f"the process was ended by signal {-code}" + (" (out of memory?)" if code == -signal.SIGKILL else "")
    return (said.strip().splitlines() or [f"the process ended with code {code}"])[-1]


def _tried(path: str) -> Told:
    told: Told = {"problem": ""}
    try:
        if path:
            library(path, told)
        else:
            toy(told)
    except EdgeLSTMError as problem:
        told["problem"] = str(problem)
    except Exception as problem:  # noqa: BLE001  whatever a broken installation raises is what is asked for
        told["problem"] = f"{type(problem).__name__}: {problem}"
    return told


def toy(told: Told) -> None:
    """Compile a toy model, compare it with the reference, build a library of it, and try that.

    `told` is filled as far as it gets: ``skipped`` (why nothing can be compiled here), ``phases_ns``, ``cached``, ``step_ns``,
    ``difference``, ``library``.

    Raises
    ------
    Exception
        Whatever goes wrong.
    """
    phases: dict[str, int] = {}
    told["phases_ns"] = phases
    if reason := _cannot_compile():
        told["skipped"] = reason
        return
    with _timed(phases, "import NumPy"):
        import numpy as np
    with _timed(phases, "import Numba"):
        from ..compiler import numba_start

        numba_start.ready()
        from ..compiler import fuse  # noqa: F401
    from .. import reference
    from ..building import build
    from ..stream import Stream

    model = _toy_model()
    xs = np.random.default_rng(1).uniform(-1, 1, (64, model.input_size)).astype(np.float32)
    with _timed(phases, "compile, or find in the cache"):
        stream = Stream(model)
    told["cached"] = stream.plan.cached
    told["difference"] = float(np.abs(stream.process(xs) - reference.run(model, xs)).max())
    if not told["difference"] <= LIMIT:
        raise CompileError(f"compiled code differs from the reference by {told['difference']:.1e} (limit {LIMIT:.0e})")
    told["step_ns"] = _least(lambda: stream.step(xs[0]))
    with _timed(phases, "build a library"):
        made = build(model)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "toy.so")
        made.write(path)
        told["library"] = {}
        library(path, told["library"])


def _cannot_compile() -> str:
    """Why nothing is compiled on this machine; empty where it should work."""
    absent = [name for name, module in (("NumPy", "numpy"), ("Numba", "numba"), ("llvmlite", "llvmlite")) if find_spec(module) is None]
    if absent:
        return f"without {', '.join(absent)} this machine compiles nothing; it runs libraries that were built elsewhere"
    from ..compiler.targets import host

    try:
        host()
    except CompileError as problem:
        return str(problem)
    return ""


def _toy_model() -> "Model":
    import numpy as np

    from ..layers.feedforward import Dense
    from ..layers.lstm import LSTM
    from ..model import Model

    random = np.random.default_rng(0)
    arrays = [random.uniform(-0.5, 0.5, shape) for shape in ((32, 3), (32, 8), (32,), (2, 8), (2,))]
    return Model((LSTM(*arrays[:3]), Dense(*arrays[3:])))


def library(path: str, told: Told) -> None:
    """Load a library, replay its probe, time a step, with the standard library alone.

    `told` is filled as far as it gets: ``path``, ``target``, ``scheme``, ``digest``, ``misfit``, ``load_ns``, ``probe_steps``,
    ``difference`` (the largest, relative to max(1, |answer|)), and ``step_ns`` or, of a model that cannot step, ``recording_ns``, of the
    probe's.

    Raises
    ------
    LibraryError
        If it is damaged, or does not load or answer here. For another machine it is no error: ``misfit`` says so.
    """
    from ..device import Stream

    file = LibraryFile(path)
    info = file.info
    told.update(path=path, misfit=file.misfit(), probe_steps=file.probe_steps)
    told.update({key: str(info.get(key, "")) for key in ("target", "scheme", "digest")})
    if told["misfit"]:
        return
    begin = time.perf_counter_ns()
    stream = Stream(path)
    told["load_ns"] = time.perf_counter_ns() - begin
    told["difference"] = _worst(stream, file)
    if file.sizes.reads_recordings:
        told["recording_ns"] = _least(lambda: _answers(stream, file), 200)
        return
    stream.input[:] = file.probe_inputs[: stream.input_size]
    told["step_ns"] = _least(stream.step)


def _answers(stream: "Stream", file: LibraryFile) -> "memoryview[float]":
    """To the probe."""
    answers = memoryview(bytearray(file.probe_outputs.nbytes)).cast("f")
    stream.process(file.probe_inputs, answers)
    return answers


def _worst(stream: "Stream", file: LibraryFile) -> float:
    answers = _answers(stream, file)
    stream.reset()
    return max(abs(got - wanted) / max(1.0, abs(wanted)) for got, wanted in zip(answers, file.probe_outputs, strict=True))


def _least(step: Callable[[], object], count: int = 2000) -> int:
    """Nanoseconds of the fastest step of many, reading the clock included."""
    clock, least = time.perf_counter_ns, 1 << 62
    for _ in range(count):
        begin = clock()
        step()
        least = min(least, clock() - begin)
    return least


@contextmanager
def _timed(phases: dict[str, int], name: str) -> Iterator[None]:
    begin = time.perf_counter_ns()
    yield
    phases[name] = time.perf_counter_ns() - begin


if __name__ == "__main__":
    print(json.dumps(_tried(sys.argv[1] if len(sys.argv) > 1 else "")))
