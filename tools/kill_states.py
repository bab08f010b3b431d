"""Kill processes with SIGKILL while they write states, and look at what is left: `python tools/kill_states.py 1000`.

Each process takes up the newest state of a folder and writes one after the other, as fast as the disk takes them; it says each one that
is on the disk. After the kill the newest state must be whole, and be the one said last or the one behind it.
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from edgelstm.field.store import Kept, StateStore

#: Seconds that a process lives, at most.
LONGEST = 0.04


def state_of(generation: int) -> bytes:
    """The state that is written as a generation: its length and its bytes differ from one to the next."""
    return random.Random(generation).randbytes(1 + generation * 7919 % 200_000)


def write_for_ever(folder: Path, said: int) -> None:
    """Write states until somebody puts an end to it."""
    store = StateStore(folder)
    store.newest()
    while True:
        following = store.generation + 1
        store.write(state_of(following), {"sequence": following})
        os.write(said, b"%d\n" % following)


def killed(folder: Path, seconds: float) -> int:
    """Start a process, kill it after so long, and return the last generation that it said; 0 for none."""
    heard, said = os.pipe()
    child = os.fork()
    if not child:
        try:
            write_for_ever(folder, said)
        finally:
            os._exit(1)
    os.close(said)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(heard, "rb") as lines:
        return int((lines.read().split() or [b"0"])[-1])


def newest(folder: Path) -> Kept | None:
    """The newest state of a folder that nobody writes to."""
    store = StateStore(folder)
    try:
        return store.newest()
    finally:
        store.close()


def run(count: int, seed: int = 0) -> tuple[int, int]:
    """Kill so many processes, and return how many generations were written in all, and how many kills fell into a write.

    Raises
    ------
    AssertionError
        If a state is unreadable, stale or another than was written.
    """
    draw, last, torn = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "state"
        for _ in range(count):
            last = max(last, killed(folder, draw.uniform(0, LONGEST)))
            torn += any(folder.glob(".*.tmp"))
            kept = newest(folder)
            found = kept.generation if kept else 0
            assert last <= found <= last + 1, f"generation {last} was said, {found} is there"
            assert kept is None or (kept.state == state_of(found) and kept.marks == {"sequence": found}), f"generation {found} is another"
            last = found
        assert len(list(folder.iterdir())) <= 3, "something was left behind"
    return last, torn


if __name__ == "__main__":
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    written, torn = run(kills)
    print(f"{kills} processes killed while they wrote {written} states, {torn} in the middle of one: the newest was whole each time.")
