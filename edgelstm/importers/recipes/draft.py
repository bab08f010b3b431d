"""A recipe to begin from: the tensors of a file in groups, each as the layer that it may be."""

import json
import re
from collections.abc import Mapping

from ...errors import EdgeLSTMError, printable
from ..from_torch import order
from ..from_torch.kinds import RECURRENT, kind_of
from ..from_torch.modules import Module, modules
from ..from_torch.tensors import Named

_HEAD = """\
# A recipe for {name}: what its tensors are, one [[layers]] after the other, in the order in which data passes them.
# Tensors: {count}. Read it against forward(); what is behind a # is a choice. Then:
#     edgelstm convert {name} --recipe THIS.toml -o model.elstm
# Every layer may have: name, inputs = ["NAME", …] (default: the layer before), activation = "relu".

layout = "{layout}"  # whose names and layouts the tensors have: torch, keras, tf1
without = [{without}]{blank}# names of tensors, or beginnings of names, that are left out
"""

#: What stands before the layers of a decoder that has tables of its own.
_DECODER = """

# A decoder is a model of its own, which decoder.start_from(encoder) hands the state over to: a second recipe, of the layers below without
# their first #, with this line at the top.
#without = [{without}]
"""

#: One of several indices of a sample. What reads several tables names them: inputs.
_INDEX = """
# Index {place} of a sample. What reads several tables names them, inputs = ["NAME", "NAME"]. Leave out the other network of an encoder
# and a decoder; each is a model of its own.
[[layers]]
kind = "slice"
name = "index{place}"
inputs = ["input"]
start = {place}
stop = {end}
"""

#: What only the user knows of a kind.
_CHOICES = {
    "rnn": ('# nonlinearity = "relu"  # tanh by default',),
    "conv1d": (
        "# stride = 1",
        "# dilation = 1",
        "# groups = 1",
        'padding = "valid"  # or [1, 1] for padding=1, or "causal"',
        '# activation = "relu"',
    ),
    "map_conv": (
        "shape = [0, 0, {channels}]  # rows, columns and channels of a timestep's map (channels times the groups)",
        "# strides = [1, 1]",
        "# padding = [[0, 0], [0, 0]]",
    ),
    "linear": ('# activation = "relu"',),
    "layernorm": ("# epsilon = 1e-5",),
    "batchnorm": ("# epsilon = 1e-5",),
}

_RECIPE_KINDS = {"linear": "dense", "layernorm": "layer_norm", "batchnorm": "batch_norm", "normalizer": "normalizer"}

_KERAS = {"recurrent_kernel", "kernel", "embeddings", "gamma", "moving_mean"}

#: The names of what a group of Keras 3 holds, by the dimensions of its arrays, which have numbers there.
_NUMBERED = {
    (2, 2): ("kernel", "recurrent_kernel"),
    (2, 2, 1): ("kernel", "recurrent_kernel", "bias"),
    (2, 2, 2): ("kernel", "recurrent_kernel", "bias"),
    (1, 1, 1, 1): ("gamma", "beta", "moving_mean", "moving_variance"),
    (1, 1): ("gamma", "beta"),
    (2, 1): ("kernel", "bias"),
    (3, 1): ("kernel", "bias"),
}


def draft(tensors: Mapping[str, Named], name: str) -> str:
    """The text of a recipe that takes all of `tensors`, in the order of the file or, where it can be told, of the network.

    Of an encoder and a decoder that each look indices up it takes the encoder, and holds the decoder's layers as comments.
    """
    layout = "keras" if any(_last(full) in _KERAS or "/vars/" in full for full in tensors) else "torch"
    write = _torch if layout == "torch" else _keras
    encoder = {full: tensor for full, tensor in tensors.items() if _network_of(full) == "encoder"}
    decoder = {full: tensor for full, tensor in tensors.items() if full not in encoder}
    parts = [_each_its_index(write(part)) for part in (encoder, decoder)]
    split = any(_network_of(full) == "decoder" for full in decoder) and all(_tables(part) for part in parts)
    left_out = _beginnings(decoder) if split else ""
    text = [_HEAD.format(name=printable(name, 200), count=len(tensors), layout=layout, without=left_out, blank=" " * (2 if split else 9))]
    text += parts[0] if split else _each_its_index(write(tensors))
    if split:
        commented = "\n".join(parts[1]).replace("\n", "\n#")
        text.append(f"{_DECODER.format(without=_beginnings(encoder))}#{commented}".replace("\n#\n", "\n\n"))
    return "\n".join(text) + "\n"


