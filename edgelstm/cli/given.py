"""What a verb was given: a model file, a trained file and how to read it, or a built library; and what it must not overwrite."""

import functools
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from ..errors import EdgeLSTMError, UsageError
from ..runtime.library_file import LibraryFile, is_library
from . import show

if TYPE_CHECKING:
    from ..model import Model

#: Endings of files that other programs write and read; a .elstm file by such a name would be taken for one of theirs.
_FOREIGN = (
    *(".pt", ".pth", ".ckpt", ".bin", ".ptl", ".safetensors", ".pkl", ".pickle", ".npy", ".npz"),
    *(".onnx", ".ort", ".h5", ".hdf5", ".keras", ".pb", ".tflite", ".nam", ".json", ".gguf", ".so", ".o", ".a"),
)

#: The first bytes of a file that numpy.save wrote, and of those that numpy.savez wrote: with arrays, and without any.
NPY, _NPZ = b"\x93NUMPY", (b"PK\x03\x04", b"PK\x05\x06")

#: An option of `How` as Python spells it, with what tells whether a value follows.
_OPTION = re.compile(r"\b(layers|prefix|without|recurrent_activation|sizes|recipe)=(?=([\"'])|[\s,.;)]|$)")


class How(NamedTuple):
    """How a trained file is to be read, where it does not say so itself: the arguments of `edgelstm.load`."""

    layers: str | None
    prefix: str | None
    without: str | None
    recurrent_activation: str | None
    sizes: str | None
    recipe: str | None

    @property
    def said(self) -> dict[str, str]:
        """What was given, by name."""
        return {name: text for name, text in self._asdict().items() if text is not None}


_Verb = TypeVar("_Verb", bound=Callable[..., Any])


#: The options of `How`.
_READING = {
    "layers": click.option("--layers", metavar="CHAIN", help='Layers of a trained file in order, with functions: "lstm, fc1:relu, fc2".'),
    "prefix": click.option("--prefix", metavar="P", help="Where in a trained file the network is, if it holds more than one: encoder.rnn."),
    "recurrent_activation": click.option(
        "--recurrent-activation", metavar="F", help="What gates of a Keras file of weights alone are passed through: sigmoid, hard_sigmoid."
    ),
    "sizes": click.option("--sizes", metavar="A=1xN,B=K", help="What a graph leaves open of its inputs: input=1x576,sr=16000."),
    "recipe": click.option("--recipe", metavar="R.toml", help="TOML file that says what the tensors of a trained file are."),
    "without": click.option("--without", metavar="A,B,…", help="Parts of a trained file to leave out: modules, dicts or tensors."),
}


def how_to_read(verb: _Verb) -> _Verb:
    """Give a verb the options that `edgelstm.load` takes, as one argument `how`, and spell errors as the command line does.

    A verb that has one of these names for something else keeps it; errors then name `convert`, which takes all.
    """
    own = {parameter.name for parameter in getattr(verb, "__click_params__", ())}
    taken = [name for name in _READING if name not in own]

    @functools.wraps(verb)
    def reading(*args: Any, **others: Any) -> Any:
        how = How(**{name: others.pop(name) if name in taken else None for name in _READING})
        try:
            return verb(*args, how=how, **others)
        except EdgeLSTMError as problem:
            raise type(problem)(spelled(str(problem), taken)) from None

    for name in reversed(taken):
        reading = _READING[name](reading)
    return reading  # type: ignore[return-value]


def spelled(message: str, taken: Iterable[str] = tuple(_READING)) -> str:
    """A message of the package with the options of `How` as the command line has them: ``layers="lstm"`` is ``--layers "lstm"``.

    taken: those that the verb has; of the others `convert` is named.
    """

    def option(match: re.Match[str]) -> str:
        verb = "" if match[1] in taken else "edgelstm convert … "
        return f"{verb}--{match[1].replace('_', '-')}" + " " * (match[2] is not None)

    return _OPTION.sub(option, message)


def opened(path: Path, how: How) -> "Model | LibraryFile":
    """A library read, with nothing of it run; any other file loaded as a model.

    Raises
    ------
    EdgeLSTMError
        If it is neither.
    """
    if not is_library(path):
        return loaded(path, how)
    if how.said:
        raise UsageError(f"{path} is a built library, whose layers are settled; leave out {', '.join(f'--{name}' for name in how.said)}.")
    return LibraryFile(path)


def loaded(path: Path, how: How) -> "Model":
    """A model file, or a trained one, of which the notes go to stderr."""
    from ..loading import load_with_notes

    model, notes = load_with_notes(path, **how._asdict())
    for note in notes:
        click.echo(show.printable(f"edgelstm: note: {spelled(note)}"), err=True)
    return model


def source(given: "Model | LibraryFile") -> "Model | str":
    """The same as `Stream` takes it."""
    return given.path if isinstance(given, LibraryFile) else given


def refuse_overwriting(option: str, target: Path | str, *inputs: Path | str) -> None:
    """Refuse a target that is one of the inputs, by whatever name, link or spelling.

    Raises
    ------
    UsageError
    """
    for path in inputs:
        if os.path.exists(target) and os.path.exists(path) and os.path.samefile(target, path):
            raise UsageError(f"{option} {target} would overwrite {path}; write elsewhere.")


def refuse_foreign_ending(option: str, target: Path) -> None:
    """Refuse to write a .elstm file under the name of another format.

    Raises
    ------
    UsageError
    """
    if target.suffix.lower() in _FOREIGN:
        raise UsageError(f"{option} {target} would be a .elstm file that is called {target.suffix}; write {target.with_suffix('.elstm')}.")


def is_array_file(path: Path | str) -> bool:
    """Whether this is a file that NumPy wrote; pipes are left alone, and what is no file."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(NPY)).startswith((NPY, *_NPZ))
