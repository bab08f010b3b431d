"""A simulated fleet: many smart watches that publish what they measure, each a recording of the demo's after the other.

A watch publishes with QoS 1, as often as asked, one JSON object a sample, with a number that counts its samples. Where the broker is
away, the watches wait for it, and what it has not confirmed goes first when it is back.
"""

import argparse
import json
import signal
import time
from pathlib import Path

import numpy as np

from edgelstm.sources.address import parse
from edgelstm.sources.mqtt_client import Connection

RECORDINGS = Path(__file__).parents[1] / "activity" / "data" / "held_out"


def recordings(folder: Path) -> np.ndarray:
    """All held-out recordings, one behind the other: (time, 6); and the names of the channels."""
    return np.concatenate([np.loadtxt(path, np.float32, delimiter=",", skiprows=1) for path in sorted(folder.glob("*.csv"))])


def publish(client: Connection, devices: int, rate: float, seconds: float) -> int:
    """Publish the samples of all devices in turn, evenly spread over each period; how many were sent."""
    rows, begin, sent = recordings(RECORDINGS), time.monotonic(), 0
    names = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
    offsets = np.random.default_rng(1).integers(0, len(rows), devices)
    number = 0
    while time.monotonic() - begin < seconds:
        for device in range(devices):
            row = rows[(offsets[device] + number) % len(rows)]
            sample = {"n": number, **dict(zip(names, map(float, row), strict=True))}
            client.publish(f"fleet/watch-{device:04}/imu", json.dumps(sample), 1, retain=False)
            sent += 1
            due = begin + (number + device / devices) / rate
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
        number += 1
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1.0, help="samples a second of each device")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    client = Connection(parse(f"mqtt://{asked.host}:{asked.port}/fleet"), "fleet", print, tells=False)
    client.start()
    try:
        print(f"{publish(client, asked.devices, asked.rate, asked.seconds)} samples were published.", flush=True)
        client.settle()
    except KeyboardInterrupt:
        pass
    client.close()


if __name__ == "__main__":
    main()
