"""`edgelstm bench`: how fast a model answers on this machine, and how often too late."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from . import given, show

if TYPE_CHECKING:
    from ..model import Model
    from ..runtime.library_file import LibraryFile
    from .measure import Times

#: More paced steps than this would fill the memory of a small board with measurements.
MAX_STEPS = 10_000_000

#: Enough for a p99.9 that means something.
FULL_SPEED_STEPS = 100_000


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--rate", type=float, metavar="HZ", help="Samples a second. Default: the rate that MODEL was trained on.")
@click.option("--seconds", type=float, metavar="S", help="Length of the paced run; the one at full speed is no longer.  [default: 5]")
@click.option("--steps", type=int, metavar="N", help="Length of both runs in steps, instead of --seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON; times in nanoseconds.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw the latencies too (needs matplotlib).")
@click.option("--all-schemes", is_flag=True, help="Compare float32 and every int8 scheme: time and size on this machine.")
def bench(
    *,
    model: Path,
    how: given.How,
    rate: float | None,
    seconds: float | None,
    steps: int | None,
    as_json: bool,
    plot: Path | None,
    all_schemes: bool,
) -> None:
    """Measure MODEL on this machine: cold start, latency with its tail, deadline misses.

    Three things are timed. Cold start: a fresh Python, from launch to first answer. Full speed: single steps back to back, the
    timer's own cost subtracted. Paced: sleep until a sample is due at the rate, then step, as a sensor would have it; an
    answer later than one period after its sample is a deadline miss. Inputs are random in the range that MODEL expects.

    MODEL is a model file, or a library that `edgelstm build` made for this machine.

    \b
    Examples:
      edgelstm bench gesture.elstm --rate 100
      edgelstm bench gesture.elstm --rate 16000 --steps 100000 --json --plot latency.png
      edgelstm bench gesture.elstm --rate 100 --all-schemes
      edgelstm bench gesture.so --rate 100
    """  # noqa: D301
    from ..runtime.library_file import LibraryFile
    from . import schemes
    from .plot import check, draw

    if plot is not None:
        check(plot)
    if seconds is not None and steps is not None:
        raise UsageError("say either --seconds or --steps; got both.")
    loaded = given.opened(model, how)
    if all_schemes and isinstance(loaded, LibraryFile):
        raise UsageError(f"--all-schemes quantises a model, and {model} is a built library, which holds none; give the .elstm file.")
    rate = rate if rate is not None else loaded.rate_hz
    if rate is None:
        raise UsageError("--rate is missing and the model states none; say how many samples a second arrive, as in --rate 100.")
    told, series = _measure(loaded, model, how, rate, _lengths(rate, 5.0 if seconds is None else seconds, steps))
    if all_schemes and not isinstance(loaded, LibraryFile):
        told["schemes"] = schemes.compare(loaded)
    if as_json:
        show.emit_json(told)
    else:
        _print(told)
    if plot is not None:
        draw(plot, told, *series)


def _lengths(rate: float, seconds: float, steps: int | None) -> tuple[int, int, float]:
    """How many steps to pace, at most how many to take at full speed, and for how many seconds at most."""
    if not 0 < rate < float("inf"):
        raise UsageError(f"--rate must be a positive number of samples a second; got {rate}.")
    if not 0 < seconds < float("inf"):
        raise UsageError(f"--seconds must be a positive number; got {seconds}.")
    if steps is not None:
        paced, quick, seconds = steps, steps, float("inf")
    else:
        paced, quick = int(min(max(seconds * rate, 1), MAX_STEPS + 1)), FULL_SPEED_STEPS
    if not 1 <= paced <= MAX_STEPS:
        raise UsageError(f"a run must have between 1 and {MAX_STEPS:,} steps; change --seconds or --steps.")
    return paced, quick, seconds


def _measure(
    loaded: "Model | LibraryFile", path: Path, how: given.How, rate: float, lengths: tuple[int, int, float]
) -> tuple[dict[str, Any], list["Times"]]:
    """The record that ``--json`` prints, and the arrays that it sums up: full speed, paced, response."""
    from ..runtime.library_file import LibraryFile
    from ..stream import Stream
    from . import measure

    paced, quick, seconds = lengths
    stream = Stream(given.source(loaded))
    stream.warmup()
    xs = measure.samples(loaded)
    timer = measure.timer_cost()
    single = measure.full_speed(stream, xs, seconds, quick)
    step, response = measure.paced(stream, xs, rate, paced)
    deadline = 1e9 / rate
    about = stream.program.about()
    sizes = {"weights": about.weight_bytes, "arena": stream.program.arena_bytes, "code": about.code_bytes}
    told = {
        "model": str(path),
        "machine": measure.machine(stream),
        "cold_start_ns": measure.cold_start(path, how.said, library=isinstance(loaded, LibraryFile)),
        "timer_ns": timer,
        "full_speed_ns": (quick_times := measure.percentiles(single, timer)),
        "paced_ns": measure.percentiles(step, timer),
        "response_ns": measure.percentiles(response),
        "process_ns": measure.block(stream, xs),
        **({"recording": measure.RECORDING} if stream.program.reads_recordings else {}),
        "rate_hz": rate,
        "deadline_ns": deadline,
        "deadline_misses": int((response > deadline).sum()),
        "real_time_factor": quick_times["mean"] / deadline,
        "bytes": sizes,
    }
    return told, [single, step, response]


def _print(told: dict[str, Any]) -> None:
    machine = told["machine"]
    show.table(f"{told['model']} on {machine['cpu']}", (), [item for item in machine.items() if item[0] != "cpu"])
    unit = f"a recording of {told['recording']}" if "recording" in told else "step"
    columns = ("p50", "p90", "p99", "p99.9", "max")
    names = {
        "full_speed_ns": f"{unit}, full speed",
        "paced_ns": f"{unit}, paced at {told['rate_hz']:g} Hz",
        "response_ns": "sample due to answer",
    }
    rows = [(name, *(show.time_text(told[key][c]) for c in columns), f"{told[key]['count']:,}") for key, name in names.items()]
    show.table("Latency", ("", *columns, "steps"), rows)
    cold = dict(told["cold_start_ns"])
    cache = {True: ", cache warm", False: ", cache cold: the compiled model could not be cached", None: ""}[cold.pop("cached", None)]
    show.table(f"Cold start{cache}", ("phase", "time"), [(phase, show.time_text(ns)) for phase, ns in cold.items()])
    factor, missed, due = told["real_time_factor"], told["deadline_misses"], told["response_ns"]["count"]
    facts = [
        ("deadline misses", f"{missed:,} of {due:,} ({missed / due:.4%}); a deadline is {show.time_text(told['deadline_ns'])}"),
        ("real-time factor", f"{factor:.3g} of one core ({1 / factor:,.0f} × faster than the samples come)" if factor else "0"),
        ("a step in process()", show.time_text(told["process_ns"])),
        ("bytes", ", ".join(f"{name} {show.bytes_text(size)}" for name, size in told["bytes"].items())),
        ("timer", f"{show.time_text(told['timer_ns'])} a reading, subtracted from the steps"),
    ]
    show.table("Real time", (), facts)
    if "schemes" in told:
        from . import schemes

        schemes.print_table(told["schemes"])
