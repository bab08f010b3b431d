"""States on disk: two generations, damage, kills, full disks, clocks, one owner."""

import os
import subprocess
import sys

import pytest
from cli_calls import ROOT

import edgelstm as el
from edgelstm.field.store import StateStore


def kept(folder):
    store = StateStore(folder)
    try:
        return store.newest()
    finally:
        store.close()


def test_the_newest_whole_generation_is_taken(tmp_path):
    folder = tmp_path / "made" / "state"
    store = StateStore(folder)
    assert store.newest() is None
    for number in range(1, 4):
        store.write(b"state %d" % number, {"sequence": number})
    assert store.newest() == (3, b"state 3", {"sequence": 3})
    newer, older = folder / "state.1.state", folder / "state.0.state"
    whole = newer.read_bytes()
    os.utime(newer, (0, 0))  # a clock that was set back means nothing
    assert store.newest().generation == 3
    for damage in (whole[:-1], whole[:40] + b"x" + whole[41:], b"", b"ELSTMSTO" + bytes(60), whole + b"\0"):
        newer.write_bytes(damage)
        assert store.newest() == (2, b"state 2", {"sequence": 2})
        assert len(store.faults) == 1
    store.write(b"again", {})
    assert store.newest() == (3, b"again", {})
    newer.write_bytes(b"")
    older.write_bytes(b"")
    with pytest.raises(el.StateError, match="is no state that edgelstm kept"):
        store.newest()
    store.close()


def test_a_folder_has_one_owner_and_what_a_kill_left_is_removed(tmp_path):
    store = StateStore(tmp_path)
    with pytest.raises(el.UsageError, match="another process keeps its state there"):
        StateStore(tmp_path)
    other = StateStore(tmp_path, "other")
    other.close()
    store.close()
    (tmp_path / ".12-345.tmp").write_bytes(b"torn")
    (tmp_path / "mine.tmp").write_bytes(b"kept")
    StateStore(tmp_path).close()
    assert {file.name for file in tmp_path.iterdir()} == {"state.lock", "other.lock", "mine.tmp"}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(el.UsageError, match="no state can be kept there"):
        StateStore(tmp_path / "file")


def kills(count):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = [sys.executable, ROOT / "tools" / "kill_states.py", str(count)]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert f"{count} processes killed" in done.stdout


def test_a_kill_leaves_a_whole_and_recent_state():
    kills(25)


@pytest.mark.nightly
def test_a_thousand_kills():
    kills(1000)


def test_a_full_disk_keeps_the_last_state(tmp_path):
    resource = pytest.importorskip("resource")
    script = (
        "import resource, signal, sys\n"
        "from edgelstm.field.store import StateStore\n"
        "from edgelstm.errors import ModelFileError\n"
        "store = StateStore(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "store.write(b'a' * 500, {'sequence': 1})\n"
        "for size in (2000, 950, 1000):\n"
        "    try: store.write(b'b' * size, {})\n"
        "    except ModelFileError as problem: print(problem)\n"
        "store.write(b'c' * 400, {'sequence': 2})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be written (File too large)") == 3
    assert kept(tmp_path) == (2, b"c" * 400, {"sequence": 2})
    assert not [file for file in tmp_path.iterdir() if file.suffix == ".tmp"]
    assert resource is not None
