"""Named values and records that never change, the former against `typing.NamedTuple`."""

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import NamedTuple

import numpy as np
import pytest
from conftest import lstm_model

import edgelstm as el
from edgelstm.runtime.fields import Fields


class Ours(Fields):
    first: int
    second: str = "b"
    call: Callable[[int], int] = lambda x: x + 1


class Theirs(NamedTuple):
    first: int
    second: str = "b"
    call: Callable[[int], int] = lambda x: x + 1


@pytest.mark.parametrize(("given", "named"), [((1,), {}), ((1, "c"), {}), ((), {"first": 1, "second": "d"}), ((1,), {"second": "e"})])
def test_values_are_those_of_a_named_tuple(given, named):
    ours, theirs = Ours(*given, **named), Theirs(*given, **named)
    assert (ours.first, ours.second, ours.call(2)) == (theirs.first, theirs.second, 3)
    assert list(ours._asdict()) == list(theirs._asdict())
    assert ours._replace(second="z").second == theirs._replace(second="z").second == "z"
    assert ours == Ours(*given, **named) != ours._replace(first=2)
    assert hash(ours) == hash(Ours(*given, **named))
    assert repr(Ours(7, "c", None)) == "Ours(first=7, second='c', call=None)"
    kept = Ours(1, "c", int)
    assert pickle.loads(pickle.dumps(kept)) == kept


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), ((1, "b", None, 4), {}), ((1,), {"first": 1}), ((1,), {"third": 1}), ((), {"second": "c"})]
)
def test_what_a_named_tuple_refuses_is_refused(given, named):
    with pytest.raises(TypeError):
        Theirs(*given, **named)
    with pytest.raises(TypeError, match="Ours: "):
        Ours(*given, **named)


def test_values_never_change():
    ours = Ours(1)
    with pytest.raises(AttributeError, match="make another with _replace"):
        ours.first = 2
    with pytest.raises(TypeError):
        ours._replace(third=1)
    assert ours.first == 1


def test_models_probes_and_layers_never_change(rng):
    model = lstm_model(rng)
    probe = el.Probe(np.zeros((1, 6), np.float32), np.zeros((1, 2), np.float32), "a test")
    for record, name in ((model, "labels"), (probe, "source"), (model.layers[0], "bias")):
        before = getattr(record, name)
        with pytest.raises(FrozenInstanceError, match=r"never changes; make another with dataclasses\.replace"):
            setattr(record, name, None)
        with pytest.raises(FrozenInstanceError, match="nothing of it can be deleted"):
            delattr(record, name)
        assert getattr(record, name) is before
    assert replace(model, source="elsewhere").source == "elsewhere"
    assert replace(probe, source="elsewhere").source == "elsewhere"
