"""Keras' layers in which each timestep looks at all timesteps: ``Attention``, ``AdditiveAttention`` and ``MultiHeadAttention``."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.activations import spelled
from ...layers.self_attention import SelfAttention
from .. import keras_arrays
from .build import Masked, Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot


def _given(call: Call) -> tuple[Value, Value, Value, Masked | None, bool]:
    """Query, key and value, which are one recording's timesteps, their mask, and whether a timestep looks at none behind it."""
    given, more = call.inputs, call.options.take("call", dict, {})
    causal = bool(more.pop("use_causal_mask", False)) or call.options.take("causal", bool, False)
    said = [name for name, value in more.items() if name != "training" and value not in (None, False, [])]
    if said:
        raise call.refused(f"it is called with {', '.join(map(str, said))}, which edgelstm does not import")
    query, value, key = given if len(given) == 3 else (*given, given[-1]) if len(given) == 2 else (None, None, None)
    if query is None or value is None or key is None:
        raise call.refused(f"it is imported on a query and a value, with a key or without one; it reads {len(given)} tensors")
    sound = all(x.time is True and len(x.features) == 1 and x.steps == query.steps and not any(x.zeros) for x in (query, value, key))
    if not sound or value.mask != query.mask:
        shapes = ", ".join(str(x.shape) for x in given)
        raise call.refused(f"it is imported where the timesteps of one sequence look at each other; it is given tensors of shapes {shapes}")
    return query, key, value, query.mask, causal


def _attention(call: Call) -> Value:
    query, key, value, mask, causal = _given(call)
    options, size = call.options, query.width
    additive = call.spec.kind == "AdditiveAttention" or options.take("score_mode", str, "dot") == "concat"
    scaled = options.take("use_scale", bool, call.spec.kind == "AdditiveAttention")
    weight: NDArray[Any] = np.ones(size)
    if scaled and call.spec.kind == "AdditiveAttention":
        weight = call.arrays.get("scale", (size,))
    elif scaled and additive:
        factor = spelled("affine", float(call.arrays.get("scale", ())), 0.0)
        query, key = (call.build.apply(factor, f"{call.name}.{name}", x) for name, x in (("query", query), ("key", key)))
    elif scaled:
        weight = np.full(size, call.arrays.get("scale", ()))
    if "concat_score_weight" in call.arrays:
        weight = np.full(size, call.arrays.get("concat_score_weight", ()))
    names = (query, key, value) if mask is None else (query, key, value, call.build.mask(mask))
    score = "additive" if additive else "dot"
    record = SelfAttention(weight, score=score, causal=causal, padding=mask is not None, **call.at(*names))
    return replace(query, name=call.build.add(record), shape=value.shape)


def _attention_slots(spec: Spec) -> list[Slot]:
    scale = spec.flag("use_scale", spec.kind == "AdditiveAttention")
    names = (["scale"] if scale else []) + (["concat_score_weight"] if spec.config.get("score_mode") == "concat" else [])
    return [Slot((), name) for name in names]


def _multi_head(call: Call) -> Value:
    query, key, value, mask, causal = _given(call)
    options = call.options
    heads, size = options.count("num_heads"), options.count("key_dim")
    width = options.take("value_dim", int, None) or size
    shape = options.take("output_shape", object, None)
    outputs = query.width if shape is None else shape[0] if isinstance(shape, list) and len(shape) == 1 else shape
    options.must_be("attention_axes", None, [1], 1)
    for name in ("use_gate", "sliding_window", "flash_attention"):
        options.must_be(name, None, False)
    if mask is not None or not heads or not size or type(outputs) is not int:
        raise call.refused(f"it is imported of heads and vectors, without a mask; it has {heads} heads, and answers of shape {shape}")
    parts = {"query": (query, size), "key": (key, size), "value": (value, width)}
    biased = options.take("use_bias", bool, True)
    read = [(x, *_projection(call, name, x, (heads, each), biased)) for name, (x, each) in parts.items()]
    reads: list[Value | str] = []
    if query.name == key.name == value.name:
        kernel, bias = np.concatenate([kernel for _, kernel, _ in read], axis=1), np.concatenate([b for *_, b in read])
        reads.append(call.build.add(keras_arrays.dense(kernel, bias, **call.build.at(f"{call.name}.projections", query))))
    else:
        for name, (x, kernel, bias) in zip(parts, read, strict=True):
            reads.append(call.build.add(keras_arrays.dense(kernel, bias, **call.build.at(f"{call.name}.{name}", x))))
    weight = np.full(size, 1 / np.sqrt(size))
    looked = call.build.add(SelfAttention(weight, heads=heads, causal=causal, **call.build.at(f"{call.name}.heads", *reads)))
    arrays = call.arrays.below("output_dense")
    kernel = arrays.get("kernel", (heads, width, outputs)).reshape(heads * width, outputs)
    last = keras_arrays.dense(kernel, arrays.get("bias", (outputs,)) if biased else None, **call.at(looked))
    return query.with_features(call.build.add(last), (outputs,))


def _projection(call: Call, name: str, x: Value, shape: tuple[int, int], biased: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Kernel (features, heads * size) and bias (heads * size,)."""
    arrays, width = call.arrays.below(f"{name}_dense"), shape[0] * shape[1]
    bias = arrays.get("bias", shape).ravel() if biased else np.zeros(width)
    return arrays.get("kernel", (x.width, *shape)).reshape(x.width, width), bias


def _multi_head_slots(spec: Spec) -> list[Slot]:
    names = ("kernel", "bias") if spec.flag("use_bias", True) else ("kernel",)
    return [Slot((f"{part}_dense",), name) for part in ("query", "key", "value", "output") for name in names]


#: Classes whose calls may hold more than tensors, as those of `operations`.
KINDS = {
    "Attention": Kind(_attention, _attention_slots),
    "AdditiveAttention": Kind(_attention, _attention_slots),
    "MultiHeadAttention": Kind(_multi_head, _multi_head_slots),
}
