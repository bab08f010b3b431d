"""The measurements of `edgelstm bench`: cold start, single steps, paced steps, blocks.

It prints nothing. All times are nanoseconds; reading the clock costs some of them, which `timer_cost` tells.
"""

import json
import os
import platform
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import EdgeLSTMError
from ..layers.feedforward import Normalizer
from ..layers.order import INPUT
from ..runtime.library_file import LibraryFile

#: Nanoseconds, one number a step: (steps,).
Times = NDArray[np.int64]

if TYPE_CHECKING:
    from ..model import Model
    from ..stream import Stream

#: Distinct samples; steps go round them.
SAMPLES = 1024

#: Samples of a recording, for models that cannot step.
RECORDING = 64

#: Launches of a fresh process; the median is reported.
LAUNCHES = 5

_BEGIN = """
import time; started = time.monotonic_ns()
import sys
sys.path.insert(0, sys.argv[2])
import numpy; numpy_done = time.monotonic_ns()
"""

_FIRST = """
zeros = numpy.zeros(stream.input_size, numpy.float32)
stream.process(zeros[None]) if stream.program.reads_recordings else stream.step(zeros)
""".strip()

_MODEL = f"""{_BEGIN}
from edgelstm.loading import load
from edgelstm.stream import Stream; imported = time.monotonic_ns()
import json; model = load(sys.argv[1], **json.loads(sys.argv[3])); loaded = time.monotonic_ns()
stream = Stream(model); ready = time.monotonic_ns()
{_FIRST}; done = time.monotonic_ns()
print(started, numpy_done, imported, loaded, ready, done, int(stream.plan.cached))
"""

_LIBRARY = f"""{_BEGIN}
from edgelstm.stream import Stream; imported = time.monotonic_ns()
stream = Stream(sys.argv[1]); ready = time.monotonic_ns()
{_FIRST}; done = time.monotonic_ns()
print(started, numpy_done, imported, ready, done)
"""

#: What `_MODEL` and `_LIBRARY` time, in order.
PHASES = ("python", "import numpy", "import edgelstm", "load model", "prepare stream", "first step")
LIBRARY_PHASES = ("python", "import numpy", "import edgelstm", "load library", "first step")


def samples(given: "Model | LibraryFile", seed: int = 0) -> NDArray[np.float32]:
    """Plausible inputs (SAMPLES, input_size): standard normal in the units of the model's normaliser, or with the mean and spread of the
    library's probe; random indices for an embedding.
    """
    random = np.random.default_rng(seed)
    if isinstance(given, LibraryFile):
        size, tables = given.sizes.input_size, given.sizes.vocabularies
        probe = np.array(given.probe_inputs, np.float64).reshape(-1, size)  # (steps, input_size)
        scale, mean = probe.std(axis=0), probe.mean(axis=0)
    else:
        size, tables = given.input_size, given.vocabularies
        first = next((layer for layer in given.layers if isinstance(layer, Normalizer) and layer.inputs == (INPUT,)), None)
        scale, mean = (np.ones(1), np.zeros(1)) if first is None else (first.scale, first.mean)
    xs = random.standard_normal((SAMPLES, size)) * scale + mean
    for column, rows in enumerate(tables):
        if rows:
            xs[:, column] = random.integers(0, rows, SAMPLES)
    return np.asarray(xs, np.float32)


def cold_start(path: Path, how: Mapping[str, str] | None = None, *, library: bool = False) -> dict[str, float | bool]:
    """Nanoseconds from the launch of Python to the first answer, by phase and as ``total``: medians of fresh processes.

    `how` holds the arguments with which a trained file is loaded.
    ``cached`` tells of a model whether all of them found it compiled on disk; a library has nothing to find.

    Raises
    ------
    EdgeLSTMError
        If the fresh process fails.
    """
    package = str(Path(__file__).resolve().parents[2])
    script, phases = (_LIBRARY, LIBRARY_PHASES) if library else (_MODEL, PHASES)
    arguments = [str(path), package, json.dumps(dict(how or {}))]
    runs, cached = [], True
    for _ in range(LAUNCHES):
        launched = time.monotonic_ns()
        child = subprocess.run([sys.executable, "-P", "-c", script, *arguments], capture_output=True, text=True, check=False)
        if child.returncode != 0:
            reason = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
            raise EdgeLSTMError(f"the cold start failed in a fresh process: {reason}")
        numbers = [int(number) for number in child.stdout.split()]
        runs.append(np.diff([launched, *numbers[: len(phases)]]))  # (phases,)
        cached = cached and all(numbers[len(phases) :])
    medians = np.median(runs, axis=0).tolist()
    told = {**dict(zip(phases, medians, strict=True)), "total": float(np.median(np.sum(runs, axis=1)))}
    return told if library else {**told, "cached": cached}


