"""The seam to engines: however rows are cut into batches and shards, and whatever comes again, answers are those of single streams."""

import pickle
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from conftest import lstm_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rates import MODEL as RATED
from test_rates import XS as RATED_XS

import edgelstm as el
from edgelstm.adapters.keyed import KeyedStep, digest_of, shard_of
from edgelstm.adapters.owners import shards_of
from edgelstm.adapters.shard import Shard

MODEL = lstm_model(np.random.default_rng(1), 3, 20, 2, names=tuple("xyz"))
KEYS = ["pump-1", "pump-2", 7, -7, b"pump-1", "7", "ü"]
XS = np.random.default_rng(2).uniform(-1, 1, (len(KEYS), 40, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def truth():
    """What single streams answer."""
    return np.array([el.Stream(MODEL).process(xs) for xs in XS])


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A model, and one of the same sizes with other weights."""
    folder = tmp_path_factory.mktemp("models")
    el.save(MODEL, folder / "a.elstm")
    el.save(lstm_model(np.random.default_rng(9), 3, 20, 2), folder / "b.elstm")
    return folder


@pytest.fixture(scope="module")
def step(paths):
    return KeyedStep(paths / "a.elstm")


@st.composite
def histories(draw):
    """For each key how many samples there are; all rows in an order that keeps that of each key; where the batches end."""
    counts = draw(st.lists(st.integers(0, 12), min_size=len(KEYS), max_size=len(KEYS)))
    rows = draw(st.permutations([key for key, count in enumerate(counts) for _ in range(count)]))
    seen = [0] * len(KEYS)
    numbered = []
    for key in rows:
        numbered.append((key, seen[key]))
        seen[key] += 1
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    return numbered, [0, *cuts, len(rows)]


@settings(max_examples=80, deadline=None)
@given(histories(), st.integers(1, 3), st.integers(0, 3), st.randoms(use_true_random=False))
def test_any_split_and_any_replay_gives_the_bits_of_single_streams(step, truth, history, shards, back, random):
    rows, cuts = history
    blobs, old = [None] * shards, [0] * shards
    found = np.full(truth.shape, np.nan, np.float32)
    for begin, end in pairwise(cuts):
        batch = rows[max(begin - back, 0) : end]  # the last ones come again
        again = rows[max(begin - back, 0) : begin]
        random.shuffle(batch)
        for shard in range(shards):
            own = [(key, number) for key, number in batch if shard_of(KEYS[key], shards) == shard]
            keys, numbers = [key for key, _ in own], [number for _, number in own]
            xs = XS[keys, numbers] if own else np.empty((0, 3), np.float32)
            blobs[shard], ys = step.step_many(blobs[shard], [KEYS[key] for key in keys], np.array(numbers, int), xs)
            repeated = [pair in again for pair in own]
            assert step.fresh.tolist() == [not known for known in repeated]
            assert step.repeats == old[shard] + sum(repeated)
            old[shard] = step.repeats
            assert np.isnan(ys[~step.fresh]).all()
            for (key, number), y, fresh in zip(own, ys, step.fresh, strict=True):
                if fresh:
                    found[key, number] = y
    expected = np.full_like(truth, np.nan)
    for key, number in rows:
        expected[key, number] = truth[key, number]
    np.testing.assert_array_equal(found, expected)


def test_the_step_is_pickled_by_path_and_digest_alone(step, paths):
    step.warmup()
    data = pickle.dumps(step)
    assert len(data) < 400
    code = (
        "import pickle, sys, numpy as np; step = pickle.loads(bytes.fromhex(sys.argv[1]));"
        "blob, y = step.step_many(None, ['a'] * 3, [5, 3, 4], np.arange(9.0).reshape(3, 3) / 9); print(blob.hex(), y.tobytes().hex())"
    )
    said = subprocess.run([sys.executable, "-c", code, data.hex()], check=True, capture_output=True, text=True).stdout.split()
    blob, y = step.step_many(None, ["a"] * 3, [5, 3, 4], np.arange(9.0).reshape(3, 3) / 9)
    assert said == [blob.hex(), y.tobytes().hex()]
    assert y[1].tobytes() == el.Stream(MODEL).step(np.arange(3, 6, dtype=np.float32) / 9).tobytes()


@pytest.mark.slow
def test_a_library_takes_the_states_of_its_model(step, paths, truth):
    blob, _ = step.step_many(None, [1, 2], [0, 0], XS[:2, 0])
    el.build(MODEL).write(paths / "a.so")
    library = KeyedStep(paths / "a.so")
    assert library.digest == step.digest
    np.testing.assert_array_equal(library.step_many(blob, [2, 1], [1, 1], XS[1::-1, 1])[1], truth[1::-1, 1])


def test_another_model_is_refused(step, paths):
    blob, _ = step.step_many(None, ["a"], [0], XS[0, :1])
    other = KeyedStep(paths / "b.elstm")
    with pytest.raises(el.StateError, match=r"belongs to another model \(digest"):
        other.step_many(blob, ["a"], [1], XS[0, 1:2])
    with pytest.raises(el.ModelFileError, match="holds another model"):
        KeyedStep(paths / "b.elstm", step.digest).warmup()
    assert digest_of(str(paths / "a.elstm")) == step.digest


def test_a_model_of_the_same_layers_takes_over_where_it_is_asked_to(step, paths):
    blob, _ = step.step_many(None, ["a", "b"], [0, 0], XS[:2, 0])
    later = KeyedStep(paths / "b.elstm", follows=paths / "a.elstm")
    blob, ys = pickle.loads(pickle.dumps(later)).step_many(blob, ["a", "b", "a"], [1, 1, 0], XS[[0, 1, 0], [1, 1, 0]])
    first, second = el.Stream(MODEL), el.Stream(el.load(paths / "b.elstm"))
    first.step(XS[0, 0])
    second._arena.state[:] = first._arena.state
    np.testing.assert_array_equal(ys[0], second.step(XS[0, 1]))
    assert np.isnan(ys[2]).all()
    later.step_many(blob, ["a"], [2], XS[0, 2:3])  # its own states too
    el.save(lstm_model(np.random.default_rng(9), 3, 21, 2), paths / "c.elstm")
    with pytest.raises(el.UsageError, match="no model of the same layers and sizes"):
        KeyedStep(paths / "b.elstm", follows=paths / "c.elstm")


def test_shards_of_a_lot_go_on_as_each_alone(paths, step):
    keys, seq, xs = [f"k{i % 40}" for i in range(80)], np.arange(80) // 40, XS[0, :2].repeat(40, axis=0)
    names, codes = keys[:40], np.arange(80) % 40
    np.testing.assert_array_equal(shards_of([*names, 7, b"b", "\ud800"], 5), [shard_of(key, 5) for key in (*names, 7, b"b", "\ud800")])
    lot = step.lot(5)
    first = lot.step_coded(names, codes[:40], seq[:40], xs[:40])
    lot.step_coded(names[:1], codes[:1], seq[:1], xs[:1])
    blobs = lot.snapshot_each()
    assert sorted(blobs) == sorted({shard_of(key, 5) for key in names})
    again, alone = step.lot(5), {shard: step.begun() for shard in blobs}
    again.restore_each(blobs)
    second = again.step_coded(names, codes[40:], seq[40:], xs[40:])
    for shard, own in alone.items():
        own.restore(blobs[shard])
        assert own.repeats == (shard == shard_of("k0", 5))
        mine = [i for i in range(40, 80) if shard_of(keys[i], 5) == shard]
        np.testing.assert_array_equal(own.step_many([keys[i] for i in mine], seq[mine], xs[mine]), second[[i - 40 for i in mine]])
    assert not np.array_equal(first, second)
    own.restore(again.snapshot_each()[shard])
    assert set(own.numbers().values()) == {1}
    with pytest.raises(el.StateError, match="damaged"):
        again.restore_each({0: blobs[shard], 1: blobs[shard]})
    assert len(again) == 40


def test_a_state_of_the_first_version_is_taken(step, truth):
    from zlib import crc32

    blob, _ = step.step_many(None, ["a", 1], [0, 0], XS[:2, 0])
    old = bytearray(blob)
    old[8:12] = (1).to_bytes(4, "little")
    old[12:16] = crc32(blob[16:]).to_bytes(4, "little")
    np.testing.assert_array_equal(step.step_many(bytes(old), ["a"], [1], XS[0, 1:2])[1], truth[0, 1:2])


def test_a_damaged_state_is_refused(step, truth):
    blob, _ = step.step_many(None, ["a", 1], [0, 0], XS[:2, 0])
    for place in range(0, len(blob), 37):
        bad = bytearray(blob)
        bad[place] ^= 1
        with pytest.raises(el.StateError):
            step.step_many(bytes(bad), ["a"], [1], XS[0, 1:2])
    for bad in (b"", blob[:-1], blob + b"\0", b"ELSTMKEY", 5):
        with pytest.raises(el.StateError):
            step.step_many(bad, ["a"], [1], XS[0, 1:2])
    np.testing.assert_array_equal(step.step_many(blob, ["a"], [1], XS[0, 1:2])[1], truth[0, 1:2])


REFUSED = {
    "a number that is none": ((["a"], [0.5], XS[0, :1]), "seq holds whole numbers"),
    "too few numbers": ((["a", "b"], [0], XS[0, :2]), r"seq holds a number a row, so \(2,\)"),
    "another width": ((["a"], [0], XS[0, :1, :2]), r"of shape \(1, 3\); got \(1, 2\)"),
    "one key": (("a", [0], XS[0, :1]), "keys are a list or tuple"),
    "no key": (([None], [0], XS[0, :1]), "a key is a str"),
    "a truth": (([True], [0], XS[0, :1]), "a key is a str"),
    "the least number": ((["a"], [-(2**63)], XS[0, :1]), "greater than"),
    "a sample that is none": ((["a", "b", "b"], [0, 0, 1], np.array([[0, 0, 0], [0, 0, 0], [0, np.nan, 0]])), "stream 'b'.*nan"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(paths, case):
    shard = Shard(MODEL)
    shard.step_many(["b"], [-1], XS[0, :1])
    before = shard.snapshot()
    given, complaint = REFUSED[case]
    with pytest.raises(el.EdgeLSTMError, match=complaint):
        shard.step_many(*given)
    assert shard.snapshot() == before


def test_a_gap_in_time_begins_a_stream_anew(truth):
    shard = Shard(MODEL, reset_after=10)
    times = [0, 5, 16, 20, 31, 40]
    ys = shard.step_many(["a"] * 6 + ["b"] * 6, [*range(6)] * 2, np.concatenate([XS[0, :6], XS[1, :6]]), [*times, *range(6)])
    parts = [el.Stream(MODEL).process(XS[0, part]) for part in (slice(2), slice(2, 4), slice(4, 6))]
    np.testing.assert_array_equal(ys, np.concatenate([*parts, truth[1, :6]]))
    shard.restore(shard.snapshot())
    again = shard.step_many(["a", "b"], [6, 6], np.stack([XS[0, 0], XS[1, 6]]), [51, 15])
    np.testing.assert_array_equal(again, [truth[0, 0], truth[1, 6]])
    with pytest.raises(el.UsageError, match="pass t"):
        shard.step_many(["a"], [9], XS[0, :1])


def test_more_streams_than_there_was_room_for(truth):
    shard = Shard(MODEL)
    keys = list(range(700))
    for number in range(3):
        ys = shard.step_many(
            keys[: 200 + 250 * number], np.full(200 + 250 * number, number), np.tile(XS[0, number], (200 + 250 * number, 1))
        )
    np.testing.assert_array_equal(ys[:200], np.tile(truth[0, 2], (200, 1)))
    assert (len(shard), shard.numbers()[699]) == (700, 2)


def test_bad_samples_are_counted():
    shard = Shard(MODEL, nan_policy="hold")
    xs = XS[0, :3].copy()
    xs[1, 0] = np.nan
    held = shard.step_many(["a"] * 3, [0, 1, 2], xs)
    xs[1, 0] = xs[0, 0]
    np.testing.assert_array_equal(held, el.Stream(MODEL).process(xs))
    assert shard.bad_inputs == 1


@pytest.mark.slow
def test_answers_that_are_not_due_are_nan():
    rated, stream = Shard(RATED), el.Stream(RATED)
    due = [None if (y := stream.step(x)) is None else y.copy() for x in RATED_XS]
    found = np.concatenate([rated.step_many(["a"] * 30, np.arange(30) + k, RATED_XS[k : k + 30]) for k in (0, 30)])
    assert rated.fresh.all()
    for y, expected in zip(found, due, strict=True):
        assert np.isnan(y).all() if expected is None else np.array_equal(y, expected)


def test_keys_belong_to_the_same_shard_everywhere():
    assert [shard_of(key, 16) for key in ("pump-1", b"pump-1", 7, "7", "ü")] == [6, 6, 2, 2, 5]
