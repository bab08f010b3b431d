"""What people see on a terminal of 80 columns: nothing that they would copy is broken, and work that takes seconds shows itself."""

import fcntl
import io
import json
import math
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from types import SimpleNamespace

import pytest
from cli_calls import call, make_model
from rich.console import Console
from test_doctor import levels, told_of

import edgelstm as el
from edgelstm.cli import demo_view, doctor, measure, show
from edgelstm.compiler.targets import TARGETS
from edgelstm.doctor import diagnosis, machine


def on_a_terminal(*words, columns=80, lines=24):
    """What a command draws on a terminal of this size: escape sequences taken out."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "NO_COLOR", "TERM"}}
    environment |= {"TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "edgelstm", *map(str, words)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        drawn += part
    os.close(ours)
    assert process.wait() == 0, drawn
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("screens")
    el.save(make_model(), folder / "m.elstm")
    el.build(make_model()).write(folder / "m.so")
    return folder


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_names_of_targets_can_be_copied(columns):
    shown = on_a_terminal("targets", columns=columns)
    assert max(map(len, shown.splitlines())) <= columns
    table = shown.partition("Built")[0]
    for target in TARGETS.values():
        assert re.search(rf"^ *{re.escape(target.name)} +{re.escape(target.cpu)} +{target.lanes} +{target.dot} ", table, re.MULTILINE), (
            target.name
        )
    for target in TARGETS.values():
        assert target.tested in shown


@pytest.mark.parametrize("name", ["m.elstm", "m.so"])
def test_describe_shows_the_whole_digest_in_a_line(stored, name):
    shown = on_a_terminal("describe", stored / name)
    assert re.search(r"digest +[0-9a-f]{64}\s", shown)
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("words", [("build", "m.elstm", "--target", "rpi4", "-o", "x.so"), ("doctor",)])
def test_long_work_shows_itself_on_a_terminal_alone(stored, words, monkeypatch):
    monkeypatch.chdir(stored)
    sign = {"build": "compiling m.elstm for rpi4", "doctor": "trying a toy model"}[words[0]]
    assert sign in on_a_terminal(*words)
    result = call(*words)
    assert sign not in result.stdout + result.stderr


def test_a_library_for_the_host_has_no_empty_brackets():
    def stream(target, cpu):
        return SimpleNamespace(program=SimpleNamespace(about=lambda: SimpleNamespace(target=target, cpu=cpu)))

    assert measure.machine(stream("host", ""))["target"] == "host"
    assert measure.machine(stream("rpi4", "cortex-a72"))["target"] == "rpi4 (cortex-a72)"


@pytest.mark.parametrize(
    ("board", "container", "text"),
    [("", True, "(in a container)"), ("Pi", True, "Pi (in a container)"), ("Pi", False, "Pi"), ("", False, "")],
)
def test_a_board_stands_in_its_column(board, container, text):
    told = machine.look().record() | {"board": board, "container": container}
    assert dict(doctor._machine(told))["board"] == text


@pytest.mark.parametrize(
    ("absent", "with_"), [({"numpy", "numba", "llvmlite", "safetensors"}, "edgelstm.device"), ({"numba", "llvmlite"}, "edgelstm.Stream")]
)
def test_nobody_is_told_to_install_a_compiler_on_a_board(absent, with_):
    looked = machine.look()
    packages = [package | {"version": "" if package["name"] in absent else "1.0"} for package in diagnosis.packages()]
    found = diagnosis.findings(looked, told_of(looked, packages=packages))
    assert not [f for f in found if "absent" in f.what]
    assert any(with_ in f.what and f.level == "ok" for f in found)


def test_what_a_laptop_lacks_is_told():
    looked = machine.look()
    packages = [package | {"version": "" if package["name"] == "safetensors" else "1.0"} for package in diagnosis.packages()]
    assert "advice" in {level for what, level in levels(looked, packages=packages).items() if "safetensors" in what}


@pytest.mark.parametrize(("width", "height"), [(79, 24), (80, 23), (60, 24), (20, 5), (10, 3), (200, 10)])
def test_a_window_that_shrinks_says_what_it_needs(width, height):
    console = Console(record=True, width=width, height=height, file=io.StringIO(), force_terminal=True)
    console.print(demo_view.render(None, width, height))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    text = "".join("".join(lines).split())
    assert f"{width}x{height}" in text
    assert "80x24" in text


def test_the_demo_says_why_it_is_plain():
    shown = on_a_terminal("demo", "--recordings", "1", columns=60, lines=20)
    assert "80 x 24 or more, and this one has 60 x 20" in " ".join(shown.split())


def test_what_is_no_number_is_null_in_json():
    told = {"error": math.inf, "rows": [1.5, math.nan, (-math.inf, 2)], "of": {"a": "NaN", "b": None, "c": True}}
    wanted = {"error": None, "rows": [1.5, None, [None, 2]], "of": {"a": "NaN", "b": None, "c": True}}
    assert json.loads(show.json_text(told), parse_constant=pytest.fail) == wanted