def _network_of(full: str) -> str:
    """Which of the words encoder and decoder stands first among the parts of a tensor's name; empty where none does."""
    found = re.search(r"(?:^|[./])(encoder|decoder)[./]", full)
    return found[1] if found else ""


def _beginnings(tensors: Mapping[str, Named]) -> str:
    """The first parts of names, as a recipe lists them."""
    return ", ".join(dict.fromkeys(_quoted(re.split(r"[./](?!.*(?:encoder|decoder)[./])", full, maxsplit=1)[0]) for full in tensors))


def _tables(text: list[str]) -> list[int]:
    """Which layers look indices up."""
    return [at for at, layer in enumerate(text) if '\nkind = "embedding"' in layer]


def _each_its_index(text: list[str]) -> list[str]:
    """Of several tables each reads an index of its own, which a slice takes out of the sample."""
    tables = _tables(text)
    if len(tables) < 2:
        return text
    for place, at in enumerate(tables):
        text[at] = f"{_INDEX.format(place=place, end=place + 1)}{text[at]}"
    return text


def _last(full: str) -> str:
    return full.replace("/", ".").rpartition(".")[2].removesuffix(":0")


def _group(full: str) -> str:
    return full.removesuffix(":0")[: -len(_last(full)) - 1] if len(full.removesuffix(":0")) > len(_last(full)) else ""


def _torch(tensors: Mapping[str, Named]) -> list[str]:
    groups: dict[str, dict[str, Named]] = {}
    for full, tensor in tensors.items():
        groups.setdefault(_group(full), {})[_last(full)] = tensor
    text = []
    for path in _ordered(tensors, list(groups)):
        part = groups[path]
        try:
            kind = kind_of(path, part)
        except EdgeLSTMError:
            is_map = set(part) <= {"weight", "bias"} and len(part["weight"].shape if "weight" in part else ()) == 4
            text.append(_layer(path, "map_conv", part, _of_map(part["weight"].shape[1])) if is_map else _unknown(path, part))
            continue
        is_table = kind == "linear" and "bias" not in part
        first = "embedding" if is_table and "emb" in path.lower() else kind
        choices = list(_CHOICES.get(first, ()))
        choices += ['# kind = "embedding"  # or "dense"'] if is_table else []
        text.append(_layer(path, _RECIPE_KINDS.get(first, first), part, choices))
    return text


def _of_map(channels: int) -> list[str]:
    """What only the user knows of a Conv2d, whose weight says how many channels it reads, or each of its groups."""
    return [line.replace("{channels}", str(channels)) for line in _CHOICES["map_conv"]]


def _ordered(tensors: Mapping[str, Named], paths: list[str]) -> list[str]:
    """`paths` in the order that sizes allow, if that of all modules is found."""
    try:
        found = modules(tensors)
        chain = next((one for one in order.chains(found) if not order.turned(one, found)), None)
    except EdgeLSTMError:
        return paths
    placed: list[Module] = [found[item.module] for item in chain] if chain else []
    return [module.path for module in placed] if {module.path for module in placed} == set(paths) else paths


