"""Imports go one way, by the table of rooms; and a family's file imports its namesakes and the rooms' shared files alone."""

import ast
import sys
from pathlib import Path

import pytest

from edgelstm.layers import KINDS

PACKAGE = Path(__file__).parents[1] / "edgelstm"

#: Who may import whom, by the first part of the name below the package, or by the path of a file that has a row of its own; and whom, by
#: the beginning of its name. "" is the package itself (its version).
ALLOWED = {
    "__init__": {
        "building",
        "errors",
        "field",
        "files",
        "generation",
        "layers",
        "loading",
        "model",
        "quantization",
        "sources",
        "statistics",
        "stream",
        "verifying",
    },
    "__main__": {"cli"},
    "errors": set(),
    "layers": {"errors", "runtime"},
    "runtime": {"errors"},
    "statistics": {"errors"},
    "field": {"", "compiler", "errors", "files", "model", "runtime", "statistics", "stream"},
    "model": {"described", "errors", "generation.vocabulary", "layers", "runtime", "statistics"},
    "described": {"errors", "generation.vocabulary", "statistics"},
    "reference": {"layers", "model", "runtime.fields"},
    "files": {"", "errors", "generation.vocabulary", "layers", "model", "reference", "runtime", "statistics"},
    "importers": {"errors", "layers", "model", "files", "reference"},
    "loading": {"errors", "files", "importers", "model"},
    "kernels": set(),
    "compiler": {"errors", "layers", "model", "kernels", "runtime"},
    "building": {"", "compiler", "errors", "files", "model", "runtime"},
    "stream": {"compiler", "errors", "files", "model", "runtime", "statistics"},
    "generation": {"compiler", "errors", "stream"},
    "runtime/decoding.py": {"compiler", "errors", "model", "runtime"},
    "generation/vocabulary.py": {"errors"},
    "onnx_backend": {"errors", "importers", "layers", "reference", "stream"},
    "device": {"errors", "runtime"},
    "verifying": {"errors", "model", "reference", "runtime", "stream"},
    "originals": {"errors", "files", "importers", "layers", "model", "reference", "stream"},
    "quantization": {"", "errors", "files", "layers", "model", "reference", "runtime", "stream"},
    "doctor": {"building", "compiler", "device", "errors", "layers", "model", "reference", "runtime", "sources", "stream"},
    "runners": {"errors", "field", "runtime", "stream"},
    "sources": {"errors", "field", "runners"},
    "web": {"errors"},
    "adapters": {
        "errors",
        "field",
        "files",
        "loading",
        "model",
        "runners.names",
        "runners.followers",
        "runtime",
        "sources.extras",
        "stream",
    },
    "gallery": {"cli.show", "compiler", "doctor", "errors", "model"},
    "cli": {
        *("adapters", "", "building", "compiler", "doctor", "errors", "field", "files", "gallery", "generation", "importers", "layers"),
        "loading",
        *("model", "originals", "quantization", "reference", "runners", "runtime", "sources", "statistics", "stream"),
        *("verifying", "web"),
    },
}

#: Libraries that a room, or a file in it, may import, at any depth of its functions.
FOREIGN = {
    "kernels": {"numpy", "numba", "llvmlite", "math", "re", "typing"},
    "runtime": {*sys.stdlib_module_names, "_sha2", "_sha256", "numpy"},
    **{
        f"runtime/{name}.py": set(sys.stdlib_module_names)
        for name in ("cpu", "facts", "library_file", "library_text", "outline", "recording_calls", "sizes")
    },
    **{f"runtime/plain_{name}.py": set(sys.stdlib_module_names) for name in ("refusals", "samples")},
    "runtime/digests.py": {*sys.stdlib_module_names, "_sha2", "_sha256"},
    "device.py": set(sys.stdlib_module_names),
}

FORBIDDEN = {"torch", "tensorflow", "keras", "onnxruntime", "pickle", "dill"}

#: The one room that runs training frameworks, where a user asks for it.
FRAMEWORKS = {"originals": {"torch", "tensorflow", "keras", "onnxruntime"}}

#: Engines and tables, which the room of adapters knows alone.
ENGINES = {"pyarrow", "pandas", "pyspark", "ray", "pysail", "dask", "bytewax"}

#: Rooms that hold every kind in a file of the same name, and the files there that all kinds share.
ROOMS = {
    "layers": {
        "__init__",
        "record",
        "recurrent",
        "order",
        "wire",
        "loops",
        "integers",
        "activations",
        "maps",
        "cells",
        "halves",
        "sliding",
        "bidirectional",
        "fourier",
        "transposed",
        "units",
    },
    "reference": {"__init__", "maps", "functions", "integers", "cells", "sliding"},
    "compiler.lowering": {"__init__", "maps", "fourier", "cells", "halves", "hidden", "normed", "packing", "tables"},
    "quantization.rules": {"__init__", "hidden", "scales"},
}

FAMILIES = {file for file, _ in KINDS.values()}


def modules(package=PACKAGE):
    return sorted(package.rglob("*.py"))


