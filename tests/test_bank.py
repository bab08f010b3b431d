"""Many streams by key: the bits of streams of their own, whatever is stepped, dropped and put back in between."""

import sys
from pathlib import Path

import numpy as np
import pytest
from bank_twins import CAPACITY, MODEL, POOL, XS, Twins, agree, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rates import MODEL as RATED
from test_rates import XS as RATED_XS

import edgelstm as el

KEYS = st.lists(st.sampled_from(POOL), min_size=1, max_size=CAPACITY)
ACTIONS = st.one_of(
    st.tuples(st.just("step_many"), KEYS, st.just(1)),
    st.tuples(st.just("process_many"), KEYS, st.integers(0, 9)),
    st.tuples(st.sampled_from(["step", "reset", "drop", "pass on", "keep"]), st.sampled_from(POOL), st.sampled_from(POOL)),
    st.tuples(st.just("evict"), st.integers(1, 12), st.none()),
    st.tuples(st.just("keep all"), st.none(), st.none()),
)


def act(bank, twins, action, at):
    """One action upon both; what they give must be the same."""
    what, first, second = action
    if what in ("step_many", "process_many"):
        xs = rows_of(at, len(first) * second).reshape(len(first), second, 3)
        found = bank.step_many(first, xs[:, 0])[:, None] if what == "step_many" else bank.process_many(tuple(first), xs)
        np.testing.assert_array_equal(found, twins.process(first, xs) if second else found)
    elif what == "step":
        x = rows_of(at, 1)
        np.testing.assert_array_equal(bank.step(first, x[0]), twins.process([first], x[None])[0, 0])
    elif what == "evict":
        idle = sorted((key for key in twins.streams if twins.steps - twins.stepped[key] >= first), key=lambda key: twins.stepped[key])
        assert sorted(map(repr, bank.evict_idle(first))) == sorted(map(repr, idle))
        for key in idle:
            twins.drop(key)
    elif what == "keep all":
        blob = bank.snapshot_all()
        more = len(bank)
        bank.step_many(bank.keys(), rows_of(at, more))
        bank.restore_all(blob)
        assert bank.snapshot_all() == blob
        twins.steps += more
        twins.stepped = {key: age + more for key, age in twins.stepped.items()}
    elif first not in twins.streams:
        with pytest.raises(el.UsageError, match="there is no stream"):
            bank.drop(first)
    elif what == "drop":
        bank.drop(first)
        twins.drop(first)
    elif what == "reset":
        bank.reset(first)
        twins.streams[first].reset()
    elif what == "keep":
        blob = twins.streams[first].snapshot()
        bank.step(first, rows_of(at, 1)[0])
        twins.steps += 1
        twins.stepped[first] = twins.steps
        assert bank.snapshot(first) != blob
        bank.restore(first, blob)
    else:
        blob = bank.snapshot(first)
        bank.restore(second, blob)
        twins.begin([second])
        twins.streams[second].restore(blob)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, max_size=25))
def test_any_sequence_gives_the_bits_of_streams_of_their_own(actions):
    bank, twins = el.StreamBank(MODEL, CAPACITY, evict="oldest"), Twins(MODEL)
    for at, action in enumerate(actions):
        act(bank, twins, action, 7 * at)
        assert set(bank.keys()) == set(twins.streams) == set(bank)
        assert len(bank) == len(twins.streams)
        assert (bank.steps, all(key in bank for key in twins.streams)) == (twins.steps, True)
    for key, stream in twins.streams.items():
        assert bank.snapshot(key) == stream.snapshot()
        assert bank.steps_of(key) == stream.steps


def test_answers_that_are_not_due_are_nan_and_none():
    agree(RATED, np.concatenate([RATED_XS] * 5))
    bank, stream = el.StreamBank(RATED, 1), el.Stream(RATED)
    for x in RATED_XS[:20]:
        found, wanted = bank.step("k", x), stream.step(x)
        assert (found is None) == (wanted is None)
        assert found is None or np.array_equal(found, wanted)


@pytest.mark.parametrize("policy", ["hold", "reset", "propagate"])
def test_a_policy_acts_upon_each_stream_by_itself(policy):
    holed = np.where(np.random.default_rng(3).random((60, 3)) < 0.1, np.float32(np.nan), XS[:60])
    bank, twins = el.StreamBank(MODEL, 5, nan_policy=policy), Twins(MODEL, 5, nan_policy=policy)
    for start in range(0, 60, 12):
        keys = [POOL[k] for k in (0, 1, 2, 0, 3, 1)]
        xs = holed[start : start + 12].reshape(6, 2, 3)
        found, expected = bank.process_many(keys, xs), twins.process(keys, xs)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(bank.step_many(keys[:3], xs[:3, 0]), twins.process(keys[:3], xs[:3, :1])[:, 0])
    for key, stream in twins.streams.items():
        assert bank.bad_inputs_of(key) == stream.bad_inputs
        assert bank._states.rows[bank._keyed.slots[key]].tobytes() == stream._arena.state.tobytes()


