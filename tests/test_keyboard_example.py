"""The keyboard saves more taps than a 3-gram model, and typing, taking and undoing work as on a keyboard."""

import numpy as np
import pytest
from example_modules import EXAMPLES, script

import edgelstm as el
from edgelstm.gallery.result import read

FOLDER = EXAMPLES / "keyboard"


@pytest.fixture(scope="module")
def run():
    return script("keyboard", "run", "text")


@pytest.fixture(scope="module")
def model(run):
    return run.load()


def test_words(run):
    text = "Don't panic!  The answer (42) is: nothing...\n"
    assert run.words.words(text) == ["<end>", "don't", "panic", "<end>", "the", "answer", "42", "is", "<end>", "nothing", "<end>"]
    vocabulary = run.words.vocabulary_of(["b", "<end>", "a", "b", "42"])
    assert vocabulary == ["<end>", "<unknown>", "b", "a"]
    assert run.words.indices(["a", "42", "c"], vocabulary).tolist() == [3, 1, 1]


def test_what_fits_the_letters_is_offered(run):
    completions = run.Completions(["<end>", "<unknown>", "a", "an", "and", "bee"])
    scores = np.array([9, 9, 1, 3, 2, 4])
    assert completions.best(scores, "") == ["bee", "an", "and"]
    assert completions.best(scores, "an") == ["an", "and"]
    assert completions.best(scores, "x") == []
    assert run._taps(completions, scores, "a") == 2  # offered behind its first letter only, which is all of it
    assert run._taps(completions, scores, "and") == 1
    assert run._taps(completions, scores, "boo") == 4


def test_figures(run):
    """Of two words in a sentence: one first at once, one never."""
    vocabulary = ["<end>", "<unknown>", "a", "bb", "ccc", "dd"]
    scores = np.array([[0, 0, 3, 2, 1, 0], [0, 9, 3, 2, 1, 0], [0.0] * 6])
    assert run.figures(scores, ["<end>", "a", "zz", "<end>"], vocabulary) == (100 * (1 - (1 + 3) / (2 + 3)), 50.0, 50.0)


def test_typing(run, model):
    """Scores are those of a stream that reads the words; what is undone is as it was."""
    keyboard, index = run.Keyboard(model), {word: k for k, word in enumerate(model.vocabulary.tokens)}
    stream = el.Stream(model)
    stream.step([0])
    for sign in "Why not ":
        keyboard.type(sign)
    for word in ("why", "not"):
        scores = stream.step([index[word]]).copy()
    best = [model.vocabulary.tokens[k] for k in np.argsort(-scores) if k > 1][:3]
    assert keyboard.offered == best
    before = keyboard.text, keyboard.offered
    keyboard.take(1)
    assert keyboard.text == f"Why not {best[1]} "
    assert keyboard.taps == 9
    keyboard.type("t")
    assert all(word.startswith("t") for word in keyboard.offered)
    keyboard.back()
    keyboard.back()
    assert (keyboard.text, keyboard.offered) == before
    keyboard.type("q")
    keyboard.type(".")
    assert keyboard.offered == run.Keyboard(model).offered or keyboard.text.endswith("q.")
    for _ in range(20):
        keyboard.back()
    assert keyboard.text == ""


def test_the_page_follows_the_keys(run, model):
    shown, keys = [], iter("th1\x7fx\x04")
    keyboard = run.Keyboard(model)
    run.live(keyboard, lambda: next(keys), shown.append)
    assert keyboard.text == "thx"
    assert len(shown) == 6
    assert "th_" in shown[2]
    first = shown[2].split("1: ")[1].split()[0]
    assert first.startswith("th")
    assert f"{first} _" in shown[3]
    assert "th_" in shown[4]


def test_a_text_is_typed(run, model):
    keyboard = run.Keyboard(model)
    tapped = run.typed(keyboard, "there is nothing zzyzx")
    assert keyboard.text == "there is nothing zzyzx "
    assert tapped.endswith("zzyzx ")
    assert keyboard.taps < len(keyboard.text)


def test_it_is_coupled_projected_and_small(run, model):
    lstm = model.layers[1]
    assert lstm.coupled == "i=1-f"
    assert lstm.weight_hr.shape[0] < lstm.weight_hr.shape[1]
    assert {layer.numbers for layer in run.small(model).layers[1:]} == {"int8-dynamic"}


@pytest.mark.slow
def test_it_reaches_its_figures(run):
    try:
        run.texts()
    except SystemExit as problem:
        pytest.skip(str(problem))
    result = read(FOLDER)
    assert run.network() == pytest.approx(result.rows["the network"], abs=0.05)
    assert all(ours > counted for ours, counted in zip(result.rows["the network"], result.rows["3-gram model"], strict=True))


def test_a_place_is_left_out_of_the_counts(rng):
    """Witten and Bell's rule by its definition, over counts of all other places."""
    text, size = rng.integers(0, 4, 40), 5
    found = script("keyboard", "counted").LeftOut(text, size).probabilities(np.arange(40))
    alone = np.bincount(text, minlength=size)
    shortest = (alone + len(set(text.tolist())) / size) / (40 + len(set(text.tolist())))
    for place in range(40):
        mixed = shortest
        for length in (1, 2):
            before = [tuple(text[np.arange(at - length, at) % 40]) for at in range(40)]
            others = [at for at in range(40) if at != place and before[at] == before[place]]
            counts = np.bincount(text[others], minlength=size)
            kinds = np.count_nonzero(counts)
            mixed = (counts + kinds * mixed) / (len(others) + kinds) if others else mixed
        np.testing.assert_allclose(found[place], mixed, rtol=1e-5, atol=1e-7)


def test_training_goes_on_with_what_the_file_holds():
    pytest.importorskip("torch")
    train = script("keyboard", "train", "text")
    one, other = train.KeyboardNet(), train.KeyboardNet()
    arrays = train.held(one)
    train.as_held(other, arrays)
    for name, value in train.held(other).items():
        np.testing.assert_allclose(value, arrays[name], rtol=1e-6)
    for name, value in one.state_dict().items():
        assert abs(other.state_dict()[name] - value).max() <= value.abs().max() / 254 * 1.001
