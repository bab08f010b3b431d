"""Whole modules of PyTorch in a pickle, objects whose code is never run: a state_dict, and settings that no tensor tells.

What a module does with its parts stands in code that no pickle holds. Where a part without tensors stands, a Sequential alone tells.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

from ...errors import ModelFileError, UnsupportedModelError
from ...layers.activations import spelled
from ..chain import listed
from ..pickles.names import refusal
from ..pickles.reader import Made

#: Most modules of a file with their tensors and attributes, how deep they lie in one another, and the longest path that leads to one.
_MOST, _DEEPEST, _LONGEST = 1 << 20, 50, 1000

#: What tensors under the names of a class of ``torch.nn`` are, as `kinds.kind_of` calls it.
_KINDS = {
    "LSTM": "lstm", "LSTMCell": "lstm", "GRU": "gru", "GRUCell": "gru", "RNN": "rnn", "RNNCell": "rnn", "Linear": "linear",
    "NonDynamicallyQuantizableLinear": "linear", "Embedding": "linear", "Conv1d": "conv1d", "LayerNorm": "layernorm",
    "RMSNorm": "layernorm", "BatchNorm1d": "batchnorm", "BatchNorm2d": "batchnorm", "BatchNorm3d": "batchnorm",
    "SyncBatchNorm": "batchnorm",
}  # fmt: skip

#: The words of `chain.ROLES` that a class stands for.
_ROLES = {"Embedding": "embedding", "Linear": "linear", "LayerNorm": "layernorm", "RMSNorm": "rmsnorm"}

#: Classes of ``torch.nn`` without tensors that compute one function, as `chain` calls it, and the settings that are its numbers.
_FUNCTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ReLU": ("relu", ()), "Tanh": ("tanh", ()), "Sigmoid": ("sigmoid", ()), "ReLU6": ("relu6", ()), "Softsign": ("softsign", ()),
    "Hardsigmoid": ("hard_sigmoid", ()), "Hardswish": ("hard_silu", ()), "SELU": ("selu", ()), "SiLU": ("silu", ()), "Mish": ("mish", ()),
    "Tanhshrink": ("tanh_shrink", ()), "LogSigmoid": ("log_sigmoid", ()), "ELU": ("elu", ("alpha",)), "CELU": ("celu", ("alpha",)),
    "LeakyReLU": ("leaky_relu", ("negative_slope",)), "Hardshrink": ("hard_shrink", ("lambd",)), "Softshrink": ("soft_shrink", ("lambd",)),
}  # fmt: skip

#: Those of all values of a vector. Along axis 1 of three it would be along time, so that this axis alone does not tell.
_VECTOR_FUNCTIONS = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}


class Settings(NamedTuple):
    """What a pickle tells of a module: its class, those of its attributes that are numbers or text, and the names of modules in it."""

    kind: str
    values: Mapping[str, Any]
    parts: tuple[str, ...] = ()
    has_tensors: bool = False

    @property
    def own(self) -> str:
        """The class within ``torch.nn``, empty for all others."""
        return self.kind.rpartition(".")[2] if self.kind.startswith("torch.nn.") else ""

    @property
    def is_silent(self) -> bool:
        """Whether it does nothing after training, or is no part of the network."""
        return self.own == "Identity" or "Dropout" in self.kind or self.own.endswith("Loss") or self.kind.startswith("torchmetrics.")

    @property
    def word(self) -> str:
        """The function that it is, in the words of `chain`; empty where that is not known."""
        if self.own == "GELU":
            return {"none": "gelu", "tanh": "gelu_tanh"}.get(str(self.values.get("approximate", "none")), "")
        if self.own in _VECTOR_FUNCTIONS:
            return _VECTOR_FUNCTIONS[self.own] if self.values.get("dim") in (-1, 2) else ""
        name, numbers = _FUNCTIONS.get(self.own, ("", ()))
        given = [self.values.get(number) for number in numbers]
        return spelled(name, *map(float, given)) if all(isinstance(n, int | float) for n in given) else ""  # type: ignore[arg-type]

    @property
    def role(self) -> str:
        """What a table, a norm or a simple recurrent layer is, in the words of `chain`; empty where the class does not tell."""
        if self.values.get("mode") == "RNN_RELU" or (self.own == "RNNCell" and self.values.get("nonlinearity") == "relu"):
            return "rnn_relu"
        return _ROLES.get(self.own, "")

    @property
    def eps(self) -> float | None:
        """What a norm adds to the variance; None where the file does not tell."""
        found = self.values.get("eps")
        return float(found) if isinstance(found, int | float) else None

    @property
    def sliding(self) -> dict[str, Any]:
        """Stride, dilation and padding of a convolution along time, as `layers.convolution.Conv1D` has them."""
        found = {name: self.values[name] for name in ("stride", "dilation", "padding") if name in self.values}
        ones = {name: value[0] for name, value in found.items() if isinstance(value, tuple) and len(value) == 1}
        if padding := ones.pop("padding", 0):
            ones["padding"] = (padding, padding)
        return ones | ({"padding": found["padding"]} if found.get("padding") in ("same", "valid") else {})


def is_module(value: object) -> TypeGuard[Made]:
    """Whether an object of a pickle is a module of PyTorch."""
    return isinstance(value, Made) and all(isinstance(value.state.get(part), dict) for part in ("_parameters", "_modules"))


def opened(module: Made) -> tuple[dict[object, Any], dict[str, Settings]]:
    """What ``state_dict()`` of a module would give, and the settings of every module in it, by the paths that lead to them.

    Raises
    ------
    ModelFileError
        If they are too many, or lie too deep.
    """
    tensors: dict[object, Any] = {}
    settings: dict[str, Settings] = {}
    waiting: list[tuple[str, Any, int]] = [("", module, 0)]
    count = 0
    while waiting:
        path, one, depth = waiting.pop()
        own = dict(_own(one.state))
        count += 1 + len(one.state) + len(own) + len(one.state["_modules"])
        if count > _MOST or depth > _DEEPEST or len(path) > _LONGEST:
            raise ModelFileError(f"holds modules of more than {_MOST} parts, or deeper than {_DEEPEST}; save only the model's state_dict.")
        tensors |= {f"{path}.{name}".removeprefix("."): tensor for name, tensor in own.items()}
        inner = {str(name): part for name, part in one.state["_modules"].items() if part is not None}
        if other := next((part for part in inner.values() if not is_module(part)), None):
            raise ModelFileError(refusal(getattr(other, "name", type(other).__name__)))
        values = {str(name): value for name, value in one.state.items() if _is_plain(value)}
        settings[path] = Settings(one.name, values, tuple(inner), bool(own))
        waiting += [(f"{path}.{name}".removeprefix("."), part, depth + 1) for name, part in reversed(inner.items())]
    return tensors, settings


def _is_plain(value: object) -> bool:
    """Whether it is a number or text, or some whole numbers."""
    return value is None or isinstance(value, int | float | str) or (isinstance(value, tuple) and all(isinstance(n, int) for n in value))


def _own(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Parameters, and those buffers that a state_dict holds."""
    passing = state.get("_non_persistent_buffers_set")
    for part in ("_parameters", "_buffers"):
        found = state.get(part)
        for name, value in found.items() if isinstance(found, dict) else ():
            if value is not None and not (part == "_buffers" and isinstance(passing, list) and name in passing):
                yield str(name), value


