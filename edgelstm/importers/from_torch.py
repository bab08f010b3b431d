"""PyTorch's named tensors (state_dict, safetensors) as a `Model`: in the order that the user gives, or the only possible one.

Names and meaning: ``torch.nn.LSTM``, ``LSTMCell``, ``Linear``, ``Embedding``. Gates are in the order i f g o there and here.
"""

from collections.abc import Mapping
from dataclasses import replace

from ..errors import UnsupportedModelError, UsageError
from ..layers import LSTM, Activation, Layer, Softmax
from ..model import INPUT, Model
from . import chain, modules
from .chain import Item
from .modules import Module
from .state_dict import WRAPPERS, Named, listed


def from_torch(tensors: Mapping[str, Named], layers: str | None = None, *, source: str = "PyTorch") -> tuple[Model, str, list[str]]:
    """Build a model from named tensors, all of which it must use.

    Parameters
    ----------
    tensors : mapping of str to array
        For example a state_dict, as `state_dict.named_tensors` gives it.
    layers : str, optional
        The chain, see `chain.parse`. Without it one LSTM module is taken, after an Embedding and before a Linear if they fit.
    source : str
        What the model says it was made from.

    Returns
    -------
    Model
    str
        The chain that was taken.
    list of str
        Notes for the user.

    Raises
    ------
    UnsupportedModelError
        If a tensor belongs to a feature that edgelstm lacks, or the order of the modules is open.
    UsageError
        If `layers` names what is not there, or leaves a module out.
    ShapeError
        If the layers do not fit together.
    """
    found = modules.modules(tensors)
    notes = []
    if layers is None:
        items = _only_chain(found)
        notes.append("No function was assumed between the layers or after the last one; --layers says otherwise.")
    else:
        items = tuple(_resolved(item, found) for item in chain.parse(layers))
        if unused := [name for name in found if name not in {item.module for item in items}]:
            raise UsageError(
                f"the layers {layers!r} leave out {listed(unused)}; name every module, or choose a part by a prefix (--prefix)."
            )
    built = [layer for position, item in enumerate(items) for layer in _layers(item, found, first=position == 0)]
    if any(str(tensor.dtype) == "float64" for tensor in tensors.values()):
        notes.append("Weights were float64 and are rounded to float32.")
    source = "".join(c if c.isprintable() else "?" for c in source)
    return Model(tuple(_distinct(built)), source=source), chain.spell(items), notes


def _resolved(item: Item, found: Mapping[str, Module]) -> Item:
    """The item with its module called as the file's other names are; wrappers' names may stand before it."""
    name = item.module
    while name not in found and (wrapper := next((w for w in WRAPPERS if name.startswith(w)), None)):
        name = name.removeprefix(wrapper)
    if name not in found and (item.module not in chain.FUNCTIONS or item.word):
        raise UsageError(f"the layers name {item.module!r}, which the file does not hold; it holds {listed(list(found))}.")
    return replace(item, module=name)


def _layers(item: Item, found: Mapping[str, Module], *, first: bool) -> list[Layer]:
    """The records of one item."""
    module = found.get(item.module)
    if module is None:
        return _function(item.module)
    if (module.kind == "normalizer") != (item.word == "normalizer"):
        raise UsageError(
            f"write {module.name!r} as '{module.name}:normalizer' if and only if it holds mean and scale; it is of kind {module.kind}."
        )
    if module.kind == "normalizer":
        return [modules.normalizer(module)]
    if item.word == "embedding" and (module.kind != "linear" or module.has_bias):
        raise UsageError(f"{module.name!r} cannot be an embedding: that is one tensor 'weight'; it holds {', '.join(module.tensors)}.")
    if module.kind == "lstm":
        return [*modules.lstm_layers(module), *_function(item.word)]
    if item.word == "embedding" or (first and module.looks_like_embedding and not item.word):
        return [modules.embedding(module)]
    if first and not module.has_bias and not item.word:
        raise UsageError(
            f"{module.name!r} may be an embedding or a Linear without bias; write '{module.name}:embedding' or '{module.name}:linear'."
        )
    return [modules.linear(module), *_function(item.word)]


def _function(word: str) -> list[Layer]:
    if word in ("", "linear", "embedding"):
        return []
    return [Softmax() if word == "softmax" else Activation(word)]


def _distinct(layers: list[Layer]) -> list[Layer]:
    """No layer may be called as the model's input is."""
    return [replace(layer, name=f"{layer.name}_layer") if layer.name == INPUT else layer for layer in layers]


def _only_chain(found: Mapping[str, Module]) -> tuple[Item, ...]:
    """[Embedding,] LSTM [, Linear] if that is all there is and the sizes leave no other order."""
    lstms = [m for m in found.values() if m.kind == "lstm"]
    embeddings = [m for m in found.values() if m.looks_like_embedding]
    linears = [m for m in found.values() if m.kind == "linear" and not m.looks_like_embedding]
    if len(lstms) == 1 and len(embeddings) <= 1 and len(linears) <= 1 and len(lstms) + len(embeddings) + len(linears) == len(found):
        stack = modules.lstm_layers(lstms[0])
        if all(_fits_before(m, stack[0]) for m in embeddings) and all(_fits_only_after(m, stack) for m in linears):
            return tuple(Item(m.name) for m in (*embeddings, *lstms, *linears))
    shapes = [f"{m.full(name)} {tuple(tensor.shape)}" for m in found.values() for name, tensor in m.tensors.items()]
    example = ", ".join(_example(m) for m in found.values())
    raise UnsupportedModelError(
        f"does not say in which order its layers follow each other. It holds {listed(shapes)}. "
        f'Say it with --layers, in the order of forward(), for example: --layers "{example}"'
    )


def _example(module: Module) -> str:
    return f"{module.name}:normalizer" if module.kind == "normalizer" else module.name


def _fits_before(module: Module, lstm: LSTM) -> bool:
    return len(module.tensors["weight"].shape) == 2 and module.tensors["weight"].shape[1] == lstm.input_size


def _fits_only_after(module: Module, stack: list[LSTM]) -> bool:
    rows, columns = module.tensors["weight"].shape
    return module.has_bias and columns == stack[-1].hidden_size and rows != stack[0].input_size
