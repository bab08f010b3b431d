"""The gateway example as it is started, small and short; its files say what the package knows."""

import json
import subprocess
import sys
import time
from configparser import ConfigParser
from pathlib import Path

import pytest
from cli_calls import call
from mqtt_broker import PLACES, Broker, persistent

from edgelstm.cli.run import run

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "gateway"


def test_the_unit_calls_what_there_is() -> None:
    unit = ConfigParser(strict=False, delimiters="=", comment_prefixes="#", interpolation=None)
    unit.optionxform = str
    unit.read(EXAMPLE / "edgelstm-gateway.service")
    known = {option for parameter in run.params for option in parameter.opts}
    used = {word for word in unit["Service"]["ExecStart"].replace("\\\n", " ").split() if word.startswith("--")}
    assert used
    assert used <= known
    assert unit["Service"]["Type"] == "notify"


def test_the_configuration_has_the_lines_of_the_doctor() -> None:
    from edgelstm.doctor.broker import LINES

    text = (EXAMPLE / "mosquitto.conf").read_text().splitlines()
    assert {line for line, _ in LINES} <= set(text)


def test_the_doctor_sees_a_broker_that_forgets(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    for lines, kept, code in (([], 1000, 1), (persistent(tmp_path), 1200, 0)):
        broker = Broker(tmp_path, *lines)
        result = call("doctor", "--json", "--mqtt", f"mqtt://127.0.0.1:{broker.port}")
        broker.stop()
        told = json.loads(result.stdout)
        assert result.exit_code == code
        assert kept <= told["kept"] <= kept + 20
        assert "mosquitto" in told["broker"]
        assert ["persistence true", told["lines"][0][1]] == told["lines"][0]


@pytest.mark.slow
def test_one_command_starts_it(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    Broker(tmp_path).stop()
    command = [sys.executable, EXAMPLE / "gateway.py", "--devices", "40", "--rate", "2", "--seconds", "6", "--port", "21884", "--web", "0"]
    begin = time.monotonic()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": PLACES, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "samples were published" in done.stdout
    assert "the page is at http://127.0.0.1:" in done.stderr
    assert "came again" not in done.stderr
    assert time.monotonic() - begin < 100
