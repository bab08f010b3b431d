"""The scripts of an example as modules, which forget each other afterwards: several examples have a `run`, a `train`."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from documents import ROOT

EXAMPLES = ROOT / "examples"


@contextmanager
def modules_of(name: str, *neighbours: str) -> Iterator[None]:
    """Within it, modules of the folder ``examples/NAME`` and of other examples that it uses are found by their own names."""
    folders = [str(EXAMPLES / folder) for folder in (name, *neighbours)]
    own = {path.stem for folder in (name, *neighbours) for path in (EXAMPLES / folder).glob("*.py")}
    before = {module: sys.modules.pop(module) for module in own if module in sys.modules}
    path = sys.path[:]
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.path[:] = path
        for module in own:
            sys.modules.pop(module, None)
        sys.modules.update(before)


def script(name: str, module: str = "run", *neighbours: str) -> ModuleType:
    """A script of an example, imported afresh."""
    with modules_of(name, *neighbours):
        return importlib.import_module(module)
