"""Lines as sensors and gateways send them: bad ones, JSON, columns that are kept; and any text at all."""

import io

import numpy as np
import pytest
from cli_calls import call, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_reading import NAN, Read, fault, gist
from test_runners import NAMED, PLAIN, make_model

import edgelstm as el
from edgelstm.runners import Samples
from edgelstm.runners.lines import LineSource
from edgelstm.runners.reading import Reading
from edgelstm.runners.recordings import on_change

# ---------------------------------------------------------------- bad lines

BAD = {
    "half": b"4,5\n",
    "glued": b"4,5,64,5,6\n",
    "word": b"4,---x,6\n",
    "nul": b"\0\0\0\n",
    "nul inside": b"4,5\0,6\n",
    "bytes": b"4,\xff\xfe,6\n",
    "quote": b'4,"5,6\n',
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
@pytest.mark.parametrize("header", ["", "x,y,z\n"])
def test_a_bad_line_stops_is_skipped_or_holds_its_place(bad: str, chunk: int, header: str) -> None:
    text = header.encode() + b"1,2,3\n" + BAD[bad] + b"7,8,9\n"
    line = 2 + len(header) // 5
    assert fault(text, chunk=chunk).startswith(f"line {line}: ")
    skipped = Read(text, chunk=chunk, bad_lines="skip")
    assert skipped == [[1, 2, 3], [7, 8, 9]]
    assert (skipped.source.bad.count, str(skipped.source.bad)) == (1, f"line {line}")
    assert skipped.source.fault.startswith(f"line {line}: ")
    assert skipped.lines == [line - 1, line + 1]
    assert Read(text, chunk=chunk, bad_lines="missing") == [[1, 2, 3], [NAN] * 3, [7, 8, 9]]


@pytest.mark.parametrize("start", [b"25302,-0.08\n", b"\x00\xff\n", b"ESP boot v1.2\n\nrst cause:2, boot mode:(3,6)\n", b'_x": 0.3}\n'])
@pytest.mark.parametrize("after", [b"1,2,3\n", b"x,y,z\n1,2,3\n", b"[1,2,3]\n"])
def test_what_comes_before_the_first_sample_is_skipped_in_either_way(start: bytes, after: bytes) -> None:
    for bad_lines in ("skip", "missing"):
        read = Read(start + after, bad_lines=bad_lines)
        assert read == [[1, 2, 3]]
        assert read.source.bad.count > 0


def test_two_first_lines_glued_together_do_not_set_the_width() -> None:
    text = "0,1,2,30,1,2,3\n" + "9,1,2,3\n" * 3 + "9,1\n"
    assert Read(text, columns=(1, 2, 3), bad_lines="skip").rows[1:] == [[1, 2, 3]] * 3


def test_a_row_of_units_holds_no_place() -> None:
    for bad_lines in ("skip", "missing"):
        assert Read("x,y,z\ng,g,deg/s\n1,2,3\n", bad_lines=bad_lines) == [[1, 2, 3]]


def test_blank_lines_are_bad_lines_but_on_a_terminal_device() -> None:
    text = "1,2,3\n\n4,5,6\n\n\n"
    assert Read(text, bad_lines="skip") == [[1, 2, 3], [4, 5, 6]]
    assert Read(text, bad_lines="missing") == [[1, 2, 3], [NAN] * 3, [4, 5, 6]]
    live = Read(text, live=True)
    assert live == [[1, 2, 3], [4, 5, 6]]
    assert live.source.bad.count == 0


def test_a_file_of_bad_lines_alone_is_an_error() -> None:
    says = fault("a\nb\n", bad_lines="skip")
    assert says.startswith("no line is a sample; the first bad one: line 1: ")


def test_where_the_choice_is_not_offered_no_error_names_it() -> None:
    for text in ("1,2\n", "1,2,3\n1,2\n", "1,2,3\n1,x,3\n", "[1,2]\n"):
        assert "--bad-lines" not in fault(text, bad_lines="")


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"ax": "1", "ay": 2, "az": "3.0"}',
        '{"AX": 1, "a y": 2, "Az (g)": 3}',
        '{"a": {"x": 1, "y": 2, "z": 3}, "t": "noon"}',
        '{"data": {"ax": 1, "ay": 2, "az": 3}}',
    ],
)
def test_objects_as_gateways_send_them(text: str) -> None:
    columns = ("data.ax", "data.ay", "data.az") if "data" in text else ()
    assert Read(text + "\n" + text + "\n", NAMED, columns=columns) == [[1, 2, 3]] * 2


