"""Probes that edgelstm makes itself: inputs that do not depend on the machine, answered by the float64 reference.

A model with integer layers rounds: where a value falls on the edge between two integers, float32 and float64 may round it apart, and both
are right. A probe must not rest on such an edge, or it would refuse a sound model on some machine.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .. import __version__, reference
from ..errors import ModelFileError
from ..layers.feedforward import Normalizer
from ..layers.wire import Wire
from ..model import Model, Probe
from ..runtime import rates
from .elstm import MAX_PROBE_STEPS

#: Steps of a probe, at most and, of a wide model, at least; in between it holds at most this many numbers, so that files stay small.
STEPS, FEWEST_STEPS, MOST_NUMBERS = 16, 4, 512

#: A probe of a model with integer layers is steady if inputs nudged by this part of themselves, more than float32 rounding does along
#: the way, change no answer by more than the limit, relative to max(1, |answer|).
NUDGES, STEADY = (2.0**-20, -(2.0**-20), 2.0**-21, -(2.0**-21)), 1e-5

#: How many probes of each length are tried, longest first.
TRIES = 12


def reference_probe(model: Model) -> Probe:
    """Answers of the reference to seeded inputs.

    Measurements are uniform in [-1, 1], brought to physical units where the model begins with a `Normalizer`.

    Raises
    ------
    ModelFileError
        If the model overflows float32 on them, or no steady probe is found.
    """
    if (first := model.output_wire.first) > MAX_PROBE_STEPS:
        raise ModelFileError(
            f"the model answers for the first time at step {first}, and a probe holds at most {MAX_PROBE_STEPS} steps; "
            "let a sample be several of its timesteps, a frame, so that it answers earlier."
        )
    for inputs in _candidates(model):
        with np.errstate(all="ignore"):
            outputs = reference.run(model, inputs)  # (steps, output_size)
        if not np.isfinite(outputs.astype(np.float32)).all():
            raise ModelFileError(
                "the model's outputs overflow float32 on inputs of ordinary size; export it again from a healthy checkpoint."
            )
        if _steady(model, inputs, outputs):
            return Probe(inputs, outputs.astype(np.float32), f"edgelstm {__version__} reference")
    raise ModelFileError("no inputs were found on which the model's rounding is not a matter of chance; its scales are likely wrong.")


def _steps_to(answers: int, wire: Wire) -> int:
    """How many steps give so many answers: fewer answers where they are seldom, and at least one."""
    wanted = answers if wire.every == 1 else min(answers, FEWEST_STEPS)
    return rates.step_of(max(1, min(wanted, wire.due(MAX_PROBE_STEPS))) - 1, wire.every, wire.first) + 1


def _candidates(model: Model) -> Iterator[NDArray[np.float32]]:
    most = min(STEPS, max(FEWEST_STEPS, MOST_NUMBERS // (model.input_size + model.output_size)))
    for answers in (most, max(1, most // 4), 1):
        steps = _steps_to(answers, model.output_wire)
        for seed in range(TRIES):
            yield samples(model, steps, np.random.default_rng(seed))


def samples(model: Model, steps: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Inputs of ordinary size (steps, input_size): from -1 to 1 behind the model's normaliser; any index of a table."""
    xs = random.uniform(-1, 1, (steps, model.input_size))
    if isinstance(first := model.layers[0], Normalizer):
        xs = first.mean + first.scale.astype(np.float64) * xs
    for column, rows in enumerate(model.vocabularies):
        if rows:
            xs[:, column] = random.integers(rows, size=steps)
    return xs.astype(np.float32)


def _steady(model: Model, inputs: NDArray[np.float32], outputs: NDArray[np.float64]) -> bool:
    if model.takes_index or not any(layer.rounds for layer in model.layers):
        return True
    limit = STEADY * np.maximum(1, np.abs(outputs))
    nudged = (reference.run(model, inputs.astype(np.float64) * (1 + nudge)) for nudge in NUDGES)
    return all(bool((np.abs(answers - outputs) <= limit).all()) for answers in nudged)
