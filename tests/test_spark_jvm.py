"""Keyed streams and scoring on a Spark of this machine: stopped, killed, given another model; the bits of one process. Needs Java 17."""

import json
import os
import shutil
import subprocess
import sys
import time
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model
from test_spark import MODEL, equal, rows

import edgelstm as el
from edgelstm.adapters import spark, spark_whole
from edgelstm.adapters.keyed import KeyedStep

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pyspark = pytest.importorskip("pyspark")
WHOLE = shutil.which("java") is not None and Path(pyspark.__path__[0], "jars").is_dir()

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not WHOLE, reason="Spark's programs or Java are absent"),
    pytest.mark.filterwarnings("ignore"),
]

ROOT = Path(__file__).parents[1]
SCHEMA = "device string, seq timestamp, flow float, pressure float, site long"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

#: The time of the first file.
BEGAN = time.time() - 3600


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models of the same layers and sizes."""
    folder = tmp_path_factory.mktemp("models")
    el.save(MODEL, folder / "a.elstm")
    el.save(lstm_model(np.random.default_rng(9), 2, 12, 1, names=MODEL.input_names), folder / "b.elstm")
    return folder


@pytest.fixture(scope="module")
def session():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.syspath_prepend(str(ROOT / "tools"))
        settings = import_module("kill_spark").SETTINGS
        builder = import_module("pyspark.sql").SparkSession.builder.master("local[2]").config(map=settings)
        made = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
        yield made
        made.stop()


def logs(folder):
    """Twelve files of nine devices, some rows of each file again in the next one; and each device's answers."""
    table, truth = rows()
    table = table.sort_values("seq", kind="stable").reset_index(drop=True)
    table["seq"] = pd.to_datetime(table.seq * 60, unit="s", utc=True).dt.as_unit("us")
    table["site"] = table.site.astype("int64")
    cuts = np.linspace(0, len(table), 13).astype(int)
    pieces = [table.iloc[max(begin - 5, 0) : end] for begin, end in pairwise(cuts)]
    folder.mkdir()
    return pieces, truth


def put(folder, pieces, first):
    """In order of their times, by whose milliseconds Spark takes files; of one time in any order."""
    for number, piece in enumerate(pieces, first):
        piece.to_parquet(folder / f".{number:03}", compression="zstd")
        os.utime(folder / f".{number:03}", (BEGAN + number, BEGAN + number))
        os.rename(folder / f".{number:03}", folder / f"{number:03}.parquet")


def query(session, folder, model, files):
    """A stream that reads so many files a micro-batch: its rows come from several tasks."""
    source = session.readStream.schema(SCHEMA).option("maxFilesPerTrigger", files).parquet(str(folder / "logs"))
    answers = spark.stream(source, model, key="device", order="seq", keep=["site"], shards=3)
    return answers.writeStream.format("parquet").option("checkpointLocation", str(folder / "checkpoint"))


def to_the_end(session, folder, model, files=3):
    query(session, folder, model, files).trigger(availableNow=True).start(str(folder / "out")).awaitTermination()


def found(session, folder):
    """The rows of the sink."""
    table = session.read.parquet(str(folder / "out")).toPandas()
    table["seq"] = (table.seq - pd.Timestamp(0)) // pd.Timedelta("60s")
    assert (table.site == table.seq % 3).all()
    return table


def test_a_stream_that_is_stopped_goes_on(session, models, tmp_path):
    pieces, truth = logs(tmp_path / "logs")
    put(tmp_path / "logs", pieces[:8], 0)
    running = query(session, tmp_path, models / "a.elstm", 1).start(str(tmp_path / "out"))
    while not os.path.exists(tmp_path / "checkpoint" / "commits" / "1"):
        running.awaitTermination(0.1)
    running.stop()
    assert 0 < len(found(session, tmp_path)) < 270
    put(tmp_path / "logs", pieces[8:], 8)
    to_the_end(session, tmp_path, models / "a.elstm")
    equal(found(session, tmp_path), truth)


def test_another_model_takes_over_where_it_is_asked_to_or_no_row_is_written(session, models, tmp_path):
    pieces, truth = logs(tmp_path / "logs")
    put(tmp_path / "logs", pieces[:6], 0)
    to_the_end(session, tmp_path, models / "a.elstm")
    before = found(session, tmp_path)
    put(tmp_path / "logs", pieces[6:], 6)
    with pytest.raises(Exception, match="belongs to another model"):
        to_the_end(session, tmp_path, models / "b.elstm")
    pd.testing.assert_frame_equal(found(session, tmp_path), before)
    el.save(lstm_model(np.random.default_rng(9), 2, 13, 1, names=MODEL.input_names), tmp_path / "c.elstm")
    with pytest.raises(el.UsageError, match="no model of the same layers and sizes"):
        KeyedStep(tmp_path / "c.elstm", follows=models / "a.elstm")
    to_the_end(session, tmp_path, KeyedStep(models / "b.elstm", follows=models / "a.elstm"))
    table, later = found(session, tmp_path), el.load(models / "b.elstm")
    given = pd.concat(pieces).drop_duplicates(["device", "seq"])
    for device in truth:
        many = int((before.device == device).sum())
        xs = given[given.device == device].sort_values("seq")[list(MODEL.input_names)].to_numpy(np.float32)
        first, second = el.Stream(MODEL), el.Stream(later)
        first.process(xs[:many])
        second._arena.state[:] = first._arena.state
        truth[device] = np.concatenate([truth[device][:many], second.process(xs[many:])])
    assert 0 < len(before) < len(table)
    equal(table, truth)


