"""The state of an arena as C programs keep it: set, written out as a snapshot, taken back. The compiled side of `snapshot`.

Everything is words of 32 bits, so that no value is changed on its way.
"""

from numba import njit

from ..simd.addresses import find_bad, peek_i32, poke_i32
from ..simd.vectors import offset

inlined = njit(inline="always")

MASK = 0xFFFFFFFF
POLYNOMIAL = 0xEDB88320  # CRC-32 of IEEE 802.3, bits reversed

#: Answers of `restore`.
TAKEN, DAMAGED, FOREIGN = 0, 1, 2


def reset_state(state_words):
    """Kernel: the initial state into an arena."""

    def kernel(arena, initial):
        """arena, initial: addresses of (state_words,) int32."""
        for k in range(state_words):
            poke_i32(arena, 4 * k, peek_i32(initial, 4 * k))

    return kernel


def clear_arena(arena_words):
    """Kernel: zeros into an arena."""

    def kernel(arena):
        """arena: address of (arena_words,) int32."""
        for k in range(arena_words):
            poke_i32(arena, 4 * k, 0)

    return kernel


@inlined
def checksum(blob, words):
    """CRC-32 of (words,) int32 at an address, bit by bit: no table in flash."""
    crc = MASK
    for k in range(words):
        crc ^= peek_i32(blob, 4 * k) & MASK
        for _ in range(32):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ MASK


@inlined
def copy_words(target, source, words):
    for k in range(words):
        poke_i32(target, 4 * k, peek_i32(source, 4 * k))


def write_snapshot(header_words, state_words):
    """Kernel: an arena's state as a snapshot."""

    def kernel(arena, blob, header):
        """arena, blob, header: addresses; header (header_words,) int32: what every snapshot of the model begins with."""
        copy_words(blob, header, header_words)
        copy_words(blob + 4 * header_words, arena, state_words)
        poke_i32(blob, 4 * (header_words + state_words), checksum(blob, header_words + state_words))

    return kernel


def read_snapshot(header_words, state_words, counter_words, sample, limit, counted):
    """Kernel: a snapshot into an arena, if it is sound and of this model.

    Parameters
    ----------
    header_words, state_words : int
    counter_words : int
        Words of the state that are no float32.
    sample : int
        Word of the state where the last sample begins.
    limit : float32
        As `checks` take it.
    counted : bool
        Whether what is due is computed from the steps taken, so that their number must be one that can be: below 2**62.
    """

    def kernel(arena, blob, header, state):
        """arena, blob, header: addresses; state: the state in the blob as a pointer to float32. Returns one of `TAKEN`, …."""
        if checksum(blob, header_words + state_words) != peek_i32(blob, 4 * (header_words + state_words)) & MASK:
            return DAMAGED
        for k in range(header_words):
            if peek_i32(blob, 4 * k) != peek_i32(header, 4 * k):
                return FOREIGN
        if counted and not 0 <= peek_i32(blob, 4 * (header_words + 1)) < 1 << 30:
            return DAMAGED
        for k in range(counter_words, state_words):
            if (peek_i32(blob, 4 * (header_words + k)) >> 23) & 0xFF == 0xFF:
                return DAMAGED
        if find_bad(offset(state, sample), limit, 1) == 0:
            return DAMAGED
        copy_words(arena, blob + 4 * header_words, state_words)
        return TAKEN

    return kernel