def timer_cost(count: int = 20_000) -> float:
    """Median nanoseconds between two readings of the clock with nothing between."""
    clock = time.perf_counter_ns
    costs = array("q", bytes(8 * count))
    for i in range(count):
        begin = clock()
        end = clock()
        costs[i] = end - begin
    return float(np.median(costs))


def units(stream: "Stream", xs: NDArray[np.float32]) -> tuple[Callable[[Any], object], list[NDArray[np.float32]]]:
    """What is timed, and what it is given: `step` and samples, or `process` and recordings of `RECORDING` samples."""
    if stream.program.reads_recordings:
        return stream.process, np.split(xs, range(RECORDING, len(xs) - RECORDING + 1, RECORDING))
    return stream.step, list(xs)


def full_speed(stream: "Stream", xs: NDArray[np.float32], seconds: float, steps: int) -> Times:
    """Nanoseconds of each step, back to back: `steps` of them, or as many as `seconds` hold where those are fewer."""
    clock, (step, rows) = time.perf_counter_ns, units(stream, xs)
    begin = clock()
    for x in rows[:100]:
        step(x)
    steps = int(min(steps, 1 + seconds * 1e9 * len(rows[:100]) / (clock() - begin)))
    taken = array("q", bytes(8 * steps))
    for i in range(steps):
        x = rows[i % len(rows)]
        begin = clock()
        step(x)
        end = clock()
        taken[i] = end - begin
    return np.asarray(taken, np.int64)


def paced(stream: "Stream", xs: NDArray[np.float32], rate: float, steps: int) -> tuple[Times, Times]:
    """Sleep until a sample is due, step, and again: `steps` samples at `rate` Hz.

    Samples are due at fixed times, whether or not the one before was answered: a sensor does not wait.

    Returns
    -------
    step : (steps,) nanoseconds of each step, after a sleep
    response : (steps,) nanoseconds from the due time to the answer, the lateness of waking included
    """
    clock, sleep, (step, rows) = time.perf_counter_ns, time.sleep, units(stream, xs)
    period = 1e9 / rate
    taken, response = array("q", bytes(8 * steps)), array("q", bytes(8 * steps))
    start = clock() + period
    for i in range(steps):
        x = rows[i % len(rows)]
        due = int(start + i * period)
        if (wait := due - clock()) > 0:
            sleep(wait * 1e-9)
        begin = clock()
        step(x)
        end = clock()
        taken[i] = end - begin
        response[i] = end - due
    return np.asarray(taken, np.int64), np.asarray(response, np.int64)


def percentiles(times: Times, timer: float = 0.0) -> dict[str, float]:
    """p50, p90, p99, p99.9, max and mean of times less the timer's own cost, and how many there were."""
    net = np.maximum(times - timer, 0)
    points = dict(zip(("p50", "p90", "p99", "p99.9", "max"), np.percentile(net, [50, 90, 99, 99.9, 100]).tolist(), strict=True))
    return {**points, "mean": float(net.mean()), "count": len(net)}


def block(stream: "Stream", xs: NDArray[np.float32]) -> float:
    """Nanoseconds a step of `process`, median of five runs of about 50 ms."""
    clock = time.perf_counter_ns
    begin = clock()
    stream.process(xs)
    repeats = int(np.clip(50e6 / (clock() - begin), 1, 1000))
    many = np.tile(xs, (repeats, 1))  # (repeats * SAMPLES, input_size)
    runs = []
    for _ in range(5):
        begin = clock()
        stream.process(many)
        runs.append((clock() - begin) / len(many))
    return float(np.median(runs))


def machine(stream: "Stream") -> dict[str, Any]:
    """What a reader must know to compare numbers."""
    about = stream.program.about()
    return {
        "cpu": _cpu(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not readable",
        "load_average": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "edgelstm": __version__,
        "target": " ".join(filter(None, (about.target, f"({about.cpu})" if about.cpu else ""))),
        "threads": 1,
    }


def _cpu() -> str:
    """The processor's name: as Linux calls it on x86, or the board's name on ARM."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or _first_line("/proc/device-tree/model") or platform.processor() or platform.machine()


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace").partition("\n")[0].strip("\0 ")
    except OSError:
        return ""
