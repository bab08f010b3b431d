"""`edgelstm score`: logs of many devices, by one process or several, in one go or many, give what streams of their own give."""

import json
import os
import threading
from multiprocessing import active_children

import numpy as np
import pytest
from cli_calls import LABELS, call, launch, make_model, refused

import edgelstm as el
from edgelstm.adapters import scoring, workers
from edgelstm.adapters.columns import columns_of
from edgelstm.adapters.keyed import KeyedStep
from edgelstm.adapters.scoring import Job, inputs, settle

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
csv = pytest.importorskip("pyarrow.csv")

MODEL = make_model()
DEVICES = [f"pump-{i}" for i in range(9)]
FILES = ("day-2.parquet", "day-9.parquet", "day-10.parquet")
ASKED = ("--key", "device", "--order", "seq")


def table(rng, numbers):
    """A file's rows: a random mixture of devices, each counting on from where `numbers` has it."""
    codes = rng.integers(0, len(DEVICES), 200)
    seq = []
    for code in codes.tolist():
        seq.append(numbers[code])
        numbers[code] += int(rng.integers(1, 3))
    values = {name: rng.normal(size=200).astype(dtype) for name, dtype in zip(("ax", "ay", "az"), ("f4", "f8", "f4"), strict=True)}
    return pa.table(
        {"site": pa.array([f"s{k % 3}" for k in range(200)]), "device": pa.array([DEVICES[c] for c in codes]), "seq": seq, **values}
    )


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder with a model and three days of nine pumps."""
    folder = tmp_path_factory.mktemp("logs")
    rng, numbers = np.random.default_rng(5), [0] * len(DEVICES)
    el.save(MODEL, folder / "m.elstm")
    (folder / "logs").mkdir()
    for name in FILES:
        pq.write_table(table(rng, numbers), folder / "logs" / name, compression="zstd")
    return folder


@pytest.fixture(scope="module")
def truth(logs):
    """Each device's places and answers, from a stream of its own."""
    rows = pa.concat_tables([pq.read_table(logs / "logs" / name) for name in FILES]).to_pydict()
    found = {}
    for device in DEVICES:
        at = [k for k, one in enumerate(rows["device"]) if one == device]
        xs = np.array([[rows[name][k] for name in ("ax", "ay", "az")] for k in at], np.float32)
        found[device] = [rows["seq"][k] for k in at], el.Stream(MODEL).process(xs)
    return found


def read(folder):
    parts = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    reading = csv.read_csv if parts[0].endswith(".csv") else pq.read_table
    return parts, pa.concat_tables([reading(os.path.join(folder, name)) for name in parts])


def equal(found, truth, rows=600):
    found = found.to_pydict()
    assert len(found["seq"]) == rows
    for device, (seq, ys) in truth.items():
        at = [k for k, one in enumerate(found["device"]) if str(one) == device]
        assert sorted(found["seq"][k] for k in at) == seq
        at.sort(key=lambda k: found["seq"][k])
        np.testing.assert_array_equal(np.array([[found[name][k] for name in LABELS] for k in at], np.float32), ys)


def score(logs, output, *more, given="logs/*.parquet"):
    done = call("score", logs / "m.elstm", "-i", logs / given, "-o", output, *ASKED, "--json", *more)
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def power_cut(*given):
    raise KeyError


def test_two_workers_and_one_give_the_answers_of_single_streams(logs, truth, tmp_path):
    asked = ("-i", logs / "logs", "-o", tmp_path / "two", *ASKED, "--keep", "site", "--workers", "2")
    running = launch("score", logs / "m.elstm", *asked, "--json")
    out, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (0, b"")
    told = json.loads(out)
    assert (told["rows"], told["parts"], told["shards"], told["streams"], told["repeats"]) == (600, 6, 2, 9, 0)
    parts, found = read(tmp_path / "two")
    assert parts == [f"0000{k}-{name[:-8]}.{shard}.parquet" for k, name in enumerate(FILES) for shard in (0, 1)]
    assert found.column_names == ["device", "seq", "site", *LABELS]
    equal(found, truth)
    told = score(logs, tmp_path / "two", "--keep", "site", "--workers", "1")
    assert (told["rows"], told["parts"], told["skipped"], told["shards"]) == (0, 0, 6, 2)
    score(logs, tmp_path / "one")
    equal(read(tmp_path / "one")[1], truth)


def test_files_that_come_later_are_scored_from_where_streams_were(logs, truth, tmp_path, monkeypatch):
    assert score(logs, tmp_path / "out", given="logs/day-?.parquet")["rows"] == 400
    first = {name: os.stat(tmp_path / "out" / name).st_mtime_ns for name in read(tmp_path / "out")[0]}
    with monkeypatch.context() as patch:  # the power goes between a part and the state behind it
        patch.setattr("edgelstm.adapters.scoring.StateStore.write", power_cut)
        assert isinstance(call("score", logs / "m.elstm", "-i", logs / "logs", "-o", tmp_path / "out", *ASKED).exception, KeyError)
    assert len(read(tmp_path / "out")[0]) == 3
    assert score(logs, tmp_path / "out")["parts"] == 1
    equal(read(tmp_path / "out")[1], truth)
    assert {name: os.stat(tmp_path / "out" / name).st_mtime_ns for name in first} == first
    line = refused(call("score", logs / "m.elstm", "-i", logs / "logs/day-10.parquet", "-o", tmp_path / "out", *ASKED), 2)
    assert "3 files are finished" in line


