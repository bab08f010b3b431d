"""Attention of one query to the rows of a recording, such as what a recurrent layer ends with to all that it gave."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.attention import AttentionPool
from ...layers.feedforward import Add, Dense
from ...layers.joining import Mul
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


def _found(call: Call, joined: Callable[[Value, Value], str], vector: NDArray[Any] | float) -> Value:
    query, value, key = (*call.inputs, call.inputs[1])[:3]
    sound = all(len(x.features) == 1 and x.mask is None and not any(x.zeros) and x.steps == value.steps for x in (value, key))
    if len(call.inputs) > 3 or not sound or query.mask is not None or query.width != key.width:
        shapes = ", ".join(str(x.shape) for x in call.inputs)
        raise call.refused(
            f"it is imported where query and value are rows of one recording, or one query reads rows without a mask; not {shapes}"
        )
    at_each = Value(query.name, key.shape, True) if query.static else weighting.recalled(call, query, key, key.features)
    weight = np.broadcast_to(vector, (1, key.width))
    scores = call.build.add(Dense(weight, **call.at(joined(at_each, key), name=f"{call.name}.scores")))
    y = call.build.ended(call.name, Value(call.build.add(AttentionPool(**call.at(value, scores))), value.shape, True))
    return replace(y, shape=(1, *y.shape))
