"""Every command of docs/sensor-files.md, executed in its order; what the page shows of its output is compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_calls import ROOT
from click import Context

from edgelstm.cli.run import run

PAGE = (ROOT / "docs" / "sensor-files.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_runs_and_shows_what_comes(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f'edgelstm() {{ "{sys.executable}" -m edgelstm "$@"; }}\nset -e\n'
    seen, shown = 0, ""
    for kind, name, text in BLOCKS:
        if name:
            (tmp_path / name).write_text(text)
        elif kind == "sh":
            assert shown == ""
            done = subprocess.run(
                ["bash", "-c", command + text],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout
            shown = done.stdout
            seen += 1
        elif kind == "text":
            assert sorted(shown.splitlines()) == sorted(text.splitlines())  # two streams: their order is not ours
            shown = ""
    assert shown == ""
    assert seen >= 7


@pytest.mark.parametrize("option", sorted({option for parameter in run.params for option in parameter.opts if option.startswith("--")}))
def test_a_page_names_every_option_of_run(option: str) -> None:
    assert option in PAGE + (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")


def test_every_verb_that_reads_lines_offers_the_same() -> None:
    from edgelstm.cli.quantize import quantize

    offered = {option for parameter in quantize.params for option in parameter.opts}
    assert {"--columns", "--header", "--delimiter", "--decimal", "--comment", "--skip-lines", "--missing"} <= offered
    assert len(run.get_help(Context(run, info_name="edgelstm run"))) > 1000
