"""Trained networks that are in memory already: the last line of a training script."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import UnsupportedModelError, UsageError, printable
from .model import Model


class _LiveTensor:
    """A tensor of PyTorch, wherever it is, seen without importing PyTorch."""

    def __init__(self, tensor: Any) -> None:
        kind = str(tensor.dtype).removeprefix("torch.")
        try:
            self._tensor = tensor.detach()
            self.shape: tuple[int, ...] = tuple(tensor.shape)
            self.place = (tensor.data_ptr(), self.shape, tuple(tensor.stride()))
            self.dtype = np.dtype(_DTYPES[kind])
        except (RuntimeError, KeyError) as problem:
            raise UnsupportedModelError(
                f"holds a tensor of dtype {kind} and layout {tensor.layout} that is no plain array ({printable(problem, 200)}); "
                "give dense float tensors: .to_dense(), .float(), or the state_dict before it is quantized."
            ) from None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        tensor = self._tensor.cpu()
        array = np.asarray(tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor)
        return array.astype(dtype or array.dtype)


#: What PyTorch calls a type, and what its numbers become.
_DTYPES = {name: name for name in ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")}
_DTYPES["bfloat16"] = "float32"


def from_torch(state_dict: Mapping[str, Any], layers: str | None = None, *, prefix: str | None = None, without: str | None = None) -> Model:
    """Make a model of a state_dict, without a file between. PyTorch itself is not imported.

    Parameters
    ----------
    state_dict : mapping of str to tensor or array
        ``model.state_dict()``, or a checkpoint around one. NumPy arrays under the names that PyTorch gives will do.
    layers : str, optional
        The layers in order, with the activation after each: ``"lstm, fc1:relu, fc2:softmax"``.
    prefix : str, optional
        Where in `state_dict` the network is, if it holds more than one.
    without : str, optional
        Modules or tensors to leave out, for example ``"aux, loss.weight"``.

    Returns
    -------
    Model
        What the user should know of it is logged as a warning.

    Raises
    ------
    UnsupportedModelError, UsageError, ShapeError, ModelFileError
        As `load`, for a file that holds the same.
    """
    from .importers import Asked, from_checkpoint

    if not isinstance(state_dict, Mapping):
        raise UsageError(f"from_torch takes model.state_dict(), a dict of tensors; got {printable(type(state_dict).__name__)}.")
    model, _, notes = from_checkpoint(_live(state_dict, 0), Asked(layers, prefix, without), "PyTorch")
    warn("state_dict", notes)
    return model


def _live(node: Any, depth: int) -> Any:
    """`node` with PyTorch's tensors as arrays to be, and its mappings as dicts."""
    if hasattr(node, "data_ptr"):
        return _LiveTensor(node)
    if isinstance(node, Mapping) and depth < 10:
        return {name: _live(value, depth + 1) for name, value in node.items()}
    return [_live(value, depth + 1) for value in node] if isinstance(node, list | tuple) and depth < 10 else node


def warn(what: str, notes: list[str] | tuple[str, ...]) -> None:
    """Log what the user should know of a network that was taken over."""
    import logging

    for note in notes:
        logging.getLogger("edgelstm").warning("%s: %s", what, note)
