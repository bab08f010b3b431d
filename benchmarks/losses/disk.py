"""A disk that is full, again and again, where state and answers are kept."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .broker import Broker, fleet, gateway, subscribed
from .runs import samples

#: Bytes of the disk.
SIZE = 1 << 20


def filled(folder: Path, times: int) -> dict[str, int]:
    """Fill the disk under a gateway so often; it ends with an error each time, is started when there is room, and goes on."""
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], check=False, capture_output=True)
    if made.returncode:
        print("a small disk can be made by root alone; this part is left out", file=sys.stderr)
        return {"disk filled": 0}
    try:
        with Broker(folder) as broker:
            count = _filled(folder, disk, broker, times)
    finally:
        time.sleep(0.1)
        subprocess.run(["umount", disk], check=False)
    return {"disk filled": times, "samples": count, "lost": 0, "counted twice": 0}


def _filled(folder: Path, disk: Path, broker: Broker, times: int) -> int:
    runs = gateway(folder, broker, disk)
    subscribed(runs)
    streams = samples(10, 60 * times)
    peer = fleet(broker.port, streams, 400.0)
    for _ in range(times):
        child, before = runs.start(), runs.size()
        runs.until(lambda before=before: runs.size() > before, child)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            while _written(file, shutil.disk_usage(disk).free):
                pass
            runs.until(lambda child=child: os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 1, f"it ended with {code}: {runs.said.read_text()[-300:]}"
        filler.unlink()
    assert "No space left" in runs.said.read_text()
    assert "Traceback" not in runs.said.read_text()
    runs.finish(sum(map(len, streams.values())))
    assert os.waitpid(peer, 0)[1] == 0, "not all samples were published"
    return runs.check(streams)


def _written(file, count: int) -> int:
    """Fill up; 0 where nothing more goes in."""
    try:
        return file.write(bytes(max(count, 1)))
    except OSError:
        return 0
