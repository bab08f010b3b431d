"""edgelstm: streaming LSTM inference for edge CPUs.

Names are imported when first used, so that ``import edgelstm`` costs next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

#: Where public names live, those of layer records apart: these stand in `layers.KINDS`.
_HOME = {
    "Bidirectional": "layers.bidirectional",
    "Conv1DTranspose": "layers.transposed",
    "Denormalizer": "layers.units",
    "InverseSTFT": "layers.fourier",
    "Mel": "layers.fourier",
    "STFT": "layers.fourier",
    "CalibrationWarning": "errors",
    "CompileError": "errors",
    "EdgeLSTMError": "errors",
    "InputError": "errors",
    "InputStatistics": "statistics",
    "LibraryError": "errors",
    "Model": "model",
    "ModelFileError": "errors",
    "Observed": "field.observed",
    "Probe": "model",
    "Sampler": "generation.sampling",
    "ShapeError": "errors",
    "StateError": "errors",
    "Stream": "stream",
    "StreamBank": "field.bank",
    "Timed": "field.timed",
    "TimedBank": "field.timed_bank",
    "UnsupportedModelError": "errors",
    "UsageError": "errors",
    "Verification": "verifying",
    "Vocabulary": "generation.vocabulary",
    "Windowed": "field.windowed",
    "arun": "sources.asynchronous",
    "beam_search": "generation.beam",
    "build": "building",
    "from_torch": "loading",
    "generate": "generation.sampling",
    "load": "loading",
    "quantize": "quantization",
    "save": "files.elstm",
    "verify": "verifying",
}

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SLSTM",
    "STFT",
    "Activation",
    "Add",
    "Attention",
    "AttentionPool",
    "AveragePool1D",
    "BatchNorm",
    "Bidirectional",
    "CalibrationWarning",
    "CompileError",
    "Concat",
    "Conv1D",
    "Conv1DInt8",
    "Conv1DTranspose",
    "ConvLSTM",
    "ConvLSTMInt8",
    "Denormalizer",
    "Dense",
    "DenseHalf",
    "DenseInt8",
    "DenseInt8Static",
    "DynamicFakeQuantize",
    "DynamicLSTM",
    "EdgeLSTMError",
    "Embedding",
    "FakeQuantize",
    "GRUHalf",
    "GRUInt8",
    "Gather",
    "GlobalAveragePool1D",
    "GlobalMaxPool1D",
    "GroupedDense",
    "InputError",
    "InputStatistics",
    "InterRNN",
    "IntraRNN",
    "InverseSTFT",
    "LSTMHalf",
    "LSTMInt8",
    "LSTMInt8Static",
    "Last",
    "LayerNorm",
    "LibraryError",
    "LogSoftmax",
    "Magnitude",
    "MapConv",
    "MapConvTranspose",
    "MapPool",
    "Mask",
    "MaxPool1D",
    "Mel",
    "MinGRU",
    "MinLSTM",
    "Model",
    "ModelFileError",
    "Mul",
    "Normalizer",
    "Observed",
    "OverlapAdd",
    "PReLU",
    "Previous",
    "Probe",
    "RMSNorm",
    "RNNInt8",
    "Repeat",
    "Requantize",
    "Rescale",
    "Reverse",
    "Sampler",
    "SelfAttention",
    "ShapeError",
    "Slice",
    "Softmax",
    "StateError",
    "Stream",
    "StreamBank",
    "Timed",
    "TimedBank",
    "UnitNormalization",
    "UnsupportedModelError",
    "UsageError",
    "Verification",
    "Vocabulary",
    "Window",
    "WindowAttention",
    "Windowed",
    "__version__",
    "arun",
    "beam_search",
    "build",
    "from_torch",
    "generate",
    "load",
    "quantize",
    "save",
    "verify",
]


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    else:
        from .layers import RECORDS, record_of

        if name not in RECORDS:
            raise AttributeError(f"module 'edgelstm' has no attribute {name!r}")
        value = record_of(RECORDS[name])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


if TYPE_CHECKING:
    from .building import build as build
    from .errors import CalibrationWarning as CalibrationWarning
    from .errors import CompileError as CompileError
    from .errors import EdgeLSTMError as EdgeLSTMError
    from .errors import InputError as InputError
    from .errors import LibraryError as LibraryError
    from .errors import ModelFileError as ModelFileError
    from .errors import ShapeError as ShapeError
    from .errors import StateError as StateError
    from .errors import UnsupportedModelError as UnsupportedModelError
    from .errors import UsageError as UsageError
    from .field.bank import StreamBank as StreamBank
    from .field.observed import Observed as Observed
    from .field.timed import Timed as Timed
    from .field.timed_bank import TimedBank as TimedBank
    from .field.windowed import Windowed as Windowed
    from .files.elstm import save as save
    from .generation.beam import beam_search as beam_search
    from .generation.sampling import Sampler as Sampler
    from .generation.sampling import generate as generate
    from .generation.vocabulary import Vocabulary as Vocabulary
    from .layers.attention import Attention as Attention
    from .layers.attention import AttentionPool as AttentionPool
    from .layers.attention import SelfAttention as SelfAttention
    from .layers.attention import WindowAttention as WindowAttention
    from .layers.bidirectional import Bidirectional as Bidirectional
    from .layers.channelwise import BatchNorm as BatchNorm
    from .layers.channelwise import PReLU as PReLU
    from .layers.conv_lstm import ConvLSTM as ConvLSTM
    from .layers.conv_lstm import ConvLSTMInt8 as ConvLSTMInt8
    from .layers.convolution import Conv1D as Conv1D
    from .layers.convolution import Conv1DInt8 as Conv1DInt8
    from .layers.dense_int8 import DenseInt8 as DenseInt8
    from .layers.dense_int8_static import DenseInt8Static as DenseInt8Static
    from .layers.dynamic_lstm import DynamicLSTM as DynamicLSTM
    from .layers.fake_quantize import DynamicFakeQuantize as DynamicFakeQuantize
    from .layers.fake_quantize import FakeQuantize as FakeQuantize
    from .layers.fake_quantize import Requantize as Requantize
    from .layers.fake_quantize import Rescale as Rescale
    from .layers.feedforward import Activation as Activation
    from .layers.feedforward import Add as Add
    from .layers.feedforward import Dense as Dense
    from .layers.feedforward import DenseHalf as DenseHalf
    from .layers.feedforward import Embedding as Embedding
    from .layers.feedforward import LogSoftmax as LogSoftmax
    from .layers.feedforward import Normalizer as Normalizer
    from .layers.feedforward import Softmax as Softmax
    from .layers.fourier import STFT as STFT
    from .layers.fourier import InverseSTFT as InverseSTFT
    from .layers.fourier import Mel as Mel
    from .layers.frames import InterRNN as InterRNN
    from .layers.frames import IntraRNN as IntraRNN
    from .layers.grouped_dense import GroupedDense as GroupedDense
    from .layers.gru import GRU as GRU
    from .layers.gru import GRUHalf as GRUHalf
    from .layers.hidden_int8 import GRUInt8 as GRUInt8
    from .layers.hidden_int8 import RNNInt8 as RNNInt8
    from .layers.joining import Concat as Concat
    from .layers.joining import Gather as Gather
    from .layers.joining import Mul as Mul
    from .layers.joining import Slice as Slice
    from .layers.lstm import LSTM as LSTM
    from .layers.lstm import LSTMHalf as LSTMHalf
    from .layers.lstm_int8 import LSTMInt8 as LSTMInt8
    from .layers.lstm_int8_static import LSTMInt8Static as LSTMInt8Static
    from .layers.magnitude import Magnitude as Magnitude
    from .layers.map_conv import MapConv as MapConv
    from .layers.map_conv import MapConvTranspose as MapConvTranspose
    from .layers.map_pool import MapPool as MapPool
    from .layers.minimal import MinGRU as MinGRU
    from .layers.minimal import MinLSTM as MinLSTM
    from .layers.norms import LayerNorm as LayerNorm
    from .layers.norms import RMSNorm as RMSNorm
    from .layers.norms import UnitNormalization as UnitNormalization
    from .layers.overlap_add import OverlapAdd as OverlapAdd
    from .layers.pooling import AveragePool1D as AveragePool1D
    from .layers.pooling import GlobalAveragePool1D as GlobalAveragePool1D
    from .layers.pooling import GlobalMaxPool1D as GlobalMaxPool1D
    from .layers.pooling import MaxPool1D as MaxPool1D
    from .layers.previous import Previous as Previous
    from .layers.recording import Last as Last
    from .layers.recording import Mask as Mask
    from .layers.recording import Repeat as Repeat
    from .layers.recording import Reverse as Reverse
    from .layers.rnn import RNN as RNN
    from .layers.slstm import SLSTM as SLSTM
    from .layers.transposed import Conv1DTranspose as Conv1DTranspose
    from .layers.units import Denormalizer as Denormalizer
    from .layers.window import Window as Window
    from .loading import from_torch as from_torch
    from .loading import load as load
    from .model import Model as Model
    from .model import Probe as Probe
    from .quantization import quantize as quantize
    from .sources.asynchronous import arun as arun
    from .statistics import InputStatistics as InputStatistics
    from .stream import Stream as Stream
    from .verifying import Verification as Verification
    from .verifying import verify as verify
