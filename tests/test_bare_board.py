"""What a board needs to step a library: NumPy at most. Everything else is blocked in a fresh interpreter."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_calls import ROOT, ROWS, make_model

import edgelstm as el

NEVER = ("numba", "llvmlite", "click", "rich", "safetensors")

_BLOCK = """
import sys
sys.path.insert(0, {root!r})
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""

_STREAM = """
import numpy as np
import edgelstm
import edgelstm.stream
xs = np.array({rows!r}, np.float32)
stream = edgelstm.Stream({path!r})
for x in xs:
    y = stream.step(x)
print(*map(float, y))
"""

_DEVICE = """
from edgelstm.device import Stream
stream = Stream({path!r})
for x in {rows!r}:
    y = stream.step(x)
assert "numpy" not in sys.modules
print(*map(float, y))
"""


def alone(script: str, blocked: tuple[str, ...], **values: object) -> subprocess.CompletedProcess[str]:
    text = (_BLOCK + script).format(root=str(ROOT), blocked=blocked, **values)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bare") / "m.so"
    el.build(make_model()).write(path)
    return path


@pytest.mark.parametrize(("script", "blocked"), [(_STREAM, NEVER), (_DEVICE, (*NEVER, "numpy"))], ids=["numpy", "nothing"])
def test_a_library_is_stepped_with_little(library: Path, script: str, blocked: tuple[str, ...]) -> None:
    done = alone(script, blocked, rows=ROWS.tolist(), path=str(library))
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.array(done.stdout.split(), np.float32), el.Stream(library).process(ROWS)[-1])


@pytest.mark.parametrize("name", [*NEVER, "numpy"])
def test_what_is_blocked_cannot_be_imported(name: str) -> None:
    assert "ModuleNotFoundError" in alone(f"import {name}", (*NEVER, "numpy")).stderr


@pytest.mark.parametrize(
    ("blocked", "arguments", "says"),
    [
        (("click", "rich"), ["--help"], "needs click, which is not installed. Install it with: pip install click rich"),
        (("rich",), ["targets"], "needs rich, which is not installed. Install it with: pip install click rich"),
        (("safetensors",), ["describe", "m.elstm"], "needs safetensors, which is not installed. Install it with: pip install safetensors"),
        (("numpy",), ["run", "m.so"], "needs numpy, which is not installed. Install it with: pip install numpy"),
    ],
)
def test_the_command_line_says_what_it_lacks(tmp_path: Path, blocked: tuple[str, ...], arguments: list[str], says: str) -> None:
    script = "from edgelstm.__main__ import main\nsys.argv[1:] = {arguments!r}\nmain()"
    el.save(make_model(), tmp_path / "m.elstm")
    (tmp_path / "m.so").write_bytes(b"\x7fELF")
    arguments = [str(tmp_path / word) if word.startswith("m.") else word for word in arguments]
    done = alone(script, blocked, arguments=arguments)
    assert done.returncode == 1
    assert done.stderr == f"edgelstm: this command {says}\n"


@pytest.mark.parametrize("verb", [["doctor"], ["doctor", "m.so"], ["describe", "m.so"]])
def test_a_board_without_numpy_can_examine_itself(library: Path, verb: list[str]) -> None:
    script = "from edgelstm.__main__ import main\nsys.argv[1:] = {arguments!r}\nmain()"
    arguments = [str(library) if word == "m.so" else word for word in verb]
    done = alone(script, ("numpy", "numba", "llvmlite", "safetensors"), arguments=arguments)
    assert done.returncode == 0, done.stderr
    assert "probe" in done.stdout or "works here" in done.stdout


def test_the_scripts_for_the_board_run_as_printed(library: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "raspberry-pi.md").read_text(encoding="utf-8")
    step, serve = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "activity.so").write_bytes(library.read_bytes())
    text = "ax,ay,az\n" + "".join(",".join(map(str, row)) + "\n" for row in ROWS.tolist())
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{step}"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=tmp_path)
    answers = el.Stream(library).process(ROWS)
    assert [line.split(",")[0][1:] for line in done.stdout.splitlines()] == [str(float(max(row))) for row in answers]
    serve = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + serve.replace("while True:", "for _ in range(3):") + "print(len(scores))"
    done = subprocess.run([sys.executable, "-c", serve], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "2\n"