def room_of(path, package=PACKAGE):
    """The module that a file is, as a list of names below the package."""
    parts = path.relative_to(package).with_suffix("").parts
    return list(parts)


def imports(path, package=PACKAGE):
    """(own, foreign): modules of the package, as dotted names below it, and names of other top-level modules, that a file imports anywhere.

    ``from . import name`` gives the name too, whether it is a module or not.
    """
    here = room_of(path, package)[:-1]
    own, foreign = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            foreign.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1], *(node.module.split(".") if node.module else [])]
            own |= {".".join([*base, alias.name]) for alias in node.names}
    return own, foreign


def wrong_arrows(path, package=PACKAGE):
    """What a file imports and the table lacks."""
    part = room_of(path, package)[0]
    if part not in ALLOWED:
        return [f"{part} has no row in the table"]
    own, foreign = imports(path, package)
    allowed = ALLOWED.get(str(path.relative_to(package)), ALLOWED[part] | {part})
    reached = {"" if name == "__version__" else name for name in own}
    strange = {name.split(".")[0] for name in reached if not any(f"{name}.".startswith(f"{one}.") for one in allowed)}
    wrong = [f"{part} imports {name or 'the version'}" for name in strange]
    wrong += [f"{part} imports {name}" for name in foreign & (FORBIDDEN - FRAMEWORKS.get(part, set()) | {"edgelstm"})]
    wrong += [f"{part} imports {name}" for name in foreign & ENGINES if part != "adapters"]
    for row in (part, str(path.relative_to(package))):
        wrong += [f"{row} imports {name}" for name in (foreign - FOREIGN[row] if row in FOREIGN else ())]
    return wrong


def strangers(path, package=PACKAGE):
    """What a family's file imports, of the rooms that hold families, beside its namesakes and the rooms' shared files."""
    *room, family = room_of(path, package)
    if ".".join(room) not in ROOMS or family not in FAMILIES:
        return []
    found = []
    for name in imports(path, package)[0]:
        for other, shared in ROOMS.items():
            if not name.startswith(f"{other}."):
                continue
            file = name.removeprefix(f"{other}.").split(".")[0]
            is_file = (package / other.replace(".", "/") / f"{file}.py").exists()
            if is_file and file not in {family, *shared}:
                found.append(name)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows(path):
    assert wrong_arrows(path) == []


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_family_imports_its_namesakes_alone(path):
    assert strangers(path) == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_holds_families_and_shared_files(room):
    files = {path.stem for path in (PACKAGE / room.replace(".", "/")).glob("*.py")}
    assert files - ROOMS[room] <= FAMILIES
    assert ROOMS[room] <= files


def test_numba_is_imported_in_kernels_and_few_files_of_the_compiler_only():
    users = {str(p.relative_to(PACKAGE)) for p in modules() if imports(p)[1] & {"numba", "llvmlite"} and room_of(p)[0] != "kernels"}
    assert users == {
        "compiler/c_abi.py",
        "compiler/c_streams.py",
        "compiler/fuse.py",
        "compiler/fuse_groups.py",
        "compiler/fuse_recordings.py",
        "compiler/fuse_streams.py",
        "compiler/numba_ir.py",
        "compiler/numba_start.py",
        "compiler/object_code.py",
    }


WRONG = {
    "a room that the table lacks": ("cellar/wine.py", "x = 1", "no row"),
    "an arrow that the table lacks": ("kernels/wrong.py", "def f():\n    from ..errors import InputError", "imports errors"),
    "an arrow from a sub-folder": ("runtime/deep/wrong.py", "from ...model import Model", "imports model"),
    "a file of a room, where another is allowed": ("model.py", "from .generation.sampling import Sampler", "imports generation"),
    "an arrow that a file's own row lacks": ("generation/vocabulary.py", "from .sampling import Sampler", "imports generation"),
    "a module named alone": ("layers/wrong.py", "from .. import model", "imports model"),
    "a framework": ("importers/from_torch/wrong.py", "import torch", "imports torch"),
    "an engine": ("field/wrong.py", "def f():\n    import pyspark.sql", "imports pyspark"),
    "a library that the room may not touch": ("kernels/wrong.py", "import click", "imports click"),
    "an absolute import of the package": ("files/wrong.py", "from edgelstm import errors", "imports edgelstm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_walk_sees_a_wrong_arrow(tmp_path, case):
    name, text, complaint = WRONG[case]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert any(complaint in wrong for wrong in wrong_arrows(path, tmp_path))


def test_the_walk_sees_a_stranger(tmp_path):
    for file in ("layers/lstm.py", "layers/lstm_int8.py", "layers/record.py", "reference/lstm.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
    twin = tmp_path / "reference/lstm.py"
    twin.write_text("from ..layers.lstm import LSTM\nfrom ..layers.record import Layer\n")
    assert strangers(twin, tmp_path) == []
    twin.write_text("def f():\n    from ..layers.lstm_int8 import LSTMInt8\n")
    assert strangers(twin, tmp_path) == ["layers.lstm_int8.LSTMInt8"]
    twin.write_text("from ..layers import lstm_int8\n")
    assert strangers(twin, tmp_path) == ["layers.lstm_int8"]