def test_an_absent_key_is_missing_where_that_is_survived() -> None:
    text = '{"ax": 1, "ay": 2}\n{"az": 3}\n{"status": "ok"}\n'
    assert "the value 'az' is not in this object" in fault(text, NAMED)
    assert Read(text, NAMED, absent=True) == [[1, 2, NAN], [NAN, NAN, 3], [NAN] * 3]
    assert "is not in this object" in fault('{"status": "ok"}\n', NAMED, absent=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"ax": 1, "ax": 9, "ay": 2, "az": 3}', "names 'ax' twice"),
        ('{"ax": 1, "ay": 2, "az": 3, "t": {"u": 1, "u": 2}}', "names 'u' twice"),
        ('{"ax": 1, "ay": 2, "az": {"x": 1}}', "'az' is {\"x\": 1}, not a number"),
        ('{"A X": 1, "a_x": 1, "ay": 2, "az": 3}', "'ax' could be more than one value"),
        ('{"ax": 1, "ay": 2, "az": false}', "'az' is false, not a number"),
        ('{"ax": 1, "ay": 2, "az": [1]}', "'az' is [1], not a number"),
        ('{"ax": 1, "ay": 2, "az": "unavailable"}', "--missing unavailable"),
        ("[1, 2]", "2 values, but"),
        ('{"ax": 1,', "one array or object a line"),
        ("null", "not a number"),
        ('[1, 2, {"a": 1}]', 'value 3 is {"a": 1}, not a number'),
    ],
)
def test_json_faults_are_told_in_the_words_of_json(text: str, says: str) -> None:
    assert says in fault(("[1,2,3]\n" if text[0] == "n" else "") + text + "\n", NAMED).replace(
        "expected an array or an object; got null", "not a number"
    )


# ---------------------------------------------------------------- kept columns


def test_columns_are_kept_beside_the_samples() -> None:
    read = Read('time,"id, old",x,y,z\n12:00," a ",1,2,3\n12:01,b,4,5,6\n', keep=("Time", 1), columns=(2, 3, 4))
    assert read.kept == [["12:00", "a"], ["12:01", "b"]]
    assert read.source.kept_names == ["time", "id, old"]
    assert Read("1,2,3,7\n", keep=(3,)) == [[1, 2, 3]]
    assert Read('{"ax":1,"ay":2,"az":3,"m":{"t":7}}\n', NAMED, keep=("m.t", "n")).kept == [[7, None]]
    assert "'when' is no column" in fault("x,y,z\n1,2,3\n", keep=("when",))


# ---------------------------------------------------------------- quantize reads the same


def test_quantize_takes_the_same_options(tmp_path) -> None:
    model = make_model(labels=("a", "b"))
    el.save(model, tmp_path / "m.elstm")
    rows = np.random.default_rng(5).normal(size=(60, 3)).round(3)
    lines = [";".join([*(f"{x}".replace(".", ",") for x in row), "ab"[int(row[0] > 0)]]) for row in rows.tolist()]
    (tmp_path / "d.csv").write_text("# by logger\n" + "x;y;z;truth\n" + "\n".join(lines) + "\n")
    common = ["quantize", tmp_path / "m.elstm", "-d", tmp_path / "d.csv", "-o", tmp_path / "q.elstm", "--labels-column", "truth"]
    assert "--delimiter" in refused(call(*common, "--comment", "#"), 2)
    result = call(*common, "--comment", "#", "--decimal", ",")
    assert result.exit_code == 0, result.output
    assert "60" in result.output


# ---------------------------------------------------------------- any text

WORDS = [
    "1",
    "2.5",
    "-127",
    "NA",
    "",
    "ax",
    "Ay",
    "az (g)",
    "x",
    "1,5",
    "0",
    "nan",
    "1_0",
    '"3"',
    '"',
    "#",
    "\0",
    "\ufeff",
    "é",
    "[1,2,3]",
    '{"ax":1}',
]


