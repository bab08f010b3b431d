"""What may be given as samples: by name, with holes, of any type; and what is said to a wrong shape."""

import collections
import decimal
import fractions
from collections import deque

import numpy as np
import pytest
from conftest import lstm_layers, lstm_model
from sample_forms import NA, NAMED, XS, Series, Table

import edgelstm as el
from edgelstm.quantization.calibration import batch_of

PLAIN = lstm_model(np.random.default_rng(3), 3, 8)
TURNED = XS[:, ::-1]  # columns c, b, a


@pytest.fixture
def stream():
    return el.Stream(NAMED, nan_policy="hold")


@pytest.fixture(scope="module")
def whole():
    return el.Stream(NAMED).process(XS)


def objects(values):
    return np.array(values.tolist() if isinstance(values, np.ndarray) else values, object)


TABLES = {
    "table": lambda: Table(["c", "b", "a"], TURNED),
    "table with more columns": lambda: Table(["c", "x", "b", "a"], np.insert(TURNED, 1, 7, axis=1)),
    "table with text beside": lambda: Table(["c", "note", "b", "a"], np.insert(objects(TURNED), 1, "wet", axis=1)),
    "table of objects": lambda: Table(["a", "b", "c"], objects(XS)),
    "columns by name": lambda: {"c": TURNED[:, 0], "b": TURNED[:, 1].tolist(), "a": objects(TURNED[:, 2]), "note": ["wet"] * 5},
    "rows by name": lambda: [dict(zip("cba", row, strict=True)) for row in TURNED.tolist()],
    "series": lambda: [Series(["c", "b", "a"], row) for row in TURNED],
    "named tuples": lambda: [collections.namedtuple("Row", "c b a")(*row) for row in TURNED],
    "masked": lambda: np.ma.masked_array(XS, False),
    "masked rows": lambda: list(np.ma.masked_array(XS, False)),
    "deque": lambda: deque(XS),
    "mixed rows": lambda: [XS[0], XS[1].tolist(), tuple(XS[2]), {"a": XS[3, 0], "b": XS[3, 1], "c": XS[3, 2]}, objects(XS[4])],
}


@pytest.mark.parametrize("form", TABLES)
def test_blocks_are_matched_by_name(stream, whole, form):
    np.testing.assert_array_equal(stream.process(TABLES[form]()), whole)
    np.testing.assert_array_equal(batch_of(NAMED, [TABLES[form]()]).xs[0], XS)


def test_a_table_is_one_window_of_calibration():
    for table in ("table", "columns by name"):
        np.testing.assert_array_equal(batch_of(NAMED, TABLES[table]()).xs, XS[None])


ROWS = {
    "dict": lambda row: dict(zip("cba", row.tolist(), strict=True)),
    "dict with more": lambda row: {"time": "12:00", **dict(zip("cba", row.tolist(), strict=True))},
    "series": lambda row: Series(["c", "b", "a"], row),
    "series of objects": lambda row: Series(["c", "note", "b", "a"], np.insert(objects(row), 1, "wet")),
    "named tuple": lambda row: collections.namedtuple("Row", "Index c b a")(0, *row.tolist()),
    "ordered": lambda row: collections.OrderedDict(zip("cba", row, strict=True)),
}


@pytest.mark.parametrize("form", ROWS)
def test_samples_are_matched_by_name(stream, whole, form):
    np.testing.assert_array_equal([stream.step(ROWS[form](row)).copy() for row in TURNED], whole)


