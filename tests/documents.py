"""The pages of this project as sessions: what each shows, in order, as one shell script, and what of it no test executes.

A page's shell commands run in one shell. A block that names a file, behind its language or in a Python block's first line, a comment, is
written to that file; the other Python blocks are one session.
"""

import os
import re
import shlex
import stat
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

PAGES = sorted(
    str(path.relative_to(ROOT))
    for place in ("README.md", "docs/*.md", "examples/*/README.md", "benchmarks/README.md")
    for path in ROOT.glob(place)
)

#: Those whose commands take more than ten seconds of a processor.
LONG_PAGES = {
    "benchmarks/README.md",
    "docs/from-training.md",
    "docs/raspberry-pi.md",
    *(f"examples/{name}/README.md" for name in ("activity", "forecast", "from_c", "vowels")),
}

INDEX = "asks a package index"
ROOT_RIGHTS = "needs root"
MINUTES = "takes minutes"
BOARD = "needs a board's systemd"
ELSEWHERE = "executed by another test: "

#: Commands that are shown and not executed here, by page: how each begins, and why. Every entry must be found on its page.
NOT_EXECUTED = {
    "README.md": {
        "python3 -m venv .venv && .venv/bin/pip install -qq . && .venv/bin/edgelstm demo": f"{INDEX}; .ci/run executes it",
        'python3 -m venv .venv && .venv/bin/pip install -qq ".[test]"': f"{INDEX}; .ci/run executes it",
        "edgelstm run gesture.elstm -i 'mqtt:": f"{ELSEWHERE}test_mqtt.py",
    },
    "docs/raspberry-pi.md": {
        "sudo apt install": ROOT_RIGHTS,
        "pip install click rich": INDEX,
        "sudo systemd-run": BOARD,
        "sudo systemctl restart": BOARD,
    },
    "docs/emulated-pi.md": {
        "apt-get install": ROOT_RIGHTS,
        "python tools/emulated_pi.py build": f"{INDEX}; .ci/run executes it",
        "python tools/emulated_pi.py": f"{ELSEWHERE}test_emulated_pi.py",
    },
    "examples/activity/README.md": {"pip install torch": INDEX},
    "examples/forecast/README.md": {"pip install torch": INDEX},
    "examples/vowels/README.md": {"pip install torch": INDEX},
    "examples/attack/README.md": {"python examples/attack/run.py": f"{ELSEWHERE}test_gallery.py"},
    "examples/game/README.md": {"python examples/game/run.py": f"{ELSEWHERE}test_gallery.py"},
    "examples/gesture/README.md": {"python examples/gesture/run.py": f"{ELSEWHERE}test_gallery.py"},
    "examples/keyboard/README.md": {"python examples/keyboard/run.py": f"{ELSEWHERE}test_keyboard_example.py"},
    "examples/water/README.md": {"python examples/water/run.py": f"{ELSEWHERE}test_gallery.py"},
    "examples/heart/README.md": {"python examples/heart/run.py": f"{ELSEWHERE}test_gallery.py"},
    "examples/stock/README.md": {"python examples/stock/run.py": f"{ELSEWHERE}test_gallery.py"},
    "examples/voice/README.md": {"pip install": INDEX, "python examples/voice/run.py": f"{ELSEWHERE}test_voice.py"},
    "examples/chorales/README.md": {"python examples/chorales/run.py": f"{ELSEWHERE}test_chorales_example.py"},
    "examples/guitar/README.md": {"python examples/guitar/run.py": f"{ELSEWHERE}test_guitar_example.py"},
    "examples/recommend/README.md": {"pip install": INDEX, "python examples/recommend/run.py": f"{ELSEWHERE}test_recommend_example.py"},
    "examples/video/README.md": {"python examples/video/run.py": f"{ELSEWHERE}test_video_example.py"},
    "docs/gateway.md": {
        "pip install 'edgelstm[": INDEX,
        "edgelstm run gesture.elstm -i 'serial:": f"{ELSEWHERE}test_serial.py",
        "edgelstm run gesture.elstm -i 'mqtt:": f"{ELSEWHERE}test_mqtt.py",
        "edgelstm run keyword.elstm -i": f"{ELSEWHERE}test_sound.py",
        "edgelstm doctor --mqtt": f"{ELSEWHERE}test_gateway_example.py",
        "edgelstm demo --web": f"{ELSEWHERE}test_web.py",
    },
    "docs/clusters.md": {
        "pip install": INDEX,
        "edgelstm score pump.elstm": f"{ELSEWHERE}test_score.py",
    },
    "examples/fleet/README.md": {"pip install": INDEX, "python examples/fleet/fleet.py": f"{ELSEWHERE}test_fleet_example.py"},
    "examples/gateway/README.md": {"pip install": INDEX, "python examples/gateway/gateway.py": f"{ELSEWHERE}test_gateway_example.py"},
    "benchmarks/README.md": {
        "pip install": INDEX,
        "python benchmarks/compare.py": f"{ELSEWHERE}test_benchmarks.py, on small rows: all of them take minutes",
        "python benchmarks/cells.py": f"{ELSEWHERE}test_benchmarks.py, on a small row: all of it takes minutes",
        "python benchmarks/convolutions.py": f"{ELSEWHERE}test_benchmark_convolutions.py",
        "python benchmarks/published.py": f"{ELSEWHERE}test_benchmarks.py",
        "python benchmarks/cold_start.py": f"{ELSEWHERE}test_benchmarks.py",
        "python benchmarks/arm_instructions.py": f"{ELSEWHERE}test_arm_instructions.py",
        "python benchmarks/library_start.py": MINUTES,
        "python benchmarks/limits.py": f"{ELSEWHERE}test_benchmarks.py",
        "pytest benchmarks/test_step.py": MINUTES,
    },
}

