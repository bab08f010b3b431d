"""What a module of a state_dict is, by the names and shapes of its tensors, or why it is refused."""

import re
from collections.abc import Mapping

from ...errors import ShapeError, UnsupportedModelError
from ..chain import quoted
from .tensors import Named

#: Tensors of `torch.nn.LSTM`, `GRU` and `RNN` and, without a layer number, of `LSTMCell`, `GRUCell` and `RNNCell`.
RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l([0-9]{1,3}))?(_reverse)?")

#: The recurrent kinds by their gates: so many rows has weight_hh for each of its hidden_size columns.
GATES = {4: "lstm", 3: "gru", 1: "rnn"}

_BATCH_NORM = {"running_mean", "running_var"}

#: Parts of tensor names that give away a layer that edgelstm does not have.
_FEATURES = (
    (re.compile(r"running_mean|running_var|num_batches_tracked"), "batch normalization without its running_mean and running_var"),
    (
        re.compile(r"((start|end)_)?(transitions?|trans_matrix)"),
        "a CRF, which decodes the scores that the network gives (without it they are the answer)",
    ),
    (re.compile(r"in_proj_(weight|bias)|q_proj_weight|k_proj_weight|v_proj_weight"), "attention"),
    (re.compile(r"learnable_skip"), "the mLSTM of xLSTM, whose memory is a matrix"),
    (re.compile(r"_packed_params|_all_weight_values|scale|zero_point"), "quantization by torch, or a scaler outside of a module"),
)

#: Tensors of the losses of ``torch.nn``, and how modules are called that hold one.
_LOSS = re.compile(r"(?i)(.*\.)?(criterion|loss|loss_?(fn|func|function)|\w+_(criterion|loss))\.(weight|pos_weight)")

_BY_DIMENSIONS = {5: "a convolution in three dimensions"}

#: What a weight, with or without a bias, is by its dimensions.
_WEIGHTED = {1: "layernorm", 2: "linear", 3: "conv1d"}


def kind_of(module: str, tensors: Mapping[str, Named]) -> str:
    """One of ``"lstm"``, ``"gru"``, ``"rnn"``, ``"linear"``, ``"conv1d"``, ``"layernorm"``, ``"batchnorm"`` and ``"normalizer"``.

    A linear may be an Embedding, if it has no bias; a layernorm without bias may be another norm.

    Raises
    ------
    UnsupportedModelError
        Naming the tensor that no layer of edgelstm has, and the feature that it belongs to.
    ShapeError
        If a recurrent weight has the rows of no recurrent layer.
    """
    matches = {name: RECURRENT.fullmatch(name) for name in tensors}
    if any(matches.values()):
        if other := next((name for name, match in matches.items() if match is None), None):
            tensor = f"{module}.{other}".removeprefix(".")
            raise refusal(tensor, "a recurrent layer of another kind (layer normalization, peepholes or an own variable)")
        return _recurrent_kind(module, tensors)
    if set(tensors) in ({"mean", "scale"}, {"mean", "std"}):
        return "normalizer"
    if set(tensors) >= _BATCH_NORM and set(tensors) <= _BATCH_NORM | {"weight", "bias", "num_batches_tracked"}:
        return "batchnorm"
    dimensions = len(tensors["weight"].shape) if "weight" in tensors else 0
    if set(tensors) <= {"weight", "bias"} and dimensions in _WEIGHTED:
        return _WEIGHTED[dimensions]
    name = next((n for n in tensors if n not in ("weight", "bias")), next(iter(tensors)))
    feature = next((feature for pattern, feature in _FEATURES if pattern.fullmatch(name)), None)
    if feature is None and name in ("weight", "bias"):
        if dimensions == 4:
            raise _of_maps(f"{module}.{name}".removeprefix("."))
        feature = _BY_DIMENSIONS.get(dimensions)
    raise refusal(f"{module}.{name}".removeprefix("."), feature or "a layer or variable that edgelstm does not know")


def is_of_loss(name: str, tensor: Named) -> bool:
    """Whether a tensor holds a factor for each class, by which a loss weighs them: no part of the network."""
    return len(tensor.shape) == 1 and _LOSS.fullmatch(name) is not None


def refusal(tensor: str, feature: str) -> UnsupportedModelError:
    """Why `tensor`, by its full name, is not taken, and how it may be left out."""
    part = tensor.rpartition(".")[0] or tensor
    return UnsupportedModelError(
        f"tensor {tensor!r} belongs to {feature}, which this version of edgelstm does not import. "
        f'If it is no part of the network to be stepped, leave it out by without="{quoted(part)}", or choose a part by prefix="NAME"; '
        'what tensors of other names are, recipe="R.toml" says, of which convert --draft-recipe prints a beginning.'
    )


def _of_maps(tensor: str) -> UnsupportedModelError:
    """Why a tensor of a convolution over maps is not taken: `layers` has no words for its strides."""
    return UnsupportedModelError(
        f"tensor {tensor!r} belongs to a convolution in two dimensions, whose map, strides and padding stand neither here nor in layers. "
        'Say them by recipe="R.toml" (kind "map_conv"), of which convert --draft-recipe prints a beginning, or write the model as .pt2 or '
        f'ONNX, which say them. If it is no part of what is stepped, leave it out by without="{quoted(tensor.rpartition(".")[0])}".'
    )


def hidden_size(tensors: Mapping[str, Named], suffix: str) -> int:
    """Width of the cell of one layer and direction: columns of its projection or, without one, of weight_hh."""
    tensor = tensors.get(f"weight_hr{suffix}", tensors.get(f"weight_hh{suffix}"))
    return int(tensor.shape[1]) if tensor is not None and len(tensor.shape) == 2 else 0


def _recurrent_kind(module: str, tensors: Mapping[str, Named]) -> str:
    kinds = {}
    for name, tensor in tensors.items():
        if not name.startswith("weight_hh"):
            continue
        full = f"{module}.{name}".removeprefix(".")
        hidden = hidden_size(tensors, name.removeprefix("weight_hh"))
        kind = GATES.get(tensor.shape[0] // hidden) if hidden and tensor.shape[0] % hidden == 0 and len(tensor.shape) == 2 else None
        if kind is None:
            raise ShapeError(
                f"tensor {full!r} must have 4*hidden_size rows (LSTM), 3*hidden_size (GRU) or hidden_size (RNN) for hidden_size columns; "
                f"got shape {tuple(tensor.shape)}."
            )
        kinds[full] = kind
    if len(set(kinds.values())) > 1:
        raise ShapeError(f"the layers of module {module!r} are of several kinds: {', '.join(f'{n} of {k}' for n, k in kinds.items())}.")
    kind = next(iter(kinds.values()), "lstm")
    if kind != "lstm" and (projection := next((name for name in tensors if name.startswith("weight_hr")), None)):
        raise refusal(f"{module}.{projection}".removeprefix("."), f"a projection of a {kind.upper()}")
    return kind
