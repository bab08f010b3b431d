"""A board on a serial line, played by a pseudo-terminal, that is pulled out in the middle of a line and put in again."""

import os
import pty
import random
import signal
import termios
import time
from pathlib import Path

from .runs import Runs, end, samples

#: Lines that a board says each time, and of those before that it says again.
SAYS, AGAIN = 20, 5


def pulled(folder: Path, times: int) -> dict[str, int]:
    """Pull the board out so often; it says its last lines again when it is put in, as loggers do that cannot know what arrived."""
    name = folder / "ttyFAKE0"
    runs = Runs(folder, "-i", f"serial://{name}", "--header", "no", "--columns", "3-5", "--key", 1, "--sequence", 2, "--keep", 2)
    streams, draw = samples(1, SAYS * times), random.Random(9)
    key, rows = next(iter(streams.items()))
    lines = [f"{key},{i},{','.join(map(repr, row))}\r\n" for i, row in enumerate(rows.tolist())]
    child = runs.start()
    for plug in range(times):
        wire, line = pty.openpty()
        spare = name.with_suffix(".new")
        spare.symlink_to(os.ttyname(line))
        spare.rename(name)
        runs.until(lambda line=line: _opened(line), child)
        os.close(line)
        time.sleep(0.08)  # a port that speaks at once is taken to be in the middle of a line
        first = plug * SAYS
        text = "".join(lines[max(0, first - AGAIN) : first + SAYS]) + lines[0][: draw.randrange(1, 12)]
        os.write(wire, text.encode())
        runs.until(lambda count=first + SAYS: len(runs.lines()) >= count, child)
        name.unlink()
        os.close(wire)
    end(child, signal.SIGTERM)
    count = runs.check(streams)
    again = (times - 1) * AGAIN
    assert f"{again} samples came again" in runs.said.read_text()
    return {"pulled out": times, "samples": count, "said again": again, "lost": 0, "counted twice": 0}


def _opened(line: int) -> bool:
    """Whether another process has set the terminal to raw bytes."""
    return not termios.tcgetattr(line)[3] & termios.ICANON
