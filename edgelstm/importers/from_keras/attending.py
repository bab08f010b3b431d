"""Keras' attention of a recording's rows to each other: Attention, AdditiveAttention and MultiHeadAttention.

Formulas: https://keras.io/api/layers/attention_layers/.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import printable
from ...layers.activations import spelled
from ...layers.attention import SelfAttention
from ...layers.feedforward import Dense
from ...layers.joining import Mul
from . import laying, querying
from .build import Masked, Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot

#: What makes tanh one, and what is taken from the scores of padding.
_FAR, _APART = 40.0, 2.0**15


def _rows(call: Call) -> tuple[Value, Value, Value]:
    """Query, key and value, each one vector for every timestep of one recording."""
    if not 1 < len(call.inputs) <= 3:
        raise call.refused(f"it reads {len(call.inputs)} tensors; edgelstm imports it with a query and a value, and perhaps a key")
    query, value, key = (*call.inputs, call.inputs[1])[:3]
    for x in (query, key, value):
        if x.time is not True or len(x.features) != 1 or x.steps != query.steps:
            raise call.refused(f"it is imported where query and value are rows of one recording; it is given a tensor of shape {x.shape}")
        if x.mask != query.mask or any(x.zeros):
            raise call.refused("its rows have different masks, or zeros around them, which edgelstm does not import there")
    return query, key, value


def _padded(call: Call, mask: Masked, query: Value, key: Value, heads: int) -> tuple[Value, Value]:
    """Query and key with one number more a head, by which a key that is padding counts for nothing; a query that is padding is zeros."""
    build, name = call.build, call.name
    counts = Value(build.mask(mask), (query.steps, 1), True)
    kept = laying.spread(build, f"{name}.kept", counts, (query.width,))
    query = replace(query, name=build.add(Mul(**call.at(query, kept, name=f"{name}.of_all"))))
    apart = build.apply(spelled("affine", _APART, -_APART), f"{name}.padding", counts)
    return _with_one(call, query, counts, heads), _with_one(call, key, apart, heads)


def _with_one(call: Call, x: Value, one: Value, heads: int) -> Value:
    """Vectors of several heads with one number behind each head's."""
    each = np.arange(x.width).reshape(heads, -1)
    wanted = np.concatenate([each, np.full((heads, 1), x.width)], axis=1)
    return laying.gathered(call.build, f"{call.name}.heads", [x, one], wanted.ravel())


def _answered(call: Call, query: Value, y: Value) -> Value:
    """Answers, zeros where the query is padding."""
    if query.mask is None:
        return y
    kept = laying.spread(call.build, f"{call.name}.answers", Value(call.build.mask(query.mask), (y.steps, 1), True), (y.width,))
    return replace(y, name=call.build.add(Mul(**call.at(y, kept, name=f"{call.name}.answers"))))


def _causal(call: Call) -> bool:
    """Whether a row finds none behind it, as a setting of old or an argument of the call says."""
    given = call.options.take("call", dict, {})
    other = [name for name, value in given.items() if name not in ("use_causal_mask", "training") and value not in (None, False, [])]
    if other:
        raise call.refused(f"it is called with {printable(', '.join(map(str, other)), 60)}, which edgelstm does not import")
    return bool(given.get("use_causal_mask")) or call.options.take("causal", bool, False)


def _drop_training(call: Call) -> None:
    call.options.drop("dropout", "seed")


def _attention_slots(spec: Spec) -> list[Slot]:
    concat = spec.config.get("score_mode", "dot") == "concat"
    return [Slot((), "scale")] * spec.flag("use_scale", False) + [Slot((), "concat_score_weight")] * concat


def _attention(call: Call) -> Value:
    one = querying.alone(call)
    query, key, value = (call.inputs[0],) * 3 if one else _rows(call)
    additive = call.options.take("score_mode", str, "dot") == "concat"
    causal = _causal(call)
    scale = float(call.arrays.get("scale", ())) if call.options.take("use_scale", bool, False) else 1.0
    _drop_training(call)
    score = scale
    if one and causal:
        raise call.refused("its one query reads no row behind it")
    if one and not additive:
        return querying.by_product(call, scale)
    if one and scale == 1:
        return querying.by_sum(call, float(call.arrays.get("concat_score_weight", ())))
    if additive:
        word = spelled("affine", scale, 0.0)
        query, key = (call.build.apply(word if scale != 1 else "linear", f"{call.name}.scaled", x) for x in (query, key))
        score = float(call.arrays.get("concat_score_weight", ()))
    if additive:
        return _added(call, (query, key, value), np.full(key.width, score), causal)
    rows = (query, key) if query.mask is None else _padded(call, query.mask, query, key, 1)
    record = SelfAttention(rows[1].width, scale=score, causal=causal, **call.at(*rows, value))
    return _answered(call, query, query.with_features(call.build.add(record), value.features))


