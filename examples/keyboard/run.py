"""Type with the keyboard; or measure how often it offers the right word, and how many taps it saves, beside a 3-gram model.

In a terminal, without more, one types: 1, 2 and 3 take an offered word, backspace undoes, Ctrl-D ends. ``--text`` types a text and says
what it took. ``--write`` measures on the fortunes held back; it needs Debian's packages, and matplotlib for the picture.

    python examples/keyboard/run.py
    python examples/keyboard/run.py --text "there is nothing to do"
    python examples/keyboard/run.py --write
"""

import argparse
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import words
from evaluate import Counts
from keyboard import OFFERED, Completions, Keyboard, load, small
from numpy.typing import NDArray

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.example import print_result

HERE = Path(__file__).parent

#: Words that the 3-gram model counts together.
ORDER = 3

#: Letters typed that the picture shows, and words that the time of a step is measured over.
LETTERS, TIMED = range(6), 1000

#: Scores of every word behind each word of a text but the last: (words - 1, KNOWN).
Scores = NDArray[np.floating]


@cache
def texts() -> words.Texts:
    """All words."""
    return words.read()


@cache
def network_scores(int8: bool = True) -> Scores:
    """Those of the network on the words held back."""
    text, model = words.indices(texts().held_back, words.known()), load()
    model = small(model) if int8 else model
    return el.Stream(model).process(text[:-1].astype(np.float32)[:, None])


@cache
def counted_scores() -> Scores:
    """Those of the n-gram model."""
    training, held_out = (words.indices(text, words.known()) for text in (texts().training, texts().held_back))
    counts, read = Counts(training, ORDER, words.KNOWN), held_out.tolist()
    return np.array([counts.probabilities(tuple(read[max(0, at - ORDER + 1) : at])) for at in range(1, len(read))], np.float32)


def averaged() -> Scores:
    """Half the network's probabilities and half those of the n-gram model."""
    scores = network_scores().astype(np.float64)
    likely = np.exp(scores - scores.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True) + counted_scores()


def figures(scores: Scores, held_out: list[str], vocabulary: list[str]) -> tuple[float, float, float]:
    """The taps that are saved; and how often the right word is among three offered, or the first, before any letter. In percent.

    A word is typed letter by letter until it is offered, and then taken with one tap, which puts the space too. Ends of sentences are
    neither offered nor typed. Words that the vocabulary lacks are typed to their end.
    """
    completions = Completions(vocabulary)
    first = among = taps = signs = count = 0
    for of_one, word in zip(scores, held_out[1:], strict=True):
        if word == words.END:
            continue
        offered = completions.best(of_one, "")
        count, first, among = count + 1, first + (offered[:1] == [word]), among + (word in offered)
        taps += _taps(completions, of_one, word)
        signs += len(word) + 1
    return 100 * (1 - taps / signs), 100 * among / count, 100 * first / count


def _taps(completions: Completions, scores: NDArray[np.floating], word: str) -> int:
    for letters in range(len(word)):
        if word in completions.best(scores, word[:letters]):
            return letters + 1
    return len(word) + 1


def measured(scores: Scores) -> tuple[float, float, float]:
    """The figures on the words held back."""
    return figures(scores, texts().held_back, words.known())


def network() -> tuple[float, float, float]:
    return measured(network_scores())


def others() -> dict[str, tuple[float, float, float]]:
    frequent = np.bincount(words.indices(texts().training, words.known()), minlength=words.KNOWN)
    return {
        "3-gram model": measured(counted_scores()),
        "both, their probabilities averaged": measured(averaged()),
        "most frequent words": measured(np.broadcast_to(frequent, counted_scores().shape)),
        "the network in float32": measured(network_scores(int8=False)),
    }


def draw(figure: Any) -> None:
    """By the letters typed so far, how often the right word is among those offered."""
    completions, axes = Completions(words.known()), figure.subplots()
    for name, scores in (("network, int8", network_scores()), ("3-gram model", counted_scores())):
        pairs = [(of_one, word) for of_one, word in zip(scores, texts().held_back[1:], strict=True) if word != words.END]
        shares = [
            100 * np.mean([len(word) <= letters or word in completions.best(of_one, word[:letters]) for of_one, word in pairs])
            for letters in LETTERS
        ]
        axes.plot(LETTERS, shares, ".-", label=name)
    axes.set_xlabel("letters typed")
    axes.set_ylabel("right word offered, or typed, %")
    axes.set_xticks(LETTERS)
    axes.legend()


def typed(keyboard: Keyboard, text: str) -> str:
    """Type a text, taking each word as soon as it is offered; what was tapped, offered words in brackets."""
    tapped = ""
    for word in text.lower().split():
        for sign in f"{word} ":
            if word in keyboard.offered:
                tapped += f"[{word[len(keyboard.letters) :]}] "
                keyboard.take(keyboard.offered.index(word))
                break
            keyboard.type(sign)
            tapped += sign
    return tapped


def page(keyboard: Keyboard) -> str:
    """The terminal's two lines: the text, and what is offered."""
    offered = "   ".join(f"{place}: {word}" for place, word in enumerate(keyboard.offered, 1))
    return f"\x1b[H\x1b[2J{keyboard.text}_\r\n\r\n{offered}\r\n\r\n{keyboard.taps} taps for {len(keyboard.text)} signs\r\n"


def live(keyboard: Keyboard, read: Callable[[], str], show: Callable[[str], Any]) -> None:
    """Type until Ctrl-D or Ctrl-C, or the end of what is read."""
    while True:
        show(page(keyboard))
        sign = read()
        if sign in ("", "\x03", "\x04"):
            return
        if sign in "123"[:OFFERED]:
            keyboard.take(int(sign) - 1)
        elif sign in ("\x7f", "\b"):
            keyboard.back()
        elif sign.isprintable():
            keyboard.type(sign)


def in_terminal(keyboard: Keyboard) -> None:
    """`live` with a terminal that passes on each key at once."""
    import termios
    import tty

    kept = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        live(keyboard, lambda: sys.stdin.read(1), lambda text: print(text, end="", flush=True))
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, kept)


def steps() -> Any:
    drawn = el.generate(el.Stream(load()), [0], TIMED, sample=el.Sampler(seed=2))
    return el.Stream(small(load())).step, [np.array([index], np.float32) for index in drawn]


EXAMPLE = Example(
    HERE,
    does="Offers three words at every letter that is typed.",
    held_back="751 fortunes of Debian",
    measures=(Measure("taps saved"), Measure("right word among three"), Measure("right word first")),
    files=["data/keyboard.safetensors"],
    load=lambda: small(load()),
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a word",
    seconds=423,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", help="type this, taking what is offered")
    parser.add_argument("--write", action="store_true", help="measure on the fortunes held back, and write result.json and the picture")
    asked = parser.parse_args()
    if asked.write:
        return print_result(EXAMPLE.write())
    if asked.text is None and not sys.stdin.isatty():
        parser.error("typing needs a terminal; --text types a text.")
    keyboard = Keyboard(small(load()))
    if asked.text is not None:
        print(typed(keyboard, asked.text))
        print(f"{keyboard.taps} taps for {len(keyboard.text)} signs")
        return None
    return in_terminal(keyboard)


if __name__ == "__main__":
    main()
