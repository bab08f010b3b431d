"""Which shard a key belongs to, the same in every process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ..runtime.keyed import Key, checked


def shard_of(key: Key, shards: int) -> int:
    """Which of so many shards a key belongs to, the same in every process: CRC-32 of its text or bytes."""
    key = checked(key)
    data = key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogatepass")
    return crc32(data) % shards


def shards_of(keys: Sequence[Key], shards: int) -> NDArray[np.int64]:
    """`shard_of` of each of many keys: (keys,)."""
    texts: Any = keys
    try:
        numbers = np.fromiter(map(crc32, map(str.encode, texts)), np.int64, len(keys))
    except (TypeError, UnicodeEncodeError):  # not all are text, or some is not in UTF-8
        return np.fromiter((shard_of(key, shards) for key in keys), np.int64, len(keys))
    numbers %= shards
    return numbers
