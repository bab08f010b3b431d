"""A layer as Keras describes it: its class, its name, and its settings, each of which is taken or known to change no answer."""

import copy
import re
from typing import Any

from ...errors import ModelFileError, UnsupportedModelError, printable
from ..json_parts import Part

#: Settings that change no answer: how training began and went on, and what Keras computes by.
_SILENT = re.compile(
    r".*(_initializer|_regularizer|_constraint|_init)|name|trainable|dtype|seed|dropout|recurrent_dropout|dropout_[WU]|implementation|"
    r"unroll|build_config|batch_(input_)?shape|input_(dim|length|shape|dtype)|sparse|ragged|optional|unit_forget_bias|stateful|time_major|"
    r"consume_less|[WUb]_regularizer|[WUb]_constraint|activity_regularizer|supports_masking|return_state|autocast|"
    r"momentum|renorm(_momentum)?|virtual_batch_size|fused|synchronized|lora_alpha|noise_shape"
)

#: Settings that change answers unless they are absent.
_MUST_BE_ABSENT = ("lora_rank", "quantization_config", "renorm_clipping", "adjustment", "bias_regularizers")

#: Where Keras' own classes live, as files name the module.
_OWN_MODULES = ("keras", "tf_keras", "tensorflow")

#: Classes of published packages, by name, that are imported too, and their modules.
_PUBLISHED = {
    "TCN": "tcn",
    "CRF": "keras_contrib",
    "AttentionWeightedAverage": "textgenrnn",
    "SeqWeightedAttention": "keras_self_attention",
    "SqueezeLayer": "crema",
}

#: Keras 1's names of settings, and today's.
_OLD = {
    "output_dim": "units",
    "inner_activation": "recurrent_activation",
    "nb_filter": "filters",
    "bias": "use_bias",
    "nb_words": "input_dim",
}


class Spec:
    """A layer's description.

    Parameters
    ----------
    document : dict
        With ``class_name`` and ``config``, as Keras writes it.
    version : int
        Of Keras, its first number.
    """

    def __init__(self, document: Any, version: int, place: str) -> None:
        part = Part(document, place)
        kind: str = part.take("class_name", str)
        self.kind = plain if (plain := kind.removeprefix("Custom>")) in _PUBLISHED else kind
        self.version = version
        config = part.take("config", object)
        self.layers = config if isinstance(config, list) else None  # Keras 1 and early 2: a Sequential is its layers
        self.config: dict[str, Any] = {} if self.layers is not None else dict(Part(config, f"{place} config").entries())
        name = self.config.get("name", part.take("name", str, ""))
        self.name: str = name if isinstance(name, str) else ""
        self.nodes: Any = part.take("inbound_nodes", object, [])
        module, registered = part.take("module", str, None), part.take("registered_name", str, None)
        #: Whether it is an operator, not a layer.
        self.operator = ".ops." in (module or "") or self.kind in ("TFOpLambda", "SlicingOpLambda")
        foreign = module is not None and module.partition(".")[0] not in (*_OWN_MODULES, _PUBLISHED.get(self.kind))
        if foreign or ((registered or "").startswith("Custom>") and self.kind not in _PUBLISHED):
            raise UnsupportedModelError(
                f"{self.label} is a class of its own, {printable(registered or module, 100)}: its code is not in the file and would not be "
                "run. Build the model of Keras' own layers."
            )

    @property
    def label(self) -> str:
        """How errors call it."""
        return f"layer {printable(self.name, 60)!r} ({printable(self.kind, 60)})"

    @property
    def trainable(self) -> bool:
        return self.config.get("trainable") is not False

    def flag(self, name: str, default: bool) -> bool:
        """A setting that is true or false, looked at and left."""
        value = self.config.get(_old_name(self.config, name), default)
        return default if value is None else bool(value)

    def inner(self, name: str) -> "Spec":
        """A layer that this one holds."""
        return Spec(self.config.get(name), self.version, f"{self.label} {name}")

    def with_settings(self, **more: Any) -> "Spec":
        """The same layer with more settings."""
        changed = copy.copy(self)
        changed.config = {**self.config, **more}
        return changed

    def options(self) -> "Options":
        return Options(self.config, self.label, self.version)


def _old_name(config: dict[str, Any], name: str) -> str:
    return next((old for old, new in _OLD.items() if new == name and name not in config and old in config), name)


class Options(Part):
    """A layer's settings, to be taken one by one."""

    def __init__(self, config: dict[str, Any], place: str, version: int) -> None:
        renamed = {_OLD.get(name, name) if version == 1 else name: value for name, value in config.items()}
        super().__init__(renamed, place)
        self.version = version
        for name in _MUST_BE_ABSENT:
            if renamed.get(name):
                raise UnsupportedModelError(f"{place} has {name} = {printable(repr(renamed[name]), 60)}; save the plain float model.")
        self.drop(*_MUST_BE_ABSENT, *(name for name in renamed if _SILENT.fullmatch(name)))

    def counts(self, name: str, default: Any = ...) -> tuple[int, ...]:
        """A whole number, or a list of them, as a tuple."""
        value = self.take(name, object, default)
        numbers = value if isinstance(value, list | tuple) else [value]
        if not all(type(n) is int and 0 <= n < 1 << 16 for n in numbers):
            raise ModelFileError(f"{self.at(name)} must be whole numbers below 65536; it is {printable(repr(value), 60)}.")
        return tuple(numbers)

    def count(self, name: str, default: Any = ...) -> int:
        """A whole number, alone or in a list of one."""
        numbers = self.counts(name, default)
        if len(numbers) != 1:
            raise ModelFileError(f"{self.at(name)} must be one number; it is {printable(numbers, 60)}.")
        return numbers[0]

    def must_be(self, name: str, *values: Any) -> None:
        """Refuse a setting that is there and is none of `values`."""
        value = self.take(name, object, values[0])
        if value not in values:
            said = " or ".join(map(repr, values))
            raise UnsupportedModelError(f"{self.at(name)} is {printable(repr(value), 60)}; edgelstm imports it as {said}.")
