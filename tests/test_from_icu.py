"""Word segmenters of ICU answer as Keras computes such a network."""

import json

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

RANDOM = np.random.default_rng(4)


def matrix(*shape, dim=None):
    numbers = RANDOM.uniform(-0.7, 0.7, shape)
    return {"dim": list(dim or shape), "data": numbers.ravel().tolist()}


def segmenter(symbols=9, width=5, units=4, tags=4, split=False):
    kernel = {"dim": (width, 4, units)} if split else {}
    lstm = [lambda: matrix(width, 4 * units, **kernel), lambda: matrix(units, 4 * units), lambda: matrix(4 * units)]
    mats = [matrix(symbols, width), *(make() for _ in range(2) for make in lstm), matrix(2 * units, tags), matrix(tags)]
    return {"model": "Thai_codepoints", "dic": {"a": 0}, **{f"mat{n}": mat for n, mat in enumerate(mats, 1)}}


def expected(document, ids):
    table, *parts, head, bias = (np.reshape(document[f"mat{n}"]["data"], document[f"mat{n}"]["dim"]) for n in range(1, 10))
    rows = []
    for (kernel, recurrent, b), order in ((parts[:3], 1), (parts[3:], -1)):
        h = c = np.zeros(recurrent.shape[0])
        rows_of_x, answers = table[ids] @ kernel.reshape(len(kernel), -1), []
        for x in rows_of_x[::order]:
            i, f, g, o = np.split(x + h @ recurrent + b, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(g)
            h = o * np.tanh(c)
            answers.append(h)
        rows.append(answers[::order])
    e = np.exp(np.hstack(rows) @ head + bias)
    return e / e.sum(axis=1, keepdims=True)


def written(document, path):
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("split", [False, True])
def test_a_segmenter_answers_as_its_formulas(split, tmp_path):
    document = segmenter(split=split)
    taken = import_file(written(document, tmp_path / "weights.json"))
    assert taken.model.labels == ("B", "I", "E", "S")
    ids = np.random.default_rng(0).integers(0, 9, 20)
    np.testing.assert_allclose(reference.run(taken.model, ids[:, None].astype(np.float32)), expected(document, ids), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "Thai_genvec_123"}, "generalized vectors"),
        ({"mat2": None}, "mat2 must be an object"),
        ({"mat2": {"dim": [5, 16], "data": [1.0]}}, "mat2 data must have shape"),
        ({"mat2": {"dim": [5, -16], "data": []}}, "mat2 dim must be"),
        ({"mat2": {"dim": [1 << 40], "data": []}}, "mat2 dim must be"),
        ({"mat2": {"dim": [1], "data": ["a"]}}, "mat2 data must hold numbers"),
        ({"mat3": matrix(5, 16)}, "must have shape"),
        ({"mat10": matrix(3)}, "mat10"),
    ],
)
def test_segmenters_that_do_not_fit_are_refused(change, message, tmp_path):
    with pytest.raises(el.EdgeLSTMError, match=message):
        el.load(written({**segmenter(), **change}, tmp_path / "w.json"))
