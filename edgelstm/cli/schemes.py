"""`edgelstm bench --all-schemes`: the time and size of a model in every number format, on this machine."""

from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedModelError, UsageError
from . import show

if TYPE_CHECKING:
    from ..model import Model


def compare(model: "Model") -> list[dict[str, Any]]:
    """For float32 and each scheme: ``scheme``, ``step_ns``, ``process_ns``, ``weight_bytes``; or ``refused``, the reason.

    Scales are calibrated on random inputs, so that times and sizes hold and answers do not.

    Raises
    ------
    UsageError
        If the model is quantised already.
    """
    from ..quantization import speed
    from ..quantization.choosing import choose
    from ..quantization.schemes import SCHEMES
    from ..stream import Stream
    from .measure import samples

    if model.scheme != "f32":
        raise UsageError("--all-schemes starts from a float32 model; this one is quantised already. Give the one that it was made from.")
    xs = samples(model)[:64]
    found: list[dict[str, Any]] = []
    for scheme in ("f32", *SCHEMES):
        try:
            made = model if scheme == "f32" else choose(model, [xs], scheme).model
        except UnsupportedModelError as problem:
            found.append({"scheme": scheme, "refused": str(problem)})
            continue
        process, step = speed.times_ns(made, xs)
        found.append({"scheme": scheme, "step_ns": step, "process_ns": process, "weight_bytes": Stream(made).program.about().weight_bytes})
    return found


def print_table(found: list[dict[str, Any]]) -> None:
    """The comparison: what is fastest in `step` and in `process`, and how much slower the others are."""
    timed = [entry for entry in found if "step_ns" in entry]
    least = [min(entry[key] for entry in timed) for key in ("step_ns", "process_ns")]
    rows = []
    for entry in found:
        if "refused" in entry:
            rows.append((entry["scheme"], "refused", "", "", entry["refused"]))
            continue
        took = (entry["step_ns"], entry["process_ns"])
        ratios = [ns / best for ns, best in zip(took, least, strict=True)]
        marks = ", ".join("fastest" if ratio == 1 else f"{ratio:.2f} ×" for ratio in ratios)
        rows.append((entry["scheme"], *map(show.time_text, took), show.bytes_text(entry["weight_bytes"]), marks))
    title = "Schemes (least of many; scales from random inputs)"
    show.table(title, ("scheme", "step", "a step in process()", "weights", "against the fastest, in step and in process()"), rows)