def _keras(tensors: Mapping[str, Named]) -> list[str]:
    groups: dict[str, dict[str, Named]] = {}
    for full, tensor in tensors.items():
        groups.setdefault(_group(full).removesuffix("/vars"), {})[_last(full)] = tensor
    text, done = [], set()
    for path, part in groups.items():
        kind, choices = _of_keras(_numbered(path, part))
        other = next((found for found in groups if found != path and _side(found) == _side(path)), None) if _side(path) else None
        if path in done:
            continue
        if kind and other:
            done.add(other)
            forward, backward = sorted((path, other), key=lambda name: "forward" not in name)
            choices = [f"backward = {{ prefix = {_quoted(backward)} }}", "# final = true  # with return_sequences=False", *choices]
            text += ["", *_shapes(backward, groups[backward])]
            text.append(_layer(forward, kind, groups[forward], choices).removeprefix("\n"))
            continue
        text.append(_layer(path, kind, part, choices) if kind else _unknown(path, part))
    return text


def _numbered(path: str, part: dict[str, Named]) -> dict[str, Named]:
    """Arrays that Keras 3 numbers, by the names that they have in Keras."""
    if not all(name.isdecimal() for name in part):
        return part
    rows = [part[name] for name in sorted(part)]
    table = len(rows) == 1 and "embedding" in path.rpartition("/")[2]
    names = ("embeddings",) if table else _NUMBERED.get(tuple(len(row.shape) for row in rows), ("kernel",))
    return dict(zip(names, rows, strict=False))


def _side(path: str) -> str:
    """What the groups of both directions of a bidirectional layer have in common, up to the direction; empty for other layers."""
    found = re.match(r"(.*?)(?:^|/)(?:forward|backward)_", path)
    return f"{found[1]}/" if found else ""


def _of_keras(part: Mapping[str, Named]) -> tuple[str, list[str]]:
    """The kind of a layer of Keras, and what only its user knows."""
    shapes = {name: tuple(tensor.shape) for name, tensor in part.items()}
    if "recurrent_kernel" in shapes and len(shapes["recurrent_kernel"]) == 2:
        rows, columns = shapes["recurrent_kernel"]
        kind = {4: "lstm", 3: "gru", 1: "rnn"}.get(columns // max(1, rows), "")
        gates = '# gate_activation = "hard_sigmoid"  # files of Keras before 2.3'
        return kind, [gates] if kind != "rnn" else []
    if "kernel" in shapes:
        kind = {2: "dense", 3: "conv1d", 4: "map_conv"}.get(len(shapes["kernel"]), "")
        choices = list(_CHOICES[kind if kind in _CHOICES else "linear"])
        return kind, _of_map(shapes["kernel"][2]) if kind == "map_conv" else choices
    if "embeddings" in shapes:
        return "embedding", []
    if "moving_mean" in shapes:
        return "batch_norm", ["# epsilon = 1e-3"]
    return ("layer_norm", ["epsilon = 1e-3"]) if "gamma" in shapes else ("", [])


def _layer(path: str, kind: str, part: Mapping[str, Named], choices: list[str]) -> str:
    lines = ["", *_shapes(path, part), "[[layers]]", f'kind = "{kind}"', f"prefix = {_quoted(path)}", *choices]
    return "\n".join(lines)


def _unknown(path: str, part: Mapping[str, Named]) -> str:
    names = ", ".join(_quoted(f"{path}.{name}".removeprefix(".")) for name in part)
    lines = ["", *_shapes(path, part), "# Not recognised: name each tensor in a layer, or leave it out by", f"#     without = [{names}]"]
    if any(RECURRENT.search(name) or "w_" in name or "kernel" in name for name in part):
        lines += ["# A recurrent layer of other names:", "#     [[layers]]", '#     kind = "gru"  # or "lstm", "rnn"']
        lines += [f'#     {field} = "NAME"' for field in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return "\n".join(lines)


def _shapes(path: str, part: Mapping[str, Named]) -> list[str]:
    return [f"# {printable(f'{path}.{name}'.removeprefix('.'), 200)} {tuple(tensor.shape)}" for name, tensor in part.items()]


def _quoted(text: str) -> str:
    return json.dumps(text)
