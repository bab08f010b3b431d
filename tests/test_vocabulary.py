"""Vocabularies: text as indices and back, in model files, and from the files that a user has."""

import json

import numpy as np
import pytest
from cli_calls import arrays, call

import edgelstm as el
from edgelstm.generation.vocabulary import read_vocabulary

TOKENS = ["<end>", "a", "b", "\n", "é"]


def model_of(rng, size=5, vocabulary=None):
    return el.Model((el.Embedding(rng.normal(size=(size, 3))), el.Dense(rng.normal(size=(size, 3)))), vocabulary=vocabulary)


def test_characters_and_words():
    characters, words = el.Vocabulary(TOKENS), el.Vocabulary(["the", "theme", "a", "b"])
    assert (characters.between, words.between) == ("", " ")
    assert characters.indices("ab\né<end>") == [1, 2, 3, 4, 0]
    assert characters.text([1, 2, 3, 4, 0]) == "ab\né<end>"
    assert words.indices(" the  theme\n") == [0, 1]
    assert words.text([1, 0]) == "theme the"
    assert el.Vocabulary(["the", "theme", "m"], "").indices("thememthe") == [1, 2, 0]


@pytest.mark.parametrize(
    ("vocabulary", "text", "told"),
    [
        (el.Vocabulary(TOKENS), "abc", "'c', character 2 of the text"),
        (el.Vocabulary(["the", "word"]), "the words", "'words' is none of the model's 2 tokens"),
        (el.Vocabulary(TOKENS), "<en", "'<', character 0"),
    ],
)
def test_what_is_no_token_is_named(vocabulary, text, told):
    with pytest.raises(el.InputError, match=told):
        vocabulary.indices(text)


@pytest.mark.parametrize(
    ("tokens", "between", "told"),
    [(["a", "a"], None, "'a' is there twice"), ([], None, "at least one token"), (["a", 1], None, "each a text"), (["a"], "-", "a space")],
)
def test_what_is_no_vocabulary(tokens, between, told):
    with pytest.raises(el.UsageError, match=told):
        el.Vocabulary(tokens, between)


def test_an_index_without_a_token():
    with pytest.raises(el.InputError, match="5 is no index of the model's 5 tokens"):
        el.Vocabulary(TOKENS).text([5])


def test_a_model_keeps_its_vocabulary(rng, tmp_path):
    model, plain = model_of(rng, vocabulary=el.Vocabulary(TOKENS)), model_of(rng)
    for made in (model, plain):
        el.save(made, tmp_path / "m.elstm")
        assert el.load(tmp_path / "m.elstm").vocabulary == made.vocabulary
    with pytest.raises(el.ShapeError, match="at most the 4 symbols that the model reads; got 5 tokens"):
        model_of(rng, 4, el.Vocabulary(TOKENS))


@pytest.mark.parametrize(
    "text",
    [
        "<end>\na\nb\n",
        '["<end>", "a", "b"]',
        '{"a": 1, "b": 2, "<end>": 0}',
        '{"tokens": ["<end>", "a", "b"], "between": ""}',
    ],
)
def test_files_of_tokens(tmp_path, text):
    path = tmp_path / "tokens"
    path.write_text(text)
    assert read_vocabulary(path) == el.Vocabulary(["<end>", "a", "b"], "")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"a": 1}', "indices 0 to 0"),
        (b'{"tokens": ["a"], "joined": ""}', "'joined' is neither"),
        (b"[" * 100000, "."),
        (b"\xff", "UTF-8"),
        (b"a\na\n", "there twice"),
    ],
)
def test_files_of_something_else(tmp_path, data, told):
    path = tmp_path / "tokens"
    path.write_bytes(data)
    with pytest.raises(el.ModelFileError, match=told):
        read_vocabulary(path)


def test_the_converter_stores_it(rng, tmp_path):
    np.savez(tmp_path / "m.npz", **arrays())
    tokens = ["<end>", "a", "\n"]
    (tmp_path / "tokens.json").write_text(json.dumps(tokens))
    given = ("--layers", "lstm, fc", "--vocabulary", tmp_path / "tokens.json")
    assert call("convert", tmp_path / "m.npz", *given, "-o", tmp_path / "n.elstm").exit_code == 0
    assert el.load(tmp_path / "n.elstm").vocabulary == el.Vocabulary(tokens)
    assert json.loads(call("describe", tmp_path / "n.elstm", "--json").stdout)["vocabulary"]["tokens"] == tokens
    assert r"'\n'" in call("describe", tmp_path / "n.elstm").stdout


def test_a_damaged_one_is_refused(rng, tmp_path):
    path = tmp_path / "m.elstm"
    el.save(model_of(rng, vocabulary=el.Vocabulary(TOKENS)), path)
    path.write_bytes(path.read_bytes().replace(b'<end>\\\\\\"', b'a\\\\\\"', 1).replace(b"<end>", b"b    ", 1))
    with pytest.raises(el.ModelFileError):
        el.load(path)


def test_quantised_models_keep_it(rng):
    model = model_of(rng, vocabulary=el.Vocabulary(TOKENS))
    small = el.quantize(model, rng.integers(5, size=(4, 20, 1)).astype(np.float32), scheme="int8-weight")
    assert small.vocabulary == model.vocabulary
