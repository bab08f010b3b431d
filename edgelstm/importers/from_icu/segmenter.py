"""Word segmenters of ICU's break engine, as their training writes them: an Embedding, a bidirectional LSTM, a softmax over four tags.

mat1 is the table (symbols, width); mat2, mat3 and mat4 are the kernel, recurrent kernel and bias of the forward LSTM, mat5 to mat7 those of
the backward one, as Keras keeps them; mat8 and mat9 are the weight (2*units, tags) and bias of the last layer.
Source: ``lstm_word_segmentation`` of the Unicode Consortium and ``icu4c/source/common/lstmbe.cpp``.
"""

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...layers.bidirectional import Bidirectional
from ...layers.feedforward import Embedding, Softmax
from ...layers.lstm import LSTM
from ...layers.order import INPUT
from ...layers.record import MAX_SIZE
from ...model import Model
from .. import keras_arrays
from ..json_parts import Part, array

Floats = NDArray[np.float64]

#: Names of the tags, in order: beginning, inside and end of a word, and a word of one symbol.
_TAGS = ("B", "I", "E", "S")


def read(whole: Part, source: str) -> tuple[Model, str, list[str]]:
    """The model in a document; the chain that was taken, and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError
    """
    name = whole.take("model", str, "")
    if "genvec" in name:
        raise UnsupportedModelError(
            f"is the segmenter {printable(repr(name), 80)} on generalized vectors, whose input is no index; edgelstm imports those on code "
            "points and grapheme clusters."
        )
    mats = [_matrix(whole, f"mat{number}") for number in range(1, 10)]
    whole.drop("dic", "type", "model_type")
    whole.close()
    table, head, bias = mats[0], mats[7], mats[8]
    forward, backward = (_lstm(*mats[start : start + 3]) for start in (1, 4))
    layers = [
        Embedding(table, name="embedding", inputs=(INPUT,)),
        *Bidirectional(forward, backward, inputs=("embedding",), name="lstm"),
        keras_arrays.dense(head, bias, name="tags", inputs=("lstm",)),
        Softmax(name="softmax", inputs=("tags",)),
    ]
    labels = _TAGS if bias.shape == (len(_TAGS),) else ()
    note = "A sample is the number of a symbol in the file's own dictionary, dic; symbols that it lacks have the last row of mat1."
    return Model(tuple(layers), labels=labels, source=source), "embedding, lstm, tags, softmax", [note]


def _lstm(kernel: Floats, recurrent: Floats, bias: Floats) -> LSTM:
    """Keras' arrays; gates may have a dimension of their own."""
    return keras_arrays.lstm(kernel.reshape(len(kernel), -1), recurrent.reshape(len(recurrent), -1), bias.ravel())


def _matrix(whole: Part, name: str) -> Floats:
    """An array of one to three dimensions: ``{"dim": [rows, columns], "data": [numbers]}``."""
    part = Part(whole.take(name, dict), name)
    part.drop("v")
    shape = part.take("dim", list)
    if not 0 < len(shape) < 4 or not all(type(n) is int and 0 < n <= MAX_SIZE for n in shape):
        raise ModelFileError(f"{name} dim must be up to three sizes; it is {printable(repr(shape), 60)}. Export the model again.")
    flat = array(part.take("data", list), (int(np.prod(shape)),), f"{name} data")
    part.close()
    return flat.reshape(shape)
