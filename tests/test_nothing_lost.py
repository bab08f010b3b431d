"""What may cost samples in the field, done on purpose, in a small form: benchmarks/nothing_lost.py with three of each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mqtt_broker import Broker

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["between broker and disk", "stopped and started", "pulled out", "disk full", "clock set back"])
def test_nothing_is_lost_or_counted_twice(part: str, tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    pytest.importorskip("serial")
    Broker(tmp_path).stop()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, ROOT / "benchmarks" / "nothing_lost.py", "--times", "3", "--only", part, "--write", tmp_path / "found.json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    (found,) = json.loads((tmp_path / "found.json").read_text())["parts"].values()
    assert found.get("disk filled") == 0 or (found["samples"] > 0 and found["lost"] == found["counted twice"] == 0)
