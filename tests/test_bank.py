"""Many streams by key: the bits of streams of their own, whatever is stepped, dropped and put back in between."""

import pickle
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import MAKERS, model_of
from library_models import MODELS
from test_rates import MODEL as RATED
from test_rates import XS as RATED_XS

import edgelstm as el
from edgelstm.runtime import snapshot

MODEL = lstm_model(np.random.default_rng(1), 3, 20, 2, names=tuple("xyz"))
POOL = ["a", b"a", 0, -5, "0", b"", 2**40, "key", ""]
CAPACITY = 6
XS = np.random.default_rng(2).uniform(-1, 1, (4096, 3)).astype(np.float32)


def rows_of(start, count):
    return np.take(XS, range(start, start + count), axis=0, mode="wrap")


class Twins:
    """A Stream for each key, and the keys in the order in which they were stepped."""

    def __init__(self, model, capacity=CAPACITY, **options):
        self.model, self.capacity, self.options = model, capacity, options
        self.streams, self.stepped, self.steps = {}, {}, 0

    def begin(self, keys):
        new = [key for key in dict.fromkeys(keys) if key not in self.streams]
        for _ in range(len(self.streams) + len(new) - self.capacity):
            oldest = min((key for key in self.streams if key not in keys), key=lambda key: self.stepped[key])
            self.drop(oldest)
        for key in new:
            self.streams[key], self.stepped[key] = el.Stream(self.model, **self.options), self.steps

    def drop(self, key):
        del self.streams[key], self.stepped[key]

    def process(self, keys, xs):
        self.begin(keys)
        answers = []
        for key, part in zip(keys, xs, strict=True):
            answers.append(self.streams[key].process(part))
            self.steps += len(part)
            self.stepped[key] = self.steps
        return np.array(answers)


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


def agree(model, xs, count=11, **options):
    """Streams of a bank, by groups and alone, stepped and in blocks, against streams of their own."""
    bank, streams = el.StreamBank(model, count, **options), [el.Stream(model, **options) for _ in range(count)]
    keys, time = list(range(count)), len(xs) // count
    parts = xs[: count * time].reshape(count, time, -1)
    expected = [[None if (y := stream.step(x)) is None else y.copy() for x in part] for stream, part in zip(streams, parts, strict=True)]
    half = time // 2
    found = [bank.step_many(keys, parts[:, t]) for t in range(half)]
    found = np.concatenate([np.stack(found, axis=1), bank.process_many(keys, parts[:, half:])], axis=1)
    for row, wanted in zip(found, expected, strict=True):
        assert [not np.isnan(y).all() for y in row] == [y is not None for y in wanted]
        np.testing.assert_array_equal([y for y in row if not np.isnan(y).all()], [y for y in wanted if y is not None])
    assert [bank.snapshot(key) for key in keys] == [stream.snapshot() for stream in streams]


def test_answers_that_are_not_due_are_nan_and_none():
    agree(RATED, np.concatenate([RATED_XS] * 5))
    bank, stream = el.StreamBank(RATED, 1), el.Stream(RATED)
    for x in RATED_XS[:20]:
        found, wanted = bank.step("k", x), stream.step(x)
        assert (found is None) == (wanted is None)
        assert found is None or np.array_equal(found, wanted)


#: Tiles of every form: cells side by side; two gates and one at a time; a tail; a table; by turns; and what is taken one by one.
SIZES = {
    "1,8": lambda: lstm_model(np.random.default_rng(1), 1, 8, 1, 1),
    "2,4": lambda: lstm_model(np.random.default_rng(1), 2, 4),
    "6,32": lambda: lstm_model(np.random.default_rng(2), 6, 32, trained_start=True),
    "7,41": lambda: lstm_model(np.random.default_rng(3), 7, 41, 2, 3),
    "40,128": lambda: lstm_model(np.random.default_rng(4), 40, 128, 1, 5),
    **{name: MODELS[name] for name in ("f32-table", "f32-cells", "int8-dynamic", "f32-gru", "f32-maps", "f16-weight", "f32-all-layers")},
}


def drawn(model, steps):
    rng = np.random.default_rng(5)
    return rng.integers(model.vocabulary_size, size=(steps, 1)).astype(np.float32) if model.takes_index else samples(rng, model, steps)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_groups_give_the_bits_of_streams(name):
    model = SIZES[name]()
    agree(model, drawn(model, 11 * 9))