#: Blocks in languages that are not executed, by page and language, and why.
NOT_RUN_AT_ALL = {
    ("docs/raspberry-pi.md", "ini"): BOARD,
    ("examples/from_rust/README.md", "rust"): "needs Cargo; the same arguments stand in the command above it",
    ("docs/generating.md", "c"): f"{ELSEWHERE}test_generating.py",
    ("docs/emulated-pi.md", "python"): f"{ELSEWHERE}test_emulated_pi.py",
    ("docs/adding-a-layer.md", "python"): f"{ELSEWHERE}test_adding_a_layer.py",
    ("docs/adding-a-layer.md", "text"): f"{ELSEWHERE}test_adding_a_layer.py",
}


class Block(NamedTuple):
    """A block of a page."""

    language: str
    name: str
    text: str

    @property
    def file(self) -> str:
        """The file that a block is to be written to; empty if it is to be executed."""
        if self.name:
            return self.name
        named = re.match(r"# (\w+\.py)\b", self.text) if self.language == "python" else None
        return named[1] if named else ""


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(*found) for found in re.findall(r"^```(\w*) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def commands(block: Block) -> list[str]:
    """The commands of a shell block, or of a console's behind its prompts; a continued line is one command."""
    if block.language not in ("sh", "console", ""):
        return []
    text = block.text.replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line]


def reason(page: str, command: str) -> str:
    """Why a command is not executed here; empty if it is."""
    return next((why for begin, why in NOT_EXECUTED.get(page, {}).items() if command.startswith(begin)), "")


def script(page: str, instead: dict[str, str]) -> str:
    """A page as a script for bash; `instead` replaces words that mean another machine."""
    parts, session = ["set -e"], ""
    for block in blocks(page):
        if (page, block.language) in NOT_RUN_AT_ALL:
            continue
        if block.name:
            parts.append(_written(block.name, block.text))
            continue
        if block.language == "python":
            if not block.file:
                session += block.text
            parts.append(_written(block.file or "_session.py", block.text if block.file else session))
            parts += [] if block.file else ["python3 _session.py"]
            continue
        for command in commands(block):
            if reason(page, command):
                continue
            parts += [f"echo {shlex.quote('$ ' + command)}", _replaced(command, instead)]
    return "\n".join(parts) + "\n"


def _replaced(command: str, instead: dict[str, str]) -> str:
    for word, other in instead.items():
        command = command.replace(word, other)
    return command


def _written(file: str, text: str) -> str:
    return f"cat > {file} <<'END_OF_BLOCK'\n{text}END_OF_BLOCK"


def put_programs(folder: Path) -> None:
    """Stand-ins for what a shell finds: this Python and this package under their usual names, and a board that is a folder.

    `scp FILES pi@…:WHERE` copies into the folder ``$BOARD``, `ssh` is nothing, `sudo` is no other user, and
    `pip wheel` makes that of ``$CHECKOUT``.
    """
    programs = {
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "python3": f'exec {shlex.quote(sys.executable)} "$@"',
        "edgelstm": f'exec {shlex.quote(sys.executable)} -m edgelstm "$@"',
        "scp": 'to="${@: -1}"; to="${to#*:}"; cp "${@:1:$#-1}" "$BOARD/${to#"$BOARD"/}"',
        "ssh": "true",
        "sudo": 'exec "$@"',
        "pip": f'cd "$CHECKOUT" && exec {shlex.quote(sys.executable)} -m hatchling build -t wheel -d "$OLDPWD/dist"',
    }
    for name, text in programs.items():
        file = folder / name
        file.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)


def environment(programs: Path, **more: str) -> dict[str, str]:
    """Of a page's shell."""
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": python_path, **more}