def test_keys_given_again_are_those_that_stand_there_now():
    """A list that was changed, and keys whose streams were dropped in between."""
    bank, keys = el.StreamBank(MODEL, 3), ["a", "b"]
    bank.step_many(keys, XS[:2])
    keys[1] = "c"
    for _ in range(3):
        bank.step_many(keys, XS[:2])
    assert [bank.steps_of(key) for key in "abc"] == [4, 1, 3]
    same = tuple(keys)
    for some in (keys, same, same, same):
        bank.drop("a")
        for _ in range(3):
            bank.step_many(some, XS[:2])
        assert bank.steps_of("a") == 3
    assert bank.steps_of("c") == 15
    bank.step_many(np.array([5, 6, 5]), XS[:3]) if len(bank) < 3 else bank.drop("b")
    np.testing.assert_array_equal(bank.step_many((key for key in ("a", "c")), XS[:2]).shape, (2, 2))
    bank.step_many([], np.zeros((0, 3)))


def test_the_same_keys_again_take_whatever_the_first_call_took():
    bank, streams, keys = el.StreamBank(MODEL, 3), [el.Stream(MODEL) for _ in range(3)], ("a", "b", "c")
    bad = XS[:3].copy()
    bad[2, 1] = np.inf
    forms = (XS[:3], XS[3:6].astype(np.float64), XS[6:9].tolist(), XS[9:15:2], np.asfortranarray(XS[20:23]), XS[:3])
    for xs in forms:
        np.testing.assert_array_equal(bank.step_many(keys, xs), [s.step(x) for s, x in zip(streams, np.float32(xs), strict=True)])
        kept, nothing = bank.snapshot_all(), sys.getrefcount(None)
        for _ in range(50):
            with pytest.raises(el.InputError, match=r"stream 'c': channel 1 \(y\) is inf"):
                bank.step_many(keys, bad)
        with pytest.raises(el.InputError, match="3 keys and 2 samples"):
            bank.step_many(keys, XS[:2])
        assert bank.snapshot_all() == kept
        assert abs(sys.getrefcount(None) - nothing) < 40
    answers = [bank.step_many(keys, XS[:3]) for _ in range(3)]
    assert [sys.getrefcount(answers[k]) for k in range(3)] == [2] * 3
    assert not np.shares_memory(answers[0], answers[1])
    stream, twice = el.Stream(MODEL), ("d", "d", "d")
    bank.drop("a")
    for t in range(0, 12, 3):
        np.testing.assert_array_equal(bank.step_many(twice, XS[t : t + 3]), stream.process(XS[t : t + 3]))


@pytest.mark.parametrize("prefix", ["edgelstm", "gesture"])
def test_a_built_library_gives_the_same(tmp_path, prefix):
    path = tmp_path / "a.so"
    el.build(MODEL, prefix=prefix).write(path)
    bank, other = el.StreamBank(MODEL, 9), el.StreamBank(path, 9)
    keys = [*POOL[:6], *POOL[:2]]
    for t in range(3):
        np.testing.assert_array_equal(bank.step_many(keys, rows_of(8 * t, 8)), other.step_many(keys, rows_of(8 * t, 8)))
    xs = rows_of(100, 8 * 7).reshape(8, 7, 3)
    np.testing.assert_array_equal(bank.process_many(keys, xs), other.process_many(keys, xs))
    assert other.snapshot_all() == bank.snapshot_all()
    spoiled = rows_of(0, 8).copy()
    spoiled[5, 0] = np.nan
    with pytest.raises(el.InputError, match="channel 0"):
        other.step_many(keys, spoiled)
    assert other.snapshot_all() == bank.snapshot_all()


def test_threads_share_the_streams_of_a_call():
    alone, shared = el.StreamBank(MODEL, 40), el.StreamBank(MODEL, 40, threads=3)
    keys = list(range(37))
    xs = rows_of(0, 37 * 6).reshape(37, 6, 3)
    for some in (keys, keys[::-1], [*keys[:20], 3, 5]):
        part = xs[: len(some)]
        np.testing.assert_array_equal(shared.process_many(some, part), alone.process_many(some, part))
        np.testing.assert_array_equal(shared.step_many(tuple(some), part[:, 0]), alone.step_many(tuple(some), part[:, 0]))
    assert shared.snapshot_all() == alone.snapshot_all()
    bad = xs[:, 0].copy()
    bad[30, 1] = np.nan
    with pytest.raises(el.InputError, match="stream 30: channel 1"):
        shared.step_many(keys, bad)
    assert shared.snapshot_all() == alone.snapshot_all()
    with pytest.raises(el.UsageError, match="threads is a whole number"):
        el.StreamBank(MODEL, 4, threads=0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_as_it_was():
    """Streams come and go, are reset and put back: the process does not grow."""
    bank, rng = el.StreamBank(MODEL, 20, evict="oldest"), np.random.default_rng(6)

    def resident(rounds):
        """Pages after so many rounds."""
        for _ in range(rounds):
            keys = rng.integers(0, 40, 12).tolist()
            bank.step_many(keys, XS[:12])
            bank.step(keys[0], XS[1])
            bank.restore(keys[1], bank.snapshot(keys[0]))
            bank.reset(keys[2])
            bank.drop(keys[3])
        bank.restore_all(bank.snapshot_all())
        return int(Path("/proc/self/statm").read_text().split()[1])

    before = resident(1000)
    assert resident(4000) - before < 64
