"""What a bank refuses, in words, and that nothing has changed then."""

import pickle

import numpy as np
import pytest
from bank_twins import MODEL, XS
from kinds import model_of
from test_rates import MODEL as RATED

import edgelstm as el


def test_a_refused_sample_changes_nothing():
    bank = el.StreamBank(MODEL, 5)
    bank.step_many(["a", "b"], XS[:2])
    before, keys = bank.snapshot_all(), bank.keys()
    bad = XS[:4].copy()
    bad[2, 1] = np.inf
    for call in (
        lambda: bank.step_many(["a", "b", "new", 7], bad),
        lambda: bank.step_many(["a", "b", "a", "b"], bad),
        lambda: bank.process_many(["a", "new"], bad.reshape(2, 2, 3)),
        lambda: bank.step("new", bad[2]),
    ):
        with pytest.raises(el.InputError, match=r"stream '.*': channel 1 \(y\)"):
            call()
        assert (bank.snapshot_all(), bank.keys()) == (before, keys)
    with pytest.raises(el.InputError, match="stream 'new'"):
        bank.step_many(["a", "b", "new", 7], bad)
    with pytest.raises(el.InputError, match=r"stream 'new': channel 1 .* of sample 0"):
        bank.process_many(["a", "new"], bad.reshape(2, 2, 3))


WRONG = {
    "one key": (lambda bank: bank.step_many("abc", XS[:3]), "keys are a list"),
    "a number for keys": (lambda bank: bank.step_many(3, XS[:3]), "keys are a list"),
    "samples of another number": (lambda bank: bank.step_many(["a", "b"], XS[:3]), "2 keys and 3 samples"),
    "a sample of another size": (lambda bank: bank.step("a", XS[0, :2]), r"shape \(3,\)"),
    "parts of another size": (lambda bank: bank.process_many(["a"], XS[:4].reshape(1, 2, 6)), r"\(1, time, 3\)"),
    "parts without keys": (lambda bank: bank.process_many(["a"], XS[:4].reshape(2, 2, 3)), r"\(1, time, 3\)"),
    "a number with a point": (lambda bank: bank.step(1.5, XS[0]), "a key is a str, a whole number or bytes; got 1.5, a float"),
    "a truth": (lambda bank: bank.step_many([True], XS[:1]), "got True, a bool"),
    "nothing": (lambda bank: bank.step(None, XS[0]), "got None"),
    "an array": (lambda bank: bank.step_many([XS[0]], XS[:1]), "a ndarray"),
    "a number beyond 64 bits": (lambda bank: bank.step(1 << 63, XS[0]), "64 bits"),
    "a long key": (lambda bank: bank.step("x" * 20_000, XS[0]), "at most"),
    "a stream too many": (lambda bank: bank.step_many(list("abcd"), XS[:4]), "no room for 'd': .*1 of 3 .*evict='oldest'"),
    "no such stream": (lambda bank: bank.reset("b"), r"no stream 'b' among the 1 stream of this bank; step\('b', x\) begins it"),
    "a list as a key": (lambda bank: bank.snapshot([1]), r"no stream \[1\]"),
    "no steps": (lambda bank: bank.evict_idle(0), "steps is a whole number, 1 or more"),
    "another model's snapshot": (lambda bank: bank.restore("b", el.Stream(RATED).snapshot()), "another model"),
    "a bank's snapshot as a stream's": (lambda bank: bank.restore("b", bank.snapshot_all()), "no snapshot"),
    "a stream's snapshot as a bank's": (lambda bank: bank.restore_all(bank.snapshot("a")), "no snapshot of a bank"),
    "no bytes": (lambda bank: bank.restore_all([1, 2]), "bank.snapshot_all"),
    "a pickle": (pickle.dumps, "snapshots"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_refused_in_words(case):
    call, words = WRONG[case]
    bank = el.StreamBank(MODEL, 3)
    bank.step("a", XS[0])
    before = bank.snapshot_all()
    with pytest.raises((el.UsageError, el.InputError, el.StateError), match=words):
        call(bank)
    assert bank.snapshot_all() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"capacity": 0}, "capacity is a whole number"),
        ({"capacity": 2.0}, "capacity is a whole number"),
        ({"capacity": 1 << 60}, "memory"),
        ({"capacity": 2, "evict": "newest"}, "evict must be"),
        ({"capacity": 2, "nan_policy": "skip"}, "nan_policy must be"),
        ({"model": 3, "capacity": 2}, "expected a Model"),
        ({"model": model_of("reverse"), "capacity": 2}, "whole recordings"),
    ],
)
def test_a_bank_that_cannot_be_made_says_why(options, words):
    with pytest.raises(el.UsageError, match=words):
        el.StreamBank(**{"model": MODEL, **options})
