"""Sources, sinks and the loop between them."""

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm import runners
from edgelstm.runners.lines import MAX_LINE, LineSource
from edgelstm.runners.reading import Reading, parse_columns
from edgelstm.runners.sinks import CsvSink, JsonLinesSink


def make_model(input_names: tuple[str, ...] = (), labels: tuple[str, ...] = ()) -> el.Model:
    random = np.random.default_rng(7)
    weights = (random.normal(0, 0.4, shape) for shape in [(16, 3), (16, 4), (16,), (2, 4), (2,)])
    weight_ih, weight_hh, bias, weight, head_bias = weights
    layers = (el.LSTM(weight_ih, weight_hh, bias), el.Dense(weight, head_bias))
    return el.Model(layers, input_names=input_names, labels=labels)


PLAIN = make_model()
NAMED = make_model(("ax", "ay", "az"))


def read(text: str | bytes, model: el.Model = PLAIN, columns: str = "", chunk: int = 1 << 16) -> list[list[float]]:
    """All samples of a text; every sample's line is checked on the way."""
    data = text.encode() if isinstance(text, str) else text
    file = io.BytesIO(data)
    source = LineSource(lambda count: file.read(min(count, chunk)), model, Reading(columns=parse_columns(columns) if columns else ()))
    return [row for samples in source for row in samples.values.tolist()]


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6\n",
        "1,2,3\n4,5,6",
        "1,2,3\r\n4,5,6\r\n\r\n\n",
        "x,y,z\n1,2,3\n4,5,6\n",
        "\ufeffx,y,z\n1,2,3\n4,5,6\n",
        '"x, left",y,z\n1,"2",3\n 4 , 5 , 6 \n',
        "[1,2,3]\n[4, 5, 6]\n",
    ],
)
def test_what_counts_as_two_samples(text: str) -> None:
    assert read(text) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("az,t,ay,ax\n3,9,2,1\n", ""),
        ("t,u,v,w\n9,1,2,3\n", "2-4"),
        ("12:00,1,2,3\n", "2-4"),
        ("9,3,2,1\n", "4,3,2"),
        ("t,u,v,w\n9,1,2,3\n", "u, v ,w"),
        ("12:00,3,2,1\n", "4,3,2"),
        ('{"az": 3, "t": "noon", "ax": 1, "ay": 2}\n', ""),
        ('{"p": 1, "q": 2, "r": 3}\n', "p,q,r"),
        ("[9, 1, 2, 3]\n", "2-4"),
        ("\ufeffax,t,ay,az\n1,9,2,3\n", ""),
        ("0,u,v,w\n9,1,2,3\n", "2-4"),
    ],
)
def test_columns_are_found_by_name_or_position(text: str, columns: str) -> None:
    assert read(text, NAMED, columns) == [[1, 2, 3]]


@pytest.mark.parametrize("text", ["1,,3\n", "1,nan,3\n", "[1,null,3]\n", "[1,NaN,3]\n", 'a,b,c\n1,"",3\n'])
def test_a_missing_value_is_nan(text: str) -> None:
    ((first, missing, last),) = read(text)
    assert (first, last) == (1, 3)
    assert np.isnan(missing)


def test_a_first_line_of_missing_values_is_no_header() -> None:
    assert len(read(",,\n1,2,3\n")) == 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("1,2,3\n1,2\n", 2, "2 columns, where the first line has 3"),
        ("1,2,3\n1,2,3,4\n", 2, "4 columns"),
        ("1,2,3\n1,two,3\n", 2, "column 2 holds 'two', not a number"),
        ("1,2,3\n1,1_0,3\n", 2, "'1_0', not a number"),
        ("1,2,three\n", 1, "'three', not a number"),
        ("1,2,3,4\n", 1, "4 columns, but the model takes 3 values a sample"),
        ("a,b\n1,2\n", 1, "2 columns, but"),
        ("1;2;3\n", 1, "1 column, but"),
        ("1,2,3\n\n1,2,3\n", 3, "follows the blank line 2"),
        ("\n1,2,3\n", 2, "follows the blank line 1"),
        ('1,2,3\n1,"2,3\n', 2, "quotation mark"),
        (b"1,2,3\n\xff\xfe,2,3\n", 2, "not UTF-8"),
        ("[1,2,3]\n[1,2]\n", 2, "2 values, but the model takes 3"),
        ("[1,2,3]\n1,2,3\n", 2, "not one JSON value"),
        ("[1,2,3]\n4\n", 2, "expected an array or an object; got 4"),
        ("[1,2,3]\n[1,2,[3]]\n", 2, "value 3 is [3], not a number"),
        ("[1,2,3]\n[1,2,true]\n", 2, "value 3 is true, not a number"),
        ('[1,2,3]\n[1,2,"x"]\n', 2, "value 3 is 'x', not a number"),
        ("[1,2,3]\n[1,2," + "9" * 400 + "]\n", 2, "value 3 is beyond any float"),
        ("[1,2,3]\n" + "[" * 100_000 + "\n", 2, "not one JSON value"),
        ('{"ax": 1}\n', 1, "no input names"),
    ],
)
def test_a_bad_line_is_named_with_its_fault(text: str | bytes, line: int, says: str) -> None:
    with pytest.raises(el.InputError) as caught:
        read(text)
    assert str(caught.value).startswith(f"line {line}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ax,b,c\n1,2,3\n", "the header lacks 'ay', 'az'"),
        ('{"ax": 1, "ay": 2}\n', "the value 'az' is not in this object"),
    ],
)
def test_names_that_half_fit_are_refused(text: str, says: str) -> None:
    with pytest.raises(el.InputError, match=says):
        read(text, NAMED)


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ("1,2,3\n", "2-4", "no column 4"),
        ("1,2,3,4\n", "1-2", "chooses 2 of them"),
        ("1,2,3,4\n", "a,b,c", "the first line is no header"),
        ("a,b,c\n1,2,3\n", "a,b,d", "column 'd' is not in the header ('a', 'b', 'c')"),
        ("a,b,a\n1,2,3\n", "a,b,2", "column 'a' is more than once"),
        ("1,2,3\n", "3-1", "no range"),
        ("1,2,3\n", "0-2", "no range"),
        ("1,2,3\n", "1,,2", "is empty"),
    ],
)
def test_columns_that_do_not_fit_are_a_usage_error(text: str, columns: str, says: str) -> None:
    with pytest.raises(el.UsageError) as caught:
        read(text, PLAIN, columns)
    assert says in str(caught.value)


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    served = 0

    def endless(count: int) -> bytes:
        nonlocal served
        served += count
        assert served < 2 * MAX_LINE
        return b"1" * count

    with pytest.raises(el.InputError, match="line 1: no line end"):
        list(LineSource(endless, PLAIN))


