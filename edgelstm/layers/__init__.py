"""Layer records: numbers, their shapes, and the facts of their kinds. `KINDS` is the one list of what exists.

Each room (`layers`, `reference`, `compiler.lowering`) holds a kind in a file of the same name. This file imports none of them, so that
a float32 model starts without the code of other kinds.
"""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import Layer

#: Every kind of layer by its name in files: the file that holds it in each room, and the name of its record.
KINDS = {
    "lstm": ("lstm", "LSTM"),
    "dense": ("feedforward", "Dense"),
    "activation": ("feedforward", "Activation"),
    "softmax": ("feedforward", "Softmax"),
    "log_softmax": ("feedforward", "LogSoftmax"),
    "embedding": ("feedforward", "Embedding"),
    "normalizer": ("feedforward", "Normalizer"),
    "add": ("feedforward", "Add"),
    "mul": ("joining", "Mul"),
    "concat": ("joining", "Concat"),
    "slice": ("joining", "Slice"),
    "batch_norm": ("channelwise", "BatchNorm"),
    "prelu": ("channelwise", "PReLU"),
    "layer_norm": ("norms", "LayerNorm"),
    "rms_norm": ("norms", "RMSNorm"),
    "unit_normalization": ("norms", "UnitNormalization"),
    "grouped_dense": ("grouped_dense", "GroupedDense"),
    "gather": ("joining", "Gather"),
    "previous": ("previous", "Previous"),
    "intra_rnn": ("frames", "IntraRNN"),
    "inter_rnn": ("frames", "InterRNN"),
    "magnitude": ("magnitude", "Magnitude"),
    "overlap_add": ("overlap_add", "OverlapAdd"),
    "conv_lstm": ("conv_lstm", "ConvLSTM"),
    "map_conv": ("map_conv", "MapConv"),
    "map_conv_transpose": ("map_conv", "MapConvTranspose"),
    "map_pool": ("map_pool", "MapPool"),
    "conv1d": ("convolution", "Conv1D"),
    "max_pool1d": ("pooling", "MaxPool1D"),
    "average_pool1d": ("pooling", "AveragePool1D"),
    "global_max_pool1d": ("pooling", "GlobalMaxPool1D"),
    "global_average_pool1d": ("pooling", "GlobalAveragePool1D"),
    "window": ("window", "Window"),
    "last": ("recording", "Last"),
    "repeat": ("recording", "Repeat"),
    "reverse": ("recording", "Reverse"),
    "attention_pool": ("attention", "AttentionPool"),
    "attention": ("attention", "Attention"),
    "self_attention": ("attention", "SelfAttention"),
    "window_attention": ("attention", "WindowAttention"),
    "mask": ("recording", "Mask"),
    "fake_quantize": ("fake_quantize", "FakeQuantize"),
    "requantize": ("fake_quantize", "Requantize"),
    "dynamic_fake_quantize": ("fake_quantize", "DynamicFakeQuantize"),
    "rescale": ("fake_quantize", "Rescale"),
    "gru": ("gru", "GRU"),
    "rnn": ("rnn", "RNN"),
    "min_gru": ("minimal", "MinGRU"),
    "min_lstm": ("minimal", "MinLSTM"),
    "slstm": ("slstm", "SLSTM"),
    "dynamic_lstm": ("dynamic_lstm", "DynamicLSTM"),
    "lstm_half": ("lstm", "LSTMHalf"),
    "gru_half": ("gru", "GRUHalf"),
    "dense_half": ("feedforward", "DenseHalf"),
    "lstm_int8": ("lstm_int8", "LSTMInt8"),
    "gru_int8": ("hidden_int8", "GRUInt8"),
    "rnn_int8": ("hidden_int8", "RNNInt8"),
    "conv_lstm_int8": ("conv_lstm", "ConvLSTMInt8"),
    "conv1d_int8": ("convolution", "Conv1DInt8"),
    "dense_int8": ("dense_int8", "DenseInt8"),
    "lstm_int8_static": ("lstm_int8_static", "LSTMInt8Static"),
    "dense_int8_static": ("dense_int8_static", "DenseInt8Static"),
}

#: The same by the name of the record, as users know it.
RECORDS = {record: kind for kind, (_, record) in KINDS.items()}


@cache
def part(room: str, kind: str) -> ModuleType:
    """The file of a kind in a room, imported when first asked for. Rooms call it with their own name, ``__package__``."""
    return import_module(f"{room}.{KINDS[kind][0]}")


def record_of(kind: str) -> "type[Layer]":
    """The record of a kind that `KINDS` lists."""
    found: type[Layer] = getattr(part(__name__, kind), KINDS[kind][1])
    return found
