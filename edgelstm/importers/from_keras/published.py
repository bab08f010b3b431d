"""Layers of published packages: how their classes are called, what arrays they have and what they compute.

Sources: ``keras_contrib/layers/crf.py`` of keras-contrib; ``AttentionWeightedAverage.py`` of textgenrnn, as in DeepMoji;
``keras_self_attention/seq_weighted_attention.py`` of keras-self-attention; ``crema/layers.py`` of crema.
"""

from dataclasses import replace

import numpy as np

from ...layers.attention import AttentionPool
from ...layers.feedforward import Dense
from .. import keras_arrays
from . import operations
from .build import Value
from .feedforward import activated
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot


def _crf_slots(spec: Spec) -> list[Slot]:
    names = ["kernel", "chain_kernel", *["bias"] * spec.flag("use_bias", True)]
    return [Slot((), name) for name in (*names, *["left_boundary", "right_boundary"] * spec.flag("use_boundary", True))]


def _crf(call: Call) -> Value:
    """The scores of each timestep's labels, of which the layer decodes a path."""
    x, units = call.vectors, call.options.count("units")
    if "chain_initializer" not in call.spec.config or len(x.features) != 1:
        raise call.refused("it is imported as keras-contrib has it, whose settings name a chain_initializer, on one vector a timestep")
    kernel = call.arrays.get("kernel", (x.width, units))
    bias = call.arrays.get("bias", (units,)) if call.options.take("use_bias", bool, True) else None
    call.options.drop("learn_mode", "test_mode", "sparse_target", "use_boundary", "input_dim")
    y = x.with_features(call.build.add(keras_arrays.dense(kernel, bias, **call.at(x))), (units,))
    call.build.notes.append(f"{call.name}: the answers are the scores of labels; the path that a CRF decodes of them is not computed.")
    return activated(call, call.activation(), call.name, replace(y, mask=None))


def _pooled(call: Call, bias: float) -> Value | list[Value]:
    """Timesteps weighted by a softmax over time of one score each; the shares too, where the layer returns them."""
    x = call.sequence
    if len(x.features) != 1 or x.mask is not None or call.options.take("return_attention", bool, False):
        raise call.refused("it is imported on one vector a timestep without a mask, where it does not return its shares")
    weight = call.arrays.get("W", (x.width, 1)).T
    scores = call.build.add(Dense(weight, np.full(1, bias), **call.at(x, name=f"{call.name}.scores")))
    return call.build.ended(call.name, Value(call.build.add(AttentionPool(**call.at(x, scores))), x.shape, True))


def _average(call: Call) -> Value | list[Value]:
    return _pooled(call, 0.0)


def _weighted_slots(spec: Spec) -> list[Slot]:
    return [Slot((), name) for name in ("W", *["b"] * spec.flag("use_bias", True))]


def _weighted(call: Call) -> Value | list[Value]:
    biased = call.options.take("use_bias", bool, True)
    return _pooled(call, call.arrays.get("b", (1,)).item() if biased else 0.0)


#: By class.
KINDS = {
    "CRF": Kind(_crf, _crf_slots),
    "AttentionWeightedAverage": Kind(_average, lambda spec: [Slot((), "W")]),
    "SeqWeightedAttention": Kind(_weighted, _weighted_slots),
    "SqueezeLayer": Kind(operations.without_axis, attends=True),
}
