"""A trained network, in a file of any kind or in memory already, as a `Model`."""

import os
from collections.abc import Mapping
from typing import Any

from .errors import UsageError, printable, warn
from .files import container, elstm
from .model import Model


def load(
    path: str | os.PathLike[str],
    *,
    verify: bool = True,
    layers: str | None = None,
    prefix: str | None = None,
    without: str | None = None,
    recurrent_activation: str | None = None,
    sizes: str | None = None,
    recipe: str | os.PathLike[str] | None = None,
) -> Model:
    """Read a trained network from any supported file; its content decides, not its name.

    Parameters
    ----------
    path : str or os.PathLike
        A `.elstm` file, or a trained one of another framework. What the user should know of such a one is logged as a warning.
    verify : bool
        Whether to check the digest and replay the probe of a `.elstm` file. False is logged as a warning.
    layers, prefix, without : str, optional
        What a trained file does not say: its layers in order, with the activation after each (``"lstm, fc1:relu, fc2:softmax"``),
        where in it the network is (``"model_state"``), and which parts are left out (``"aux, loss.weight"``).
    recurrent_activation : str, optional
        What the gates of a Keras file of weights alone are passed through: ``"sigmoid"`` or ``"hard_sigmoid"``.
    sizes : str, optional
        What an ONNX, torch.export or TorchScript file leaves open of its inputs: lengths of axes, and whole numbers
        (``"input=1x576, sr=16000"``). An axis that is to stay open has a name: ``"x=1xTx40"``.
    recipe : str or os.PathLike, optional
        A small TOML file that says all of that, and more, of a file that holds tensors alone; of Keras' weights alone the JSON that
        ``model.to_json()`` gave will do.

    Raises
    ------
    ModelFileError, UnsupportedModelError
        If the file is damaged, hostile, of an unknown format, or does not reproduce its own probe.
    ShapeError, UsageError
        If the path is no path, a foreign file's arrays do not fit together, or `layers`, `prefix` or `without` cannot be meant.
    """
    how = {"layers": layers, "prefix": prefix, "without": without, "recurrent_activation": recurrent_activation, "sizes": sizes}
    model, notes = load_with_notes(path, verify=verify, recipe=recipe, **how)
    if notes:
        _warn(os.fspath(path), notes)
    return model


def load_with_notes(
    path: str | os.PathLike[str], *, verify: bool = True, recipe: str | os.PathLike[str] | None = None, **how: str | None
) -> tuple[Model, tuple[str, ...]]:
    """As `load`, with what the user should know as sentences and nothing logged of it."""
    path = container.path_text(path)
    with container.about(path):
        model = elstm.read(path, verify=verify)
        if model is not None:
            if given := [name for name, text in {**how, "recipe": recipe}.items() if text is not None]:
                raise UsageError(f"is a .elstm file, whose layers are settled; leave out {', '.join(f'{name}=' for name in given)}.")
            return model, ()
    from .importers import import_file

    taken = import_file(path, recipe=recipe, traced=False, **how)
    return taken.model, taken.notes


def from_torch(state_dict: Mapping[str, Any], layers: str | None = None, *, prefix: str | None = None, without: str | None = None) -> Model:
    """Make a model of a state_dict, without a file between. PyTorch itself is not imported.

    Parameters
    ----------
    state_dict : mapping of str to tensor or array
        ``model.state_dict()``, or a checkpoint around one. NumPy arrays under the names that PyTorch gives will do.
    layers : str, optional
        The layers in order, with the activation after each: ``"lstm, fc1:relu, fc2:softmax"``.
    prefix : str, optional
        Where in `state_dict` the network is, if it holds more than one.
    without : str, optional
        Modules or tensors to leave out, for example ``"aux, loss.weight"``.

    Returns
    -------
    Model
        What the user should know of it is logged as a warning.

    Raises
    ------
    UnsupportedModelError, UsageError, ShapeError, ModelFileError
        As `load`, for a file that holds the same.
    """
    from .importers.from_torch.live import live
    from .importers.readers import Asked, from_checkpoint

    if not isinstance(state_dict, Mapping):
        raise UsageError(f"from_torch takes model.state_dict(), a dict of tensors; got {printable(type(state_dict).__name__)}.")
    model, _, notes = from_checkpoint(live(state_dict), Asked(layers, prefix, without), "PyTorch")
    if notes:
        _warn("state_dict", notes)
    return model


def _warn(what: str, notes: list[str] | tuple[str, ...]) -> None:
    """Log what the user should know of a network that was taken over."""
    for note in notes:
        warn(f"{what}: {note}")
