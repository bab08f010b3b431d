"""The text network guesses held-out fortunes better than counting does."""

import sys
from pathlib import Path

import numpy as np
import pytest

import edgelstm as el

EXAMPLE = Path(__file__).parents[1] / "examples" / "text"

#: Bits a character of a 5-gram model on these fortunes, and how often a 3-gram model has the right character among three: what
#: `evaluate.py` tells, which needs the training text.
COUNTED_BITS, COUNTED_AMONG = 2.228, 0.648


@pytest.fixture(scope="module")
def evaluate():
    sys.path.insert(0, str(EXAMPLE))
    import evaluate

    yield evaluate
    sys.path.remove(str(EXAMPLE))


@pytest.fixture(scope="module")
def model(evaluate):
    return evaluate.load()


def test_it_beats_counting(evaluate, model):
    text = evaluate.indices(evaluate.held_out(), model.vocabulary)
    bits, among = evaluate.network_guesses(model, text)
    assert bits < COUNTED_BITS
    assert among > COUNTED_AMONG


def test_counting(evaluate):
    """Of the text 0 1 2 1 2: mixed by Witten and Bell's rule, by hand."""
    chances = evaluate.Counts(np.array([0, 1, 2, 1, 2]), 2, 3).probabilities((0, 1))
    alone = 2 / (5 + 3) + 3 / (5 + 3) / 3  # two of five characters, of three kinds
    assert chances[2] == pytest.approx(2 / (2 + 1) + 1 / (2 + 1) * alone)  # behind 1 twice, of one kind
    assert chances.sum() == pytest.approx(1)


def test_it_is_small(evaluate, model):
    assert (EXAMPLE / "data" / "text.pt").stat().st_size <= 300_000
    assert model.generates
    tokens = el.generate(el.Stream(model), [0], 300, sample=el.Sampler(temperature=0.5), stop=0)
    assert len(model.vocabulary.text(tokens).split()) > 3
