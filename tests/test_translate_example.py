"""The translator says words that it has never seen better than rules for letters, and as well as its page tells."""

import json

import pytest
from example_modules import EXAMPLES, script

EXAMPLE = EXAMPLES / "translate"

#: Words of the file that are tried by both ways to decode.
SOME = 200


@pytest.fixture(scope="module")
def run():
    return script("translate")


@pytest.fixture(scope="module")
def translator(run):
    return run.Translator.load(run.DATA)


@pytest.fixture(scope="module")
def held_out(run):
    return run.dictionary.read_file(run.HELD_OUT)


@pytest.fixture(scope="module")
def results(run):
    return json.loads(run.RESULTS.read_text())


def test_it_beats_the_rules(run, translator, held_out, results):
    """On words that training never read; the figures of all of them stand in data/results.json."""
    some = held_out[:SOME]
    found = {name: run.figures(run.errors(speaker, some)) for name, speaker in run.speakers(translator).items()}
    best, greedy, rules = (found[name]["phonemes"] for name in (f"beam of {run.WIDTH}", "greedy", "rules"))
    assert best <= greedy + 0.005
    assert best < 0.14
    assert best < rules / 2
    assert results[f"beam of {run.WIDTH}"]["phonemes"] <= 0.12
    assert results[f"beam of {run.WIDTH}"]["phonemes"] < results["rules"]["phonemes"] / 2


def test_it_is_small(run):
    assert sum((run.DATA / name).stat().st_size for name in ("encoder.elstm", "decoder.elstm")) <= 300_000


def test_the_page_tells_the_figures(results):
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for name in ("beam of 5", "greedy", "rules"):
        assert f"| {100 * results[name]['phonemes']:.1f} % | {100 * results[name]['words']:.1f} % |" in page
    assert results["package"] in page


def test_the_words_are_those_held_back(run, held_out):
    """Those of the file stand first among them, and none was trained with."""
    try:
        entries = run.dictionary.read()
    except SystemExit as problem:
        pytest.skip(str(problem))
    run.dictionary.check(entries)
    trained, held_back = run.dictionary.parted(entries)
    assert held_back[: len(held_out)] == held_out
    assert not {word for word, _ in trained} & {word for word, _ in held_out}


def test_another_dictionary_is_refused(run):
    with pytest.raises(SystemExit, match="is not that of cmudict"):
        run.dictionary.check([("word", [["W", "ER", "D"]])])


@pytest.mark.parametrize(("a", "b", "edits"), [("", "", 0), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("", "abc", 3)])
def test_distances(run, a, b, edits):
    assert run.distance(a, b) == edits


@pytest.mark.parametrize(("word", "said"), [("ships", "SH IH P Z"), ("make", "M AE K"), ("nation", "N AE SH AH N")])
def test_rules(run, word, said):
    assert run.rules.say(word) == said.split()
