"""Objects that are no samples: refused without cost, with NumPy and without, whatever they do when they are looked at."""

import datetime
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from sample_forms import NAMED, XS, Table

import edgelstm as el
from edgelstm import device


def nested(depth):
    value = [1.0]
    for _ in range(depth):
        value = [value]
    return value


def itself():
    loop = []
    loop.append(loop)
    return loop


class Liar:
    """A sequence whose length is a lie, and which never ends."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return 0.5


class Raises:
    def __init__(self, problem):
        self.problem = problem

    def __array__(self, dtype=None, copy=None):
        raise self.problem

    __float__ = __array__


ODD = {
    "deep": lambda: nested(2000),
    "deep in a row": lambda: [nested(2000), 0, 0],
    "itself": itself,
    "range": lambda: range(10**9),
    "endless range": lambda: range(10**400),
    "lies": lambda: Liar(3),
    "lies more": lambda: Liar(2**40),
    "negative length": lambda: Liar(-1),
    "text": lambda: "x" * 10**8,
    "bytes": lambda: bytes(10**7),
    "text in a list": lambda: ["1", "2", "3"],
    "dates": lambda: np.zeros(3, "M8[s]"),
    "dates in a block": lambda: np.zeros((2, 3), "M8[ns]"),
    "spans": lambda: [np.timedelta64(1, "s")] * 3,
    "date objects": lambda: [datetime.datetime(2026, 1, 1)] * 3,
    "records": lambda: np.zeros(3, [("a", "f4")]),
    "complex": lambda: [1j, np.complex64(1), 2],
    "set": lambda: {1.0, 2.0, 3.0},
    "generator": lambda: (v for v in (1.0, 2.0, 3.0)),
    "number": lambda: 10**400,
    "dict": lambda: {0: 1.0, 1: 2.0, 2: 3.0},
    "many axes": lambda: np.zeros((3, *(1,) * 40), np.float32),
    "giant view": lambda: np.broadcast_to(np.float32(0), (10**15, 3)),
    "giant row": lambda: np.broadcast_to(np.float32(0), (10**12,)),
    "giant objects": lambda: np.broadcast_to(np.array(None, object), (10**12,)),
    "giant ints": lambda: [10**400] * 3,
    "runtime": lambda: Raises(RuntimeError("no\nnumbers")),
    "os": lambda: [Raises(OSError(5, "broken"))] * 3,
    "key": lambda: {"a": Raises(KeyError("k")), "b": 1, "c": 2},
    "nothing": object,
    "type": lambda: int,
    "module": lambda: sys,
    "columns that lie": lambda: Table(["a", "b", "c", "d"], XS),
    "columns of nothing": lambda: Table(SimpleNamespace(), "x"),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("policy", ["raise", "hold"])
def test_odd_objects_are_refused_without_cost(odd, policy):
    stream = el.Stream(NAMED, nan_policy=policy)
    stream.process(XS)
    before, given = stream.snapshot(), ODD[odd]()
    tracemalloc.start()
    try:
        for verb in (stream.step, stream.process, stream.restore):
            if odd == "giant ints" and policy == "hold" and verb != stream.restore:
                continue  # infinite, and held
            with pytest.raises(el.EdgeLSTMError) as refused:
                verb(given)
            assert str(refused.value).isprintable()
            assert len(str(refused.value)) <= 1000
            assert stream.snapshot() == before
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A built library, stepped with the standard library alone."""
    path = tmp_path_factory.mktemp("alone") / "a.so"
    el.build(NAMED).write(path)
    return device.Stream(path)


@pytest.mark.parametrize("odd", ODD)
def test_odd_objects_are_refused_without_numpy_too(alone, odd):
    before, given = alone.snapshot(), ODD[odd]()
    answers = np.zeros((2, 2), np.float32)
    tracemalloc.start()
    try:
        for verb in (alone.step, alone.process, alone.restore, lambda x: alone.process(x, answers), lambda x: alone.process(XS[:2], x)):
            if odd == "generator" and verb == alone.step:
                continue  # three numbers, in order
            with pytest.raises(el.EdgeLSTMError) as refused:
                verb(given)
            assert str(refused.value).isprintable()
            assert len(str(refused.value)) <= 1000
            assert alone.snapshot() == before
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


def test_arrays_with_named_fields_and_tables_of_arrow_are_read_by_name():
    whole = el.Stream(NAMED).process(XS)
    fields = np.rec.fromarrays([XS[:, 2], XS[:, 0], XS[:, 1]], names="c,a,b")
    assert np.array_equal(el.Stream(NAMED).process(fields), whole)
    stream = el.Stream(NAMED)
    assert np.array_equal([stream.step(row).copy() for row in np.array(fields)], whole)
    with pytest.raises(el.InputError, match="'b' is not among the names given"):
        el.Stream(NAMED).process(fields[["a", "c"]])

    class Arrow:
        column_names = ("c", "a", "b")
        columns = (XS[:, 2], XS[:, 0], XS[:, 1])

        def __array__(self, dtype=None, copy=None):
            return XS[:, [2, 0, 1]]

    assert np.array_equal(el.Stream(NAMED).process(Arrow()), whole)


def test_a_table_with_names_of_several_levels_is_refused():
    with pytest.raises(el.InputError, match="names of several levels"):
        el.Stream(NAMED).process(Table([("imu", "c"), ("imu", "a"), ("imu", "b")], XS))
