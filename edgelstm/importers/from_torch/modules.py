"""The modules of a PyTorch state_dict: what each is, by the names and shapes of its tensors, or why it is refused.

Their records are made by `records`; their order is `from_torch`'s part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...errors import ShapeError, UnsupportedModelError
from ..chain import quoted
from .tensors import Named

#: Tensors of `torch.nn.LSTM` and, without a layer number, `torch.nn.LSTMCell`.
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l([0-9]{1,3}))?(_reverse)?")

#: Names of a learned state before the first step.
INITIAL = {"h0": "h0", "h_0": "h0", "c0": "c0", "c_0": "c0"}

#: A scaler's buffers beside other tensors: what is before the underscore becomes a module.
_SCALER = re.compile(r"(.+)_(mean|std|scale)")

_BATCH_NORM = {"running_mean", "running_var"}

#: Parts of tensor names that give away a layer that edgelstm does not have.
_FEATURES = (
    (re.compile(r"running_mean|running_var|num_batches_tracked"), "batch normalization without its running_mean and running_var"),
    (re.compile(r"in_proj_(weight|bias)|q_proj_weight|k_proj_weight|v_proj_weight"), "attention"),
    (re.compile(r"_packed_params|_all_weight_values|scale|zero_point"), "quantization by torch, or a scaler outside of a module"),
)

_BY_DIMENSIONS = {
    1: "layer normalization or another scale per feature",
    3: "a one-dimensional convolution",
    4: "a convolution",
    5: "a convolution",
}


@dataclass(frozen=True, eq=False)
class Module:
    """A module with tensors: ``"lstm"``, ``"linear"`` (a Linear, or an Embedding if it has no bias), ``"normalizer"`` or ``"batchnorm"``.

    `path` is where the file has it, `name` how a chain calls it; `tensors` is by the names within the module, which follow `path`
    behind a `joint`. `initial` holds a learned ``h0`` and ``c0``, by these names.
    """

    path: str
    name: str
    kind: str
    tensors: Mapping[str, Named]
    initial: Mapping[str, Named] = field(default_factory=dict)
    joint: str = "."

    @property
    def has_bias(self) -> bool:
        return "bias" in self.tensors

    @property
    def is_table(self) -> bool:
        """Whether it is one matrix: an Embedding, or a Linear without bias. Its name does not tell which."""
        return self.kind == "linear" and not self.has_bias

    def full(self, tensor: str) -> str:
        """The tensor's name in the file."""
        return f"{self.path}{self.joint}{tensor}".removeprefix(".")

    @property
    def parts(self) -> list[str]:
        """The names that make up all of it, as few as can be."""
        return [self.path] if self.path and self.joint == "." else [self.full(tensor) for tensor in self.tensors]

    @property
    def widths(self) -> tuple[int, int]:
        """How many values it takes and gives; as a Linear, where it may be an Embedding too."""
        if self.kind == "linear":
            return self.tensors["weight"].shape[1], self.tensors["weight"].shape[0]
        if self.kind == "lstm":
            columns = {name: (*tensor.shape, 0)[1] for name, tensor in self.tensors.items()}
            first, hidden = (min((n for n in columns if n.startswith(side)), key=len, default="") for side in ("weight_ih", "weight_hh"))
            return columns.get(first, 0), columns.get(hidden, 0)
        size = max(max(tensor.shape, default=1) for tensor in self.tensors.values())
        return size, size


def modules(tensors: Mapping[str, Named]) -> dict[str, Module]:
    """All modules, in the order of the file. The module that the file itself is, whose tensors have no dot, is called by its kind.

    Raises
    ------
    UnsupportedModelError
        Naming the first tensor that no layer of edgelstm has, and the feature that it belongs to.
    """
    parts, initial, scalers = _grouped(tensors)
    found = {}
    for path, group in parts.items():
        kind = _kind(path, group)
        name = path or next(name for name in (kind, f"top_{kind}", f"top_level_{kind}") if name not in parts)
        found[name] = Module(path, name, kind, group, joint="_" if path in scalers else ".")
    for scope, states in initial.items():
        owner = _owner(scope, states, found)
        found[owner.name] = replace(owner, initial=states)
    return found


