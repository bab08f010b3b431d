"""The picture of `edgelstm bench --plot`: how latencies are spread, and when the late ones came."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..runtime.writing import write_atomic


def check(path: Path) -> None:
    """Refuse now what `draw` could not write after minutes of measuring.

    Raises
    ------
    UsageError
        If matplotlib is absent, or cannot write files of that suffix, or the folder does not exist.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("--plot needs matplotlib; install it with: pip install 'edgelstm[plot]'") from None
    known = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix.lower().lstrip(".") not in known:
        raise UsageError(f"--plot {path}: the name must end in one of {', '.join(known)}.")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {path.parent}; create it first.")


def draw(path: Path, told: dict[str, Any], full_speed: NDArray[np.int64], paced: NDArray[np.int64], response: NDArray[np.int64]) -> None:
    """Draw to `path`: left the spread of step times (nanoseconds each), right every response against the deadline.

    Parameters
    ----------
    told : the record that `bench --json` prints
    full_speed, paced, response : (steps,) nanoseconds, as `measure` returns them
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    spread, series = figure.subplots(1, 2, width_ratios=(2, 3))
    times = {"full speed": full_speed / 1e3, f"paced at {told['rate_hz']:g} Hz": paced / 1e3}  # microseconds
    low, high = (edge(np.concatenate([*times.values()])) for edge in (np.min, np.max))
    bins = np.geomspace(max(low, 0.01), max(high, 0.02) * 1.01, 80)
    for label, values in times.items():
        spread.hist(values, bins, weights=np.full(len(values), 100 / len(values)), histtype="stepfilled", alpha=0.6, label=label)
    spread.set(xscale="log", xlabel="time of a step (µs)", ylabel="steps (%)", title="One step")
    spread.legend(frameon=False)
    seconds = np.arange(len(response)) / told["rate_hz"]
    series.plot(seconds, response / 1e3, ".", markersize=3, label="sample due → answer")
    series.axhline(told["deadline_ns"] / 1e3, color="tab:red", linestyle="--", label=f"deadline ({told['deadline_misses']} missed)")
    series.set(yscale="log", xlabel="time (s)", ylabel="response (µs)", title="Paced")
    series.legend(frameon=False, loc="center right")
    figure.suptitle(f"{Path(told['model']).name} on {told['machine']['cpu']}".replace("$", r"\$"), fontsize=10)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=130, format=path.suffix.lower().lstrip("."))
    write_atomic(str(path), picture.getvalue())
