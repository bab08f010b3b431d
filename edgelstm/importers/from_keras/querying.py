"""Attention of one query to the rows of a recording, such as what a recurrent layer ends with to all that it gave."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.attention import AttentionPool
from ...layers.feedforward import Add, Dense
from ...layers.joining import Concat, Mul, Slice
from . import weighting
from .build import Value
from .kinds import Call


def alone(call: Call) -> bool:
    """Whether the query is one vector and the rest rows of a recording."""
    query, *rows = call.inputs
    return query.time is False and len(query.features) == 2 and query.features[0] == 1 and all(x.time is True for x in rows) and bool(rows)


def by_product(call: Call, scale: float) -> Value:
    """Scores ``scale query . key``."""
    return _found(call, lambda query, key: call.build.add(Mul(**call.at(query, key, name=f"{call.name}.product"))), scale)


def by_sum(call: Call, vector: NDArray[Any] | float) -> Value:
    """Scores ``vector . tanh(query + key)``."""

    def joined(query: Value, key: Value) -> str:
        together = replace(key, name=call.build.add(Add(**call.at(query, key, name=f"{call.name}.sum"))))
        return call.build.apply("tanh", f"{call.name}.tanh", together).name

    return _found(call, joined, vector)


def by_heads(call: Call, read: tuple[Value, Value, Value], heads: int, scale: float) -> Value:
    """Scores ``scale query . key`` of each head's part, which weight its part of the value. read: query, key and value, projected."""
    query, key, value = read
    product = call.build.add(Mul(**call.at(_at_each(call, query, key), key, name=f"{call.name}.product")))
    size, width, found = key.width // heads, value.width // heads, []
    for head in range(heads):
        weight = np.zeros((1, key.width))
        weight[0, head * size : (head + 1) * size] = scale
        scores = call.build.add(Dense(weight, **call.at(product, name=f"{call.name}.{head}.scores")))
        part = call.build.add(Slice(head * width, (head + 1) * width, **call.at(value, name=f"{call.name}.{head}.value")))
        found.append(call.build.add(AttentionPool(**call.at(part, scores, name=f"{call.name}.{head}"))))
    name = found[0] if heads == 1 else call.build.add(Concat(**call.at(*found, name=f"{call.name}.heads")))
    return call.build.ended(f"{call.name}.heads", Value(name, value.shape, True))


def checked(call: Call) -> tuple[Value, Value, Value]:
    """Query, key and value, where one query reads rows of one recording.

    Raises
    ------
    UnsupportedModelError
        If it does not.
    """
    query, value, key = (*call.inputs, call.inputs[1])[:3]
    sound = all(len(x.features) == 1 and x.mask is None and not any(x.zeros) and x.steps == value.steps for x in (value, key))
    if len(call.inputs) > 3 or not sound or query.mask is not None:
        shapes = ", ".join(str(x.shape) for x in call.inputs)
        raise call.refused(
            f"it is imported where query and value are rows of one recording, or one query reads rows without a mask; not {shapes}"
        )
    return query, key, value


def _at_each(call: Call, query: Value, key: Value) -> Value:
    """The query beside each row of the key."""
    return Value(query.name, key.shape, True) if query.static else weighting.recalled(call, query, key, key.features)


def _found(call: Call, joined: Callable[[Value, Value], str], vector: NDArray[Any] | float) -> Value:
    query, key, value = checked(call)
    if query.width != key.width:
        raise call.refused(f"its query has {query.width} numbers and its keys have {key.width}")
    weight = np.broadcast_to(vector, (1, key.width))
    scores = call.build.add(Dense(weight, **call.at(joined(_at_each(call, query, key), key), name=f"{call.name}.scores")))
    y = call.build.ended(call.name, Value(call.build.add(AttentionPool(**call.at(value, scores))), value.shape, True))
    return replace(y, shape=(1, *y.shape))
