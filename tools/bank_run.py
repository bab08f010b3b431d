"""A bank at work for as many steps as are asked for, whatever becomes of its streams: ``python tools/bank_run.py [STEPS]``.

Keys are stepped in blocks, in any order and one by one; streams are reset, dropped, evicted, and put back from snapshots of others and
of the whole bank. Some keys have a stream of their own beside the bank: every answer of theirs must have the same bits, and so must
their states at the end. The process must not grow. Exits with 1 if something differs.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import edgelstm as el

#: Most streams of the bank, keys that there are, those that are watched, and most steps of a block.
CAPACITY, KEYS, WATCHED, LONGEST = 3000, 4000, 24, 64

#: Pages that the process may grow by: those that it holds after the second to fourth tenth of the steps, and after the last three, on
#: average. From turn to turn they go up and down by as many.
PAGES = 256


def model_of(rng: Any, inputs: int, hidden: int) -> Any:
    weights = (rng.uniform(-0.5, 0.5, shape) for shape in ((4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,)))
    return el.Model((el.LSTM(*weights), el.Dense(rng.uniform(-1, 1, (1, hidden)), rng.uniform(-1, 1, 1))))


class Run:
    """A bank and the streams that stand beside it.

    Attributes
    ----------
    counts : dict
        How often what was done.
    compared : int
        Answers that were compared.
    """

    def __init__(self, model: Any, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.bank, self.model = el.StreamBank(model, CAPACITY, evict="oldest"), model
        self.twins: dict[int, Any] = {}
        self.pool = self.rng.uniform(-1, 1, (1 << 16, model.input_size)).astype(np.float32)
        self.counts = dict.fromkeys(("block", "one", "reset", "drop", "restore", "restore all", "evict"), 0)
        self.compared = 0

    def turn(self) -> None:
        """Something happens."""
        what = str(self.rng.choice(list(self.counts), p=(0.55, 0.2, 0.1, 0.06, 0.06, 0.01, 0.02)))
        self.counts[what] += 1
        {"block": self.block, "one": self.one, "restore": self.restore, "restore all": self.restore_all, "evict": self.evict}.get(
            what, lambda: self.of_one(what)
        )()

    def given(self, count: int) -> Any:
        """So many samples."""
        start = int(self.rng.integers(len(self.pool) - count % len(self.pool)))
        return np.take(self.pool, np.arange(start, start + count), axis=0, mode="wrap")

    def begin(self, keys: list[int]) -> None:
        """Streams beside the bank for the watched keys that begin, and none for those that are gone."""
        for key in keys:
            if key < WATCHED and key not in self.bank:
                self.twins[key] = el.Stream(self.model)

    def settle(self) -> None:
        for key in [key for key in self.twins if key not in self.bank]:
            del self.twins[key]

    def block(self) -> None:
        """Many keys, as many steps of each; now and then some twice."""
        count, time = int(self.rng.integers(2, 1500)), int(self.rng.integers(1, LONGEST))
        keys = self.rng.choice(KEYS, count, replace=bool(self.rng.random() < 0.1)).tolist()
        keys[: WATCHED // 4] = self.rng.choice(WATCHED, len(keys[: WATCHED // 4]), replace=False).tolist()
        xs = self.given(count * time).reshape(count, time, -1)
        self.begin(keys)
        answers = self.bank.process_many(keys, xs) if time > 1 else self.bank.step_many(keys, xs[:, 0])[:, None]
        for key, x, y in zip(keys, xs, answers, strict=True):
            if key in self.twins:
                self.same(key, y, self.twins[key].process(x))
        self.settle()

    def one(self) -> None:
        key = int(self.rng.integers(WATCHED if self.rng.random() < 0.5 else KEYS))
        self.begin([key])
        x = self.given(1)[0]
        y = self.bank.step(key, x)
        if key in self.twins:
            self.same(key, y, self.twins[key].step(x))
        self.settle()

    def of_one(self, what: str) -> None:
        """Reset or drop a stream that is there."""
        keys = self.bank.keys()
        if keys:
            key: Any = keys[int(self.rng.integers(min(len(keys), WATCHED if self.rng.random() < 0.5 else KEYS)))]
            getattr(self.bank, what)(key)
            if what == "reset" and key in self.twins:
                self.twins[key].reset()
            self.settle()

    def restore(self) -> None:
        """One stream goes on from where another is."""
        keys = self.bank.keys()
        if keys:
            blob = self.bank.snapshot(keys[int(self.rng.integers(len(keys)))])
            key = int(self.rng.integers(WATCHED))
            self.begin([key])
            self.bank.restore(key, blob)
            self.twins[key].restore(blob)
            self.settle()

    def restore_all(self) -> None:
        """All streams go back to where they were some steps ago."""
        blob = self.bank.snapshot_all()
        if keys := self.bank.keys():
            self.bank.step_many(keys, self.given(len(keys)))
        self.bank.restore_all(blob)

    def evict(self) -> None:
        self.bank.evict_idle(int(self.rng.integers(1, 20 * CAPACITY * LONGEST)))
        self.settle()

    def same(self, key: int, found: Any, expected: Any) -> None:
        self.compared += len(expected)
        if not np.array_equal(found, expected):
            raise SystemExit(f"stream {key} differs from a stream of its own after {self.bank.steps} steps of the bank: {self.counts}")

    def ends_the_same(self) -> None:
        for key, twin in self.twins.items():
            if self.bank.snapshot(key) != twin.snapshot():
                raise SystemExit(f"the state of stream {key} differs from that of a stream of its own: {self.counts}")


def pages() -> int:
    """Pages of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="?", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inputs", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=8)
    asked = parser.parse_args()
    run, began = Run(model_of(np.random.default_rng(1), asked.inputs, asked.hidden), asked.seed), perf_counter()
    held = []
    for part in range(1, 11):
        while run.bank.steps < part * asked.steps / 10:
            run.turn()
        held.append(pages())
    grown = (sum(held[-3:]) - sum(held[1:4])) // 3
    run.ends_the_same()
    print(f"{run.bank.steps:,} steps in {perf_counter() - began:.0f} s: {run.counts}")
    print(f"{run.compared:,} answers and {len(run.twins)} states are as of streams of their own; pages grown by: {grown}")
    return int(grown > PAGES)


if __name__ == "__main__":
    sys.exit(main())
