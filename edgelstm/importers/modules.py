"""The modules of a PyTorch state_dict: what each is, by the names and shapes of its tensors, or why it is refused.

The order of the modules is `from_torch`'s part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError, UnsupportedModelError
from ..layers import LSTM, Dense, Embedding, Normalizer
from .state_dict import Named

#: Tensors of `torch.nn.LSTM` and, without a layer number, `torch.nn.LSTMCell`.
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l([0-9]{1,3}))?(_reverse)?")

#: Parts of tensor names that give away a layer that edgelstm does not have.
_FEATURES = (
    (re.compile(r"running_mean|running_var|num_batches_tracked"), "batch normalization"),
    (re.compile(r"in_proj_(weight|bias)|q_proj_weight|k_proj_weight|v_proj_weight"), "attention"),
    (re.compile(r"_packed_params|_all_weight_values|scale|zero_point"), "quantization by torch, or a scaler outside of a module"),
    (re.compile(r"weight_[gv]|parametrizations|original[01]?"), "a weight in parts (weight normalization); remove it before saving"),
)

_BY_DIMENSIONS = {
    1: "layer normalization or another scale per feature",
    3: "a one-dimensional convolution",
    4: "a convolution",
    5: "a convolution",
}


@dataclass(frozen=True, eq=False)
class Module:
    """A module with tensors: ``"lstm"``, ``"linear"`` (a Linear, or an Embedding if it has no bias) or ``"normalizer"``.

    `tensors` is by the names within the module.
    """

    name: str
    kind: str
    tensors: Mapping[str, Named]

    @property
    def has_bias(self) -> bool:
        return "bias" in self.tensors

    @property
    def looks_like_embedding(self) -> bool:
        """Whether it says so: a Linear without a bias has the same tensors."""
        return self.kind == "linear" and not self.has_bias and "emb" in self.name.lower()

    def full(self, tensor: str) -> str:
        return f"{self.name}.{tensor}"


def modules(tensors: Mapping[str, Named]) -> dict[str, Module]:
    """All modules, in the order of the file. The module that the file itself is, whose tensors have no dot, is called by its kind.

    Raises
    ------
    UnsupportedModelError
        Naming the first tensor that no layer of edgelstm has, and the feature that it belongs to.
    """
    parts: dict[str, dict[str, Named]] = {}
    for full, tensor in tensors.items():
        module, _, name = full.rpartition(".")
        parts.setdefault(module, {})[name] = tensor
    found = {}
    for module, group in parts.items():
        kind = _kind(module, group)
        found[module or kind] = Module(module or kind, kind, group)
    return found


def _kind(module: str, tensors: Mapping[str, Named]) -> str:
    matches = {name: _RECURRENT.fullmatch(name) for name in tensors}
    if any(matches.values()):
        for name, match in matches.items():
            _refuse_variant(f"{module}.{name}".removeprefix("."), match)
        return _recurrent_kind(module, tensors)
    if set(tensors) in ({"mean", "scale"}, {"mean", "std"}):
        return "normalizer"
    if set(tensors) <= {"weight", "bias"} and "weight" in tensors and len(tensors["weight"].shape) == 2:
        return "linear"
    name = next((n for n in tensors if n not in ("weight", "bias")), next(iter(tensors)))
    feature = next((feature for pattern, feature in _FEATURES if pattern.fullmatch(name)), None)
    if feature is None and name in ("weight", "bias"):
        feature = _BY_DIMENSIONS.get(len(tensors["weight"].shape) if "weight" in tensors else 0)
    raise _refusal(f"{module}.{name}".removeprefix("."), feature or "a layer or variable that edgelstm does not know")


def _refusal(tensor: str, feature: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"tensor {tensor!r} belongs to {feature}, which this version of edgelstm does not import. "
        "If it is no part of the network to be stepped, name that part by a prefix (--prefix NAME)."
    )


def _refuse_variant(tensor: str, match: re.Match[str] | None) -> None:
    if match is None:
        raise _refusal(tensor, "a recurrent layer of another kind (layer normalization, peepholes or an own variable)")
    if match[4]:
        raise _refusal(tensor, "a bidirectional LSTM")
    if match[2] == "hr":
        raise _refusal(tensor, "an LSTM with a projection (proj_size)")


def _recurrent_kind(module: str, tensors: Mapping[str, Named]) -> str:
    for name, tensor in tensors.items():
        if not name.startswith("weight_hh"):
            continue
        shape = tensor.shape
        full = f"{module}.{name}".removeprefix(".")
        if len(shape) != 2 or not shape[1]:
            raise ShapeError(f"tensor {full!r} must have shape (4*hidden_size, hidden_size); got {shape}.")
        if shape[0] == 3 * shape[1]:
            raise _refusal(full, "a GRU (its rows are three gates)")
        if shape[0] == shape[1]:
            raise _refusal(full, "a plain RNN (its rows are one gate)")
    return "lstm"


def numbers(module: Module, name: str, ndim: int) -> NDArray[np.floating[Any]]:
    """A tensor as an array of floating-point numbers.

    Raises
    ------
    UnsupportedModelError
        If it holds integers: quantized weights without their scale.
    ShapeError
        If it has not `ndim` dimensions.
    """
    array: NDArray[Any] = np.asarray(module.tensors[name])
    if array.dtype.kind != "f":
        raise UnsupportedModelError(
            f"tensor {module.full(name)!r} has dtype {array.dtype}; weights must be floating-point. Save the float model."
        )
    if array.ndim != ndim:
        raise ShapeError(f"tensor {module.full(name)!r} must have {ndim} dimension(s); got shape {array.shape}.")
    return array


def lstm_layers(module: Module) -> list[LSTM]:
    """The stacked layers of a recurrent module, first to last. The two biases are added in float64 and rounded once."""
    found: dict[str, dict[str, str]] = {}
    for name in module.tensors:
        stem, _, number = name.partition("_l")
        found.setdefault(number, {})[stem] = name
    order = sorted(found, key=lambda number: int(number or 0))
    if [int(number or 0) for number in order] != list(range(len(order))):
        raise UnsupportedModelError(
            f"module {module.name!r} has the layers {', '.join(order)}, not 0 to {len(order) - 1}; save all of them."
        )
    return [_lstm(module, found[number], f"{module.name}_l{number}" if len(order) > 1 else module.name) for number in order]


def _lstm(module: Module, names: Mapping[str, str], label: str) -> LSTM:
    missing = {"weight_ih", "weight_hh"} - set(names)
    if "bias_ih" in names or "bias_hh" in names:
        missing |= {"bias_ih", "bias_hh"} - set(names)
    if missing:
        raise UnsupportedModelError(f"layer {label!r} lacks its {', '.join(sorted(missing))}; save the whole state_dict.")
    bias = None
    if "bias_ih" in names:
        parts = [numbers(module, names[stem], 1).astype(np.float64) for stem in ("bias_ih", "bias_hh")]
        if parts[0].shape != parts[1].shape:
            raise ShapeError(f"layer {label!r}: bias_ih has shape {parts[0].shape} and bias_hh {parts[1].shape}; they must be equal.")
        with np.errstate(over="ignore"):
            bias = (parts[0] + parts[1]).astype(np.float32)  # (4*hidden_size,)
    return LSTM(numbers(module, names["weight_ih"], 2), numbers(module, names["weight_hh"], 2), bias, name=label)


def linear(module: Module) -> Dense:
    return Dense(numbers(module, "weight", 2), numbers(module, "bias", 1) if module.has_bias else None, name=module.name)


def embedding(module: Module) -> Embedding:
    return Embedding(numbers(module, "weight", 2), name=module.name)


def normalizer(module: Module) -> Normalizer:
    """Buffers of any shape with one long dimension, as (input_size,)."""
    mean, scale = (np.asarray(module.tensors[n]) for n in ("mean", "scale" if "scale" in module.tensors else "std"))
    return Normalizer(np.atleast_1d(np.squeeze(mean)), np.atleast_1d(np.squeeze(scale)), name=module.name)
