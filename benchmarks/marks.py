"""What was asked of other cells, options, forms of numbers and nets, beside what ``cells.py`` measured. It measures nothing."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from grid import Row, make_case
from report import geometric_mean

#: The figure of a chunk that other processes disturb least.
BEST = "min_ns"

#: Bytes of float32 weights that exceed a second-level cache.
SECOND_LEVEL = 1 << 20

#: Cells that are timed in half precision, and the part of an LSTM's weights that they have.
HALVES = {"lstm": 1.0, "gru": 0.75}

#: How much longer ONNX Runtime takes than a step(x) of a ConvLSTM, and the share of the multiply-add peak that its process() keeps.
CONV_LSTM = {"ConvLSTM 8x8x1 -> 16, 3x3": 2.0, "ConvLSTM 32x32x3 -> 8, 3x3": 1.3}
PEAK = 0.65

Result = dict[str, Any]


class Mark(NamedTuple):
    """One mark.

    Parameters
    ----------
    what : str
        What is divided by what.
    asked : float
        The largest ratio allowed; where `least`, the smallest.
    found : dict of float
        Ratios by row.
    least : bool
    mean : bool
        Whether the mark is for the geometric mean of all rows, not for each.
    """

    what: str
    asked: float
    found: dict[str, float]
    least: bool = False
    mean: bool = False

    @property
    def missed(self) -> dict[str, float]:
        """Rows on which it is not reached."""
        found = {"geometric mean": geometric_mean(list(self.found.values()))} if self.mean else self.found
        return {row: ratio for row, ratio in found.items() if (ratio < self.asked if self.least else ratio > self.asked)}


def _ratios(rows: dict[str, Any], over: str, under: str, chosen: Sequence[str] | None = None) -> dict[str, float]:
    """One contender's time over another's, by row, where both are."""
    return {
        name: row[over][BEST] / row[under][BEST]
        for name, row in rows.items()
        if over in row and under in row and (chosen is None or name in chosen)
    }


def share(row: str, cell: str) -> float:
    """A cell's multiply-accumulates over those of the plain LSTM, their Dense layers included."""
    cases = (make_case(Row.parse(row), name) for name in (cell, "lstm"))
    ours, plain = (sum(layer.multiply_accumulates for layer in case.model.layers) for case in cases)
    return float(ours / plain)


def _options(rows: dict[str, Any], way: str) -> Iterator[Mark]:
    for cell in ("lstm peephole", "lstm coupled", "lstm clips"):
        for row, most in (("6,32,1", 1.25), ("40,128,1", 1.1)):
            yield Mark(f"{cell} over lstm, {way}", most, _ratios(rows, f"{cell} {way}", f"lstm {way}", [row]))
    for row in rows:
        found = _ratios(rows, f"lstm projection {way}", f"lstm {way}", [row])
        yield Mark(f"lstm projection over lstm, {way}", 1.1 * share(row, "lstm projection") if found else 1.0, found)


def _cells(rows: dict[str, Any]) -> Iterator[Mark]:
    large = [name for name in rows if Row.parse(name).hidden_size >= 64]
    for way in ("process()", "step(x)"):
        yield from _options(rows, way)
        yield Mark(f"rnn over lstm, {way}", 0.35, _ratios(rows, f"rnn {way}", f"lstm {way}"))
        yield Mark(f"min_gru over lstm, {way}", 0.5, _ratios(rows, f"min_gru {way}", f"lstm {way}"))
    panel = _ratios(rows, "gru C panel kernel", "gru process()")
    yield Mark("C panel GRU over gru process()", 1.19, panel, least=True, mean=True)
    yield Mark("C panel GRU over gru process(), each row", 0.97, panel, least=True)
    yield Mark("LiteRT's GRU cell over gru step(x)", 7.6, _ratios(rows, "gru LiteRT cell", "gru step(x)"), least=True, mean=True)
    yield Mark("gru over lstm, step(x)", 1.0, _ratios(rows, "gru step(x)", "lstm step(x)"))
    yield Mark("gru over lstm, step(x), from 64 units", 0.8, _ratios(rows, "gru step(x)", "lstm step(x)", large))


def _forms(rows: dict[str, Any], dense: dict[str, Any]) -> Iterator[Mark]:
    sizes = {name: Row.parse(name) for name in rows}
    from_128 = [name for name, row in sizes.items() if row.hidden_size >= 128]
    from_64 = [name for name, row in sizes.items() if row.hidden_size >= 64]
    for way in ("process()", "step(x)"):
        yield Mark(f"gru over gru int8, {way}, from 128 units", 2.5, _ratios(rows, f"gru {way}", f"gru int8 {way}", from_128), least=True)
        for cell, part in HALVES.items():
            yield Mark(f"{cell} f16 over {cell}, {way}, from 64 units", 1.0, _ratios(rows, f"{cell} f16 {way}", f"{cell} {way}", from_64))
            beyond = [name for name, row in sizes.items() if part * row.weight_bytes > SECOND_LEVEL]
            yield Mark(
                f"{cell} over {cell} f16, {way}, beyond the second-level cache",
                1.3,
                _ratios(rows, f"{cell} {way}", f"{cell} f16 {way}", beyond),
                least=True,
            )
        yield Mark(f"dense f16 over dense, {way}, from 64 units", 1.0, _ratios(dense, f"f16 {way}", way))
        beyond = [units for units in dense if 4 * int(units) ** 2 > SECOND_LEVEL]
        yield Mark(
            f"dense over dense f16, {way}, beyond the second-level cache", 1.3, _ratios(dense, way, f"f16 {way}", beyond), least=True
        )


def _nets(nets: dict[str, Any], gflops: float | None) -> Iterator[Mark]:
    for name, least in CONV_LSTM.items():
        if name not in nets:
            continue
        times = {way: figures[BEST] for way, figures in nets[name]["contenders"].items()}
        rivals = [time for way, time in times.items() if way.startswith("ONNX")]
        yield Mark("ONNX Runtime over step(x)", least, {name: min(rivals) / times["step(x)"]} if rivals else {}, least=True)
        reached = {name: 2 * nets[name]["multiply_accumulates"] / times["process()"] / gflops} if gflops else {}
        yield Mark("share of the multiply-add peak, process()", PEAK, reached, least=True)


def marks(result: Result) -> list[Mark]:
    """All for which something was measured."""
    rows, dense = result["cells"], result.get("dense", {})
    every = [*_cells(rows), *_forms(rows, dense), *_nets(result["nets"], result["gflops"])]
    return [mark for mark in every if mark.found]
