"""A layer -> the kernel that runs it, the constants of that kernel, its weights as the kernel reads them, and how far its values reach.

Packing is described where it is read, in the kernels. Nothing here compiles. Each kind's file has its `RULES`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import CompileError
from ...layers import part
from ...layers.record import Layer
from ...layers.recurrent import RESET
from ...runtime.fields import Fields
from ..targets import Target

Floats = np.ndarray[Any, np.dtype[np.float32]]

#: An LSTM layer whose weights exceed this many floats (half of a usual first-level cache) takes a block's input products together.
#: Measured on Zen 4 and Zen 5: from (9,64) on, `process` gains a fifth or more; below, nothing.
HOIST_ABOVE = 4096

#: One whose weights exceed this many floats (a usual first-level cache) takes its tiles forwards and backwards in turn.
#: Measured on Zen 5: a step of (40,128) and (128,128) gains a fifth and a quarter.
TURN_ABOVE = 8192

#: Floats in a cache line: where every region of memory begins.
LINE = 16

#: Most timesteps that a layer takes before the next layer runs.
MOST_ROWS = 16

#: Independent multiply-adds that keep a CPU busy: two a cycle, four cycles each. True of Zen 4, Zen 5, Cortex-A72 and A76.
MULTIPLY_ADDS_IN_FLIGHT = 8

#: A recurrent layer whose weights exceed this many floats (a usual second-level cache) fetches them this many floats ahead.
#: Measured on Zen 5, one of `targets.FETCHING`; Zen 4 loses by it, with any distance.
FETCH_ABOVE, FETCH_AHEAD = 1 << 18, 256

#: Largest magnitude of an initial cell for which the gates' common denominator cannot overflow. A cell that grows by itself stays below
#: 2**24, where float32 no longer counts ones.
LARGEST_CELL = 1e9

#: What a value of the step before is cut at, so that no loop of layers overflows: the first that leaves room for inputs. A network that
#: comes here has diverged.
HELD = (2.0**60, 2.0**30)

_EMPTY = np.zeros(0, np.float32)


class Counting(Fields):
    """Which rows a kernel answers that counts them, and the padding around a whole recording.

    Parameters
    ----------
    stride, first : int
        It answers one of `stride` rows, and `first` (from 1) first.
    left, right : int
        Rows of padding before a recording and behind it.
    same : {"", "same", "same_lower"}
        As many as a recording's length asks for, instead (`layers.sliding.PADDINGS`).
    spare : int
        Where in the state a row of padding stands.
    """

    stride: int
    first: int
    left: int = 0
    right: int = 0
    same: str = ""
    spare: int = 0


class Lowered(Fields):
    """One layer, ready for code generation except for where its rows lie.

    Parameters
    ----------
    kernel : str
        Name in `kernels.table.LAYER_KERNELS`.
    constants : dict of int, float, str or tuples of them
        The kernel factory's arguments, without the strides.
    width : int
        Floats that the kernel writes for each timestep.
    weights : (n,) float32
    state : (m,) float32
        Initial state; empty for layers without one.
    scratch : int
        Floats of scratch for each timestep of a block.
    workspace : int
        Floats of scratch for one timestep at a time.
    counts : Counting, optional
        Of a kernel that takes, behind n, how many rows it has read before.
    whole : bool
        Whether the kernel takes all rows of a recording at once.
    keeps : tuple of (str, int, int)
        What of the state other streams may give: name, offset and size, in floats.
    """

    kernel: str
    constants: dict[str, Any]
    width: int
    weights: Floats = _EMPTY
    state: Floats = _EMPTY
    scratch: int = 0
    workspace: int = 0
    counts: Counting | None = None
    whole: bool = False
    keeps: tuple[tuple[str, int, int], ...] = ()


class Reach(Fields):
    """No value inside a layer exceeds ``gain * |input| + offset``, and none that leaves it exceeds `most`.

    |input| is the largest magnitude of what the layer reads; the sum of those of all its inputs, if it `sums` them.
    What it reads is multiplied by `factor` inside, on some CPU at least, which is then divided out of what it computes.
    Where values grow otherwise, `grows` gives the bound in place of gain and offset: of the largest magnitudes of all inputs, in order;
    and `leaves` of these the bound of what leaves it, where that is far less than what is inside.
    """

    gain: float
    offset: float = 0.0
    most: float = float("inf")
    sums: bool = False
    factor: float = 1.0
    grows: Callable[[list[float]], float] | None = None
    leaves: Callable[[list[float]], float] | None = None

    def outside(self, given: list[float]) -> float:
        """The bound of all values that leave it."""
        return min(self.inside(given) if self.leaves is None else self.leaves(given), self.most)

    def inside(self, given: list[float]) -> float:
        """The bound of all values inside the layer, where those of its inputs are `given`."""
        if self.grows is not None:
            return self.grows(given)
        return self.gain * (sum(given) if self.sums else max(given)) + self.offset


class Rule(Fields):
    """What the compiler must know of a kind of layer; neither part can be absent.

    Parameters
    ----------
    lower : callable
        ``(layer, sizes of the inputs, target) -> Lowered``.
    reach : callable
        ``layer -> Reach``: the bound by which inputs are checked, so that no value overflows.
    looked_up : callable, optional
        ``(layer, table, target) -> Lowered`` of the same layer where it reads rows of a table (vocabulary, input_size): it takes an index,
        and its input products from a table of its own.
    """

    lower: Callable[[Any, list[int], Target], Lowered]
    reach: Callable[[Any], Reach]
    looked_up: Callable[[Any, Floats, Target], Lowered] | None = None


def rule(layer: Layer) -> Rule:
    """What the compiler knows of a layer's kind."""
    found: Rule = part(__name__, layer.kind).RULES[layer.kind]
    return found


