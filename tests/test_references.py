"""What a docstring or comment of the package refers to by room and name is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import edgelstm as el

PACKAGE = Path(el.__file__).parent

ROOMS = {path.name for path in PACKAGE.iterdir() if path.is_dir()}

#: A dotted name in backticks, with the package's name or without.
REFERENCE = re.compile(r"(?<!`)`(?:edgelstm\.)?([a-z_0-9]+(?:\.\w+)+)(?:\(.*?\))?`(?!`)")


def modules():
    """Every module's file by its dotted name below the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"), path


def names_of(path):
    """What a module's text defines or imports, its classes' names among them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


@cache
def every_name():
    return {module: set(names_of(path)) for module, path in modules()}


def dangling(text):
    """References in a text that begin with a room and lead nowhere: to a module, to a name in it, or to one of a class in it."""
    names = every_name()
    for found in REFERENCE.findall(text):
        parts = found.split(".")
        heads = [(".".join(parts[:k]), parts[k:]) for k in range(1, len(parts) + 1)]
        there = [
            head in names and (not rest or (rest[0] in names[head] and (len(rest) == 1 or rest[0][0].isupper()))) for head, rest in heads
        ]
        if parts[0] in ROOMS and not any(there):
            yield found


@pytest.mark.parametrize("room", ["", *sorted(ROOMS)])
def test_references_lead_somewhere(room):
    paths = (PACKAGE / room).rglob("*.py") if room else PACKAGE.glob("*.py")
    assert [(path.name, found) for path in paths for found in dangling(path.read_text(encoding="utf-8"))] == []


def test_a_reference_that_leads_nowhere_is_seen():
    text = "See `kernels.blocks`, `kernels.entry.blocks`, `edgelstm.layers.lstm.LSTM`, `layers.record.Recurrent()` and `torch.nn.LSTM`."
    assert list(dangling(text)) == ["kernels.blocks", "layers.record.Recurrent"]
