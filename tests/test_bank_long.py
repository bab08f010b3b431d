"""A bank at work for long, whatever becomes of its streams: `tools/bank_run.py`, for a part of the steps that it takes by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tools" / "bank_run.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_streams_that_come_and_go_give_the_bits_of_streams_of_their_own():
    done = run("1e6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as of streams of their own" in done.stdout


@pytest.mark.nightly
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("sizes", [("1", "8"), ("6", "32"), ("5", "41")])
def test_a_hundred_million_steps_and_memory_stays_as_it_was(sizes):
    done = run("1e8", "--inputs", sizes[0], "--hidden", sizes[1], "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