def _added(call: Call, rows: tuple[Value, Value, Value], vector: NDArray[Any] | None, causal: bool) -> Value:
    """Scores ``vector . tanh(query + key)``."""
    query, key, value = rows
    if query.mask is not None:
        counts = Value(call.build.mask(query.mask), (query.steps, 1), True)
        none, apart = (call.build.apply(spelled("affine", n, -n), f"{call.name}.padding", counts) for n in (0.0, _FAR))
        vector = np.append(np.ones(key.width) if vector is None else vector, _APART)
        query, key = _with_one(call, query, none, 1), _with_one(call, key, apart, 1)
    record = SelfAttention(key.width, "additive", vector=vector, causal=causal, **call.at(query, key, value))
    return _answered(call, query, query.with_features(call.build.add(record), value.features))


def _additive_slots(spec: Spec) -> list[Slot]:
    return [Slot((), "scale")] * spec.flag("use_scale", True)


def _additive(call: Call) -> Value:
    one = querying.alone(call)
    query, key, value = (call.inputs[0],) * 3 if one else _rows(call)
    causal = _causal(call)
    vector = call.arrays.get("scale", (key.width,)) if call.options.take("use_scale", bool, True) else None
    _drop_training(call)
    if one and not causal:
        return querying.by_sum(call, 1.0 if vector is None else vector)
    return _added(call, (query, key, value), vector, causal)


def _heads_slots(spec: Spec) -> list[Slot]:
    names = ["kernel", *(["bias"] if spec.flag("use_bias", True) else [])]
    return [Slot((f"{part}_dense",), name) for part in ("query", "key", "value", "output") for name in names]


def _projected(call: Call, part: str, x: Value, outer: int, inner: int) -> Value:
    """A Dense layer of an EinsumDense of a head's axis: kernel (inputs, heads, size), or (heads, size, outputs) of the last."""
    arrays, last = call.arrays.below(f"{part}_dense"), part == "output"
    shape = (outer, x.width // outer, inner) if last else (x.width, outer, inner)
    kernel = arrays.get("kernel", shape).reshape(x.width, -1)
    bias = arrays.get("bias", (inner,) if last else (outer, inner)).ravel() if "bias" in arrays else None
    record = Dense(np.ascontiguousarray(kernel.T), bias, **call.at(x, name=f"{call.name}.{part}"))
    return x.with_features(call.build.add(record), (kernel.shape[1],))


def _multi_head(call: Call) -> Value:
    one = querying.alone(call)
    query, key, value = querying.checked(call) if one else _rows(call)
    options, heads, size = call.options, call.options.count("num_heads"), call.options.count("key_dim")
    of_value = options.take("value_dim", int, None) or size
    answers = options.take("output_shape", object, None)
    options.must_be("attention_axes", None, 1, [1], -2, [-2])
    options.must_be("use_gate", False)
    options.must_be("sliding_window", None)
    options.drop("use_bias", "query_shape", "key_shape", "value_shape", "flash_attention", "softmax_robust_masking")
    _drop_training(call)
    width = query.width if answers is None else answers[0] if isinstance(answers, list) and len(answers) == 1 else answers
    if not isinstance(width, int):
        raise call.refused(f"its output_shape is {answers}; edgelstm imports one number")
    read = [_projected(call, part, x, heads, n) for part, x, n in (("query", query, size), ("key", key, size), ("value", value, of_value))]
    causal = _causal(call)
    if one and causal:
        raise call.refused("its one query reads no row behind it")
    if one:
        y = _projected(call, "output", querying.by_heads(call, (read[0], read[1], read[2]), heads, size**-0.5), heads, width)
        return replace(y, shape=(1, width))
    if causal and query.mask is not None:
        raise call.refused("it is given a mask, and a row finds none behind it; what padding then finds edgelstm does not import")
    rows = (read[0], read[1]) if query.mask is None else _padded(call, query.mask, read[0], read[1], heads)
    record = SelfAttention(rows[0].width, heads=heads, scale=size**-0.5, causal=causal, **call.at(*rows, read[2]))
    found = replace(read[2], name=call.build.add(record), shape=(*query.shape[:1], heads * of_value))
    return _projected(call, "output", found, heads, width)


KINDS = {
    "Attention": Kind(_attention, _attention_slots),
    "AdditiveAttention": Kind(_additive, _additive_slots),
    "MultiHeadAttention": Kind(_multi_head, _heads_slots),
}
