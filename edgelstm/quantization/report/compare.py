"""The float model and the quantised one side by side: one record of plain JSON values, which the report draws and `--json` prints.

Answers and times are those of compiled code on this machine; what lies inside the layers comes from `trace`. Where the data allows it,
answers are those of models that were calibrated on the other half of the data; layers, size and times are the quantised model's own.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ... import __version__
from ...files.elstm import save
from ...layers.feedforward import LogSoftmax, Softmax
from ...model import Model
from ...runtime.rates import step_of
from ...stream import Stream
from .. import speed
from ..choosing import Choice
from ..trace import Batch, Floats
from . import metrics
from .answers import answers_of, unseen
from .evidence import findings
from .looks import layer_record, won_back
from .verdict import verdict

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
    due = batch.due(before.output_wire)
    wanted, own = answers_of(before, batch), answers_of(after, batch)
    unseen_answers = unseen(choice)
    answers = wanted, own if unseen_answers is None else unseen_answers
    times = [speed.times_ns(model, batch.xs[0]) for model in (before, after)]
    windows, steps = len(batch.lengths), int(batch.lengths.sum())
    told: dict[str, Any] = {
        "edgelstm": __version__,
        "source": before.source,
        "scheme": choice.scheme,
        "windows": {"count": windows, "steps": steps, "longest": int(batch.lengths.max())},
        "judged": {"windows": windows, "steps": steps, "unseen": unseen_answers is not None},
        "evidence": findings(before, batch, choice.before_trace),
        "output": {**_output(before, *answers, due), "calibrated_db": metrics.snr_db(wanted[due.own], own[due.own])},
        "task": None if truth is None else metrics.task(before, truth, *answers),
        "size": {
            "file_bytes": [file_bytes(model) for model in (before, after)],
            "weight_bytes": [Stream(model).program.about().weight_bytes for model in (before, after)],
        },
        "latency_ns": {way: [each[i] for each in times] for i, way in enumerate(speed.WAYS if before.streams else speed.WAYS[:1])},
        "machine": dict(machine or {"target": Stream(before).program.about().cpu}),
        "layers": [layer_record(choice, layer, choice.decisions[layer.name]) for layer in before.layers if layer.name in choice.decisions],
        "keep_in_f32": won_back(choice),
    }
    told["verdict"] = verdict(told)
    return told


def file_bytes(model: Model) -> int:
    """Size of the model's `.elstm` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.elstm")
        save(model, path)
        return os.path.getsize(path)


def _output(model: Model, before: Floats, after: Floats, batch: Batch) -> dict[str, Any]:
    """`batch`: of the steps at which answers are due."""
    own, wire = batch.own, model.output_wire
    steps = [step_of(number, wire.every, wire.first) for number in range(before.shape[1])]
    worst = metrics.worst_step(before, after, batch)
    over_time = metrics.error_over_time(before, after, batch)
    first = max(0, worst["step"] - AROUND)
    around = slice(first, min(int(batch.lengths[worst["window"]]), worst["step"] + AROUND + 1))
    same = (before[own].argmax(axis=-1) == after[own].argmax(axis=-1)).mean() if model.output_size > 1 else None
    name = model.labels[worst["output"]] if model.labels else f"output {worst['output']}"
    return {
        "snr_db": metrics.snr_db(before[own], after[own]),
        "varying_db": metrics.varying_db(before[own], after[own]),
        "rms_error": float(np.sqrt(np.square(after[own] - before[own], dtype=np.float64).mean())),
        "same_decision": None if same is None else float(same),
        "decides": same is not None and (bool(model.labels) or isinstance(model.layers[-1], Softmax | LogSoftmax)),
        "worst": {**worst, "step": steps[worst["step"]], "name": name, "at": batch.place(worst["window"]).at(worst["step"])},
        "around_worst": {
            "step": steps[around],
            "f32": before[worst["window"], around, worst["output"]].tolist(),
            "int8": after[worst["window"], around, worst["output"]].tolist(),
        },
        "error_over_time": {**over_time, "step": [steps[int(step)] for step in over_time["step"]]},
        "error_growth": metrics.growth(over_time["rms"]),
    }
