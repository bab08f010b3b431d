"""Keras' attention of a recording's rows to each other: Attention, AdditiveAttention and MultiHeadAttention.

Formulas: https://keras.io/api/layers/attention_layers/.
"""

from dataclasses import replace

import numpy as np

from ...errors import printable
from ...layers.activations import spelled
from ...layers.attention import SelfAttention
from ...layers.feedforward import Dense
from .build import Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot


def _rows(call: Call) -> tuple[Value, Value, Value]:
    """Query, key and value, each one vector for every timestep of one recording."""
    if not 1 < len(call.inputs) <= 3:
        raise call.refused(f"it reads {len(call.inputs)} tensors; edgelstm imports it with a query and a value, and perhaps a key")
    query, value, key = (*call.inputs, call.inputs[1])[:3]
    for x in (query, key, value):
        if x.time is not True or len(x.features) != 1 or x.steps != query.steps:
            raise call.refused(f"it is imported where query and value are rows of one recording; it is given a tensor of shape {x.shape}")
        if x.mask is not None or any(x.zeros):
            raise call.refused("it is given a mask or zeros around its rows, which edgelstm does not import there")
    return query, key, value


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
    query, key, value = _rows(call)
    additive = call.options.take("score_mode", str, "dot") == "concat"
    causal = _causal(call)
    scale = float(call.arrays.get("scale", ())) if call.options.take("use_scale", bool, False) else 1.0
    _drop_training(call)
    score = scale
    if additive:
        word = spelled("affine", scale, 0.0)
        query, key = (call.build.apply(word if scale != 1 else "linear", f"{call.name}.scaled", x) for x in (query, key))
        score = float(call.arrays.get("concat_score_weight", ()))
    record = SelfAttention(key.width, "additive" if additive else "dot", scale=score, causal=causal, **call.at(query, key, value))
    return query.with_features(call.build.add(record), value.features)


def _additive_slots(spec: Spec) -> list[Slot]:
    return [Slot((), "scale")] * spec.flag("use_scale", True)


def _additive(call: Call) -> Value:
    query, key, value = _rows(call)
    causal = _causal(call)
    vector = call.arrays.get("scale", (key.width,)) if call.options.take("use_scale", bool, True) else None
    _drop_training(call)
    record = SelfAttention(key.width, "additive", vector=vector, causal=causal, **call.at(query, key, value))
    return query.with_features(call.build.add(record), value.features)


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
    query, key, value = _rows(call)
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
    record = SelfAttention(heads * size, heads=heads, scale=size**-0.5, causal=_causal(call), **call.at(*read))
    found = replace(read[2], name=call.build.add(record), shape=(*query.shape[:1], heads * of_value))
    return _projected(call, "output", found, heads, width)


KINDS = {
    "Attention": Kind(_attention, _attention_slots),
    "AdditiveAttention": Kind(_additive, _additive_slots),
    "MultiHeadAttention": Kind(_multi_head, _heads_slots),
}
