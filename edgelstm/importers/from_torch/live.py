"""A state_dict in memory: PyTorch's tensors as arrays, without importing PyTorch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import UnsupportedModelError, printable


class LiveTensor:
    """A tensor of PyTorch, wherever it is, seen without importing PyTorch."""

    def __init__(self, tensor: Any) -> None:
        kind = str(tensor.dtype).removeprefix("torch.")
        if getattr(tensor, "is_meta", False):
            raise UnsupportedModelError("holds a tensor on the device meta, which has a shape and no numbers; load the weights first.")
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


def live(node: Any, depth: int = 0) -> Any:
    """`node` with PyTorch's tensors as arrays to be, and its mappings as dicts."""
    if hasattr(node, "data_ptr"):
        return LiveTensor(node)
    if isinstance(node, Mapping) and depth < 10:
        return {name: live(value, depth + 1) for name, value in node.items()}
    return [live(value, depth + 1) for value in node] if isinstance(node, list | tuple) and depth < 10 else node
