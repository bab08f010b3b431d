"""The page on adding a layer, applied to a copy of the package: its layer keeps all laws there, and a step left out is named."""

import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest
from documents import ROOT

PAGE = ROOT / "docs" / "adding-a-layer.md"

#: What the copy needs beside the package.
TESTS = (
    "conftest.py",
    "golden_files.py",
    "int8_records.py",
    "kept_kernels.py",
    "kinds.py",
    "lstm_cells.py",
    "test_every_kind.py",
    "golden/packages.txt",
)

#: By the file and the begin of the text that is left out: what the failure must say.
LEFT_OUT = {
    ("edgelstm/layers/__init__.py", ""): "tests/kinds.py and layers.KINDS differ in smoother",
    ("edgelstm/layers/smoother.py", ""): "No module named 'edgelstm.layers.smoother'",
    ("edgelstm/reference/smoother.py", ""): "No module named 'edgelstm.reference.smoother'",
    ("edgelstm/compiler/lowering/smoother.py", ""): "No module named 'edgelstm.compiler.lowering.smoother'",
    ("edgelstm/kernels/table.py", "        smoother_f32"): "kernels.table lacks smoother_f32 of smoother",
    ("edgelstm/__init__.py", '    "Smoother"'): "Smoother is not in edgelstm.__all__",
    ("edgelstm/__init__.py", "    from"): "test_type_checkers_see_every_record",
    ("tests/kinds.py", ""): "tests/kinds.py and layers.KINDS differ in smoother",
}


class Step(NamedTuple):
    """A block of the page: the file, the line it stands behind or instead of (none: it is the whole file), and its text."""

    file: str
    place: str
    line: str
    text: str


def steps():
    """All steps of the page, in order."""
    text = PAGE.read_text(encoding="utf-8")
    place = r"^(?:New file|In) `(\S+)`(?:, (behind|instead of) `([^`\n]+)`)?:"
    found = re.findall(place + r"\n\n```(?:python|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert 2 * len(found) == text.count("```"), "a block of the page does not say where it belongs"
    return [Step(*parts) for parts in found]


def applied(step, folder):
    """Change the copy in `folder` as a step says."""
    path = folder / step.file
    if not step.place:
        assert not path.exists(), f"{step.file} is there already"
        path.write_text(step.text, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    assert text.splitlines().count(step.line) == 1, f"{step.file} has no such line, or several: {step.line}"
    kept = f"{step.line}\n" if step.place == "behind" else ""
    path.write_text(text.replace(f"{step.line}\n", kept + step.text), encoding="utf-8")


@pytest.fixture
def copy(tmp_path):
    """The package and the tests of all kinds, where they may be changed."""
    shutil.copytree(ROOT / "edgelstm", tmp_path / "edgelstm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in TESTS:
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    return tmp_path


def tried(folder, wanted):
    """(exit status, output) of the tests that `wanted` selects, up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:xdist", "tests/test_every_kind.py", "-k", wanted]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600)
    return done.returncode, done.stdout + done.stderr


def test_the_pages_layer_keeps_all_laws(copy):
    for step in steps():
        applied(step, copy)
    status, output = tried(copy, "smoother")
    assert status == 0, output[-3000:]
    assert int(re.search(r"(\d+) passed", output)[1]) >= 10


@pytest.mark.parametrize("left_out", LEFT_OUT, ids=lambda step: " ".join(step).strip())
def test_a_step_left_out_is_named(copy, left_out):
    file, begin = left_out
    kept = [step for step in steps() if not (step.file == file and step.text.startswith(begin))]
    assert len(kept) == len(steps()) - 1
    for step in kept:
        applied(step, copy)
    status, output = tried(copy, "(smoother and (named_alike or a_kernel or twin)) or type_checkers")
    assert status != 0
    assert LEFT_OUT[left_out] in output, output[-3000:]


def test_a_kernel_without_a_reach_is_refused(copy):
    for step in steps():
        applied(step._replace(text=re.sub(r"Rule\(lower, .*\)}", "Rule(lower)}", step.text)), copy)
    status, output = tried(copy, "smoother and a_kernel")
    assert status != 0
    assert "Rule: missing ['reach']" in output, output[-3000:]


def test_the_pages_code_is_in_the_style_of_the_house(copy):
    ruff = shutil.which("ruff", path=os.path.dirname(sys.executable)) or pytest.skip("ruff is not installed")
    for step in steps():
        applied(step, copy)
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([ruff, *command, *{step.file for step in steps()}], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
