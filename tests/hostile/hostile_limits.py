"""What refusing a hostile file may take: five seconds of a processor, as promised; on a slow one, a multiple of a piece of work."""

import time

import numpy as np

#: What one file may take.
SECONDS, BYTES = 5.0, 500 << 20

#: Chosen on an Ice Lake: alone the slowest files take 3.5 to 4 s there, beside other tests 5 to 8 s, some 200 to 250 times `_small_work`.
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
