"""The translator's two networks as files and at work: an encoder of letters, and a decoder that says phonemes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from dictionary import LETTERS, LONGEST, Entry
from numpy.typing import NDArray

import edgelstm as el

Floats = NDArray[np.float32]

#: Numbers that stand for a letter or a phoneme; units of the encoder in each direction, and of the decoder, which begins with both; units
#: between the decoder and its scores.
FEATURES, ENCODED, DECODED, MIXED = 32, 64, 128, 64

#: The index of what stands before and behind the phonemes of a word.
END = 0

ENCODER, DECODER = "encoder.elstm", "decoder.elstm"

#: Beginnings that a beam keeps.
WIDTH = 5


def phonemes_of(entries: Sequence[Entry]) -> list[str]:
    """What the decoder reads and says: the end, and all phonemes."""
    return ["<end>", *sorted({phoneme for _, said in entries for one in said for phoneme in one})]


def models(held: Mapping[str, Floats], phonemes: Sequence[str]) -> tuple[el.Model, el.Model]:
    """Encoder and decoder of PyTorch's arrays."""
    forward, backward = (_lstm(held, "encoder", direction) for direction in ("", "_reverse"))
    letters = el.Embedding(held["letters.weight"], name="letters")
    encoder = [letters, *el.Bidirectional(forward, backward, inputs=("letters",), name="encoder")]
    decoder = [
        el.Embedding(held["phonemes.weight"], name="phonemes"),
        _lstm(held, "decoder"),
        el.Dense(held["query.weight"], name="query"),
        el.Attention(2 * ENCODED, LONGEST, name="attention", inputs=("query",)),
        el.Dense(held["mixed.weight"], held["mixed.bias"], name="mixed", inputs=("decoder", "attention")),
        el.Activation("tanh", name="tanh"),
        el.Dense(held["scores.weight"], held["scores.bias"], name="scores"),
    ]
    source = "examples/translate/train.py"
    return (
        el.Model(encoder, vocabulary=el.Vocabulary(LETTERS, between=""), source=source),
        el.Model(decoder, vocabulary=el.Vocabulary(phonemes, between=" "), source=source),
    )


def _lstm(held: Mapping[str, Floats], name: str, direction: str = "") -> el.LSTM:
    w, r, b, more = (held[f"{name}.{part}_l0{direction}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return el.LSTM(w, r, b + more, name=name)


def saved(held: Mapping[str, Floats], phonemes: Sequence[str], entries: Sequence[Entry], folder: Path) -> list[Path]:
    """Write both networks with weights in int8; the entries are what calibration looks at."""
    encoder, decoder = models(held, phonemes)
    assert encoder.vocabulary is not None
    spelled = [np.array(encoder.vocabulary.indices(word), np.float32)[:, None] for word, _ in entries]
    spoken = [np.array([END, *map(phonemes.index, said[0])], np.float32)[:, None] for _, said in entries]
    dense = [layer.name for layer in decoder.layers if isinstance(layer, el.Dense)]
    small = el.quantize(encoder, spelled, scheme="int8-weight"), el.quantize(decoder, spoken, scheme="int8-weight", int8=dense)
    paths = [folder / ENCODER, folder / DECODER]
    for model, path in zip(small, paths, strict=True):
        el.save(model, path)
    return paths


class Translator:
    """Both networks at work."""

    def __init__(self, encoder: el.Model, decoder: el.Model) -> None:
        assert encoder.vocabulary is not None
        assert decoder.vocabulary is not None
        self.letters, self.phonemes = encoder.vocabulary, decoder.vocabulary
        self.encoder, self.decoder = el.Stream(encoder), el.Stream(decoder)

    @classmethod
    def load(cls, folder: Path) -> "Translator":
        return cls(el.load(folder / ENCODER), el.load(folder / DECODER))

    def _hear(self, word: str) -> None:
        """Let the decoder begin where the encoder has read the word, and look at all that it made of it."""
        memory = self.encoder.process(np.array(self.letters.indices(word), np.float32)[:, None])  # (letters, 2 * ENCODED)
        self.decoder.reset()
        self.decoder.start_from(self.encoder, {"decoder": ("encoder.forward", "encoder.backward")})
        self.decoder.attend(memory)

    def say(self, word: str, width: int = WIDTH) -> list[str]:
        """The phonemes of a word: the likeliest that a beam of `width` beginnings finds; the likeliest one after another, if that is 1."""
        self._hear(word)
        if width == 1:
            found = list(el.generate(self.decoder, END, LONGEST, stop=END))
        else:
            found = el.beam_search(self.decoder, END, LONGEST, width=width, stop=END)[0].tokens
        return [self.phonemes.tokens[index] for index in found]
