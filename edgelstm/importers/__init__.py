"""Importers: a trained file of another framework becomes a `Model`. One file a format, told apart by content.

Nothing here is imported on a device that loads a `.elstm` file. No framework is needed, and no code in a file is run.
"""

import os
from dataclasses import dataclass, replace
from typing import BinaryIO

from ..errors import ModelFileError, UnsupportedModelError, UsageError
from ..files import container
from ..model import Model
from .readers import GRAPHS, READERS, Asked
from .sniff import instead, sniff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .provenance import Provenance


@dataclass(frozen=True, eq=False)
class Imported:
    """What an importer made of a file.

    Parameters
    ----------
    model : Model
        Without a probe.
    chain : str
        The order of the layers that was taken, as ``layers`` spells it.
    format : str
        What the file was.
    notes : sequence of str
        What the user should know: sentences.
    provenance : Provenance, optional
        What the model's arrays were made of, where that was asked for.
    """

    model: Model
    chain: str
    format: str
    notes: tuple[str, ...] = ()
    provenance: "Provenance | None" = None


def import_file(
    path: str | os.PathLike[str],
    *,
    layers: str | None = None,
    prefix: str | None = None,
    without: str | None = None,
    recurrent_activation: str | None = None,
    sizes: str | None = None,
    recipe: str | os.PathLike[str] | None = None,
    traced: bool = False,
) -> Imported:
    """Read a trained network of another framework.

    Parameters
    ----------
    path : str or os.PathLike
        Its content decides what it is, not its name.
    layers : str, optional
        The order of the layers and what stands between them, where the file does not say, or how far to take those of a graph:
        see `chain.parse`.
    prefix : str, optional
        Where in the file the model is, for example ``"model_state"`` or ``"encoder.rnn"``. Empty for all of the file.
    without : str, optional
        Modules, dicts or tensors to leave out, for example ``"aux, loss.weight"``.
    recurrent_activation : str, optional
        What the gates of a Keras file of weights alone are passed through: ``"sigmoid"`` or ``"hard_sigmoid"``.
    sizes : str, optional
        What a graph leaves open of its inputs: lengths of axes, and whole numbers, for example ``"input=1x576, sr=16000"``.
    recipe : str or os.PathLike, optional
        A TOML file that says what the tensors of a file are, in place of all the others: see `recipes.build`. Of Keras' weights alone
        the JSON that ``model.to_json()`` gave will do.
    traced : bool
        Whether to look up what each array of the model was made of.

    Raises
    ------
    ModelFileError
        If the file is damaged, hostile or of no known format.
    UnsupportedModelError
        If the file is of a known format that this version does not import, holds a feature that edgelstm lacks,
        or does not determine one model.
    UsageError
        If `layers`, `prefix` or `without` names something that the file does not hold.
    ShapeError
        If the layers, in that order, do not fit together.
    """
    path = container.path_text(path)
    asked = Asked(layers, prefix, without, recurrent_activation, sizes)
    asked.check()
    with container.about(path), container.open_file(path) as file:
        found = sniff(file)
        if found == "edgelstm":
            raise ModelFileError("is a .elstm file already; load it with edgelstm.load, there is nothing to convert.")
        source = f"{found}: {os.path.basename(os.path.abspath(path))}"
        if recipe is None and found not in READERS:
            raise UnsupportedModelError(
                f"is a file of {found}, which edgelstm does not import yet; it imports {', '.join(READERS)}. {instead(found)}"
            )
        if recipe is None and recurrent_activation is not None and found != "Keras (HDF5)":
            raise UsageError(f'is a file of {found}; leave out recurrent_activation="{recurrent_activation}".')
        if recipe is None and sizes is not None and found not in GRAPHS:
            raise UsageError(f'is a file of {found}, whose inputs have no open sizes; leave out sizes="{sizes}".')
        file.seek(0)
        if recipe is not None:
            taken = _by_recipe(file, found, recipe, asked, source)
        else:
            model, order, notes = READERS[found](file, asked, source)
            taken = Imported(model, order, found, tuple(notes))
        return replace(taken, provenance=_provenance(file, taken)) if traced else taken


def _provenance(file: BinaryIO, taken: Imported) -> "Provenance":
    from .provenance import provenance
    from .provenance.tensors import tensors

    names = taken.chain.split(", ") if taken.format.startswith("Keras") else ()
    return provenance(taken.model, tensors(file, taken.format), names)


def _by_recipe(file: BinaryIO, found: str, recipe: str | os.PathLike[str], asked: Asked, source: str) -> Imported:
    from .recipes import bag, build, text

    for option, value in asked._asdict().items():
        if value is not None:
            raise UsageError(f'is read by a recipe, which says everything; leave out {option}="{value}".')
    said = text.read(recipe)
    if text.is_keras(said):
        from .from_keras.read import by_description

        model, order, notes = by_description(file, found, said, source)
        return Imported(model, order, found, tuple(notes))
    with container.about(container.path_text(recipe)):
        parsed = text.parse(said)
    taken = build.from_recipe(parsed, bag.tensors(file, found), source)
    return Imported(taken.model, ", ".join(layer.name for layer in taken.model.layers), found, taken.notes)


def draft_recipe(path: str | os.PathLike[str]) -> str:
    """A recipe to begin from: what a file's tensors may be, with what only its user knows as comments.

    Raises
    ------
    ModelFileError, UnsupportedModelError
        If the file is damaged, or of a format that is no bag of named tensors.
    """
    from .recipes import bag, draft

    path = container.path_text(path)
    with container.about(path), container.open_file(path) as file:
        return draft.draft(bag.tensors(file, sniff(file)), os.path.basename(path))