@pytest.mark.parametrize("batch", [7, 64])
def test_rows_are_taken_in_batches(logs, truth, tmp_path, monkeypatch, batch):
    monkeypatch.setattr("edgelstm.adapters.tables.BATCH_ROWS", batch)
    score(logs, tmp_path / "out")
    equal(read(tmp_path / "out")[1], truth)


def test_csv_times_and_whole_numbers_for_keys(logs, truth, tmp_path):
    """The same answers from text, and from keys and orders of other types."""
    os.mkdir(tmp_path / "logs")
    for name in FILES:
        rows = pq.read_table(logs / "logs" / name)
        csv.write_csv(rows, tmp_path / "logs" / f"{name[:-8]}.csv")
        device = [int(one[5:]) for one in rows["device"].to_pylist()]
        times = pa.array(rows["seq"].to_numpy() + 10**15, pa.timestamp("us", "UTC"))
        changed = rows.set_column(1, "device", pa.array(device, pa.int32())).set_column(2, "seq", times)
        pq.write_table(changed, tmp_path / "logs" / name)
    os.symlink(logs / "m.elstm", tmp_path / "m.elstm")
    score(tmp_path, tmp_path / "text", given="logs/*.csv")
    equal(read(tmp_path / "text")[1], truth)
    score(tmp_path, tmp_path / "numbers")
    found = read(tmp_path / "numbers")[1]
    assert (found.schema.field("device").type, found.schema.field("seq").type) == (pa.int32(), pa.timestamp("us", "UTC"))
    micros = found.column("seq").cast(pa.int64()).to_numpy() - 10**15
    named = pa.array([f"pump-{one}" for one in found["device"].to_pylist()])
    equal(found.set_column(0, "device", named).set_column(1, "seq", pa.array(micros)), truth)


def test_rows_that_come_again_are_counted_and_left_out(logs, truth, tmp_path):
    os.mkdir(tmp_path / "logs")
    for name in FILES:
        rows = pq.read_table(logs / "logs" / name)
        pq.write_table(pa.concat_tables([rows, rows.slice(50, 20)]), tmp_path / "logs" / name)
    done = call("score", logs / "m.elstm", "-i", tmp_path / "logs", "-o", tmp_path / "out", *ASKED)
    assert "60 rows" in done.stdout
    assert done.stderr.startswith("edgelstm: 60 rows were left out")
    equal(read(tmp_path / "out")[1], truth)


def changed(**columns):
    """One row's table with other columns; None: without it."""
    row = {"device": ["a"], "seq": [0], "ax": [0.0], "ay": [0.0], "az": [0.0]} | columns
    return pa.table({name: value for name, value in row.items() if value is not None})


