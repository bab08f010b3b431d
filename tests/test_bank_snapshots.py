"""Snapshots of all streams of a bank: whole, or refused with nothing changed."""

import struct
import zlib

import numpy as np
import pytest
from bank_twins import MODEL, XS

import edgelstm as el
from edgelstm.runtime import snapshot


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
