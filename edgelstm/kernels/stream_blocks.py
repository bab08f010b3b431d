"""How kernels of many streams cut their work, and the memory that takes: for those who allocate it and for the kernels.

It imports no compiler. A group of streams goes through a layer together: tile by tile, and of a tile's weights by blocks of streams, whose
sums wait in registers at a time.
"""

from typing import Any, NamedTuple

#: Most streams of a group: a tile's weights, read once for all, then come from a first-level cache. Measured on Zen 5.
GROUP = 48

#: Most streams of a block.
MOST = 8

#: Sums of each unit of a stream.
SUMS = 4

#: Of a layer's kernel, by name.
Constants = dict[str, Any]

#: Floats of a cache line.
LINE = 16


def up_to(multiple: int, size: int) -> int:
    """`size`, rounded up to a multiple."""
    return -(-size // multiple) * multiple


class Block(NamedTuple):
    """What waits in registers at a time.

    Parameters
    ----------
    gates : int
        Gates of a tile whose sums do.
    streams : int
        Streams whose sums do.
    packed : int
        Whether the units of a stream fill no register: its gates then stand side by side in sums, and the streams in cells.
    """

    gates: int
    streams: int
    packed: int


def block_of(units: int, gates: int, lanes: int, registers: int, *, packs: bool) -> Block:
    """The block of a tile of so many units, of whose gates all sums or a part are taken at once. packs: whether it may be packed.

    An eighth of the registers for weights leaves room for most streams; another one holds what they are multiplied by.
    """
    packed = packs and gates == 4 and units < lanes and units in (4, 8)
    each = -(-units // lanes)
    together = next((count for count in (4, 2) if gates % count == 0 and count * each <= registers // 8), 1)
    own = -(-gates * units // lanes) if packed else together * each
    streams = max(1, min(MOST, (registers - 1 - own) // own))
    return Block(gates if packed else together, streams, int(packed))


def apart(floats: int) -> int:
    """Floats from one stream's row to the next: an odd number of cache lines, so that they do not compete for the same places of caches."""
    lines = -(-floats // LINE)
    return LINE * (lines | 1)


class Scratch(NamedTuple):
    """Where scratch of a group keeps things, in floats: a row of each stream, then what a block's sums take.

    Parameters
    ----------
    full, last : Block
        Of full tiles, and of a narrower last one.
    stride : int
        From one row to the next.
    sums : int
        Where sums begin.
    floats : int
        All of it.
    """

    full: Block
    last: Block
    stride: int
    sums: int
    floats: int


class Machine(NamedTuple):
    """What a kernel of a group is made for.

    Parameters
    ----------
    lanes, registers : int
        Of the CPU.
    group : int
        Most streams of a group.
    """

    lanes: int
    registers: int
    group: int = GROUP


def scratch_of(constants: Constants, gates: int, row: int, machine: Machine, *, packs: bool) -> Scratch:
    """Scratch of a layer.

    Parameters
    ----------
    constants : mapping
        Of its kernel: ``units``, ``tail``.
    gates : int
        As `block_of` takes it.
    row : int
        Floats of a row.
    machine : Machine
    packs : bool
        As `block_of` takes it.
    """
    units, tail = constants["units"], constants["tail"] or 4
    full, last = (block_of(width, gates, machine.lanes, machine.registers, packs=packs) for width in (units, tail))
    stride, most = apart(row), max(up_to(block.streams, machine.group) for block in (full, last))
    sums = most * stride
    return Scratch(full, last, stride, sums, sums + SUMS * max(full.streams * units, last.streams * tail))


def lstm_f32_scratch(constants: Constants, machine: Machine) -> Scratch | None:
    """Scratch of `lstm_f32_streams`: rows of h, and of x or its products; sums of four gates."""
    if constants.get("options") or constants.get("halves"):
        return None
    padded = constants["padded"]
    row = padded + (4 * padded if constants.get("table") else constants["inputs"])
    return scratch_of(constants, 4, row, machine, packs=not constants["division"])


def gru_f32_scratch(constants: Constants, machine: Machine) -> Scratch | None:
    """Scratch of `gru_f32_streams`: rows of h, of x or its products, and where the reset gate comes before the product, of what passes it,
    z and n; sums of r, z, and n in two parts.
    """
    if constants.get("halves"):
        return None
    padded = constants["padded"]
    row = padded + (3 * padded if constants.get("table") else constants["inputs"]) + (0 if constants["reset_after"] else 3 * padded)
    return scratch_of(constants, 2, row, machine, packs=not constants["cell"][-1])


def lstm_int8_dynamic_scratch(constants: Constants, machine: Machine) -> Scratch | None:
    """Scratch of `lstm_int8_streams`: rows of quantised h and x, and what the sums of x are multiplied by; sums of four gates."""
    if constants.get("options") or constants.get("table"):
        return None
    row = 1 + sum(up_to(4, constants[words]) for words in ("hidden_words", "input_words"))
    return scratch_of(constants, 4, row, machine, packs=not constants["division"])


#: By name of a layer kernel that has a sibling for groups: the scratch of that, of the layer's constants and a machine.
#: None of cells with options, weights in half precision and tables of integers: these are taken one by one.
SCRATCH = {
    "lstm_f32": lstm_f32_scratch,
    "gru_f32": gru_f32_scratch,
    "lstm_int8_dynamic": lstm_int8_dynamic_scratch,
}
