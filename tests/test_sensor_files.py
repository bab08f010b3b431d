"""Files and lines as sensors and loggers write them: names, headers, dialects, missing words, bad lines, JSON of gateways."""

import io

import numpy as np
import pytest
from cli_calls import call, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from test_runners import NAMED, PLAIN, make_model

import edgelstm as el
from edgelstm.runners.lines import LineSource
from edgelstm.runners.reading import Reading, parse_delimiter, parse_missing

ONE = el.Model((el.Dense(np.ones((2, 1)), np.zeros(2)),))
ONE_NAMED = el.Model((el.Dense(np.ones((2, 1)), np.zeros(2)),), input_names=("temp",))
NAN = float("nan")


class Read:
    """Everything that a text gives: samples, lines, kept values, notes, counts."""

    def __init__(self, text: str | bytes, model: el.Model = PLAIN, chunk: int = 1 << 16, live: bool = False, **options: object) -> None:
        file = io.BytesIO(text.encode() if isinstance(text, str) else text)
        self.notes: list[str] = []
        reading = Reading(**{"bad_lines": "stop", **options})  # type: ignore[arg-type]
        self.source = LineSource(lambda count: file.read(min(count, chunk)), model, reading, live=live, note=self.notes.append)
        blocks = list(self.source)
        self.rows = [row for block in blocks for row in block.values.tolist()]
        self.lines = [line for block in blocks for line in block.lines]
        self.kept = [list(row) for block in blocks for row in block.kept]

    def __eq__(self, rows: object) -> bool:
        return np.array_equal(np.array(self.rows), np.array(rows), equal_nan=True)

    __hash__ = None  # type: ignore[assignment]


def fault(text: str | bytes, model: el.Model = PLAIN, **options: object) -> str:
    with pytest.raises((el.InputError, el.UsageError)) as caught:
        Read(text, model, **options)
    return str(caught.value)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "header",
    [
        "az,ay,ax",
        "AZ,Ay,ax",
        "A Z,a_y,ax (g)",
        "az [m/s²],ay[g], ax ",
        "# az,ay,ax",
        '"A.Z","a-y","ax"',
        "t,az,ay,ax,id",
    ],
)
def test_names_match_without_case_blanks_and_units(header: str) -> None:
    first, last = ("9,", ",9") if header.startswith("t,") else ("", "")
    read = Read(f"{header}\n{first}3,2,1{last}\n", NAMED)
    assert read == [[1, 2, 3]]
    assert read.notes == []


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("b,c,d", "names none of the model's inputs ('ax', 'ay', 'az'); --columns 1-3 takes them in this order, --header no"),
        ("X,Y,Z", "names none"),
        ("A X,a_x,ay,az", "'ax' could be more than one column"),
        ("ax,ax,ay,az", "'ax' could be more than one column"),
        ("ax,ay,zz", "the header lacks 'az'"),
    ],
)
def test_a_header_that_does_not_name_the_inputs_is_refused(header: str, says: str) -> None:
    assert says in fault(f"{header}\n1,2,3{',4' * (header.count(',') - 2)}\n", NAMED)
    assert says in fault(f"{header}\n1,2,3{',4' * (header.count(',') - 2)}\n", NAMED, bad_lines="skip")


def test_an_exact_name_is_taken_before_one_like_it() -> None:
    assert Read("AX,ax,ay,az\n9,1,2,3\n", NAMED) == [[1, 2, 3]]


def test_two_inputs_of_one_plain_name_need_their_exact_names() -> None:
    model = make_model(("a_x", "ax", "z"))
    assert Read("z,ax,a_x\n3,2,1\n", model) == [[1, 2, 3]]
    assert "could be more than one" in fault("z,AX,A_X\n3,2,1\n", model)


def test_chosen_names_match_in_the_same_way() -> None:
    assert Read("T (s),Left X,right x\n9,1,2\n", el.Model((el.Dense(np.ones((2, 2)), np.zeros(2)),)), columns=("left_x", "Right X")) == [
        [1, 2]
    ]


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize("header", ["0,1,2", "x,y,z", '"0","1","2"', "t,u,21C"])
def test_a_header_taken_without_names_is_told(header: str) -> None:
    read = Read(f"{header}\n4,5,6\n")
    assert read == [[4, 5, 6]]
    assert len(read.notes) == 1
    assert "line 1 is taken for a header" in read.notes[0]
    assert "--header no" in read.notes[0]
    assert Read(f"{header}\n4,5,6\n", header=True).notes == []


@pytest.mark.parametrize(("text", "columns"), [("0,1,2\n4,5,6\n", ()), (",0,1,2\n9,4,5,6\n", (1, 2, 3)), ("t,0,1,2\n9,4,5,6\n", (1, 2, 3))])
def test_a_header_that_counts_is_no_sample(text: str, columns: tuple[int, ...]) -> None:
    assert Read(text, columns=columns) == [[4, 5, 6]]
    assert Read(text, NAMED, columns=columns) == [[4, 5, 6]]


