"""What is known of a model's sensors, as memory that `compiler.sensor_look` and `field.sensors` share: float64 (FIELDS, channels).

Channels are filled up to a multiple of LANES, by such as never have a value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .memory import allocate

#: Channels that compiled code looks at together.
LANES = 8

#: Rows of the record: the range, and the longest run of one value; the last value, how often in a row it came, whether that is too often,
#: and how often it became so; values out of range; the recent mean, how much of it is known; samples looked at, in the first channel.
LOW, HIGH, LONGEST, BEFORE, RUN, STUCK, STUCK_TOTAL, OUT_OF_RANGE, RECENT, WEIGHT, SEEN = range(11)
FIELDS = 11

#: How many samples the drift looks back: each new one moves the recent mean by one part in so many.
MEMORY = 1024


def made(channels: int) -> NDArray[np.float64]:
    """(FIELDS, channels): the view of a record, nothing looked at."""
    filled = -(-channels // LANES) * LANES
    record = allocate(8 * FIELDS * filled).view(np.float64).reshape(FIELDS, filled)
    record[:], record[BEFORE] = 0, np.nan
    return record[:, :channels]