def check(path: str, kind: str, settings: Settings) -> None:
    """Refuse a module whose class is another layer than its tensors look like, or that does more than the layer.

    Raises
    ------
    UnsupportedModelError
    """
    if settings.kind.startswith("torch.") and _KINDS.get(settings.own) != kind:
        raise UnsupportedModelError(
            f"module {path!r} is a {settings.kind}, which this version of edgelstm does not import. If it is no part of the network to be "
            f'stepped, leave it out by without="{path}".'
        )
    for name, plain in (("max_norm", None), ("padding_mode", "zeros")):
        if settings.own and (value := settings.values.get(name, plain)) != plain:
            raise UnsupportedModelError(f"module {path!r} has {name}={value!r}, which is not imported; export the model as ONNX or .pt2.")


def following(path: str, settings: Mapping[str, Settings]) -> tuple[str, ...]:
    """The functions that stand behind a module in its Sequential, up to one with tensors or its end.

    Of one that is no function and does something, nothing is known: it is left to `unplaced`.
    """
    parent, _, number = path.rpartition(".")
    if not path or parent not in settings or settings[parent].own != "Sequential" or settings[path].parts:
        return ()
    names = settings[parent].parts
    words: list[str] = []
    for name in names[names.index(number) + 1 :] if number in names else ():
        one = settings[f"{parent}.{name}".removeprefix(".")]
        if one.has_tensors or one.parts or not (one.word or one.is_silent):
            break
        words += [one.word] if one.word else []
    return tuple(words)


def behind(path: str, settings: Mapping[str, Settings]) -> str:
    """The module with tensors that stands before one in their Sequential, if all between them is known; empty otherwise."""
    parent, _, number = path.rpartition(".")
    names = settings[parent].parts if parent in settings and settings[parent].own == "Sequential" else ()
    for name in reversed(names[: names.index(number)] if number in names else ()):
        one = settings[f"{parent}.{name}".removeprefix(".")]
        if one.has_tensors and not one.parts:
            return f"{parent}.{name}".removeprefix(".")
        if one.has_tensors or one.parts or not (one.word or one.is_silent):
            return ""
    return ""


def unplaced(settings: Mapping[str, Settings]) -> list[str]:
    """Modules that do something and hold no tensors, and whose place no Sequential tells."""
    placed: set[str] = set()
    for path, one in settings.items():
        if one.own != "Sequential":
            continue
        inner = [f"{path}.{name}".removeprefix(".") for name in one.parts]
        known = False
        for name in inner:
            leaf = settings[name]
            known = not leaf.parts and (leaf.has_tensors or (known and bool(leaf.word or leaf.is_silent)))
            placed |= {name} if known else set()
    leaves = ((path, one) for path, one in settings.items() if path and not (one.has_tensors or one.parts or one.is_silent))
    return [path for path, _ in leaves if path not in placed]


def refuse_unplaced(settings: Mapping[str, Settings], chain: str) -> None:
    """Raise UnsupportedModelError if there are such modules, and nobody said where they stand."""
    found = unplaced(settings)
    if found:
        words = [settings[path].word for path in found]
        ways = f'layers="{chain}" where none of these is used'
        ways += f', layers="{chain}, {words[0]}" where it is the last' if len(words) == 1 and words[0] else ""
        named = listed([f"{path} ({settings[path].own or settings[path].kind})" for path in found])
        raise UnsupportedModelError(
            f"holds modules whose place its code alone tells, which is not in the file: {named}. Say the layers in the order of forward(), "
            f"with the functions behind them: {ways}."
        )


def notes(found: Iterable[str], settings: Mapping[str, Settings]) -> Iterator[str]:
    """Notes on what the file does not hold: the code of its modules, of which `found` are those with tensors that are used."""
    if settings:
        yield "Modules lie whole in the file, without the code that says how they follow each other and what else is computed."
    if own := [f"{path} ({settings[path].kind})" for path in found if path in settings and not settings[path].kind.startswith("torch.")]:
        yield f"{listed(own)}: taken for what the names of the tensors say; what the class computes is not in the file."
