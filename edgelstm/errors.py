"""The exceptions of edgelstm: each says what was expected, what came, and what to do.

Beside them stands the one warning that Python code may want to tell apart. Nothing here decides anything; messages are written where
the fault is seen.
"""


class EdgeLSTMError(Exception):
    """Base of every error that edgelstm raises on purpose."""


class ShapeError(EdgeLSTMError, ValueError):
    """The arrays of a model do not fit together."""


class UnsupportedModelError(EdgeLSTMError):
    """A model is well formed but holds something that edgelstm cannot honour, named in the message."""


class ModelFileError(EdgeLSTMError):
    """A model file is truncated, foreign, corrupt, hostile, or fails its own probe."""


class InputError(EdgeLSTMError, ValueError):
    """A sample has the wrong shape, is not a number, or lies outside what the model can take."""


class StateError(EdgeLSTMError, ValueError):
    """A snapshot is damaged or belongs to another model."""


class CompileError(EdgeLSTMError):
    """A model could not be compiled, or compiled code failed its probe on this machine."""


class LibraryError(EdgeLSTMError):
    """A library built ahead of time is damaged, foreign, of another version, or for another machine."""


class CalibrationWarning(UserWarning):
    """Calibration windows hold too little to quantise a model by; the result was made all the same."""


class UsageError(EdgeLSTMError, ValueError):
    """A request contradicts itself or names something that does not exist."""
