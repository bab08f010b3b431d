"""Imports go one way: the table of the design, module by module."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "edgelstm"

INT8_LAYERS = ("layers_int8", "layers_int8_static")

#: Who may import whom, by the first part of the name below the package. "" is the package itself (its version).
ALLOWED = {
    "errors": set(),
    "layers": {"errors"},
    "layers_int8": {"errors", "layers"},
    "layers_int8_static": {"errors", "layers"},
    "model": {"errors", "layers", "layers_int8", "layers_int8_static", "outline"},
    "reference": {"errors", "layers", *INT8_LAYERS, "model", "reference_int8", "reference_int8_static"},
    "reference_int8": {"layers_int8"},
    "reference_int8_static": {"layers_int8_static"},
    "container": {"errors"},
    "digests": set(),
    "library_file": {"digests", "errors"},
    "memory": set(),
    "writing": {"errors"},
    "outline": set(),
    "program": {"errors", "library_file", "memory"},
    "device": {"errors", "library_file", "outline"},
    "c_header": set(),
    "step_cost": {"layers", "model"},
    "building": {
        *("", "c_header", "compiler", "container", "errors", "library_file", "model", "modelfile", "outline", "probes", "snapshot"),
        *("step_cost", "writing"),
    },
    "probes": {"", "errors", "layers", "model", "reference"},
    "modelfile": {"", "digests", "probes", "errors", "layers", "loading", "model", "reference", "container", "importers", "writing"},
    "loading": {"container", "errors", "importers", "model"},
    "importers": {"errors", "layers", "layers_int8_static", "model", "container"},
    "quantization": {"", "errors", "layers", *INT8_LAYERS, "model", "modelfile", "reference", "reference_int8", "samples", "stream"},
    "kernels": set(),
    "compiler": {"errors", "digests", "layers", *INT8_LAYERS, "library_file", "memory", "model", "program", "kernels"},
    "samples": {"errors", "program"},
    "snapshot": {"errors"},
    "verifying": {"errors", "model", "reference", "stream"},
    "native_call": {"compiler", "errors", "memory", "program"},
    "stream": {
        *("errors", "library_file", "memory", "outline", "model", "modelfile", "samples", "snapshot", "native_call", "compiler", "program"),
    },
    "machine": {"library_file"},
    "diagnosis": {"compiler", "library_file", "machine"},
    "trial": {"building", "compiler", "device", "errors", "layers", "library_file", "model", "reference", "stream"},
    "runners": {"errors", "samples", "stream"},
    "cli": {
        "",
        "building",
        "c_header",
        "step_cost",
        "compiler",
        "diagnosis",
        "errors",
        "layers",
        "library_file",
        "machine",
        "model",
        "modelfile",
        "container",
        "importers",
        "runners",
        "stream",
        "reference",
        "samples",
        "quantization",
        "layers_int8",
        "trial",
        "verifying",
        "writing",
    },
    "__init__": {"building", "errors", "layers", *INT8_LAYERS, "loading", "model", "modelfile", "quantization", "stream", "verifying"},
    "__main__": {"cli"},
}

#: Libraries that a folder may not touch, at any depth of its functions.
FOREIGN = {
    "kernels": {"numpy", "numba", "llvmlite", "math"},
}

FORBIDDEN = {"torch", "tensorflow", "keras", "onnxruntime", "pickle", "dill"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def owner(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path):
    """(own, foreign): names of the package's parts, and of other top-level modules, that a file imports anywhere."""
    depth = len(path.relative_to(PACKAGE).parts)
    own, foreign = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            foreign.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module.split(".")[0]] if node.module else [a.name for a in node.names]
            own |= {"" if name == "__version__" else name for name in names}
    return own, foreign


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows(path):
    own, foreign = imports(path)
    part = owner(path)
    assert part in ALLOWED, f"{part} has no row in the table"
    assert own - {part} <= ALLOWED[part]
    assert not foreign & FORBIDDEN
    assert "edgelstm" not in foreign, "inside the package, imports are relative"
    if part in FOREIGN:
        assert foreign <= FOREIGN[part]


def test_numba_is_imported_in_kernels_and_few_files_of_the_compiler_only():
    users = {str(p.relative_to(PACKAGE)) for p in modules() if imports(p)[1] & {"numba", "llvmlite"} and owner(p) != "kernels"}
    assert users == {"compiler/c_abi.py", "compiler/fuse.py", "compiler/numba_ir.py", "compiler/numba_start.py", "compiler/object_code.py"}


def test_the_walk_sees_a_wrong_arrow(tmp_path):
    wrong = PACKAGE / "kernels" / "simd.py"
    assert imports(wrong)[1] & {"numba"}
    assert "errors" in imports(PACKAGE / "compiler" / "plan.py")[0]
