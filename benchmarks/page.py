"""What the live page costs: a run of 20 samples a second with one page open, in shares of a core: ``python benchmarks/page.py``.

The time that the run's process spent on a CPU is the system's count (/proc/PID/stat), from `WARM` seconds after its first answer on; the
page is read as a browser does, its events to the end. Without --web the same run is measured beside it. `results/page.json` keeps it.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import machine
import numpy as np
from grid import Row, make_case

import edgelstm as el

RESULT = Path(__file__).parent / "results" / "page.json"

#: Seconds that are let go before it is counted: the page's files are sent then.
WARM = 3.0


def cpu_seconds(pid: int) -> float:
    """Seconds that a process has spent on CPUs, its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(model: Path, asked: list[str]) -> Iterator[subprocess.Popen[str]]:
    """`edgelstm run` over lines that come one by one."""
    command = [sys.executable, "-m", "edgelstm", "run", str(model), *asked]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def page_of(process: subprocess.Popen[str]) -> str:
    """Where the run says that its page is."""
    assert process.stderr is not None
    for line in process.stderr:
        if "the page is at " in line:
            return line.rpartition(" ")[2].strip()
    raise SystemExit("the run serves no page")


def look(url: str, told: list[int]) -> None:
    """Read a page and its events, as a browser that stays."""
    where = urlsplit(url)
    for path in ("/", "/page.css", "/page.js", "/uPlot.iife.min.js", "/uPlot.min.css", "/about", "/events"):
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        line.request("GET", f"{path}?{where.query}")
        reply = line.getresponse()
        if path != "/events":
            reply.read()
            line.close()
    while reply.fp.readline():
        told[0] += 1


def share(model: Path, rows: np.ndarray, seconds: float, rate: float, *, web: bool) -> tuple[float, int]:
    """The share of a core that a run takes, and the lines of events that the page was sent."""
    told = [0]
    with running(model, ["--web", "0"] if web else []) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if web:
            threading.Thread(target=look, args=(page_of(process), told), daemon=True).start()
        begin, before, start = time.monotonic(), 0.0, 0.0
        for i in range(int(rate * (WARM + seconds))):
            process.stdin.write(",".join(map(str, rows[i % len(rows)])) + "\n")
            process.stdout.readline()
            if not start and i >= rate * WARM:
                before, start = cpu_seconds(process.pid), time.monotonic()
            time.sleep(max(0.0, begin + (i + 1) / rate - time.monotonic()))
        return (cpu_seconds(process.pid) - before) / (time.monotonic() - start), told[0]


def main() -> None:
    """Measure and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", default="6,32,1", help="inputs, hidden size, layers")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=20, help="samples a second")
    parser.add_argument("--note", default="", help="what else the machine did")
    asked = parser.parse_args()
    case = make_case(Row.parse(asked.row))
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.elstm"
        el.save(case.model, model)
        el.Stream(case.model).warmup()
        rows = case.inputs.astype(np.float32)
        plain, _ = share(model, rows, asked.seconds, asked.rate, web=False)
        shown, lines = share(model, rows, asked.seconds, asked.rate, web=True)
    about = {"row": asked.row, "samples_a_second": asked.rate, "seconds": asked.seconds, "note": asked.note}
    found = {"core_percent": round(100 * shown, 2), "core_percent_without_page": round(100 * plain, 2), "event_lines": lines}
    RESULT.write_text(json.dumps({"machine": machine.describe(), **about, **found}, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