@pytest.mark.parametrize(
    ("text", "model"), [("1,2,3\n4,5,6\n", PLAIN), ("0,1,3\n4,5,6\n", PLAIN), ("0.0,1.0,2.0\n4,5,6\n", PLAIN), ("0\n1\n", ONE)]
)
def test_numbers_that_do_not_count_are_samples(text: str, model: el.Model) -> None:
    assert len(Read(text, model).rows) == 2


@pytest.mark.parametrize("row", ["NA,NA,NA", "null,N/A,", "ERR,ERR,ERR", "-,-,-", "1.#IND,nan,NaN", "None,none,NONE", "#N/A,#N/A,#N/A"])
def test_a_first_row_of_missing_values_is_no_header(row: str) -> None:
    says = fault(f"{row}\n1,2,3\n")
    assert says.startswith("line 1: ")
    assert "--missing" in says
    words = tuple({cell for cell in row.split(",") if cell})
    assert Read(f"{row}\n1,2,3\n", missing=words) == [[NAN] * 3, [1, 2, 3]]


def test_the_header_is_as_one_says() -> None:
    assert Read("7,8,9\n1,2,3\n", header=True) == [[1, 2, 3]]
    assert Read("0,1,2\n1,2,3\n", header=False) == [[0, 1, 2], [1, 2, 3]]
    assert "not a number" in fault("x,y,z\n1,2,3\n", header=False)
    assert "leave it out" in fault("[1,2,3]\n", header=False)


@pytest.mark.parametrize("middle", ["x,y,z\n", "x,y,z\r\n", "\ufeffx,y,z\n"])
def test_a_header_again_is_passed_over(middle: str) -> None:
    read = Read(f"x,y,z\n1,2,3\n{middle}4,5,6\n")
    assert read == [[1, 2, 3], [4, 5, 6]]
    assert read.lines == [2, 4]
    assert (read.source.repeated.count, str(read.source.repeated)) == (1, "line 3")


def test_a_header_of_numbers_again_is_not_guessed_at() -> None:
    assert "header again" in fault("0,1,2\n4,5,6\n0,1,2\n")
    assert Read("0,1,2\n4,5,6\n0,1,2\n7,8,9\n", bad_lines="skip") == [[4, 5, 6], [7, 8, 9]]


# ---------------------------------------------------------------- dialects


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1;2;3\n4;5;6\n", {"delimiter": ";"}),
        ("1\t2\t3\n4\t5\t6\n", {"delimiter": "\t"}),
        ("1 2  3\n 4 5 6 \n", {"delimiter": " "}),
        ("x|y|z\n1|2|3\n4|5|6\n", {"delimiter": "|"}),
        ("1,0;2,00;3\n4;5;6,0\n", {"decimal": ","}),
        ("1,0\t2\t3\n4\t5\t6\n", {"decimal": ",", "delimiter": "\t"}),
        ("# by logger 7\n1,2,3\n# pause\n4,5,6\n", {"comment": "#"}),
        ("% a; b\n%c\nx,y,z\n1,2,3\n4,5,6\n", {"comment": "%"}),
        ("Logger 7\nserial,12\n\nx,y,z\n1,2,3\n4,5,6\n", {"skip_lines": 3}),
        ('"1,0";"2";3\n4;5;6\n', {"decimal": ","}),
        ("[1,2,3]\n#\n[4,5,6]\n", {"comment": "#"}),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 16])
def test_dialects(text: str, options: dict[str, object], chunk: int) -> None:
    assert Read(text, chunk=chunk, **options) == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("chunk", [1, 1 << 16])