def lowered(layer: Layer, sizes: list[int], target: Target) -> Lowered:
    """A layer as its kind's rule has it, and past its mask where it has one."""
    if layer.halves:
        from .halves import in_memory  # float32 models never need it

        layer = in_memory(layer, target)
    low = rule(layer).lower(layer, sizes, target)
    if layer.mask is None:
        return low
    from .recording import masked  # most models never need it

    return masked(layer, low, sum(sizes) - 1)


def reach_of(layer: Layer) -> Reach:
    """The bound of a layer as its kind's rule has it, and of what its mask multiplies."""
    found = rule(layer).reach(layer)
    if layer.mask != RESET:
        return found
    from .recording import restarted

    return restarted(found)


def up_to(multiple: int, size: int) -> int:
    """`size`, rounded up to a multiple."""
    return -(-size // multiple) * multiple


def tiling(hidden: int, target: Target, tile: int = 0) -> tuple[int, int, int]:
    """Units that a layer of `hidden` units is padded to, those of its full tiles, and those of its last tile if that is narrower.

    tile: units of the tiles that larger layers are cut into; by default the target's.
    """
    padded = up_to(4, hidden)
    units = padded if padded <= target.widest_tile else tile or target.tile
    return padded, units, padded % units


def chains(outputs: int, target: Target) -> int:
    """In how many parts, 1, 2 or 4, so many sums are taken apart, so that their latency is hidden."""
    registers = max(1, -(-outputs // target.lanes))
    return 1 if registers >= MULTIPLY_ADDS_IN_FLIGHT else 2 if 4 * registers > MULTIPLY_ADDS_IN_FLIGHT else 4


def tiled(rows: Any, units: int) -> Floats:
    """(gate, unit, row) -> tiles of `units` units: row by row the gates side by side."""
    tiles = [rows[:, start : start + units].transpose(2, 0, 1).ravel() for start in range(0, rows.shape[1], units)]
    return np.concatenate(tiles)


def tiles_of(layer: Any, rows: Any, units: int, halves: int) -> Floats:
    """As `tiled`; where the layer's weights are in half precision, all rows but the first, the bias, are packed in the form `halves`."""
    if not layer.halves:
        return tiled(rows, units)
    from .halves import half_tiles  # float32 models never need it

    return half_tiles(rows, units, layer.input_size, halves)


def floats_of(layer: Any) -> int:
    """How many floats the memory of a recurrent layer's weights would hold: what caches must hold at each step."""
    return int(layer.weight_ih.size + layer.weight_hh.size) // (2 if layer.halves else 1)


def lstm_state(layer: Any, padded: int, given: int) -> Floats:
    """Initial h (given,), c (padded,) and the turn; padding stays at 0."""
    state = np.zeros(given + padded + 1, np.float32)
    for start, value in ((0, layer.h0), (given, layer.c0)):
        if value is not None:
            state[start : start + value.size] = value
    return state


def lstm_keeps(layer: Any, given: int) -> tuple[tuple[str, int, int], ...]:
    """What other streams may give of the state of `lstm_state`."""
    return (("h", 0, layer.projection_size), ("c", given, layer.hidden_size))


def copy(size: int) -> Lowered:
    """A layer that passes `size` values on: what gathers several inputs, or trims a row."""
    return Lowered("activation_f32", {"function": "linear", "size": size}, size)


def sliding(kernel: str, layer: Any, constants: dict[str, Any], width: int, outputs: int, weights: Floats = _EMPTY) -> Lowered:
    """A layer over a window of the last rows of `width` values."""
    stride, first = layer.rate
    counts = Counting(stride, first)
    state = np.full(layer.history * width, layer.fill, np.float32)
    if layer.whole:
        left, right = (0, 0) if isinstance(layer.padding, str) else layer.padding
        same = layer.padding if isinstance(layer.padding, str) else ""
        counts = Counting(stride, layer.receptive_field, left, right, same, state.size)
        state = np.pad(state, (0, width), constant_values=layer.fill)
    constants |= {"stride": stride, "first": counts.first}
    return Lowered(kernel, constants, outputs, weights, state, workspace=(layer.history + MOST_ROWS) * width, counts=counts)


def largest(array: Any) -> float:
    """Largest magnitude in an array."""
    return float(np.abs(array).max())


def row_sums(weight: Any, scale: Any = 1.0) -> Any:
    """What each row multiplies inputs of magnitude 1 to at most: (rows,)."""
    return np.abs(weight).sum(axis=1, dtype=np.float64) * scale


def checked_start(layer: Any) -> float:
    """Largest magnitude of an initial cell; one that overflows is refused."""
    start = 0.0 if layer.c0 is None else largest(layer.c0)
    if start > LARGEST_CELL:
        raise CompileError(f"{layer.label}: c0 reaches {start:.1e}; cells beyond {LARGEST_CELL:.0e} overflow. Check its source.")
    return start


def lstm_reach(layer: Any, scales: tuple[Any, Any] = (1.0, 1.0), units: tuple[Any, Any] = (1.0, 1.0), factor: float = 0.0) -> Reach:
    """The reach of an LSTM layer with a float cell.

    scales: of the rows of weight_ih and weight_hh; units: what their sums are counted in; factor: what multiplies input products at least.
    """
    checked_start(layer)
    state = 1.0 if layer.h0 is None else max(1.0, largest(layer.h0))
    recurrent = (row_sums(layer.weight_hh, scales[1]) * state + np.abs(layer.bias)) / units[1]
    return Reach(max(largest(row_sums(layer.weight_ih, scales[0]) / units[0]), factor), largest(recurrent), state)