@pytest.mark.nightly
@pytest.mark.parametrize("kind", [kind for kind in MAKERS if model_of(kind).streams])
def test_every_kind_in_a_bank(kind):
    model = model_of(kind)
    agree(model, drawn(model, 11 * 20))


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


def sealed(data):
    return bytes(data) + struct.pack("<I", zlib.crc32(data))


def test_forged_snapshots_are_refused_and_nothing_changes():
    bank = el.StreamBank(MODEL, 4)
    bank.step_many(["a", 7, b"c"], XS[:3])
    blob, other = bank.snapshot_all(), el.StreamBank(MODEL, 4)
    other.restore_all(blob)
    assert other.snapshot_all() == blob
    before = bank.snapshot_all()
    rng = np.random.default_rng(4)
    body = np.frombuffer(blob[:-4], np.uint8)
    header, entry, state = 64, 16, len(bank.snapshot("a")) - snapshot.size(0)
    numbers = header + 3 * entry + len("a" + "c") + 8 + 64
    forged = [blob[:n] for n in range(0, len(blob), 41)] + [blob + b"\0", b"", b"ELSTMBNK"]
    forged += [
        bytes(np.concatenate([body[:at], [body[at] ^ 1], body[at + 1 :]]).astype(np.uint8)) + blob[-4:] for at in range(0, len(body), 53)
    ]

    def changed(at, data):
        return sealed(blob[:at] + data + blob[at + len(data) : -4])

    forged += [changed(at, struct.pack("<Q", huge)) for at in (48, 56) for huge in (2**64 - 1, 2**32, 0, 4)]
    forged += [
        changed(header + 8, struct.pack("<I", 9)),
        changed(header + 12, struct.pack("<I", 2**31)),
        changed(8, b"\x02"),
        changed(12, b"\1"),
    ]
    forged += [changed(numbers, struct.pack("<f", value)) for value in (np.nan, np.inf)]
    forged += [changed(numbers, struct.pack("<f", 3e38)), changed(numbers - 64, struct.pack("<Q", 1 << 62))]
    forged += [changed(header, struct.pack("<Q", 1 << 63)), changed(header + entry + 8, struct.pack("<II", 2, 0))]
    for number, bad in enumerate(forged):
        with pytest.raises(el.StateError):  # noqa: PT012  which one it was
            bank.restore_all(bad)
            pytest.fail(f"forgery {number} was taken")
        assert bank.snapshot_all() == before
    for _ in range(100):  # sealed again: taken as a bank's, or refused
        at = int(rng.integers(len(body)))
        try:
            other.restore_all(changed(at, bytes([int(rng.integers(256))])))
        except el.StateError:
            continue
        other.step_many(other.keys(), XS[: len(other)])
    twice = bytearray(blob[:-4])
    twice[header + 3 * entry : header + 3 * entry + 1] = b"c"
    twice[header + 8 : header + 12] = struct.pack("<I", 2)
    with pytest.raises(el.StateError, match="cannot have had"):
        bank.restore_all(sealed(twice))
    small = el.StreamBank(MODEL, 2)
    with pytest.raises(el.StateError, match="3 streams, and this bank has room for 2"):
        small.restore_all(blob)
    assert state % 64 == 0


def test_idle_times_outlive_a_snapshot():
    bank, other = el.StreamBank(MODEL, 4, evict="oldest"), el.StreamBank(MODEL, 4, evict="oldest")
    for key in ("a", "b", "a", "c", "a"):
        bank.step(key, XS[0])
    other.restore_all(bank.snapshot_all())
    for one in (bank, other):
        assert one.evict_idle(4) == []
        assert one.evict_idle(3) == ["b"]
        one.step_many(["d", "e", "f"], XS[:3])
        assert set(one.keys()) == {"a", "d", "e", "f"}


def test_keys_given_again_are_those_that_stand_there_now():
    """A list that was changed, and keys whose streams were dropped in between."""
    bank, keys = el.StreamBank(MODEL, 3), ["a", "b"]
    bank.step_many(keys, XS[:2])
    keys[1] = "c"
    bank.step_many(keys, XS[:2])
    assert [bank.steps_of(key) for key in "abc"] == [2, 1, 1]
    bank.drop("a")
    bank.step_many(keys, XS[:2])
    assert [bank.steps_of(key) for key in "abc"] == [1, 1, 2]
    bank.step_many(np.array([5, 6, 5]), XS[:3]) if len(bank) < 3 else bank.drop("b")
    np.testing.assert_array_equal(bank.step_many((key for key in ("a", "c")), XS[:2]).shape, (2, 2))
    bank.step_many([], np.zeros((0, 3)))


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
