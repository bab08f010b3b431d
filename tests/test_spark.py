"""Keyed streams and scoring on Spark: through Spark Connect on Sail, which needs no Java, and on a Spark of this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model

import edgelstm as el
from edgelstm.adapters import spark
from edgelstm.adapters.keyed import KeyedStep, shard_of

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("pyspark")

pytestmark = pytest.mark.filterwarnings("ignore")  # Spark's own, of the packages that it uses

ROOT = Path(__file__).parents[1]
MODEL = lstm_model(np.random.default_rng(1), 2, 12, 1, names=("flow", "pressure"))


def rows(devices=9, samples=30):
    """A table whose rows are shuffled, a row twice; and each device's answers from a stream of its own."""
    rng = np.random.default_rng(4)
    names = [f"pump-{k}" if k else "Pumpe ü" for k in range(devices)]
    table = pd.DataFrame({"device": np.repeat(names, samples), "seq": np.tile(np.arange(samples), devices)})
    for name in MODEL.input_names:
        table[name] = rng.normal(size=len(table)).astype(np.float32)
    table["site"] = table.seq % 3
    truth = {name: el.Stream(MODEL).process(of[list(MODEL.input_names)].to_numpy()) for name, of in table.groupby("device")}
    table = pd.concat([table, table.iloc[40:41]])
    return table.sample(frac=1, random_state=1).reset_index(drop=True), truth


def equal(found, truth):
    assert len(found) == sum(map(len, truth.values()))
    for device, of in found.sort_values("seq").groupby("device"):
        assert of.seq.tolist() == list(range(len(of)))
        np.testing.assert_array_equal(of[["y0", "y1"]].to_numpy(np.float32), truth[device])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.elstm"
    el.save(MODEL, path)
    return path


@pytest.fixture(scope="module")
def sail():
    """A session of Spark Connect whose server is Sail, in this process."""
    server = pytest.importorskip("pysail.spark").SparkConnectServer(port=0)
    from pyspark.sql import SparkSession

    server.start(background=True)
    session = SparkSession.builder.remote(f"sc://localhost:{server.listening_address[1]}").getOrCreate()
    yield session
    session.stop()
    server.stop()


def test_a_table_is_scored_through_spark_connect(sail, model):
    table, truth = rows()
    df = sail.createDataFrame(table)
    found = spark.score(df, model, key="device", order="seq", keep=["site"], shards=3).toPandas()
    assert found.columns.tolist() == ["device", "seq", "site", "y0", "y1"]
    assert (found.site == found.seq % 3).all()
    equal(found, truth)
    from pyspark.sql import functions

    owner = df.select("device", (functions.crc32(functions.col("device").cast("binary")) % 3).alias("shard")).distinct().toPandas()
    assert {row.device: row.shard for row in owner.itertuples()} == {name: shard_of(name, 3) for name in truth}
    for wrong, complaint in (
        ({"order": "flow"}, "ordered by whole numbers or timestamps; flow is"),
        ({"key": "flow"}, "a key is text or a whole number; flow is"),
        ({"features": ["flow", "no"]}, "the table has no column no"),
        ({"shards": 0}, "shards is a whole number"),
    ):
        with pytest.raises(el.UsageError, match=complaint):
            spark.score(df, model, **{"key": "device", "order": "seq", **wrong})
    with pytest.raises(el.UsageError, match="takes a streaming DataFrame"):
        spark.stream(df, model, key="device", order="seq")


class Handle:
    """A state of one value, as Spark gives it to a processor."""

    kept = None

    def getValueState(self, name, schema):
        assert schema == "blob BINARY"
        return self

    def get(self):
        return self.kept

    def update(self, row):
        self.kept = row


def test_a_processor_goes_on_from_its_value(model):
    from edgelstm.adapters.columns import columns_of
    from edgelstm.adapters.spark_state import KeyedProcessor, pack

    table, truth = rows()
    step = KeyedStep(model)
    columns = columns_of(step.shard.bank, "device", "seq", None)
    given = table.rename(columns={"flow": f"{spark._INPUT}0", "pressure": f"{spark._INPUT}1"})
    given[spark._NUMBER] = given.seq
    given["shard"] = [shard_of(device, 2) for device in given.device]
    given = given.sort_values("seq", kind="stable")
    handles, found = (Handle(), Handle()), []
    for begin in range(0, len(given), 50):  # each batch by a worker of its own, from two tasks
        pieces = [pa.RecordBatch.from_pandas(given.iloc[begin + k : begin + k + 25], preserve_index=False) for k in (0, 25)]
        tasks = [pa.Table.from_batches(pack(iter([piece]), "shard")).to_pandas() for piece in pieces if piece.num_rows]
        for shard, handle in enumerate(handles):
            processor = KeyedProcessor(step, columns)
            processor.init(handle)
            found += processor.handleInputRows((shard,), iter([task[task.shard == shard] for task in tasks]), None)
            processor.close()
    equal(pd.concat(found), truth)
    assert list(pack(iter([]), "shard")) == []


@pytest.mark.nightly
def test_files_are_scored_on_a_spark_of_this_machine(model, tmp_path):
    table, truth = rows()
    table["seq"] = pd.to_datetime(table.seq * 60, unit="s", utc=True)
    (tmp_path / "logs").mkdir()
    table.iloc[:100].to_parquet(tmp_path / "logs" / "b.parquet", compression="zstd")
    table.iloc[100:].to_parquet(tmp_path / "logs" / "a.parquet", compression="zstd")
    asked = ("-i", tmp_path / "logs", "-o", tmp_path / "out", "--key", "device", "--order", "seq", "--keep", "site", "--spark", "local[2]")
    told = json.loads(command("score", model, *asked, "--json").stdout)
    assert told["rows"] == len(table) - 1
    found = pd.read_parquet(tmp_path / "out")
    found["seq"] = found.seq.astype("int64") // (60 * 10**9 if str(found.seq.dtype).startswith("datetime64[ns") else 60 * 10**6)
    assert (found.site == found.seq % 3).all()
    equal(found, truth)
    assert "is there already" in command("score", model, *asked).stderr
    table.loc[5, "flow"] = np.nan
    table.to_parquet(tmp_path / "logs" / "a.parquet", compression="zstd")
    failed = command("score", model, *(tmp_path / "again" if one == tmp_path / "out" else one for one in asked))
    assert f"stream '{table.device[5]}'" in failed.stderr
    assert failed.returncode == 1


def command(*words):
    words = [sys.executable, "-m", "edgelstm", *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.mark.nightly
@pytest.mark.parametrize("victim", ["jvm", "worker"])
def test_nothing_is_lost_where_spark_is_killed(tmp_path, victim):
    command = [sys.executable, ROOT / "tools" / "kill_spark.py", "--kills", "3", "--victim", victim, "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 lost, 0 twice, largest difference 0" in done.stdout
