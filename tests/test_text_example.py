"""The text network guesses held-out fortunes as well as its page says."""

import json

import numpy as np
import pytest
from example_modules import EXAMPLES, script

import edgelstm as el

EXAMPLE = EXAMPLES / "text"


@pytest.fixture(scope="module")
def evaluate():
    return script("text", "evaluate")


@pytest.fixture(scope="module")
def model(evaluate):
    return evaluate.load()


@pytest.fixture(scope="module")
def held_out(evaluate, model):
    """Indices of the fortunes that training did not see."""
    fortunes = evaluate.fortunes
    try:
        texts = fortunes.read()
        fortunes.check(texts)
    except SystemExit as problem:
        pytest.skip(str(problem))
    return evaluate.indices(fortunes.parted(texts)[1], model.vocabulary)


@pytest.fixture(scope="module")
def results(evaluate):
    return json.loads(evaluate.RESULTS.read_text())


def test_the_network_reaches_its_figures(evaluate, model, held_out, results):
    found = evaluate.network_guesses(model, held_out).figures()
    assert len(held_out) == results["characters"][1]
    assert found["bits"] == pytest.approx(results["network"]["bits"], abs=2e-4)
    assert found["among"] == pytest.approx(results["network"]["among"], abs=2e-4)


def test_what_is_beaten(results):
    """In bits, all; among three, the 3-gram model alone."""
    network = results["network"]
    assert network["bits"] < min(results[name]["bits"] for name in ("3-gram", "5-gram", "bzip2"))
    assert results["3-gram"]["among"][2] < network["among"][2] < results["5-gram"]["among"][2]


def test_the_page_tells_the_figures(results):
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for name, word in (("network", "the network"), ("3-gram", "3-gram model"), ("5-gram", "5-gram model")):
        assert f"| {word} | {results[name]['bits']:.3f} | {100 * results[name]['among'][2]:.1f} % |" in page
    assert f"| bzip2 | {results['bzip2']['bits']:.3f} | — |" in page
    assert results["packages"].split()[-1] in page


def test_other_fortunes_are_refused(evaluate, tmp_path):
    (tmp_path / "some").write_text("Kernels are ground.\n%\nGates are kept.\n%\n")
    texts = evaluate.fortunes.read(tmp_path)
    assert sorted(texts) == ["Gates are kept.", "Kernels are ground."]
    with pytest.raises(SystemExit, match="not those of fortunes"):
        evaluate.fortunes.check(texts)
    with pytest.raises(SystemExit, match="apt-get install fortunes"):
        evaluate.fortunes.read(tmp_path / "none")


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
