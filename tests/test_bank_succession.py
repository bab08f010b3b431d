"""Streams by key whose model is followed by another: all go over together, with their state or with what they read of late."""

import gc
import weakref

import numpy as np
import pytest
from cli_calls import ROWS, scaled

import edgelstm as el
from edgelstm.runners.bank_succession import BankSuccession, Both

KEYS = ("a", "b", "c")


@pytest.fixture(scope="module")
def models():
    return [scaled(factor) for factor in (1.0, 2.0, -1.0)]


def both(model, policy="hold"):
    return Both(el.Stream(model), el.StreamBank(model, 8, nan_policy=policy))


def succession(model, **options):
    said = []
    return BankSuccession(both(model), **{"shadow": 9, "keep_state": False, "recent": 12, "say": said.append, **options}), said


def rounds(first, last):
    """Samples of all streams in turn: keys, and (count, 3)."""
    return [KEYS[i % 3] for i in range(first, last)], ROWS[first:last]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_all_streams_go_over_together(models, one_by_one):
    old, new = models[:2]
    running, said = succession(old)
    answers = []
    for start in range(0, 39, 3):
        if start == 15:
            assert running.offer(7, both(new))
            assert running.busy
        keys, xs = rounds(start, start + 3)
        answers += [running.step(key, x) for key, x in zip(keys, xs, strict=True)] if one_by_one else [*running.step_many(keys, xs)]
    keys, xs = rounds(0, 39)
    before, after = el.StreamBank(old, 8), el.StreamBank(new, 8)
    expected = [*before.step_many(keys[:24], xs[:24])]  # nine beside
    after.step_many(keys[3:15], xs[3:15])  # the recent samples
    expected += [*after.step_many(keys[15:], xs[15:])][9:]
    assert np.array_equal(np.array(answers), np.array(expected))
    assert (running.number, running.swaps) == (7, 1)
    assert said == ["model 7 answers from now on, with the recent samples read."]
    assert running.snapshot("a") == after.snapshot("a")


def test_states_are_kept_where_the_architecture_is_one(models):
    old, new, _ = models
    running, said = succession(old, keep_state=True, recent=2)
    running.step_many(*rounds(0, 12))
    running.offer(2, both(new))
    running.process_many(KEYS, np.stack([ROWS[12 + k : 21 : 3] for k in range(3)]))
    whole = el.StreamBank(new, 8)
    whole.step_many(*rounds(0, 21))  # the same recurrent weights: the states of one are those of the other
    assert np.array_equal(running.step_many(*rounds(21, 39)), whole.step_many(*rounds(21, 39)))
    assert "with the state of the one before" in said[0]


def test_streams_that_began_anew_are_warmed_from_there(models):
    old, new, _ = models
    running, _ = succession(old, shadow=1)
    running.step_many(*rounds(0, 6))
    running.reset("a")
    running.step("a", ROWS[6])
    running.offer(3, both(new))
    running.step("b", ROWS[7])
    whole = el.StreamBank(new, 8)
    whole.step_many(["b", "c", "b", "c", "a", "b"], ROWS[[1, 2, 4, 5, 6, 7]])
    assert np.array_equal(running.step_many(*rounds(9, 12)), whole.step_many(*rounds(9, 12)))
    assert (len(running), "a" in running, "z" in running) == (3, True, False)


class Odd:
    """A bank whose answers become NaN after some steps."""

    def __init__(self, bank, after):
        self._own, self._after = bank, after

    def step_many(self, keys, xs):
        answers = self._own.step_many(keys, xs)
        self._after -= len(xs)
        return answers if self._after > 0 else answers * np.float32("nan")

    def __getattr__(self, name):
        return getattr(self._own, name)

    def __contains__(self, key):
        return key in self._own


def odd(model, after):
    stream, bank = both(model)
    return Both(stream, Odd(bank, after))


def test_a_follower_that_answers_nonsense_is_refused_or_taken_back(models):
    old, new, _ = models
    running, said = succession(old)
    running.offer(5, odd(new, 3))
    running.step_many(*rounds(0, 6))
    assert (running.refused, running.number) == ({5}, -1)
    running.offer(6, odd(new, 6 + 18))  # six recent samples are read first
    running.step_many(*rounds(6, 18))
    assert running.number == 6
    running.step_many(*rounds(18, 24))
    assert (running.number, running.refused) == (-1, {5, 6})
    assert said[-1] == "model 6 is taken back: it answered what is no number. Model -1 answers again."
    again = el.StreamBank(old, 8)
    again.step_many(*rounds(12, 24))
    assert np.array_equal(running.step_many(*rounds(24, 30)), again.step_many(*rounds(24, 30)))
    assert not running.offer(8, both(scaled(3.0, labels=("x", "y"))))
    assert said[-1] == "model 8 is not taken: its labels is another. Model -1 goes on."


def test_counters_and_snapshots_are_those_of_all_models(models):
    running, _ = succession(models[0], shadow=3)
    missing = np.full((3, 3), np.nan, np.float32)
    running.step_many(KEYS, missing)
    running.offer(1, both(models[1]))
    running.step_many(*rounds(0, 3))
    running.step_many(KEYS[:2], missing[:2])
    assert running.number == 1
    assert [running.bad_inputs_of(key) for key in (*KEYS, "z")] == [2, 2, 1, 0]
    assert running.roll_back("asked")
    assert [running.bad_inputs_of(key) for key in KEYS] == [2, 2, 1]
    other = el.StreamBank(models[0], 8)
    other.restore_all(running.snapshot_all())
    assert other.snapshot("c") == running.snapshot("c")


def test_models_that_were_followed_are_let_go():
    found = [scaled(factor) for factor in (1.5, 2.5, 3.5)]
    gone = [weakref.ref(model) for model in found]
    running, _ = succession(found[0])
    for number in (1, 2):
        running.offer(number, both(found[number]))
        running.step_many(*rounds(0, 12))
    found.clear()
    gc.collect()
    assert running.number == 2
    assert [model() is None for model in gone] == [True, False, False]
