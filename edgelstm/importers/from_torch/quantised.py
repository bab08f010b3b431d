"""Weights that torch has quantised: what ``torch.ao.nn.quantized`` packs, as the numbers that its integers stand for.

Sources: ``torch/_utils.py`` (``_rebuild_qtensor``), ``torch/ao/nn/quantized/modules/linear.py``,
``torch/ao/nn/quantized/dynamic/modules/rnn.py`` and ``aten/src/ATen/native/RNN.cpp`` (what cells pack).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError, printable
from ..pickles.names import refusal
from .archive import Storage, Tensor

#: Names of what is packed, in a state_dict and in TorchScript.
SCRIPT_OBJECT, LINEAR, CELL = (
    "torch.ScriptObject",
    "__torch__.torch.classes.quantized.LinearPackedParamsBase",
    "__torch__.torch.classes.rnn.CellParamsBase",
)

#: What is said of weights that torch has quantised.
NOTE = (
    "torch has quantised these weights to 8 bits; they are the numbers that these stand for. What torch rounds besides, each input of a "
    "layer by its largest number, is not rounded: answers differ from torch's by about that. edgelstm.quantize makes an int8 model."
)

_CELL = re.compile(r"(.*\.)?_all_weight_values\.([0-9]{1,3})\.param")
_PACKED = "_packed_params._packed_params"
_BESIDE = ("scale", "zero_point", "_packed_params.dtype")

#: The parts of a recurrent layer in the order in which a list of its weights has them.
_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@dataclass(frozen=True, eq=False)
class Quantised(Tensor):
    """A tensor of integers, ``scale * (integer - zero)`` each; of several along one axis."""

    scale: Any = 1.0
    zero: Any = 0
    axis: int = 0

    @property
    def place(self) -> tuple[object, ...]:
        return *super().place, "quantised", self.axis, np.asarray(self.scale).tobytes(), np.asarray(self.zero).tobytes()

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        numbers = super().__array__().astype(np.float32)
        scale, zero = (np.asarray(part, np.float32) for part in (self.scale, self.zero))
        if scale.ndim:
            shape = [-1 if axis == self.axis else 1 for axis in range(numbers.ndim)]
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        return np.asarray((numbers - zero) * scale, dtype or np.float32)


class Packed:
    """An object that torch packs weights in: its state, and the name of its class where the state tells it."""

    def __init__(self, *_: object) -> None:
        self.state: Any = None

    def build(self, state: Any) -> None:
        """Take what is packed."""
        typed = isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], str) and state[1].startswith("__torch__")
        self.state = state[0] if typed else state


def tensor(make: Any) -> Any:
    """What ``_rebuild_qtensor`` gives. make: what ``_rebuild_tensor_v2`` gives."""

    def rebuilt(storage: Any, offset: int, shape: Any, stride: Any, quantiser: Any, *_: object) -> Quantised:
        if not isinstance(storage, Storage) or not storage.quantised:
            raise ValueError("a quantised tensor is no view of quantised integers")
        plain = make(replace(storage, quantised=False), offset, shape, stride)
        kind, scale, zero, *axis = quantiser
        if not axis and isinstance(scale, float | int) and isinstance(zero, int):
            return Quantised(plain.storage, offset, shape, stride, float(scale), zero)
        along = axis[0] if len(axis) == 1 and isinstance(axis[0], int) and 0 <= axis[0] < len(shape) else None
        if along is not None and isinstance(scale, Tensor) and isinstance(zero, Tensor):
            if scale.shape != (shape[along],) or zero.shape != scale.shape:
                raise ValueError("the scales of a quantised tensor do not fit its shape")
            return Quantised(plain.storage, offset, shape, stride, scale, zero, along)
        raise ValueError(f"a tensor is quantised by {printable(kind, 60)} in an unknown way")

    return rebuilt


def unpacked(node: Mapping[object, Any]) -> dict[object, Any]:
    """A dict of named values with what is packed as ordinary weights and biases under the names that they would have unpacked.

    Raises
    ------
    UnsupportedModelError
        If something is packed that is no linear layer and no recurrent one.
    """
    names = [name for name in node if isinstance(name, str)]
    if not any(name.endswith(_PACKED) or _CELL.fullmatch(name) for name in names):
        return dict(node)
    owners = {name.removesuffix(_PACKED) for name in names if name.endswith(_PACKED)}
    beside = {f"{owner}{part}" for owner in owners for part in _BESIDE}
    found: dict[object, Any] = {}
    cells: dict[str, dict[int, Any]] = {}
    for name, value in node.items():
        match = _CELL.fullmatch(name) if isinstance(name, str) else None
        if match:
            cells.setdefault(match[1] or "", {})[int(match[2])] = value
        elif isinstance(name, str) and name.endswith(_PACKED):
            weight, bias = linear(value)
            owner = name.removesuffix(_PACKED)
            found[f"{owner}weight"] = weight
            if bias is not None:
                found[f"{owner}bias"] = bias
        elif name not in beside:
            found[name] = value
    for owner, parts in cells.items():
        found.update(_layers(owner, [cell(parts[place]) for place in sorted(parts)]))
    return found


def linear(value: Any) -> tuple[Tensor, Tensor | None]:
    """The weight and bias of a packed linear layer."""
    state = value.state if isinstance(value, Packed) else value
    if not isinstance(state, tuple | list) or len(state) != 2 or not isinstance(state[0], Tensor) or len(state[0].shape) != 2:
        raise UnsupportedModelError(refusal(SCRIPT_OBJECT))
    return state[0], state[1] if isinstance(state[1], Tensor) else None


def cell(value: Any) -> list[Tensor]:
    """weight_ih, weight_hh, bias_ih and bias_hh of one layer and direction, as ``torch.lstm`` takes them."""
    state = value.state if isinstance(value, Packed) else None
    if not isinstance(state, tuple | list) or len(state) != 5 or state[0] != "quantized_dynamic" or len(state[4]) != 2:
        raise UnsupportedModelError(refusal(SCRIPT_OBJECT))
    (ih, bias_ih), (hh, bias_hh) = (linear(part) for part in state[4])
    return [part for part in (ih, hh, bias_ih, bias_hh) if part is not None]


def _layers(owner: str, cells: list[list[Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a recurrent module by the names that it has before it is quantised."""
    width, hidden = cells[0][0].shape[1], cells[0][1].shape[1]
    later = cells[-1][0].shape[1]
    both = len(cells) % 2 == 0 and (later == 2 * hidden or (len(cells) == 2 and later == width != hidden))
    if len(cells) == 2 and width == hidden:
        raise UnsupportedModelError(
            f"holds weights quantized by torch ({owner}_all_weight_values), of two layers or of two directions: the file does not tell. "
            "Save the state_dict of the float model instead, before it is quantized."
        )
    for place, parts in enumerate(cells):
        layer, direction = divmod(place, 2) if both else (place, 0)
        for name, part in zip(_PARTS, parts, strict=False):
            yield f"{owner}{name}_l{layer}{'_reverse' if direction else ''}", part


def builders(make: Any) -> dict[str, Any]:
    """What is done where a pickle calls names of quantised tensors. make: as `tensor` has it."""
    return {"torch._utils._rebuild_qtensor": tensor(make), **dict.fromkeys((SCRIPT_OBJECT, LINEAR, CELL), Packed)}
