"""`edgelstm bench --all-schemes`: the time and size of a model in every number format, on this machine."""

from typing import TYPE_CHECKING, Any, cast

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
    from .. import quantization
    from ..quantization import speed
    from ..quantization.schemes import SCHEMES
    from ..stream import Stream
    from .measure import samples

    if any("int8" in layer.kind for layer in model.layers):
        raise UsageError("--all-schemes starts from a float32 model; this one is quantised already. Give the one that it was made from.")
    xs = samples(model)[:64]
    found: list[dict[str, Any]] = []
    for scheme in ("f32", *SCHEMES):
        try:
            made = model if scheme == "f32" else quantization.quantize(model, [xs], cast("quantization.SchemeName", scheme))
        except UnsupportedModelError as problem:
            found.append({"scheme": scheme, "refused": str(problem)})
            continue
        times = {"step_ns": speed.step_ns(made, xs), "process_ns": speed.process_ns(made, xs)}
        found.append({"scheme": scheme, **times, "weight_bytes": Stream(made).program.about().weight_bytes})
    return found


def print_table(found: list[dict[str, Any]]) -> None:
    """The comparison, the fastest step marked."""
    fastest = min(entry["step_ns"] for entry in found if "step_ns" in entry)
    rows = []
    for entry in found:
        if "refused" in entry:
            rows.append((entry["scheme"], "refused", "", "", entry["refused"]))
            continue
        mark = "fastest" if entry["step_ns"] == fastest else f"{entry['step_ns'] / fastest:.2f} × the fastest"
        times = (show.time_text(entry["step_ns"]), show.time_text(entry["process_ns"]))
        rows.append((entry["scheme"], *times, show.bytes_text(entry["weight_bytes"]), mark))
    show.table("Schemes (least of many; scales from random inputs)", ("scheme", "step", "a step in process()", "weights", ""), rows)
