"""A bank's twins: a stream of its own for each key, and what must be the same of both."""

import numpy as np
from conftest import lstm_model, samples

import edgelstm as el

MODEL = lstm_model(np.random.default_rng(1), 3, 20, 2, names=tuple("xyz"))
POOL = ["a", b"a", 0, -5, "0", b"", 2**40, "key", ""]
CAPACITY = 6
XS = np.random.default_rng(2).uniform(-1, 1, (4096, 3)).astype(np.float32)


def rows_of(start, count):
    return np.take(XS, range(start, start + count), axis=0, mode="wrap")


class Twins:
    """A Stream for each key, and the keys in the order in which they were stepped."""

    def __init__(self, model, capacity=CAPACITY, **options):
        self.model, self.capacity, self.options = model, capacity, options
        self.streams, self.stepped, self.steps = {}, {}, 0

    def begin(self, keys):
        new = [key for key in dict.fromkeys(keys) if key not in self.streams]
        for _ in range(len(self.streams) + len(new) - self.capacity):
            oldest = min((key for key in self.streams if key not in keys), key=lambda key: self.stepped[key])
            self.drop(oldest)
        for key in new:
            self.streams[key], self.stepped[key] = el.Stream(self.model, **self.options), self.steps

    def drop(self, key):
        del self.streams[key], self.stepped[key]

    def process(self, keys, xs):
        self.begin(keys)
        answers = []
        for key, part in zip(keys, xs, strict=True):
            answers.append(self.streams[key].process(part))
            self.steps += len(part)
            self.stepped[key] = self.steps
        return np.array(answers)


def agree(model, xs, count=11, library=None, **options):
    """Streams of a bank, by groups and alone, stepped and in blocks, against streams of their own. library: the bank's, if any."""
    bank, streams = el.StreamBank(library or model, count, **options), [el.Stream(model, **options) for _ in range(count)]
    keys, time = list(range(count)), len(xs) // count
    parts = xs[: count * time].reshape(count, time, -1)
    expected = [[None if (y := stream.step(x)) is None else y.copy() for x in part] for stream, part in zip(streams, parts, strict=True)]
    half = time // 2
    found = [bank.step_many(keys, parts[:, t]) for t in range(half)]
    found = np.concatenate([np.stack(found, axis=1), bank.process_many(keys, parts[:, half:])], axis=1)
    for row, wanted in zip(found, expected, strict=True):
        assert [not np.isnan(y).all() for y in row] == [y is not None for y in wanted]
        np.testing.assert_array_equal([y for y in row if not np.isnan(y).all()], [y for y in wanted if y is not None])
    assert [bank.snapshot(key) for key in keys] == [stream.snapshot() for stream in streams]


def drawn(model, steps):
    rng = np.random.default_rng(5)
    return rng.integers(model.vocabulary_size, size=(steps, 1)).astype(np.float32) if model.takes_index else samples(rng, model, steps)
