"""A network of madmom, or an average of several, as a `Model`: its layers in their order, nothing to be asked."""

from collections.abc import Sequence
from dataclasses import replace

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...layers.bidirectional import Bidirectional
from ...layers.feedforward import Activation, Add
from ...layers.order import INPUT
from ...layers.record import Layer
from ...model import Model
from ..pickles.reader import Thing
from . import layers, maps
from .pickle_file import kind_of


def from_madmom(value: object, source: str) -> tuple[Model, str, list[str]]:
    """The model of a pickled ``NeuralNetwork`` or ``NeuralNetworkEnsemble``.

    Parameters
    ----------
    value : Thing
        As `pickle_file.read` gives it.
    source : str
        What the model says it was made from.

    Returns
    -------
    Model
    str
        Its layers, one after the other.
    list of str
        Notes for the user.

    Raises
    ------
    ModelFileError
        If it is no network.
    UnsupportedModelError, ShapeError
        Naming the layer that edgelstm lacks or that does not fit.
    """
    networks = _networks(value)
    records: list[Layer] = []
    ends = []
    for index, network in enumerate(networks):
        made = _network(network, f"net{index}." if len(networks) > 1 else "")
        records += made
        ends.append(made[-1].name)
    if len(networks) > 1:
        records += [Add(inputs=tuple(ends), name="sum"), Activation(f"affine({1 / len(networks):.9g}, 0)", name="average")]
    notes = [f"The answer is the average of {len(networks)} networks."] if len(networks) > 1 else []
    return Model(tuple(records), source=source), ", ".join(layer.name for layer in records), notes


def _networks(value: object) -> list[Thing]:
    """The networks whose average is the answer."""
    kind = kind_of(value)
    if isinstance(value, Thing) and kind == "NeuralNetwork":
        return [value]
    parts = value.state.get("processors") if isinstance(value, Thing) and kind == "NeuralNetworkEnsemble" else None
    if isinstance(parts, Sequence) and len(parts) == 2 and kind_of(parts[1]) == "average_predictions" and isinstance(parts[0], Thing):
        inside = parts[0].state.get("processors")
        if isinstance(inside, Sequence) and inside and all(kind_of(network) == "NeuralNetwork" for network in inside):
            return list(inside)
    raise ModelFileError(f"holds {printable(kind or type(value).__name__, 60)} of madmom, not a NeuralNetwork or an average of some.")


def _network(network: Thing, prefix: str) -> list[Layer]:
    """The records of one network, which reads the model's input."""
    parts = network.state.get("layers")
    if not isinstance(parts, list) or not parts:
        raise ModelFileError("holds a network of madmom without layers.")
    records: list[Layer] = []
    last = INPUT
    frame: maps.Frame = None
    for index, part in enumerate(parts):
        made, frame = _records(part, prefix, index, last, frame)
        for layer in made:
            records.append(layer if layer.inputs else replace(layer, inputs=(last,)))
            last = layer.name
    return records


def _records(part: object, prefix: str, index: int, last: str, frame: maps.Frame) -> tuple[list[Layer], maps.Frame]:
    """The records of a layer, and the shape of the frames that it gives, where they are maps."""
    kind = kind_of(part)
    name = f"{prefix}{kind.removesuffix('Layer').lower()}{index}"
    if isinstance(part, Thing) and kind == "FeedForwardLayer":
        return layers.dense(part, name), None
    if isinstance(part, Thing) and kind in maps.MAKERS:
        return maps.MAKERS[kind](part, name, frame)
    if isinstance(part, Thing) and kind in layers.RECURRENT:
        return [layers.RECURRENT[kind](part, name)], None
    if isinstance(part, Thing) and kind == "BidirectionalLayer":
        sides = [part.state.get(side) for side in ("fwd_layer", "bwd_layer")]
        if all(isinstance(side, Thing) and kind_of(side) in layers.RECURRENT for side in sides):
            made = [layers.RECURRENT[kind_of(side)](side, name) for side in sides]  # type: ignore[arg-type]
            return Bidirectional(made[0], made[1], inputs=(last,), name=name), None
        kind = f"BidirectionalLayer of {', '.join(kind_of(side) or 'nothing' for side in sides)}"
    raise UnsupportedModelError(
        f"layer {index} is a {printable(kind or type(part).__name__, 80)} of madmom, which edgelstm does not import; it imports "
        f"FeedForwardLayer, {', '.join((*layers.RECURRENT, *maps.MAKERS))} and BidirectionalLayer."
    )
