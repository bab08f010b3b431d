"""Nothing lost, nothing twice: what may cost samples in the field is done on purpose, and every answer is looked at.

``python benchmarks/nothing_lost.py --times 1000 --write benchmarks/results/nothing-lost.json`` kills as many processes while they write
states, and while they are between a broker and a disk; the rest in proportion. Each part ends with an error if a sample was lost or
counted twice, or a state cannot be read. It needs mosquitto, paho-mqtt and pyserial.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from machine import describe

sys.path.append(str(Path(__file__).parents[1] / "tools"))

import kill_states
from losses import broker, clock, disk, serial_line


def states(folder: Path, times: int) -> dict[str, int]:
    """Kill processes while they write states."""
    written, torn = kill_states.run(times)
    return {"kills": times, "kills in the middle of a write": torn, "states": written, "unreadable": 0, "stale": 0}


#: The parts, and how many of each there are for a thousand kills.
PARTS: dict[str, tuple[Callable[[Path, int], dict[str, int]], int]] = {
    "killed while states are written": (states, 1000),
    "broker stopped and started": (broker.stopped, 100),
    "serial port pulled out": (serial_line.pulled, 50),
    "disk full": (disk.filled, 20),
    "clock set back": (clock.set_back, 50),
    "killed between broker and disk": (broker.killed, 1000),
}


def main() -> None:
    """Do all, and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000, help="kills; of the other things as many in proportion, at least three")
    parser.add_argument("--only", default="", help="parts whose name holds this text")
    parser.add_argument("--write", type=Path, help="a JSON file for what was done; other parts in it stay")
    asked = parser.parse_args()
    done = json.loads(asked.write.read_text())["parts"] if asked.write is not None and asked.write.exists() else {}
    for name, (part, of_thousand) in PARTS.items():
        if asked.only not in name:
            continue
        begin = time.monotonic()
        with TemporaryDirectory(prefix="nothing-lost-") as folder:
            found = part(Path(folder), max(3, of_thousand * asked.times // 1000))
        done[name] = {**found, "seconds": round(time.monotonic() - begin, 1), "date": describe()["date"]}
        print(f"{name}: " + ", ".join(f"{what} {count}" for what, count in done[name].items()), flush=True)
        if asked.write is not None:
            asked.write.write_text(json.dumps({"machine": describe(), "parts": done}, indent=1) + "\n")


if __name__ == "__main__":
    main()