REFUSED = {
    "no such column": (changed(ay=None), (), 2, "has no column ay; it has 'device', 'seq', 'ax', 'az'"),
    "no key": (changed(device=pa.array([None], pa.string())), (), 1, "row 0 has no key"),
    "a key that is none": (changed(device=[0.5]), (), 1, "a key is text, a whole number or bytes; this column holds double"),
    "an order that is none": (changed(seq=[0.5]), (), 1, "ordered by whole numbers or times; column seq holds double"),
    "no place": (changed(seq=pa.array([None], pa.int64())), (), 1, "a row has no seq"),
    "an input that is none": (changed(ax=["x"]), (), 1, "inputs are numbers; column ax holds string"),
    "a value that is absent": (changed(ax=pa.array([None], pa.float32())), (), 1, "stream 'a': "),
    "too few columns": (changed(), ("--columns", "ax,ay"), 2, "reads 3 values a sample; got 2 columns: 'ax', 'ay'"),
    "a name twice": (changed(), ("--keep", "rest"), 2, "two columns of the answers would be called rest"),
    "no table": (b"PAR1 and more", (), 1, "cannot be read as a table"),
    "no file": (None, (), 2, "there is no such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(logs, tmp_path, case):
    given, more, code, complaint = REFUSED[case]
    if isinstance(given, bytes):
        (tmp_path / "a.parquet").write_bytes(given)
    elif given is not None:
        pq.write_table(given, tmp_path / "a.parquet")
    line = refused(call("score", logs / "m.elstm", "-i", tmp_path / "*.parquet", "-o", tmp_path / "out", *ASKED, *more), code)
    assert complaint in line


def test_a_folder_of_answers_belongs_to_one_way_of_making_them(logs, tmp_path):
    score(logs, tmp_path / "out")
    for more, other in ((("--keep", "site"), "keep"), (("--nan-policy", "hold"), "options"), (("--columns", "az,ay,ax"), "features")):
        line = refused(call("score", logs / "m.elstm", "-i", logs / "logs", "-o", tmp_path / "out", *ASKED, *more), 2)
        assert f"was made with another {other}" in line
    assert "holds something else already" in refused(call("score", logs / "m.elstm", "-i", logs / "logs", "-o", logs, *ASKED), 2)
    (tmp_path / "out" / ".states" / "score.json").write_text("[]")
    assert "is damaged" in refused(call("score", logs / "m.elstm", "-i", logs / "logs", "-o", tmp_path / "out", *ASKED), 1)


def test_two_runs_that_begin_together_have_one_number_of_shards(logs, tmp_path, monkeypatch):
    step = KeyedStep(logs / "m.elstm")
    jobs = [Job(step, columns_of(step.shard.bank, "device", "seq", None), (), str(tmp_path / "out"), n, ".csv") for n in (2, 3)]
    settled, write = {}, scoring.write_atomic
    other = threading.Thread(target=lambda: settled.update(other=settle(jobs[1]).shards))

    def slowly(path, data):
        monkeypatch.undo()
        other.start()
        other.join(0.5)  # it waits for the lock; it would be done with its own number otherwise
        write(path, data)

    monkeypatch.setattr(scoring, "write_atomic", slowly)
    assert settle(jobs[0]).shards == 2
    other.join()
    assert settled == {"other": 2}


def test_files_stand_in_the_order_of_the_numbers_in_their_names(tmp_path):
    names = ["b2/x.csv", "b10/x1.csv", "b10/x2.csv", "b10/x10.csv", "a.csv"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = inputs([str(tmp_path), str(tmp_path / "a.csv")], (".csv",))
    assert [os.path.relpath(path, tmp_path) for path in found] == ["a.csv", *names[:4]]


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_run_and_what_is_finished_stays(logs, truth, tmp_path):
    os.mkdir(tmp_path / "logs")
    files = tuple(str(tmp_path / "logs" / f"day-{k}.csv") for k in range(3))
    for name, path in zip(FILES, files, strict=True):
        csv.write_csv(pq.read_table(logs / "logs" / name), path)
    os.rename(files[2], tmp_path / "last")
    os.mkfifo(files[2])  # both workers come to wait for it
    step = KeyedStep(logs / "m.elstm")
    columns = columns_of(step.shard.bank, "device", "seq", None)
    job = settle(Job(step, columns, files, str(tmp_path / "out"), 2, ".csv"))

    def kill(rows, read):
        for process in active_children():
            process.kill()

    with pytest.raises(el.EdgeLSTMError, match="a worker was killed"):
        workers.score(job, 2, kill)
    os.replace(tmp_path / "last", files[2])
    workers.score(job, 1, lambda rows, read: None)
    equal(read(tmp_path / "out")[1], truth)


@pytest.mark.parametrize("units", [("us", "ms"), ("csv", "csv")])
def test_times_of_files_in_different_units_are_in_one_order(tmp_path, units):
    el.save(MODEL, tmp_path / "m.elstm")
    (tmp_path / "logs").mkdir()
    for day, unit in enumerate(units):
        given = {"device": ["a"] * 3, **{name: [0.1, 0.2, 0.3] for name in ("ax", "ay", "az")}}
        if unit == "csv":  # in the second file no time has a fraction, so that its unit is read as a second
            times = [f"2026-01-0{day + 1} 00:00:0{k}{'.5' * (not day)}" for k in range(3)]
            csv.write_csv(pa.table({**given, "seq": times}), tmp_path / "logs" / f"{day}.csv")
        else:
            times = pa.array([1_700_000_000 + 10 * day + k for k in range(3)], pa.timestamp("s")).cast(pa.timestamp(unit))
            pq.write_table(pa.table({**given, "seq": times}), tmp_path / "logs" / f"{day}.parquet")
    assert score(tmp_path, tmp_path / "out", given="logs")["rows"] == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("device,seq,ax,ay,az\na,1,1,2,3\n,2,1,2,3\n", "row 1 has no key"),
        ("device,seq,ax,ax,ay,az\na,1,1,2,3,4\n", "more than one column ax"),
        ("device;seq;ax;ay;az\na;1;1,5;2;3\n", "separated by commas here"),
        ("", "it has none at all"),
    ],
)
def test_a_csv_that_would_be_misread_is_refused(tmp_path, text, says):
    el.save(MODEL, tmp_path / "m.elstm")
    (tmp_path / "a.csv").write_text(text)
    done = call("score", tmp_path / "m.elstm", "-i", tmp_path / "a.csv", "-o", tmp_path / "out", *ASKED)
    assert says in refused(done, done.exit_code)
    assert done.exit_code
