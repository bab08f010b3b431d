"""Keyed streams and scoring on Spark, through Spark Connect on Sail, which needs no Java; `test_spark_jvm` is of Spark itself."""

from binascii import a2b_base64

import numpy as np
import pytest
from conftest import lstm_model

import edgelstm as el
from edgelstm.adapters import packing, spark
from edgelstm.adapters.keyed import KeyedStep, shard_of

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("pyspark")

pytestmark = pytest.mark.filterwarnings("ignore")  # Spark's own, of the packages that it uses

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


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_whole_files_are_scored_and_their_rows_are_written_by_workers(sail, model, tmp_path, ending):
    from edgelstm.adapters import spark_whole

    table, truth = rows()
    for number, piece in enumerate((table.iloc[100:], table.iloc[:0], table.iloc[:100])):
        path = tmp_path / f"{number}{ending}"
        piece.to_csv(path, index=False) if ending == ".csv" else piece.to_parquet(path)
    paths = sorted(tmp_path.glob(f"*{ending}"))
    job = spark_whole.job_for(model, tmp_path / "out", key="device", order="seq", keep=["site"], shards=3, ending=ending)
    done = spark_whole.score(sail.createDataFrame([(f"file:{path}",) for path in paths], "path string"), job)
    assert (done.rows, done.repeats, done.streams, done.parts) == (len(table) - 1, 1, len(truth), 3)
    with pytest.raises(el.UsageError, match="is there already"):
        spark_whole.score(sail.createDataFrame([("a",)], "path string"), job)
    held = sail.createDataFrame([(path.name, path.read_bytes()) for path in paths], "path string, content binary")
    spark_whole.score(held, job._replace(output=str(tmp_path / "held")))
    read = pd.read_csv if ending == ".csv" else pd.read_parquet
    for folder in ("out", "held"):
        parts = sorted((tmp_path / folder).iterdir())
        assert [part.name for part in parts] == ["_SUCCESS", *(f"part-{k:05}{ending}" for k in range(3))]
        found = pd.concat([read(part) for part in parts[1:]])
        assert found.columns.tolist() == ["device", "seq", "site", "y0", "y1"]
        assert (found.site == found.seq % 3).all()
        equal(found, truth)


def test_few_workers_share_files_whose_rows_are_in_order(sail, model, tmp_path):
    from edgelstm.adapters import spark_shared, spark_whole

    table, truth = rows()
    table = table.sort_values("seq", kind="stable")
    paths = (tmp_path / "0.parquet", tmp_path / "1.parquet")
    for path, piece in zip(paths, (table.iloc[:100], table.iloc[100:]), strict=True):
        piece.drop_duplicates().to_parquet(path)
    job = spark_whole.job_for(model, tmp_path / "out", key="device", order="seq")._replace(files=tuple(map(str, paths)))
    done = spark_shared.score(sail, job, 2)
    assert (done.rows, done.repeats, done.streams, done.parts) == (len(table) - 1, 0, len(truth), 4)
    parts = sorted((tmp_path / "out").iterdir())
    assert [part.name for part in parts] == [*(f"0000{k}-{k}.{worker}.parquet" for k in (0, 1) for worker in (0, 1)), "_SUCCESS"]
    equal(pd.concat([pd.read_parquet(part) for part in parts[:-1]]), truth)
    table.to_parquet(paths[1])  # rows of the first file again
    assert spark_shared.score(sail, job._replace(output=str(tmp_path / "again")), 2) is None
    assert not (tmp_path / "again").exists()


def test_no_answers_are_left_of_files_that_could_not_be_scored(sail, model, tmp_path):
    from edgelstm.adapters import spark_whole

    table, _ = rows()
    table.loc[5, "flow"] = np.nan
    table.to_parquet(tmp_path / "a.parquet")
    job = spark_whole.job_for(model, tmp_path / "out", key="device", order="seq", shards=3)
    with pytest.raises(Exception, match=f"stream '{table.device[5]}'"):
        spark_whole.score(sail.createDataFrame([(str(tmp_path / "a.parquet"),)], "path string"), job)
    assert not (tmp_path / "out").exists()
    with pytest.raises(el.UsageError, match="takes a streaming DataFrame of files"):
        spark_whole.stream(sail.createDataFrame([("a",)], "path string"), job)
    with pytest.raises(el.UsageError, match=r"end in .parquet or .csv; got '.txt'"):
        spark_whole.job_for(model, tmp_path / "out", key="device", order="seq", ending=".txt")


class Handle(dict):
    """A state of values by key, as Spark gives it to a processor."""

    def getMapState(self, name, key, value):
        assert (key, value) == ("shard INT", "blob STRING")
        return self

    def getValue(self, key):
        return self.get(key)

    def updateValue(self, key, value):
        self[key] = value


ENDS = spark.Ends(lambda row: (row["place"], row["rows"]), lambda lot, answers: {"rows": packing.packed_table(answers)}, packing.ANSWERS)


@pytest.mark.parametrize("frames", [False, True])
def test_a_processor_goes_on_from_its_values(model, frames):
    from edgelstm.adapters.columns import columns_of
    from edgelstm.adapters.spark_state import FramesProcessor, KeyedProcessor

    table, truth = rows()
    step, kind = KeyedStep(model), FramesProcessor if frames else KeyedProcessor
    columns = columns_of(step.shard.bank, "device", "seq", None)
    given = table.rename(columns={"flow": f"{packing.INPUT}0", "pressure": f"{packing.INPUT}1"})
    given["group"] = [shard_of(device, 4) % 2 for device in given.device]  # two lots of two shards
    given = given.sort_values("seq", kind="stable")
    handles, found = (Handle(), Handle()), []
    for begin in range(0, len(given), 50):  # each batch by a worker of its own, from two tasks
        pieces = [pa.RecordBatch.from_pandas(given.iloc[begin + k : begin + k + 25], preserve_index=False) for k in (0, 25)]
        tasks = [pa.Table.from_batches(packing.pack(iter([piece]), "group", "device")).to_pandas() for piece in pieces if piece.num_rows]
        for lot, handle in enumerate(handles):
            processor = kind(step, columns, 4, ENDS)
            processor.init(handle)
            own = [task[task.group == lot] for task in tasks]
            handed = own if frames else [row for task in own for row in task.to_dict("records")]
            for answers in processor.handleInputRows((lot,), iter(handed), None):
                found += answers["rows"].tolist() if frames else [answers["rows"]]
            processor.close()
    equal(packing.unpack(("", one) for one in found).to_pandas(), truth)
    for lot, handle in enumerate(handles):
        assert {shard % 2 for (shard,) in handle if shard >= 0} == {lot}
        own = {shard: step.begun() for (shard,) in handle if shard >= 0}
        for shard, alone in own.items():
            alone.restore(a2b_base64(handle[shard,][0]))
            assert {shard_of(key, 4) for key in alone.numbers()} == {shard}
        assert sum(alone.repeats for alone in own.values()) == (shard_of(table.device[table.duplicated()].iloc[0], 4) in own)
    other = kind(step, columns, 5, ENDS)
    other.init(handles[0])
    with pytest.raises(el.StateError, match="keeps 4 shards, not 5"):
        list(other.handleInputRows((0,), iter(handed), None))
    assert list(packing.pack(iter([]), "group", "device")) == []
