"""The layer TCN of the package keras-tcn: residual blocks of dilated convolutions (Bai, Kolter and Koltun 2018).

Source: https://github.com/philipperemy/keras-tcn, ``tcn/tcn.py`` of 3.1 to 3.5. From 3.2 on, whose files say `use_weight_norm` or
`go_backwards`, all of a block's functions are its `activation`, which stands twice behind the second convolution; before, those behind
convolutions are relu.
"""

from collections.abc import Sequence
from typing import Any

from ...layers.recording import Reverse
from .build import Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Arrays, Slot

#: Settings that versions since 3.2 write.
_NEWER = ("use_weight_norm", "go_backwards")

#: Names of the arrays of a normalisation, and whether training changes them.
_NORMS = {"BatchNormalization": {"gamma": True, "beta": True, "moving_mean": False, "moving_variance": False}}
_NORMS["LayerNormalization"] = {"gamma": True, "beta": True}

#: Most blocks.
_MOST_BLOCKS = 256


def _filters(spec: Spec) -> list[Any]:
    """The filters of each block."""
    each, dilations, stacks = (spec.config.get(name) for name in ("nb_filters", "dilations", "nb_stacks"))
    if not isinstance(dilations, list) or type(stacks) is not int or not 0 < stacks * len(dilations) <= _MOST_BLOCKS:
        return []
    return (each if isinstance(each, list) else [each] * len(dilations)) * stacks


def _norm(spec: Spec) -> str:
    names = {"use_batch_norm": "BatchNormalization", "use_layer_norm": "LayerNormalization"}
    return next((kind for name, kind in names.items() if spec.flag(name, False)), "")


def _slots(spec: Spec) -> list[Slot]:
    """Two convolutions a block, and one that matches channels where their number changes: in the first, where it is not the input's.

    Since 3.5 normalisations stand before the convolutions.
    """
    found, before = list[Slot](), None
    for block, filters in enumerate(_filters(spec)):
        convs, norms = [], []
        for half in (0, 1):
            convs.append([Slot((f"{block}", f"conv1D_{half}"), name) for name in ("kernel", "bias")])
            norms.append([Slot((f"{block}", f"norm_{half}"), name, trained) for name, trained in _NORMS.get(_norm(spec), {}).items()])
        newest = "go_backwards" in spec.config
        order = [*norms, *convs] if newest else [convs[0], norms[0], convs[1], norms[1]]
        found += [slot for part in order for slot in part]
        if filters != before:
            found += [Slot(("matching",), name, optional=not block).below(f"{block}") for name in ("kernel", "bias")]
        before = filters
    return found


def _make(call: Call) -> Value:
    options, spec, x = call.options, call.spec, call.sequence
    filters = _filters(spec)
    dilations, size, padding = options.counts("dilations"), options.count("kernel_size"), options.take("padding", str, "causal")
    skips, sequences = options.take("use_skip_connections", bool, True), options.take("return_sequences", bool, False)
    for name in ("use_weight_norm", "return_state"):
        options.must_be(name, False)
    options.drop("nb_filters", "nb_stacks", "dropout_rate", "use_batch_norm", "use_layer_norm")
    if not filters or len(filters) % len(dilations) or padding not in ("causal", "same") or (padding == "same" and not sequences):
        raise call.refused(f"its {len(filters)} blocks have padding {padding!r}, and it gives sequences: {sequences}")
    word, newer = options.take("activation", str, "relu"), any(name in spec.config for name in _NEWER)
    if options.take("go_backwards", bool, False):
        x = Value(call.build.add(Reverse(**call.at(x, name=f"{call.name}.backwards"))), x.shape, True)
    x = Value(x.name, x.shape, True)
    sums = []
    for block, count in enumerate(filters):
        how = {"filters": count, "kernel_size": size, "dilation_rate": dilations[block % len(dilations)], "padding": padding}
        words = [word, word, word] if newer else ["relu", "relu"]
        inner = _branch(call, call.arrays.below(f"{block}"), how, words, x)
        sums.append(inner)
        total = _run(call, "Add", {}, call.arrays, [_matched(call, block, count, x), inner])
        x = _run(call, "Activation", {"activation": word}, call.arrays, [total])
    if skips:
        x = _run(call, "Add", {}, call.arrays, sums) if len(sums) > 1 else sums[0]
    return x if sequences else call.build.ended(call.name, x)


def _branch(call: Call, arrays: Arrays, how: dict[str, Any], words: Sequence[str], x: Value) -> Value:
    """The two convolutions of a block, with what follows each."""
    norm = _norm(call.spec)
    for half in (0, 1):
        x = _run(call, "Conv1D", how, arrays.below(f"conv1D_{half}"), [x])
        x = _run(call, norm, {}, arrays.below(f"norm_{half}"), [x]) if norm else x
        for word in words[half : half + 1] if half == 0 else words[1:]:
            x = _run(call, "Activation", {"activation": word}, arrays, [x])
    return x


def _matched(call: Call, block: int, filters: int, x: Value) -> Value:
    """A block's input with as many channels as its filters."""
    arrays = call.arrays.below(f"{block}", "matching")
    if ("kernel" in arrays) != (filters != x.width):
        raise call.refused(f"its block {block} of {filters} filters reads {x.width} channels, which its arrays do not fit")
    return _run(call, "Conv1D", {"filters": filters, "kernel_size": 1}, arrays, [x]) if filters != x.width else x


def _run(call: Call, kind: str, config: dict[str, Any], arrays: Arrays, inputs: list[Value]) -> Value:
    """What one of Keras' layers gives inside of this one."""
    document = {"class_name": kind, "config": {"name": f"{call.name}.{kind.lower()}", **config}}
    return call.run(Spec(document, call.spec.version, call.spec.label), arrays, inputs)[0]


KINDS = {"TCN": Kind(_make, _slots)}
