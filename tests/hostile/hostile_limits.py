"""What refusing a hostile file may take: five seconds of a processor, on a slow one as much work as that is elsewhere."""

import time

import numpy as np

#: What one file may take.
SECONDS, BYTES = 5.0, 500 << 20

#: So many times `_small_work` is less than five seconds where a step of Python takes what it does on the machines that are published.
_WORKS = 300


def _small_work():
    """Processor seconds of some thousand small arrays, as importers make them."""
    few, began = np.arange(8)[::-1], time.process_time()
    for i in range(4000):
        np.concatenate([np.unique(few), few + i]).max()
    return time.process_time() - began


def seconds():
    """Processor seconds that a refusal may take here and now: SECONDS at least."""
    return max(SECONDS, _WORKS * _small_work())