@settings(deadline=None, max_examples=3000)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), max_size=8),
    st.sampled_from([",", ";", "\t", " "]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "header": st.booleans(),
            "delimiter": st.sampled_from([",", ";", "\t", " "]),
            "comment": st.sampled_from(["#", "x"]),
            "skip_lines": st.integers(0, 3),
            "bad_lines": st.sampled_from(["stop", "skip", "missing"]),
            "missing": st.sampled_from([("NA",), ("-127", "x")]),
            "keep": st.sampled_from([(0,), ("ax",)]),
            "columns": st.sampled_from([(0, 1, 2), (1, 2, 3), ("ax", "ay", "az")]),
            "absent": st.booleans(),
        },
    ),
)
def test_any_text_gives_the_same_however_it_arrives(
    rows: list[list[str]], between: str, end: str, named: bool, reading: dict[str, object]
) -> None:
    text = "".join(between.join(row) + end for row in rows).encode()
    model = NAMED if named else PLAIN
    whole = gist(text, model, 1 << 16, reading)
    assert gist(text, model, 1, reading) == whole
    assert gist(text, model, 13, reading) == whole


# ---------------------------------------------------------------- headers that change, or cannot be read


@pytest.mark.parametrize("bad_lines", ["stop", "skip", "missing"])
@pytest.mark.parametrize("second", ["az,ax,ay\n6,4,5\n", "id,AZ (g),Ax,Ay\n1,6,4,5\n"])
def test_behind_another_header_columns_are_where_it_says(bad_lines: str, second: str) -> None:
    read = Read("ax,ay,az\n1,2,3\n" + second, NAMED, bad_lines=bad_lines)
    assert read == [[1, 2, 3], [4, 5, 6]]
    assert read.notes == ["line 3 is another header: from there on columns are where it says."]
    assert read.source.bad.count == 0


def test_a_header_that_is_spelled_otherwise_is_the_header_again() -> None:
    read = Read("ax,ay,az\n1,2,3\nAX, AY, AZ\n4,5,6\n", NAMED)
    assert read == [[1, 2, 3], [4, 5, 6]]
    assert (read.notes, read.source.repeated.count) == ([], 1)


@pytest.mark.parametrize("bad_lines", ["stop", "skip"])
def test_another_header_that_lacks_a_name_ends_the_file(bad_lines: str) -> None:
    says = fault("ax,ay,az\n1,2,3\naz,ay,w\n3,2,1\n", NAMED, bad_lines=bad_lines)
    assert says.startswith("line 3: this is another header, and the header lacks 'ax'")
    live = Read("ax,ay,az\n1,2,3\naz,ay\n4,5,6\n", NAMED, live=True, bad_lines="skip")  # half a line, where the port came back
    assert live == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("header", [b"az,ax,ay,t (\xb0C)\n", b'az,ax,"ay\n', b"az,ax\0,ay\n"])
def test_a_header_that_cannot_be_read_is_not_skipped_where_it_has_names(header: bytes) -> None:
    for bad_lines in ("skip", "missing"):
        assert fault(header + b"3,1,2\n", NAMED, bad_lines=bad_lines).startswith("line 1: ")
    assert Read(header + b"1,2,3\n", NAMED, live=True, bad_lines="skip") == [[1, 2, 3]]  # as where a port is opened
    assert Read(header + b"1,2,3\n", bad_lines="skip") == [[1, 2, 3]]


def test_numbers_with_grouped_thousands_are_told_apart_from_decimal_commas() -> None:
    assert "write numbers without the comma if it groups thousands." in fault('"1,013.25",2,3\n1,2,3\n', header=False)
    both = fault("1,013;2;3\n", delimiter=";")
    assert "if it groups thousands; say --decimal , if it separates decimals" in both
    assert "thousands" not in fault("0,013;2;3\n", delimiter=";")


def test_a_line_that_holds_its_place_begins_no_recording() -> None:
    text = "id,ax,ay,az\na,1,2,3\n---\na,1,2,3\nb,1,2,3\n"
    file = io.BytesIO(text.encode())
    source = LineSource(file.read, NAMED, Reading(bad_lines="missing", keep=["id"]))
    assert [(block.lines, block.begins) for block in on_change(source)] == [([2, 3, 4], True), ([5], True)]
    one_by_one = [Samples(np.zeros((1, 3), np.float32), [i], [[mark]]) for i, mark in enumerate(("a", None, "a", "b", None, "b"))]
    assert [block.begins for block in on_change(one_by_one)] == [True, False, False, True, False, False]


@pytest.mark.parametrize("order", ["LE", "BE"])
def test_utf_16_without_a_mark_is_told_from_noise(order: str) -> None:
    text = "ax,ay,az\n1,2,3\n"
    assert f"iconv -f UTF-16{order} -t UTF-8" in fault(text.encode(f"UTF-16-{order}"), NAMED)
    assert "NUL bytes" in fault(b"a\0xy\n" + text.encode())
