"""Models that follow one another in a running stream: warmed, shadowed, swapped at a step's boundary, taken back."""

import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cli_calls import ROWS, arrays, scaled

import edgelstm as el
from edgelstm.field.shelf import Shelf
from edgelstm.runners.followers import same_architecture
from edgelstm.runners.succession import Succession


@pytest.fixture(scope="module")
def models():
    return [scaled(factor) for factor in (1.0, 2.0, -1.0)]


def succession(model, **options):
    said = []
    found = Succession(
        el.Stream(model, nan_policy="hold"), **{"shadow": 8, "keep_state": False, "recent": 6, "say": said.append, **options}
    )
    return found, said


@pytest.mark.parametrize("cut", [1, 5])
def test_a_follower_takes_over_at_a_boundary(models, cut):
    old, new = models[:2]
    running, said = succession(old)
    answers = []
    for start in range(0, 40, cut):
        if start == 10:
            assert running.offer(7, el.Stream(new))
        block = ROWS[start : start + cut]
        answers.append(running.process(block) if cut > 1 else running.step(block[0])[None])
    swapped = 10 + (8 if cut == 1 else 10)  # the boundary at or behind the eighth step
    expected = el.Stream(old).process(ROWS)[:swapped]
    follower = el.Stream(new)
    follower.process(ROWS[4:10])  # the recent samples
    expected = np.concatenate([expected, follower.process(ROWS[10:])[swapped - 10 :]])
    assert np.array_equal(np.concatenate(answers), expected)
    assert (running.number, running.swaps, running.steps) == (7, 1, 40)
    assert said == ["model 7 answers from now on, with the recent samples read."]
    assert running.snapshot() == follower.snapshot()


def test_a_state_is_kept_where_the_architecture_is_one(models, rng):
    old, new, _ = models
    running, said = succession(old, keep_state=True)
    running.process(ROWS[:10])
    running.offer(2, el.Stream(new))
    running.process(ROWS[10:20])
    whole = el.Stream(new)
    whole.process(ROWS[:20])  # the same recurrent weights: the state of one is that of the other
    assert np.array_equal(running.process(ROWS[20:]), whole.process(ROWS[20:]))
    assert "with the state of the one before" in said[0]
    a = arrays()
    lstm = el.LSTM(a["lstm.weight_ih_l0"], a["lstm.weight_hh_l0"], np.zeros(16), cell_clip=3.0)
    other = replace(old, layers=(lstm, old.layers[1]), probe=None)
    assert same_architecture(el.Stream(old), el.Stream(new))
    assert not same_architecture(el.Stream(old), SimpleNamespace(model=other))


def test_what_does_not_fit_is_not_taken(models):
    running, said = succession(models[0])
    assert not running.offer(3, el.Stream(replace(models[1], labels=("a", "b"))))
    assert said == ["model 3 is not taken: its labels is another. Model -1 goes on."]
    assert not running.offer(4, el.Stream(el.Model((el.Dense(np.ones((2, 4))),))))
    assert running.refused == {3, 4}
    assert not running.busy


class Odd:
    """A stream whose answers become NaN after some steps."""

    def __init__(self, stream, after):
        self._own, self._after = stream, after

    def process(self, xs):
        answers = self._own.process(xs)
        self._after -= len(xs)
        return answers if self._after > 0 else answers * np.float32("nan")

    def __getattr__(self, name):
        return getattr(self._own, name)


def test_a_follower_that_answers_nonsense_is_refused_or_taken_back(models):
    old, new, _ = models
    running, said = succession(old)
    running.offer(5, Odd(el.Stream(new), 3))
    assert np.array_equal(running.process(ROWS[:10]), el.Stream(old).process(ROWS[:10]))
    assert (running.refused, running.number) == ({5}, -1)
    running.offer(6, Odd(el.Stream(new), 22))
    running.process(ROWS[10:20])
    assert running.number == 6
    running.process(ROWS[20:26])
    assert running.number == -1
    assert running.refused == {5, 6}
    assert said[-1] == "model 6 is taken back: it answered what is no number. Model -1 answers again."
    again = el.Stream(old)
    again.process(ROWS[20:26])
    assert np.array_equal(running.process(ROWS[26:]), again.process(ROWS[26:]))
    assert not running.roll_back("twice")


def test_there_are_two_models_at_most(models):
    running, _ = succession(models[0])
    running.offer(1, el.Stream(models[1]))
    running.process(ROWS[:10])
    running.offer(2, el.Stream(models[2]))
    assert not running.roll_back("the first one was let go")
    running.process(ROWS[:10])
    assert running.number == 2
    assert running.roll_back("asked")
    assert running.number == 1


def test_counters_go_on(models):
    running, _ = succession(models[0])
    running.process(np.full((3, 3), np.nan, np.float32))
    running.offer(1, el.Stream(models[1], nan_policy="hold"))
    running.process(ROWS[:9])
    running.process(np.full((2, 3), np.nan, np.float32))
    assert (running.bad_inputs, running.steps) == (5, 14)
    running.reset()
    assert running.steps == 0
    blob = running.snapshot()
    running.process(ROWS[:2])
    running.restore(blob)
    assert running.steps == 0


def test_the_shelf(tmp_path):
    with pytest.raises(el.UsageError, match="is no folder"):
        Shelf(tmp_path / "none")
    shelf = Shelf(tmp_path)
    for name in ("1.elstm", "0003-gesture.elstm", "x.elstm", "9.txt", "4.elstm", "4-other.elstm"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "12").mkdir()
    assert [(entry.number, entry.path.name) for entry in shelf.entries()] == [(1, "1.elstm"), (3, "0003-gesture.elstm")]
    (tmp_path / "12" / "m.so").write_bytes(b"so")
    (tmp_path / "12" / "notes.txt").write_bytes(b"")
    assert shelf.next(1).number == 12
    assert shelf.next(12) is None
    assert shelf.number_of(tmp_path / "." / "1.elstm") == 1
    assert shelf.number_of(tmp_path / "x.elstm") == shelf.number_of(tmp_path / "none") == -1
    shelf.refuse(shelf.next(1))
    assert shelf.next(1).number == 3
    assert shelf.next(3) is None
    (tmp_path / "12" / "m.so").write_bytes(b"whole now")
    assert shelf.next(3).number == 12
    assert (shelf.holds(12), shelf.holds(4)) == (True, False)


def test_models_that_were_followed_are_let_go():
    found = [scaled(factor) for factor in (1.5, 2.5, 3.5)]
    gone = [weakref.ref(model) for model in found]
    running, _ = succession(found[0])
    for number in (1, 2):
        running.offer(number, el.Stream(found[number]))
        running.process(ROWS[:10])
    found.clear()
    gc.collect()
    assert [model() is None for model in gone] == [True, False, False]