def test_labels_that_are_no_text_go_by_position(stream, whole):
    np.testing.assert_array_equal(stream.process(Table([0, 1, 2], XS)), whole)
    stream.reset()
    np.testing.assert_array_equal(stream.step(Series([2, 1, 0], XS[0])), whole[0])
    nameless = el.Stream(PLAIN)
    np.testing.assert_array_equal(nameless.process(Table(["x", "y", "z"], XS)), whole)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Table(["a", "b", "x"], XS), "'c' is not among"),
        (Table(["a", "a", "b", "c"], np.insert(XS, 0, 1, axis=1)), "'a' is twice among"),
        ({"a": [1.0], "b": [2.0]}, "'c' is not among"),
        ({"a": [1.0], "b": [2.0], "c": [1.0, 2.0]}, "numbers"),
        ([{"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}], "sample 1: 'c' is not among"),
        ({"a": [1.0], "b": [2.0], "c": ["x"]}, "channel c"),
        (Table(["note", "b", "a", "c"], objects([["1", 1, 1, "2"]] * 2)), "str '2'"),
    ],
)
def test_names_that_do_not_fit_are_refused(stream, wrong, message):
    with pytest.raises(el.InputError, match=message):
        stream.process(wrong)
    with pytest.raises(el.InputError, match="window 0: .*" + message):
        batch_of(NAMED, [wrong])
    assert stream.steps == 0


def test_names_need_a_model_with_names():
    with pytest.raises(el.InputError, match="input_names"):
        el.Stream(PLAIN).step({"a": 1, "b": 2, "c": 3})


HOLES = {
    "masked": lambda: np.ma.masked_array([0.5, 500, 2], [False, True, False], np.float32),
    "masked integers": lambda: np.ma.masked_array([0.5, 500, 2], [False, True, False]),
    "masked objects": lambda: np.ma.masked_array(np.array([0.5, "x", 2], object), [False, True, False]),
    "masked in a list": lambda: [0.5, np.ma.masked, 2],
    "none": lambda: [0.5, None, 2],
    "NA": lambda: [0.5, NA, 2],
    "NA in an array": lambda: np.array([0.5, NA, 2], object),
    "NA in a series": lambda: Series(["c", "b", "a"], np.array([2, NA, 0.5], object)),
    "none by name": lambda: {"c": 2, "b": None, "a": 0.5},
    "masked by name": lambda: {"c": 2, "b": np.ma.masked, "a": 0.5},
    "decimal": lambda: [decimal.Decimal("0.5"), decimal.Decimal("NaN"), fractions.Fraction(2)],
}


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("block", [False, True])
def test_what_is_missing_meets_the_policy(stream, hole, block):
    wanted = el.Stream(NAMED, nan_policy="hold")
    wanted.step([0.25, 0.75, 1.0])
    stream.step([0.25, 0.75, 1.0])
    given = HOLES[hole]()
    answer = stream.process([given])[0] if block else stream.step(given)
    np.testing.assert_array_equal(answer, wanted.step([0.5, 0.75, 2.0]))
    assert stream.bad_inputs == 1
    with pytest.raises(el.InputError, match=r"channel 1 \(b\).* is nan"):
        el.Stream(NAMED).step(HOLES[hole]())
    with pytest.raises(el.InputError, match="window 0, step 1, channel 1 \\(b\\) is nan"):
        batch_of(NAMED, [[[1, 2, 3], HOLES[hole]()]])


def test_a_masked_index_is_missing(rng):
    model = el.Model([el.Embedding(rng.normal(size=(7, 8))), *lstm_layers(rng, 8, 4, 1)])
    stream = el.Stream(model)
    with pytest.raises(el.InputError, match="whole number from 0 to 6"):
        stream.process(np.ma.masked_array([1, 3, 2], [False, True, False]))
    assert stream.steps == 0


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(TURNED, columns=list("cba"))
    frame["note"] = "wet"
    whole = el.Stream(NAMED).process(XS)
    stream = el.Stream(NAMED, nan_policy="hold")
    for kind in ("float32", "Float32", "object"):
        typed = frame.astype(dict.fromkeys("abc", kind))
        stream.reset()
        np.testing.assert_array_equal(stream.process(typed), whole)
        stream.reset()
        np.testing.assert_array_equal([stream.step(row).copy() for _, row in typed.iterrows()], whole)
        stream.reset()
        np.testing.assert_array_equal([stream.step(row).copy() for row in typed.itertuples()], whole)
        np.testing.assert_array_equal(batch_of(NAMED, typed).xs[0], XS)
    counts = pd.DataFrame({"a": [1, 2], "b": [3, None], "c": [5, 6]}, dtype="Int64")
    held = el.Stream(NAMED).process([[1, 3, 5], [2, 3, 6]])
    stream.reset()
    np.testing.assert_array_equal(stream.process(counts), held)
    assert stream.bad_inputs == 1
    with pytest.raises(el.InputError, match="'a' is not among"):
        stream.process(frame.rename(columns={"a": "acc"}))
    with pytest.raises(el.InputError, match="numbers"):
        stream.process(frame.assign(a=pd.Timestamp("2026-01-01")))


def test_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"c": TURNED[:, 0], "note": ["wet"] * 5, "b": TURNED[:, 1], "a": TURNED[:, 2]})
    whole = el.Stream(NAMED).process(XS)
    np.testing.assert_array_equal(el.Stream(NAMED).process(frame), whole)
    stream = el.Stream(NAMED)
    np.testing.assert_array_equal([stream.step(row).copy() for row in frame.iter_rows(named=True)], whole)


def test_a_block_too_large_for_its_answers_is_refused(tmp_path):
    path = tmp_path / "giant"
    with path.open("wb") as file:
        file.truncate(1 << 42)
    rows = np.memmap(path, np.float32, "r", shape=(1 << 40, 1))
    model = lstm_model(np.random.default_rng(0), 1, 4, outputs=500)
    with pytest.raises(el.InputError, match="shorter blocks"):
        el.Stream(model).process(rows)


WAYS = [
    ("step", np.zeros((1, 6)), r"x\[0\]"),
    ("step", np.zeros((6, 1)), r"x\.ravel\(\)"),
    ("step", np.zeros((6, 1, 1)), r"x\.ravel\(\)"),
    ("step", np.zeros((1, 1, 6)), r"x\.ravel\(\)"),
    ("step", np.zeros((9, 6)), r"process\(\)"),
    ("step", np.zeros((6, 9)), r"xs\.T"),
    ("process", np.zeros(6), r"step\(\)"),
    ("process", [0] * 6, r"step\(\)"),
    ("process", np.zeros((1, 9, 6)), r"batch axis: xs\[0\]"),
    ("process", [[[0] * 6] * 9], r"batch axis: xs\[0\]"),
    ("process", np.zeros((9, 1, 6)), r"batch axis: xs\[:, 0\]"),
    ("process", np.zeros((4, 9, 6)), r"reset\(\)"),
    ("process", np.zeros((6, 9)), r"xs\.T"),
    ("process", [[0] * 9] * 6, r"xs\.T"),
]


@pytest.mark.parametrize(("verb", "wrong", "way"), WAYS)
def test_a_wrong_shape_names_the_way_out(rng, verb, wrong, way):
    stream = el.Stream(lstm_model(rng, 6, 4, names=tuple("abcdef")))
    with pytest.raises(el.InputError, match=r"\(a, b, c, d, e, f\); got \(.*" + way):
        getattr(stream, verb)(wrong)


def test_the_way_out_of_one_input(rng):
    stream = el.Stream(lstm_model(rng, 1, 4))
    with pytest.raises(el.InputError, match=r"process\(\)"):
        stream.step(np.zeros(9))
    with pytest.raises(el.InputError, match=r"xs\.T"):
        stream.process(np.zeros((1, 9)))
    with pytest.raises(el.InputError, match=r"step\(\)"):
        stream.process(0.5)
    for missing in (NA, np.ma.masked):
        with pytest.raises(el.InputError, match="is nan"):
            stream.step(missing)