def test_a_sample_is_yielded_before_the_next_is_awaited() -> None:
    arrived = iter([b"1,2,3\n4,", b"5,6\n7,8,9\n1", b",2,3\n"])

    def wait(_: int) -> bytes:
        return next(arrived)

    source = iter(LineSource(wait, PLAIN))
    first, second, third = next(source), next(source), next(source)
    assert (first.values.tolist(), list(first.lines)) == ([[1, 2, 3]], [1])
    assert (second.values.tolist(), list(second.lines)) == ([[4, 5, 6], [7, 8, 9]], [2, 3])
    assert (third.values.tolist(), list(third.lines)) == ([[1, 2, 3]], [4])


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"[1,2,3]\n", b"a,b,c\n", b"1,2,3\n"]), st.integers(1, 50))
def test_any_bytes_are_samples_or_an_input_error(data: bytes, start: bytes, chunk: int) -> None:
    message = "line"
    rows: list[list[float]] = []
    try:
        rows = read(start + data, chunk=chunk)
    except el.InputError as problem:
        message = str(problem)
    assert message.startswith("line")
    assert all(len(row) == 3 for row in rows)


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 3), min_size=1, max_size=20),
    st.integers(1, 64),
    st.booleans(),
)
def test_what_a_sink_writes_a_source_reads_back_bit_for_bit(rows: list[tuple[float, ...]], chunk: int, as_json: bool) -> None:
    file = io.BytesIO()
    sink = JsonLinesSink(file) if as_json else CsvSink(file, 3)
    sink.write(np.array(rows, np.float32))
    assert np.array_equal(read(file.getvalue(), chunk=chunk), np.array(rows, np.float32))


def test_json_lines_have_keys_where_labels_are_unique_and_null_for_what_json_lacks() -> None:
    answers = np.array([[0.5, np.nan]], np.float32)
    for labels, expected in [(("a", 'b"'), {"a": 0.5, 'b"': None}), (("a", "a"), [0.5, None]), ((), [0.5, None])]:
        JsonLinesSink(file := io.BytesIO(), labels).write(answers)
        assert json.loads(file.getvalue()) == expected


def test_csv_has_a_header_of_labels_or_numbers() -> None:
    CsvSink(named := io.BytesIO(), 2, ("rest, seated", "walk"))
    CsvSink(numbered := io.BytesIO(), 2)
    assert (named.getvalue(), numbered.getvalue()) == (b'"rest, seated",walk\n', b"y0,y1\n")


class Collected(list[list[float]]):
    """A sink that keeps all answers."""

    def write(self, answers: np.ndarray, kept: object = ()) -> None:
        self.extend(answers.tolist())


@pytest.fixture(scope="module")
def stream() -> Iterator[el.Stream]:
    return el.Stream(PLAIN)


@pytest.mark.parametrize("chunk", [1, 10, 1 << 16])
def test_answers_do_not_depend_on_how_lines_arrive(stream: el.Stream, chunk: int) -> None:
    xs = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    CsvSink(file := io.BytesIO(), 3).write(xs)
    file.seek(0)
    stream.reset()
    runners.run(stream, LineSource(lambda _: file.read(chunk), PLAIN), sink := Collected())
    stream.reset()
    assert np.array_equal(sink, stream.process(xs))


@pytest.mark.parametrize("fault", ["nan,0,0", "0,inf,0", "0,1e39,0", "0,,0", "0,x,0", "0,0", "\n0,0,0"])
@pytest.mark.parametrize("chunk", [3, 1 << 16])
def test_all_before_a_bad_sample_is_answered_and_the_state_kept(stream: el.Stream, fault: str, chunk: int) -> None:
    good = "1,2,3\n4,5,6\n"
    file = io.BytesIO(f"{good}{fault}\n7,8,9\n".encode())
    stream.reset()
    with pytest.raises(el.InputError, match=r"^line [34]: "):
        runners.run(stream, LineSource(lambda _: file.read(chunk), PLAIN), sink := Collected())
    after = stream.snapshot()
    stream.reset()
    assert np.array_equal(sink, stream.process(np.array(read(good), np.float32)))
    assert stream.snapshot() == after
