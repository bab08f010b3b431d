"""A gateway on one machine: a broker, a fleet of simulated devices, the network that judges them, a live page, and Prometheus where it is.

Everything is started here and ended here, with Ctrl-C or after --seconds.
"""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import paho.mqtt.client as mqtt

HERE = Path(__file__).parent
CHECKPOINT = HERE.parent / "activity" / "data" / "activity.pt"
#: Environment variable with the token of the page, which the scraper says too.
TOKEN = "EDGELSTM_WEB_TOKEN"

PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def convert(target: Path) -> None:
    """The demo's network, as its page converts it."""
    options = {
        "--layers": "norm:normalizer, lstm, fc:softmax",
        "--labels": "standing,running,walking,badminton",
        "--input-names": "acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z",
        "--rate": "10",
    }
    command = [*edgelstm("convert", CHECKPOINT, "-o", target), *(part for pair in options.items() for part in pair)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def edgelstm(*parts: object) -> list[str]:
    return [sys.executable, "-m", "edgelstm", *map(str, parts)]


def broker(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Mosquitto with the lines of mosquitto.conf, keeping its messages in a folder."""
    program = shutil.which("mosquitto", path=PLACES)
    if program is None:
        sys.exit("mosquitto is not installed; install it with: apt install mosquitto")
    text = (HERE / "mosquitto.conf").read_text().replace("listener 1883", f"listener {port}")
    user = "user root\n" if os.geteuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(text.replace("/var/lib/mosquitto/", f"{folder}/") + user)
    return subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def gateway(folder: Path, port: int, web: str) -> subprocess.Popen[bytes]:
    url = f"mqtt://127.0.0.1:{port}/fleet"
    command = edgelstm("run", folder / "activity.elstm", "-i", f"{url}/+/imu", "-o", f"{url}/{{key}}/activity")
    return subprocess.Popen([*command, "--sequence", "n", "--on-change", "--state", str(folder / "gateway.state"), "--web", web])


def prometheus(folder: Path, web: str, where: str) -> subprocess.Popen[bytes] | None:
    """A server that scrapes the gateway with the lines of prometheus.yml, where it is installed; it listens at [HOST:]PORT."""
    program = shutil.which("prometheus")
    if program is None:
        print("prometheus is not installed; nothing scrapes /metrics.", flush=True)
        return None
    text = (HERE / "prometheus.yml").read_text().replace(":8080", f":{web.rpartition(':')[2]}")
    token = f"    authorization:\n      credentials: {os.environ[TOKEN]}\n"
    (folder / "prometheus.yml").write_text(text + token)
    listen = where if ":" in where else f"127.0.0.1:{where}"
    options = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={listen}",
    ]
    return subprocess.Popen([program, *options], stderr=subprocess.DEVNULL)


def until_online(port: int, seconds: float = 120.0) -> None:
    """Wait until the gateway reads: the broker keeps messages for it from then on."""
    online = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *rest: client.subscribe("edgelstm/+/status")
    client.on_message = lambda client, userdata, message: online.set() if message.payload == b"online" else None
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    if not online.wait(seconds):
        sys.exit("the gateway is not there; what it said stands above")
    client.disconnect()
    client.loop_stop()


def fleet(port: int, asked: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / "fleet.py"), "--port", str(port), "--devices", str(asked.devices), "--rate", str(asked.rate)]
    return subprocess.Popen([*command, "--seconds", str(asked.seconds)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1.0, help="samples a second of each device")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--port", type=int, default=1884, help="of the broker")
    parser.add_argument("--web", default="8080", help="[HOST:]PORT of the page")
    parser.add_argument("--prometheus", default="9090", help="[HOST:]PORT of Prometheus, where it is installed")
    asked = parser.parse_args()
    os.environ.setdefault(TOKEN, secrets.token_urlsafe())
    with TemporaryDirectory(prefix="gateway-") as name:
        folder = Path(name)
        convert(folder / "activity.elstm")
        started = [broker(folder, asked.port)]
        try:
            started.append(gateway(folder, asked.port, asked.web))
            until_online(asked.port)
            started.append(fleet(asked.port, asked))
            if scraper := prometheus(folder, asked.web, asked.prometheus):
                started.append(scraper)
            fleet_is = started[2]
            fleet_is.wait()
            time.sleep(1)
        except KeyboardInterrupt:
            pass
        finally:
            for process in reversed(started):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


if __name__ == "__main__":
    main()
