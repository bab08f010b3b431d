"""Streams by key, each on a grid of its own: what a bank gives is what as many timed streams give, through interruptions."""

import struct

import numpy as np
import pytest
from cli_calls import ROWS
from time_twin import MODEL

import edgelstm as el

KEYS = ("a", 7, b"c")

#: Steps of time in eighths of a period: on time, jittered, twice, late, over gaps, and clocks that are set.
AHEAD = (8, 8, 8, 8, 7, 9, 11, 5, 0, -8, 16, 24, 37, 49, 80, -60, 8, -4000, 8, 4000)


def lone(**options):
    return {key: el.Timed(el.Stream(MODEL, nan_policy="hold"), 1.0, **options) for key in KEYS}


def banked(capacity=3, **options):
    return el.TimedBank(el.StreamBank(MODEL, capacity, nan_policy="hold"), 1.0, **options)


@pytest.mark.parametrize("on_gap", ["hold", "interpolate", "reset", "skip"])
def test_each_stream_is_what_it_would_be_alone(on_gap):
    options = {"on_gap": on_gap, "max_gap": 6.0}
    alone, bank = lone(**options), banked(**options)
    draw = np.random.default_rng(4)
    now = dict.fromkeys(KEYS, 0)
    for number in range(400):
        key = KEYS[draw.integers(3)]
        now[key] += AHEAD[draw.integers(len(AHEAD))]
        x = np.where(draw.random(3) < 0.1, np.nan, ROWS[number % 40]).astype(np.float32)
        assert np.array_equal(bank.step(key, x, now[key] / 8), alone[key].step(x, now[key] / 8))
        if number % 50 == 49:  # another process takes up what this one kept
            blob, bank = bank.snapshot_all(), banked(**options)
            bank.restore_all(blob)
            assert bank.snapshot_all() == blob
            assert [bank.bank.snapshot(key) for key in KEYS] == [alone[key].stream.snapshot() for key in KEYS]
    again = banked(**options)
    draw, now = np.random.default_rng(5), dict.fromkeys(KEYS, 0)
    alone = lone(**options)
    for number in range(200):
        key = KEYS[draw.integers(3)]
        now[key] += AHEAD[draw.integers(len(AHEAD))]
        again.step(key, ROWS[number % 40], now[key] / 8)
        alone[key].step(ROWS[number % 40], now[key] / 8)
    for name, count in again.counts.record().items():
        assert count == sum(getattr(timed.counts, name) for timed in alone.values())
    assert again.resets == sum(timed.resets for timed in alone.values())


def test_a_stream_that_is_reset_or_dropped_begins_a_new_grid():
    timed = banked(capacity=2)
    for key in KEYS[:2]:
        timed.step(key, ROWS[0], 100.0)
    timed.reset("a")
    first = el.Stream(MODEL).process(ROWS[1:2])
    assert np.array_equal(timed.step("a", ROWS[1], 3.0), first)
    timed.bank.drop("a")
    assert np.array_equal(timed.step(b"c", ROWS[1], 5.0), first)
    timed.bank.drop(7)
    assert np.array_equal(timed.step("a", ROWS[1], 1.0), first)
    assert len(timed._grids) == len(timed) == 2
    with pytest.raises(el.UsageError, match="there is no room"):
        timed.step("more", ROWS[0], 0.0)
    with pytest.raises(el.UsageError, match="a key is a str"):
        timed.step(1.5, ROWS[0], 0.0)
    with pytest.raises(el.InputError, match="finite number of seconds"):
        timed.step("a", ROWS[0], float("inf"))


def test_what_is_no_snapshot_of_it_changes_nothing():
    timed = banked()
    for key in KEYS:
        timed.step(key, ROWS[0], 10.0)
    kept = timed.snapshot_all()
    odd = bytearray(kept)
    odd[20:28] = struct.pack("<d", float("inf"))
    for bad in (b"", kept[:-1], bytes(odd), timed.bank.snapshot_all(), kept.replace(b"ELSTMTBK\x01", b"ELSTMTBK\x02"), kept[:24]):
        with pytest.raises(el.StateError):
            timed.restore_all(bad)
        assert timed.snapshot_all() == kept
    for name, options in (("on_gap", {"on_gap": "guess"}), ("late", {"late": "never"}), ("period", {"max_gap": 0.5})):
        with pytest.raises(el.UsageError, match=name):
            banked(**options)
