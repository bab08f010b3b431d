"""States on disk: two generations, damage, kills, full disks, clocks, one owner; and `run --state DIR/`."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from cli_calls import ROOT, ROWS, answers, call, launch, make_model, refused, until

import edgelstm as el
from edgelstm.adapters import ray
from edgelstm.field.store import StateStore


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("store") / "model.elstm"
    el.save(replace(make_model(), window=None), file)
    return file


@pytest.fixture(scope="module")
def expected(path):
    return el.Stream(el.load(path)).process(ROWS)


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
    kept = {".other.0.state.12-345.tmp", "mine.tmp"}  # another process may be writing the one
    for name in (".state.0.state.12-345.tmp", ".state.1.state.1-2.tmp", *kept):
        (tmp_path / name).write_bytes(b"torn")
    StateStore(tmp_path).close()
    assert {file.name for file in tmp_path.iterdir()} == {"state.lock", "other.lock", *kept}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(el.UsageError, match="no state can be kept there"):
        StateStore(tmp_path / "file")


def test_an_actor_waits_for_the_states_of_the_one_before(tmp_path, monkeypatch):
    """Ray starts an actor anew while the process that it killed still ends."""
    before = StateStore(tmp_path, "shard-0")
    monkeypatch.setattr(ray, "_DYING", 0)
    with pytest.raises(el.UsageError, match="another process keeps its state there"):
        ray._store_of(tmp_path, 0)
    monkeypatch.undo()
    monkeypatch.setattr(ray.time, "sleep", lambda seconds: before.close())
    ray._store_of(tmp_path, 0).close()


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


# ---------------------------------------------------------------- edgelstm run


def numbered(rows, first=0):
    return "n,ax,ay,az\n" + "".join(f"{first + i},{','.join(map(repr, row))}\n" for i, row in enumerate(rows.tolist()))


def test_a_run_goes_on_where_the_one_before_ended(path, expected, tmp_path):
    parts = [answers(call("run", path, "--state", f"{tmp_path}/s/", given=numbered(part)).stdout) for part in (ROWS[:9], ROWS[9:])]
    assert np.array_equal(np.concatenate(parts), expected)
    el.save(el.Model((el.Dense(np.ones((2, 3)), np.zeros(2)),)), tmp_path / "m.elstm")
    says = refused(call("run", tmp_path / "m.elstm", "--state", tmp_path / "s", given=numbered(ROWS)), 1)
    assert "another model" in says
    assert "Name another folder, or remove this one" in says
    for generation in (tmp_path / "s").glob("*.state"):
        generation.write_bytes(b"torn")
    assert "no state that edgelstm kept" in refused(call("run", path, "--state", tmp_path / "s", given=numbered(ROWS)), 1)


def test_a_sample_that_comes_again_is_a_counted_nothing(path, expected, tmp_path):
    told = ("run", path, "--state", f"{tmp_path}/s/", "--sequence", "n", "--keep", "n")
    first = call(*told, given=numbered(ROWS[:20]))
    again = call(*told, "--metrics", tmp_path / "m.jsonl", given=numbered(ROWS[12:], 12))
    assert "8 samples came again and were not stepped twice." in again.stderr
    written = [line.split(",") for result in (first, again) for line in result.stdout.splitlines()[1:]]
    assert [int(line[0]) for line in written] == list(range(40))
    assert np.array_equal(np.array([line[1:] for line in written], np.float32), expected)
    assert json.loads((tmp_path / "m.jsonl").read_text().splitlines()[-1])["replayed_samples"] == 8
    assert kept(tmp_path / "s").marks["sequence"] == {"": 39}
    assert call(*told, given="").exit_code == 0
    assert kept(tmp_path / "s").marks["sequence"] == {"": 39}


def test_a_killed_run_loses_nothing_that_comes_again(path, expected, tmp_path):
    """Killed after some answers; the source sends all it has once more. Each answer is right whichever run gave it."""
    known = {}
    told = ("run", path, "--state", f"{tmp_path}/s/", "--state-every", "0", "--sequence", "n", "--keep", "n")
    for lines_before_kill in (5, 17):
        with launch(*told) as process:
            process.stdin.write(numbered(ROWS).encode()[:-1])  # the last line is not whole yet
            for _ in range(lines_before_kill):
                line = process.stdout.readline().decode().strip().split(",")
                known |= {int(line[0]): line[1:]} if line[0] != "n" else {}
            process.kill()
        left = kept(tmp_path / "s")
        assert left is None or left.marks["sequence"][""] == 38
    last = call(*told, given=numbered(ROWS)).stdout.splitlines()[1:]
    known |= {int(line.split(",")[0]): line.split(",")[1:] for line in last}
    assert np.array_equal(np.array([known[n] for n in sorted(known)], np.float32), expected[sorted(known)])
    assert max(known) == 39


def test_answers_of_a_run_that_was_killed_before_its_first_state_are_cut_off(path, expected, tmp_path):
    """The file that the state speaks of was never written to, and is gone; the next run made another."""
    told = ("run", path, "--state", f"{tmp_path}/s/", "--sequence", "n", "-o", tmp_path / "o.csv", "--append")
    assert call(*told, given="").exit_code == 0
    assert not (tmp_path / "o.csv").exists()
    with launch(*told) as process:
        process.stdin.write(numbered(ROWS[:9]).encode())
        until(lambda: (tmp_path / "o.csv").exists() and (tmp_path / "o.csv").read_text().count("\n") == 10, process)
        process.kill()
    assert call(*told, given=numbered(ROWS)).exit_code == 0
    assert np.array_equal(answers((tmp_path / "o.csv").read_text()), expected)


def test_states_are_written_all_along_and_a_disk_that_is_full_does_not_end_the_stream(path, expected, tmp_path):
    resource = pytest.importorskip("resource")
    folder = tmp_path / "s"
    told = ("run", path, "--state", f"{folder}/", "--state-every", "0", "-o", tmp_path / "o.csv", "--metrics", tmp_path / "m")
    process = launch(*told)
    process.stdin.write(numbered(ROWS[:1]).encode())
    until(lambda: list(folder.glob("*.state")), process)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200, 200))  # bytes: less than a state
    process.stdin.write(numbered(ROWS[1:2]).encode())
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert complaint.count(b"The stream goes on") == 1
    assert kept(folder).generation == 1
    assert np.array_equal(answers((tmp_path / "o.csv").read_text()), expected[:2])
    assert el.Stream(el.load(path)).restore(kept(folder).state) is None
    before = time.monotonic()
    assert call(*told, given=numbered(ROWS[:30])).exit_code == 0
    assert kept(folder).generation >= 1
    told = json.loads((tmp_path / "m").read_text().splitlines()[-1])
    assert 0 <= told["snapshot_age"] <= time.monotonic() - before
    assert (told["snapshots"], told["snapshot_failures"]) == (1, 0)


def test_streams_by_key_are_kept_in_one_file_with_a_number_each(path, tmp_path):
    def lines(first, last):
        rows = [f"d{i % 3},{i // 3},{','.join(map(repr, ROWS[i].tolist()))}\n" for i in range(first, last)]
        return "device,n,ax,ay,az\n" + "".join(rows)

    told = ("run", path, "--key", "device", "--sequence", "n", "--state", f"{tmp_path}/s/", "--metrics", tmp_path / "m")
    written = [line.split(",") for part in ((0, 18), (9, 40)) for line in call(*told, given=lines(*part)).stdout.splitlines()[1:]]
    assert len(written) == 40
    for device in range(3):
        own = np.array([row[1:] for row in written if row[0] == f"d{device}"], np.float32)
        assert np.array_equal(own, el.Stream(el.load(path)).process(ROWS[device::3]))
    assert kept(tmp_path / "s").marks["sequence"] == {"d0": 13, "d1": 12, "d2": 12}
    counted = json.loads((tmp_path / "m").read_text().splitlines()[-1])
    assert (counted["streams"], counted["steps"], counted["replayed_samples"]) == (3, 22, 9)
