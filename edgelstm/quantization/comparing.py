"""The float model and the quantised one side by side: one record of plain JSON values, which the report draws and `--json` prints.

Answers and times are those of compiled code on this machine; what lies inside the layers comes from `trace`.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import __version__
from ..model import Model
from ..modelfile import save
from ..stream import Stream
from . import metrics, speed
from .choosing import TARGET_DB, Choice
from .looks import layer_record, won_back
from .trace import Batch, Floats

#: Below this many decibels an output is not worth shipping without a task that says otherwise.
LEAST_DB = 20.0

#: `metrics.growth` above which the error is said to grow with time.
GROWTH_LIMIT = 3.0

#: Steps drawn on either side of the worst one.
AROUND = 60


def compare(choice: Choice, labels: Sequence[ArrayLike] | None = None, machine: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Measure what quantisation changed.

    Parameters
    ----------
    choice : Choice
        As `choosing.choose` made it.
    labels : sequence, one item a window, optional
        As `metrics.checked_labels` takes them.
    machine : mapping, optional
        What to print of the machine beside its times.

    Returns
    -------
    dict
        ``docs/quantization.md`` lists its keys.
    """
    before, after, batch = choice.before, choice.model, choice.batch
    truth = None if labels is None else metrics.checked_labels(before, labels, batch)
    answers = answers_of(before, batch), answers_of(after, batch)
    told: dict[str, Any] = {
        "edgelstm": __version__,
        "source": before.source,
        "scheme": choice.scheme,
        "windows": {"count": len(batch.lengths), "steps": int(batch.lengths.sum()), "longest": int(batch.lengths.max())},
        "output": _output(before, *answers, batch),
        "task": None if truth is None else metrics.task(before, truth, *answers),
        "size": {
            "file_bytes": [file_bytes(model) for model in (before, after)],
            "weight_bytes": [Stream(model).program.about().weight_bytes for model in (before, after)],
        },
        "latency_ns": {name: [time(model, batch.xs[0]) for model in (before, after)] for name, time in _TIMES.items()},
        "machine": dict(machine or {"target": Stream(before).program.about().cpu}),
        "layers": [layer_record(choice, layer, choice.decisions[layer.name]) for layer in before.layers if layer.name in choice.decisions],
        "keep_in_f32": won_back(choice),
    }
    told["verdict"] = verdict(told)
    return told


_TIMES = {"process": speed.process_ns, "step": speed.step_ns}


def answers_of(model: Model, batch: Batch) -> Floats:
    """What the compiled model answers to every window from the initial state: (windows, time, output_size); padding is answered too."""
    stream = Stream(model)
    answers = []
    for xs in batch.xs:
        stream.reset()
        answers.append(stream.process(xs))
    return np.array(answers)


def file_bytes(model: Model) -> int:
    """Size of the model's `.elstm` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.elstm")
        save(model, path)
        return os.path.getsize(path)


def _output(model: Model, before: Floats, after: Floats, batch: Batch) -> dict[str, Any]:
    own = batch.own
    worst = metrics.worst_step(before, after, batch)
    over_time = metrics.error_over_time(before, after, batch)
    first = max(0, worst["step"] - AROUND)
    around = slice(first, min(int(batch.lengths[worst["window"]]), worst["step"] + AROUND + 1))
    same = (before[own].argmax(axis=-1) == after[own].argmax(axis=-1)).mean() if model.output_size > 1 else None
    name = model.labels[worst["output"]] if model.labels else f"output {worst['output']}"
    return {
        "snr_db": metrics.snr_db(before[own], after[own]),
        "rms_error": float(np.sqrt(np.square(after[own] - before[own], dtype=np.float64).mean())),
        "same_decision": None if same is None else float(same),
        "worst": {**worst, "name": name},
        "around_worst": {
            "step": list(range(around.start, around.stop)),
            "f32": before[worst["window"], around, worst["output"]].tolist(),
            "int8": after[worst["window"], around, worst["output"]].tolist(),
        },
        "error_over_time": over_time,
        "error_growth": metrics.growth(over_time["rms"]),
    }


def verdict(told: Mapping[str, Any]) -> dict[str, Any]:
    """Whether this can be shipped: ``ship``, ``look`` or ``stop``, and the reasons."""
    output, task = told["output"], told["task"]
    db, reasons, level = output["snr_db"], [], "ship"
    if task is not None:
        was, now = task["before"], task["after"]
        level = "ship" if task["passed"] else "stop"
        reasons.append(f"{task['name']} {was:.4g} → {now:.4g} over {task['labelled']:,} labelled steps")
    if db < TARGET_DB:
        level = "stop" if db < LEAST_DB and task is None else level if level == "stop" else "look"
        reasons.append(f"the output keeps {db:.1f} dB; {TARGET_DB:g} dB is a safe value")
    else:
        reasons.append(f"the output keeps {db:.1f} dB, above the {TARGET_DB:g} dB that are safe")
    if output["error_growth"] > GROWTH_LIMIT:
        level = "look" if level == "ship" else level
        reasons.append(f"the error grows with time: {output['error_growth']:.1f} times larger at the end of windows than before")
    if growing := [layer["name"] for layer in told["layers"] if layer["cell"] and layer["cell"]["grows"]]:
        reasons.append(f"the cell of {', '.join(growing)} still grows at the end; give longer windows")
    if bounded := [layer["name"] for layer in told["layers"] if layer["cell"] and layer["cell"]["grows"] and layer["cell"]["reach"]]:
        level = "look" if level == "ship" else level
        reasons.append(f"the int16 cell of {', '.join(bounded)} is clipped if it grows on: reset the stream as often as the windows do")
    slower = [name for name, (was, now) in told["latency_ns"].items() if now > 1.05 * was]
    if slower and told["scheme"] == "int8-static":
        reasons.append(f"{' and '.join(slower)}() is slower than f32 on this machine; int8-static is for devices without an FPU")
    elif slower:
        level = "look" if level == "ship" else level
        reasons.append(f"{' and '.join(slower)}() is slower than f32 on this machine; --scheme auto avoids that")
    if not told["keep_in_f32"]:
        level = "look" if level == "ship" else level
        reasons.append("no layer is quantised, so nothing is gained; the table of layers says why")
    if told["keep_in_f32"] and level != "ship" and db < TARGET_DB:
        best = told["keep_in_f32"][0]
        reasons.append(f"keeping {best['name']} in f32 brings the output to {best['output_db']:.1f} dB (--keep {best['name']})")
    return {"level": level, "reasons": reasons}
