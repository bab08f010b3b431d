"""Open windows as bytes: they go on where they were, or are refused with nothing changed."""

import struct
import zlib

import numpy as np
import pytest
from bank_twins import MODEL, rows_of

import edgelstm as el


@pytest.mark.parametrize(("length", "hop"), [(7, 3), (3, 7), (5, 1), (4, 4)])
def test_windows_go_on_from_a_snapshot(length, hop):
    xs = rows_of(0, 60)
    whole = el.Windowed(MODEL, length=length, hop=hop)
    given, other = (el.Windowed(MODEL, length=length, hop=hop, capacity=3) for _ in range(2))
    other.process(rows_of(100, 23), "b")
    done = 0
    for cut in (0, 1, 2, 5, 14, 15, 21, 40):
        found = [whole.process(xs[done:cut]), given.process(xs[done:cut], "a")]
        np.testing.assert_array_equal(*found)
        blob, done = given.snapshot("a"), cut
        assert blob == (whole.snapshot() if len(whole) else blob)
        other.restore(blob, "b")
        assert other.snapshot("b") == blob
        given.drop("a")
        given.restore(blob, "a")
        stepped = el.Windowed(MODEL, length=length, hop=hop)
        stepped.step(xs[0])
        stepped.restore(blob)
        ahead = [y.copy() for x in xs[cut:] if (y := stepped.step(x)) is not None]
        np.testing.assert_array_equal(np.reshape(ahead, (-1, 2)), other.process(xs[cut:], "b"))


def test_a_policy_that_resets_keeps_what_a_snapshot_holds():
    xs = rows_of(0, 20).copy()
    xs[6, 1] = np.nan
    windowed, other = (el.Windowed(MODEL, length=9, hop=2, nan_policy="reset") for _ in range(2))
    windowed.process(xs[:10])
    other.restore(windowed.snapshot())
    np.testing.assert_array_equal(windowed.process(xs[10:]), other.process(xs[10:]))


def sealed(data):
    return bytes(data) + struct.pack("<I", zlib.crc32(data))


def test_what_is_no_snapshot_of_these_windows_is_refused():
    windowed = el.Windowed(MODEL, length=7, hop=3, capacity=2)
    windowed.process(rows_of(0, 12), "a")
    blob = windowed.snapshot("a")
    taken, header = 64, 72

    def changed(at, data):
        return sealed(blob[:at] + data + blob[at + len(data) : -4])

    for bad, words in {
        b"": "0 bytes are no snapshot of windows",
        el.Stream(MODEL).snapshot(): "no snapshot of windows",
        blob[:-1]: "damaged",
        blob[:80] + b"\1" + blob[81:]: "damaged",
        changed(8, b"\2"): "version 2",
        changed(16, b"\0"): "another model",
        changed(48, struct.pack("<Q", 8)): "windows of 8 samples every 3, and these are of 7 every 3",
        changed(taken, struct.pack("<Q", 2**63)): "cannot have",
        changed(taken, struct.pack("<Q", 1 << 62)): "cannot have",
        changed(taken, struct.pack("<Q", 3)): "cannot have",
        changed(taken, struct.pack("<Q", 11)): "cannot have",
        changed(header, struct.pack("<Q", 1 << 40)): "cannot have",
        changed(header, struct.pack("<q", -1)): "cannot have",
        changed(header + 64, struct.pack("<f", np.nan)): "cannot have",
        sealed(blob[:-8]): "cannot have",
    }.items():
        with pytest.raises(el.StateError, match=words):
            windowed.restore(bad, "a")
        assert windowed.snapshot("a") == blob
    with pytest.raises(el.StateError, match=r"windowed\.snapshot\(\) gave"):
        windowed.restore(3, "a")
    with pytest.raises(el.UsageError, match="no stream 'b'"):
        windowed.snapshot("b")
    windowed.restore(blob, "b")
    with pytest.raises(el.UsageError, match="no room for 'c'"):
        windowed.restore(blob, "c")
    for at in range(0, len(blob) - 4, 11):  # sealed again: refused, or taken as it stands
        try:
            windowed.restore(changed(at, bytes([255])), "a")
        except el.StateError:
            continue
        windowed.process(rows_of(0, 5), "a")
