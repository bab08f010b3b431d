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
import paho.mqtt.client as mqtt

RECORDINGS = Path(__file__).parents[1] / "activity" / "data" / "held_out"


def recordings(folder: Path) -> np.ndarray:
    """All held-out recordings, one behind the other: (time, 6); and the names of the channels."""
    return np.concatenate([np.loadtxt(path, np.float32, delimiter=",", skiprows=1) for path in sorted(folder.glob("*.csv"))])


def connect(host: str, port: int) -> mqtt.Client:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="fleet", clean_session=False)
    client.max_inflight_messages_set(1000)
    client.reconnect_delay_set(1, 5)
    client.connect_async(host, port)
    client.loop_start()
    return client


def publish(client: mqtt.Client, devices: int, rate: float, seconds: float) -> int:
    """Publish the samples of all devices in turn, evenly spread over each period; how many were sent."""
    rows, begin, sent = recordings(RECORDINGS), time.monotonic(), 0
    names = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
    offsets = np.random.default_rng(1).integers(0, len(rows), devices)
    number = 0
    while time.monotonic() - begin < seconds:
        for device in range(devices):
            row = rows[(offsets[device] + number) % len(rows)]
            sample = {"n": number, **dict(zip(names, map(float, row), strict=True))}
            if not client.is_connected():
                until_confirmed(client)
            client.publish(f"fleet/watch-{device:04}/imu", json.dumps(sample), 1)
            sent += 1
            due = begin + (number + device / devices) / rate
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
        number += 1
    return sent


def until_confirmed(client: mqtt.Client) -> None:
    """Wait for the broker: the client would let new messages overtake those that were not confirmed."""
    while not client.is_connected() or client._out_messages:
        time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1.0, help="samples a second of each device")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    client = connect(asked.host, asked.port)
    try:
        print(f"{publish(client, asked.devices, asked.rate, asked.seconds)} samples were published.", flush=True)
        while client._out_messages:  # what the broker has not confirmed yet
            time.sleep(0.05)
    except KeyboardInterrupt:
        pass
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
