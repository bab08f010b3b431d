"""Keras' layers without a memory: dense, activations, embeddings, masks, and those that do nothing when a network answers."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import printable
from ...layers.feedforward import Embedding, Softmax
from ...layers.joining import Concat, Gather, Mul, Slice
from ...layers.map_conv import MapConv
from ...layers.record import Layer
from .. import keras_arrays
from . import laying, weighting
from .activations import LAYERS, SOFTMAX, of_layer
from .build import Masked, Value
from .kinds import Call, Kind, named

#: Layers that pass on what they get when a network answers. Their settings are about training.
_IDENTITIES = (
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *("ActivityRegularization", "Identity"),
)


#: Most indices of one timestep, and most numbers that one index is spread to.
_MOST_INDICES, _MOST_CLASSES = 1024, 4096

#: Classes that look indices up.
INDEXED = ("Embedding", "OneHot", "CategoryEncoding")


def _identity(call: Call) -> Value:
    call.options.drop("rate", "p", "stddev", "sigma", "l1", "l2", "data_format")
    return call.x


def activated(call: Call, word: str, name: str, x: Value) -> Value:
    """A value after an activation's word, or softmax."""
    if word == SOFTMAX:
        return _shares(call, f"{name}.softmax", x)
    return call.build.apply(word, f"{name}.activation", x)


def _shares(call: Call, name: str, x: Value, axis: int = -1) -> Value:
    """Softmax along an axis of the features, of one timestep or map."""
    if len(x.features) < 2:
        return replace(x, name=call.build.add(Softmax(**call.build.at(name, x))))
    turned = np.moveaxis(laying.places(x), axis, -1)
    y = laying.gathered(call.build, f"{name}.turned", [x], turned)
    groups = turned.size // turned.shape[-1]
    y = replace(y, name=call.build.add(Softmax(groups, **call.build.at(name, y))))
    return laying.gathered(call.build, f"{name}.back", [y], np.moveaxis(laying.places(y), -1, axis))


