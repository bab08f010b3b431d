"""Files as loggers write them: names, headers, delimiters, decimals, comments, words for what is missing."""

import numpy as np
import pytest
from sensor_reading import NAN, ONE, ONE_NAMED, Read, fault
from test_runners import NAMED, PLAIN, make_model

import edgelstm as el
from edgelstm.runners.reading import parse_delimiter, parse_missing

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