def whole_to_the_end(session, folder, model):
    """A stream of whole files, two a micro-batch."""
    source = session.readStream.schema(spark_whole.FILES).option("maxFilesPerTrigger", 2).format("binaryFile").load(str(folder / "logs"))
    job = spark_whole.job_for(model, folder / "out", key="device", order="seq", keep=["site"], shards=3)
    writer = spark_whole.stream(source, job).option("checkpointLocation", str(folder / "checkpoint"))
    writer.trigger(availableNow=True).start().awaitTermination()
    assert all(path.suffix == ".parquet" or not any(path.iterdir()) for path in (folder / "out").iterdir())
    table = pd.concat([pd.read_parquet(path) for path in sorted((folder / "out").glob("*.parquet"))], ignore_index=True)
    table["seq"] = (table.seq - pd.Timestamp(0, tz="UTC")) // pd.Timedelta("60s")
    assert (table.site == table.seq % 3).all()
    return table


def test_whole_files_go_on_and_another_model_writes_no_row(session, models, tmp_path):
    pieces, truth = logs(tmp_path / "logs")
    put(tmp_path / "logs", pieces[:6], 0)
    before = whole_to_the_end(session, tmp_path, models / "a.elstm")
    assert 0 < len(before) < sum(map(len, truth.values()))
    put(tmp_path / "logs", pieces[6:], 6)
    with pytest.raises(Exception, match="belongs to another model"):
        whole_to_the_end(session, tmp_path, models / "b.elstm")
    assert sum(len(pd.read_parquet(path)) for path in (tmp_path / "out").glob("*.parquet")) == len(before)
    equal(whole_to_the_end(session, tmp_path, models / "a.elstm"), truth)


def test_files_are_scored_on_a_spark_of_this_machine(models, tmp_path):
    table, truth = rows()
    table["seq"] = pd.to_datetime(table.seq * 60, unit="s", utc=True)
    (tmp_path / "logs").mkdir()
    table.iloc[:100].to_parquet(tmp_path / "logs" / "b.parquet", compression="zstd")
    table.iloc[100:].to_parquet(tmp_path / "logs" / "a.parquet", compression="zstd")
    asked = ("-i", tmp_path / "logs", "-o", tmp_path / "out", "--key", "device", "--order", "seq", "--keep", "site", "--spark", "local[2]")
    done = command("score", models / "a.elstm", *asked, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == len(table) - 1
    written = pd.read_parquet(tmp_path / "out")
    written["seq"] = written.seq.astype("int64") // (60 * 10**9 if str(written.seq.dtype).startswith("datetime64[ns") else 60 * 10**6)
    assert (written.site == written.seq % 3).all()
    equal(written, truth)
    assert "is there already" in command("score", models / "a.elstm", *asked).stderr
    table.loc[5, "flow"] = np.nan
    table.to_parquet(tmp_path / "logs" / "a.parquet", compression="zstd")
    failed = command("score", models / "a.elstm", *(tmp_path / "again" if one == tmp_path / "out" else one for one in asked))
    assert f"stream '{table.device[5]}'" in failed.stderr
    assert failed.returncode == 1


def command(*words):
    words = [sys.executable, "-m", "edgelstm", *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=ENVIRONMENT)


@pytest.mark.parametrize(("victim", "how"), [("jvm", ()), ("worker", ()), ("jvm", ("--whole",))])
def test_nothing_is_lost_where_spark_is_killed(tmp_path, victim, how):
    command = [sys.executable, ROOT / "tools" / "kill_spark.py", "--kills", "3", "--files", "8", "--victim", victim]
    command += ["--folder", tmp_path, *how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 lost, 0 twice, largest difference 0" in done.stdout


def test_a_hundred_thousand_devices_are_stepped_as_by_one_process(tmp_path):
    words = [sys.executable, ROOT / "benchmarks" / "clusters.py", "--devices", "100000", "--files", "2", "--samples", "5"]
    words += ["--before", "0", "--of-a-batch", "1", "--rows", "--skip-score"]
    done = subprocess.run([*words, "--json", tmp_path / "told"], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told").read_text())["streams"]
    assert (told["rows"], told["shards"], told["same_bits"]) == (1_000_000, 782, True)
