"""Keras' layers without a memory: dense, activations, embeddings, masks, and those that do nothing when a network answers."""

from dataclasses import replace

from ...layers.feedforward import Embedding, Softmax
from .. import keras_arrays
from . import weighting
from .activations import LAYERS, SOFTMAX, of_layer
from .build import Masked, Value
from .kinds import Call, Kind, named

#: Layers that pass on what they get when a network answers. Their settings are about training.
_IDENTITIES = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *("ActivityRegularization", "Identity"),
)


def _identity(call: Call) -> Value:
    call.options.drop("rate", "p", "stddev", "sigma", "l1", "l2", "data_format")
    return call.x


def activated(call: Call, word: str, name: str, x: Value) -> Value:
    """A value after an activation's word, or softmax."""
    if word == SOFTMAX:
        return replace(x, name=call.build.add(Softmax(**call.build.at(f"{name}.softmax", x))))
    return call.build.apply(word, f"{name}.activation", x)


def _dense(call: Call) -> Value:
    x, units = call.flat, call.options.count("units")
    kernel = call.arrays.get("kernel", (x.width, units))
    bias = call.arrays.get("bias", (units,)) if call.options.take("use_bias", bool, True) else None
    y = x.with_features(call.build.add(keras_arrays.dense(kernel, bias, **call.at(x))), (units,))
    return activated(call, call.activation(), call.name, y)


def _activation(call: Call) -> Value:
    word = call.activation()
    if word == SOFTMAX and call.x.turned:
        return weighting.weights(call)
    if word == SOFTMAX:
        return replace(call.flat, name=call.build.add(Softmax(**call.at())))
    return call.build.apply(word, call.name, call.x)


def _function(call: Call) -> Value:
    return call.build.apply(of_layer(call.spec.kind, call.options), call.name, call.x)


def _softmax(call: Call) -> Value:
    if weighting.over_time(call.x, call.options.take("axis", object, -1)):
        return weighting.weights(call)
    call.options.must_be("axis", -1, len(call.x.shape), [-1])
    return replace(call.flat, name=call.build.add(Softmax(**call.at())))


def _embedding(call: Call) -> Value:
    x, size = call.x, call.options.count("output_dim" if call.spec.version > 1 else "units")
    if x.features not in ((), (1,)) and not (x.time is None and len(x.shape) == 1):
        raise call.refused(f"it looks up one index a timestep; it is given a tensor of shape {x.shape}")
    table = call.arrays.get("embeddings", (None, size))
    name = call.build.add(Embedding(table, **call.at(x)))
    masked = Masked(x.name, 0.0) if call.options.take("mask_zero", bool, False) else None
    if x.static:
        return replace(x, name=name, shape=(*x.shape, size))
    return Value(name, (*x.shape, size), True, masked)


def _masking(call: Call) -> Value:
    value = call.options.take("mask_value", float, 0.0)
    if value != 0:
        call.build.notes.append(
            f"{call.spec.label} sets padding, where all values are {value:g}, to 0; layers that know no padding would read {value:g} here."
        )
    return replace(call.sequence, mask=Masked(call.x.name, value))


KINDS = {
    **{name: Kind(_identity, attends=True) for name in _IDENTITIES},
    **{name: Kind(_function) for name in LAYERS},
    "Dense": Kind(_dense, named("kernel")),
    "Activation": Kind(_activation, attends=True),
    "Softmax": Kind(_softmax, attends=True),
    "Embedding": Kind(_embedding, named("embeddings", biased=False)),
    "Masking": Kind(_masking),
}