_Groups = dict[str, dict[str, Named]]


def _grouped(tensors: Mapping[str, Named]) -> tuple[_Groups, _Groups, set[str]]:
    """The tensors by the module that holds them: weights, and initial states; and which of the modules are ``name_mean, name_std``."""
    scalers = set()
    parts: dict[str, dict[str, Named]] = {}
    initial: dict[str, dict[str, Named]] = {}
    for full, tensor in tensors.items():
        path, _, name = full.rpartition(".")
        scaler = _SCALER.fullmatch(name)
        if name in INITIAL:
            initial.setdefault(path, {})[INITIAL[name]] = tensor
        elif scaler and scaler[1] != "running" and _is_scaler(full, tensors):
            stem = full.rpartition("_")[0]
            scalers.add(stem)
            parts.setdefault(stem, {})[scaler[2]] = tensor
        else:
            parts.setdefault(path, {})[name] = tensor
    return parts, initial, scalers


def _is_scaler(full: str, tensors: Mapping[str, Named]) -> bool:
    """Whether a mean has a scale beside it, or a scale a mean, and no module has their common name."""
    stem = full.rpartition("_")[0]
    both = f"{stem}_mean" in tensors and (f"{stem}_std" in tensors) != (f"{stem}_scale" in tensors)
    return both and not any(name.startswith(f"{stem}.") for name in tensors)


def _owner(scope: str, states: Mapping[str, Named], found: Mapping[str, Module]) -> Module:
    """The LSTM that begins with `states`: the one that holds them, or the only one beside or below them."""
    full = f"{scope}.{next(iter(states))}".removeprefix(".")
    if set(states) != {"h0", "c0"}:
        raise _refusal(full, "a recurrent layer of another kind, or to an initial state whose other half (h0, c0) is not there")
    lstms = [module for module in found.values() if module.kind == "lstm"]
    near = [m for m in lstms if m.path == scope] or [m for m in lstms if not scope or m.path.startswith(f"{scope}.")]
    if len(near) != 1:
        raise _refusal(full, f"an initial state that {len(near)} LSTM modules may begin with")
    return near[0]


def _kind(module: str, tensors: Mapping[str, Named]) -> str:
    matches = {name: _RECURRENT.fullmatch(name) for name in tensors}
    if any(matches.values()):
        for name, match in matches.items():
            _refuse_variant(f"{module}.{name}".removeprefix("."), match)
        return _recurrent_kind(module, tensors)
    if set(tensors) in ({"mean", "scale"}, {"mean", "std"}):
        return "normalizer"
    if set(tensors) >= _BATCH_NORM and set(tensors) <= _BATCH_NORM | {"weight", "bias", "num_batches_tracked"}:
        return "batchnorm"
    if set(tensors) <= {"weight", "bias"} and "weight" in tensors and len(tensors["weight"].shape) == 2:
        return "linear"
    name = next((n for n in tensors if n not in ("weight", "bias")), next(iter(tensors)))
    feature = next((feature for pattern, feature in _FEATURES if pattern.fullmatch(name)), None)
    if feature is None and name in ("weight", "bias"):
        feature = _BY_DIMENSIONS.get(len(tensors["weight"].shape) if "weight" in tensors else 0)
    raise _refusal(f"{module}.{name}".removeprefix("."), feature or "a layer or variable that edgelstm does not know")


def _refusal(tensor: str, feature: str) -> UnsupportedModelError:
    part = tensor.rpartition(".")[0] or tensor
    return UnsupportedModelError(
        f"tensor {tensor!r} belongs to {feature}, which this version of edgelstm does not import. "
        f'If it is no part of the network to be stepped, leave it out by without="{quoted(part)}", or choose a part by prefix="NAME".'
    )


def _refuse_variant(tensor: str, match: re.Match[str] | None) -> None:
    if match is None:
        raise _refusal(tensor, "a recurrent layer of another kind (layer normalization, peepholes or an own variable)")
    if match[4]:
        raise UnsupportedModelError(
            f"tensor {tensor!r} belongs to a bidirectional LSTM, which reads its sequence backwards too and so cannot be stepped: "
            "its answer needs samples that are still to come. Train it with bidirectional=False."
        )
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