def test_a_comment_is_passed_over_though_its_cells_fit(chunk: int) -> None:
    assert Read("#9,1,2,3\n7,1,2,3\n#9,4,5,6\n", chunk=chunk, columns=(1, 2, 3), comment="#") == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("text", "model", "columns", "says"),
    [
        ("1;2;3\n", PLAIN, (), "say --delimiter ';'"),
        ("1\t2\t3\n", PLAIN, (), "say --delimiter tab"),
        ("1 2 3\n", PLAIN, (), "say --delimiter space"),
        ("1|2|3\n", PLAIN, (), "say --delimiter '|'"),
        ("x;y;z\n1;2;3\n", PLAIN, (), "say --delimiter ';'"),
        ("ax;ay;az\n1;2;3\n", NAMED, (), "say --delimiter ';'"),
        ("ax ay az\n1 2 3\n", NAMED, (), "say --delimiter space"),
        ("1,5;2,5;3,5\n", PLAIN, (), "say --delimiter ';' --decimal ,"),
        ("1,5\t2,5\t3,5\n", PLAIN, (), "say --delimiter tab --decimal ,"),
        ("2026-01-01 00:00;21,5\n", ONE, (1,), "say --delimiter ';' --decimal ,"),
        ("2026-01-01 00:00\t21,5\n", ONE_NAMED, (1,), "say --delimiter tab --decimal ,"),
        ("time;temp\nnoon;21,5\n", ONE_NAMED, (), "say --delimiter ';'"),
        ("time;temp\nnoon;21,5\n", ONE, (1,), "say --delimiter ';'"),
        ("12:00 21.5\n", ONE, (), "say --delimiter space"),
        ("21,5\n", ONE, (), "say --decimal ,"),
        ("# logger 7, rate 10\n1,2,3\n", PLAIN, (), "--comment '#'"),
        ("# logger 7, rate 10\n1,2,3\n", NAMED, (), "--comment '#'"),
        ("% temperatures\n21\n", ONE, (), "--comment '%'"),
        ("1,2,3\n# pause\n1,2,3\n", PLAIN, (), "--comment '#'"),
        ("x,y,z\ng,g,g\n1,2,3\n", PLAIN, (), "--bad-lines skip"),
        ("1,2,3\n1,NA,3\n", PLAIN, (), "--missing NA"),
        ("1,2,3\n1,2\n", PLAIN, (), "--bad-lines skip"),
        ("0.2\n1,2,3\n", PLAIN, (), "--bad-lines skip"),
        ("1,2,3\n\n1,2,3\n", PLAIN, (), "stty -F PORT raw"),
        ("1,2,3\n\0\0\n", PLAIN, (), "NUL bytes"),
        ('_x": 0.3}\n', PLAIN, (), "the end of a JSON line"),
        ("[[1,2,3],[4,5,6]]\n", PLAIN, (), "2 samples in one array"),
        ("1,2,3,4\n", PLAIN, (), "for example --columns 2-4"),
        ("1,2\n", ONE, (), "for example --columns 2."),
    ],
)
def test_an_error_names_the_option_that_reads_the_line(text: str, model: el.Model, columns: tuple[int, ...], says: str) -> None:
    assert says in fault(text, model, columns=columns)


@pytest.mark.parametrize(("text", "delimiter"), [("1;2;3\n", ";"), ("1 2 3\n", " "), ("1,5;2;3\n", "")])
def test_an_error_that_names_the_delimiter_proposes_no_columns(text: str, delimiter: str) -> None:
    says = fault(text)
    assert "--columns" not in says
    assert "--bad-lines" not in says


def test_a_point_is_no_decimal_where_the_comma_is() -> None:
    assert "has no point" in fault("1.234,5;2;3\n", decimal=",")
    assert "not a number" in fault("1.234;2;3\n", decimal=",")


@pytest.mark.parametrize("text", ["9, 1, 2, 3\n", "a;b,1,2,3\n", "a b,1,2,3\n", "a;1,1,2,3\n"])
def test_commas_that_separate_are_not_taken_for_decimals(text: str) -> None:
    assert len(Read(text, columns=(1, 2, 3)).rows) == 1


def test_an_empty_cell_at_the_end_of_a_line_stays_one() -> None:
    for between, delimiter in ((",", ""), (";", ";"), ("\t", "\t"), ("|", "|")):
        text = f"1{between}2{between}3\n{between}2{between}3\r\n1{between}2{between}\n" + f'"1"{between}2{between}\n'
        assert Read(text, delimiter=delimiter) == [[1, 2, 3], [NAN, 2, 3], [1, 2, NAN], [1, 2, NAN]]


@pytest.mark.parametrize("text", ["", "12", "ab", "a", '"', "+", "."])
def test_what_cannot_stand_between_cells_is_refused(text: str) -> None:
    with pytest.raises(el.UsageError, match="delimiter"):
        parse_delimiter(text)


def test_missing_words_and_numbers() -> None:
    words = parse_missing("NA, null,-127")
    assert words == ("NA", "null", "-127")
    text = "1,NA,3\n-127,na,-127.00\n1,2,Null\n"
    assert Read(text, missing=words) == [[1, NAN, 3], [NAN, NAN, NAN], [1, 2, NAN]]
    assert Read('[1,"NA",3]\n[-127,null,"-127.0"]\n', missing=words) == [[1, NAN, 3], [NAN] * 3]
    with pytest.raises(el.UsageError, match="empty"):
        parse_missing("NA,")


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


def gist(text: bytes, model: el.Model, chunk: int, reading: dict[str, object]) -> tuple[object, ...]:
    """All that a text gives in pieces of `chunk` bytes, faults included."""
    file = io.BytesIO(text)
    notes: list[str] = []
    source = LineSource(lambda count: file.read(min(count, chunk)), model, Reading(**reading), note=notes.append)  # type: ignore[arg-type]
    rows, lines, kept, problem = [], [], [], ""
    try:
        for block in source:
            rows += block.values.tolist()
            lines += block.lines
            kept += [list(row) for row in block.kept]
    except (el.InputError, el.UsageError) as fault:
        problem = str(fault)
        assert problem.isprintable()
        assert len(problem) < 1000
    return repr(rows), lines, kept, problem, notes, source.bad.count, source.fault, source.repeated.count


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
