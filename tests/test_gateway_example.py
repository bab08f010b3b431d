"""The gateway example as it is started, small and short; its files say what the package knows."""

import json
import os
import shutil
import subprocess
import sys
import time
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from cli_calls import call
from mqtt_broker import PLACES, Broker, free_port, persistent

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
        assert any("overtake" in sentence for sentence in told["limits"])
        assert ["persistence true", told["lines"][0][1]] == told["lines"][0]


def test_the_container_calls_what_there_is() -> None:
    lines = [line for line in (EXAMPLE / "Containerfile").read_text().splitlines() if line and not line.startswith("#")]
    assert [line.split()[0] for line in lines] == ["FROM", "RUN", "RUN", "ENV", "COPY", "RUN", "RUN", "USER", "WORKDIR", "EXPOSE", "CMD"]
    program, script, *options = json.loads(lines[-1].removeprefix("CMD "))
    assert program == "python"
    told = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True, env=environment())
    assert {option for option in options if option.startswith("--")} <= set(told.stdout.replace(",", " ").split())
    assert options[1::2] == [f"0.0.0.0:{port}" for port in lines[-2].split()[1:]]


def environment(**more: str) -> dict[str, str]:
    pytest.importorskip("paho.mqtt.client")
    return {"PATH": PLACES, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **more}


def ask(port: int, query: str) -> list[dict]:
    """What Prometheus says to a query; nothing while it is not there."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/v1/query?{urlencode({'query': query})}", timeout=5) as reply:
            return json.load(reply)["data"]["result"]
    except OSError:
        return []


@pytest.mark.slow
def test_one_command_starts_it(tmp_path: Path) -> None:
    """Broker, fleet, gateway, page and Prometheus; what the scraper has stored is asked for."""
    Broker(tmp_path).stop()
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed (apt install prometheus)")
    command = [sys.executable, EXAMPLE / "gateway.py", "--devices", "40", "--rate", "2", "--seconds", "25"]
    prometheus = free_port()
    ports = ["--port", str(free_port()), "--web", str(free_port()), "--prometheus", str(prometheus)]
    with subprocess.Popen(
        [*command, *ports], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(HOME=str(tmp_path))
    ) as run:
        while "40" not in [found["value"][1] for found in ask(prometheus, "edgelstm_streams")]:  # all have spoken when it looks again
            assert run.poll() is None, "it ended before the scraper had seen every device"
            time.sleep(0.5)
        (latency,) = ask(prometheus, "histogram_quantile(0.99, rate(edgelstm_latency_seconds_bucket[1m]))") or [{"value": [0, "NaN"]}]
        (up,), (info,) = ask(prometheus, 'up{job="edgelstm"}'), ask(prometheus, "edgelstm_model_info")
        (streams,), (steps,) = ask(prometheus, "edgelstm_streams"), ask(prometheus, "edgelstm_steps_total")
        said, complaint = run.communicate(timeout=120)
    assert run.returncode == 0, complaint
    assert (up["value"][1], streams["value"][1], len(info["metric"]["digest"])) == ("1", "40", 64)
    assert int(steps["value"][1]) >= 40
    assert float(latency["value"][1]) < 10 or latency["value"][1] == "NaN"
    assert "samples were published" in said
    assert "the page is at http://127.0.0.1:" in complaint
    assert "came again" not in complaint