def _dense(call: Call) -> Value:
    x, units = call.vectors, call.options.count("units")
    inputs = x.features[-1] or 0
    kernel = call.arrays.get("kernel", (inputs, units))
    bias = call.arrays.get("bias", (units,)) if call.options.take("use_bias", bool, True) else None
    if len(x.features) == 1:
        record: Layer = keras_arrays.dense(kernel, bias, **call.at(x))
    else:
        record = MapConv(kernel[None], bias, shape=(x.width // inputs, inputs), **call.at(x))
    y = x.with_features(call.build.add(record), (*x.features[:-1], units))
    return activated(call, call.activation(), call.name, y)


def _activation(call: Call) -> Value:
    word = call.activation()
    if word != "linear" and not call.x.looks:
        call = weighting.apart(call)
    if word == SOFTMAX and (call.x.turned or call.x.looks):
        return weighting.weights(call)
    if word == SOFTMAX:
        return _shares(call, call.name, call.vectors)
    if call.x.looks:
        raise call.refused("it changes scores of all timesteps by each other; edgelstm imports their softmax")
    return call.build.apply(word, call.name, call.x)


def _function(call: Call) -> Value:
    return call.build.apply(of_layer(call.spec.kind, call.options), call.name, call.x)


def _softmax(call: Call) -> Value:
    axis = call.options.take("axis", object, -1)
    call = call if call.x.looks else weighting.apart(call)
    if weighting.over_time(call.x, axis):
        return weighting.weights(call)
    return _shares(call, call.name, call.vectors, call.feature_axis(axis))


def _embedding(call: Call) -> Value:
    size = call.options.count("output_dim" if call.spec.version > 1 else "units")
    return _looked_up(call, call.arrays.get("embeddings", (None, size)), masked=call.options.take("mask_zero", bool, False))


def one_hot(call: Call) -> Value:
    """Rows of a table that is one along its diagonal."""
    given = call.options.take("call", dict, {})
    rest = given.get("args") or [None]
    size = call.options.take("num_classes", object, given.get("depth", rest[0] if isinstance(rest, list) else rest))
    others = {name: value for name, value in given.items() if name not in ("args", "depth") and value not in (None, "float32")}
    if type(size) is not int or not 1 <= size <= _MOST_CLASSES or others:
        told = printable(size, 60) if not others else f"{printable(size, 60)} with {printable(', '.join(map(str, others)), 60)}"
        raise call.refused(
            f"it spreads an index to {told} numbers; edgelstm imports up to {_MOST_CLASSES}, ones and zeros along a new last axis"
        )
    call.options.must_be("axis", -1)
    call.options.must_be("sparse", False)
    return _looked_up(call, np.eye(size, dtype=np.float32))


def _category(call: Call) -> Value:
    """One-hot rows, of an index alone in its axis in place of that axis."""
    size = call.options.count("num_tokens")
    call.options.must_be("output_mode", "one_hot")
    call.options.must_be("sparse", False)
    if size > _MOST_CLASSES or len(call.inputs) > 1:
        raise call.refused(f"it is given weights, or more than {_MOST_CLASSES} tokens, which edgelstm does not import")
    y = _looked_up(call, np.eye(size, dtype=np.float32))
    return replace(y, shape=(*y.shape[:-2], size)) if call.x.shape[-1:] == (1,) else y


def _looked_up(call: Call, table: NDArray[Any], *, masked: bool = False) -> Value:
    """The rows of a table at indices; masked: whether index 0 is padding."""
    x = call.x
    if x.features not in ((), (1,)) and not (x.time is None and len(x.shape) == 1):
        return _embeddings(call, x, table, masked)
    name, shape = call.build.add(Embedding(table, **call.at(x))), (*x.shape, table.shape[1])
    if x.static:
        return replace(x, name=name, shape=shape)
    return Value(name, shape, True, Masked(x.name, 0.0) if masked else None)


def _embeddings(call: Call, x: Value, table: NDArray[Any], masked: bool) -> Value:
    """Several indices a timestep, all looked up in one table: their rows are a dimension more."""
    inside = x.time is False and len(x.features) == 1
    if x.turned or None in x.features or x.width > _MOST_INDICES or (masked and not inside):
        raise call.refused(
            f"it looks up one index a timestep, or up to {_MOST_INDICES} without a mask; it is given a tensor of shape {x.shape}"
        )
    build, rows = call.build, []
    for place in range(x.width):
        index = build.add(Slice(place, place + 1, **build.at(f"{call.name}.{place}.index", x)))
        rows.append(build.add(Embedding(table, **build.at(f"{call.name}.{place}", index))))
    name = rows[0] if len(rows) == 1 else build.add(Concat(**build.at(call.name, *rows)))
    y = x.with_features(name, (*x.features, table.shape[1]))
    return replace(y, counted=laying.counted(build, call.name, x, 0.0)) if masked else y


def _masking(call: Call) -> Value:
    """Padding is set to 0, which layers that know none read."""
    build, value = call.build, call.options.take("mask_value", float, 0.0)
    if call.x.time is False and len(call.x.features) == 2 and value == 0:
        return replace(call.x, counted=laying.counted(build, call.name, call.x, value))
    x = call.sequence
    masked = Masked(x.name, value)
    if value != 0:
        x = build.measured(call.name, x)
        kept = build.add(Gather(np.zeros(x.width, np.int64), **call.at(build.mask(masked), name=f"{call.name}.kept")))
        x = replace(x, name=build.add(Mul(**call.at(x, kept))))
    return replace(x, mask=masked)


KINDS = {
    **{name: Kind(_identity, attends=True, looks=True) for name in _IDENTITIES},
    **{name: Kind(_function) for name in LAYERS},
    "Dense": Kind(_dense, named("kernel")),
    "Activation": Kind(_activation, attends=True, looks=True),
    "Softmax": Kind(_softmax, attends=True, looks=True),
    "Embedding": Kind(_embedding, named("embeddings", biased=False)),
    "CategoryEncoding": Kind(_category),
    "Masking": Kind(_masking),
}
