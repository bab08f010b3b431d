"""Other cells, the LSTM's options, and nets, beside the plain LSTM and other engines: ``python benchmarks/cells.py --help``.

This file is the command; `report_cells` shows what it found.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from machine import describe, take_core

#: Chunks of each contender in one row.
ROUNDS, QUICK_ROUNDS = 60, 10

#: Streams of each contender here, whose best chunk counts. Where weights lie in memory decides a fifth of a step at (40,128,1).
PLACES, QUICK_PLACES = 4, 1

#: Cells that are timed in another form of numbers too: what the form is called in names of contenders, and its scheme.
FORMS = (("lstm", "f16", "f16-weight"), ("gru", "f16", "f16-weight"), ("gru", "int8", "int8-dynamic"))

#: Units of Dense layers that are timed in float32 and in half precision: as many inputs as outputs.
DENSE = (64, 128, 256, 512, 1024)

#: Figures of contenders, by name.
Figures = dict[str, Any]

#: By name: contenders that do the same, and the case whose answers they must give.
Contenders = dict[str, tuple[list[Any], Any]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time other cells beside the LSTM of the same size, interleaved, on one core; then nets.")
    parser.add_argument("--rows", nargs="+", metavar="I,H,L", help="inputs,hidden,layers, any sizes, without the nets (default: the grid)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} chunks instead of {ROUNDS}: a first look, not a result")
    parser.add_argument("--core", type=int, default=1, metavar="N", help="the core to run on (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    return parser.parse_args()


def _timed(contenders: Contenders, rounds: int) -> Figures:
    """Every contender checked, then timed in turns; of those of one name the best chunk."""
    from measure import checked, interleaved

    every = [(name, contender, case) for name, (made, case) in contenders.items() for contender in made]
    errors = {name: checked(contender, case) for name, contender, case in every}
    found: Figures = {}
    for (name, _, _), told in zip(every, interleaved([contender.chunk for _, contender, _ in every], rounds), strict=True):
        found[name] = min(found.get(name, told), told, key=lambda figures: figures["min_ns"])
    return {name: {"max_error": errors[name], **told} for name, told in found.items()}


def measure_row(row: Any, rounds: int, places: int, *, options: bool) -> Figures:
    """Figures of ``"cell way"``, for each way of `_own` and of other engines; `options`: whether those of the LSTM are in it."""
    import grid

    contenders: Contenders = {}
    for cell in grid.CELLS:
        if options or cell not in grid.OPTIONS:
            case = grid.make_case(row, cell)
            ways = _own(case.model, case, grid.TOLERANCE, places) | _rivals(cell, case)
            contenders |= {f"{cell} {way}": (made, case) for way, made in ways.items()}
    for cell, form, scheme in FORMS:
        case = grid.make_case(row, cell)
        ways = _own(_in_scheme(case, scheme), case, grid.INT8_TOLERANCE, places)
        contenders |= {f"{cell} {form} {way}": (made, case) for way, made in ways.items()}
    return _timed(contenders, rounds)


def _own(model: Any, case: Any, tolerance: float, places: int) -> dict[str, list[Any]]:
    """The two ways to step a model here, each by streams in several places of memory."""
    from peers import stepwise
    from peers.edgelstm_peer import process

    import edgelstm as el

    def step() -> Any:
        return stepwise("edgelstm step(x)", el.Stream(model).step, case, value=lambda y: float(y.flat[0]), tolerance=tolerance)

    blocks = [process("edgelstm process()", model, case, tolerance) for _ in range(places)]
    return {"process()": blocks, "step(x)": [step() for _ in range(places)]}


def _rivals(cell: str, case: Any) -> dict[str, list[Any]]:
    """Other engines' ways to step a cell, of those that are installed."""
    from peers import available

    engines, _ = available(["panel", "litert"])
    ways = {}
    if "panel" in engines and cell in engines["panel"].KERNELS:
        ways["C panel kernel"] = engines["panel"].contenders(case)
    if "litert" in engines and cell == "gru":
        ways["LiteRT cell"] = engines["litert"].contenders(case)
    return ways


def _in_scheme(case: Any, scheme: str) -> Any:
    """The case in another form of numbers, its ranges taken from its own inputs."""
    import edgelstm as el

    return el.quantize(case.model, case.inputs[None], scheme=scheme)


def measure_net(name: str, rounds: int, places: int = QUICK_PLACES) -> Figures:
    """Figures of ``"process()"``, ``"step(x)"`` and, of a ConvLSTM, ONNX Runtime's ways; and the net's multiply-accumulates."""
    import grid
    from nets import make_net
    from peers import available

    case = make_net(name)
    contenders: Contenders = {way: (made, case) for way, made in _own(case.model, case, grid.TOLERANCE, places).items()}
    if case.layers[0].kind == "conv_lstm":
        engines, _ = available(["onnxruntime"], {"onnxruntime": "onnxruntime_conv_lstm"})
        contenders |= {c.name: ([c], case) for engine in engines.values() for c in engine.contenders(case)}
    return {"multiply_accumulates": case.multiply_accumulates, "contenders": _timed(contenders, rounds)}


def measure_dense(units: int, rounds: int, places: int) -> Figures:
    """Figures of a Dense layer in float32 and, their names beginning with ``"f16"``, in half precision."""
    import grid
    from nets import dense_net

    case = dense_net(units)
    contenders: Contenders = {way: (made, case) for way, made in _own(case.model, case, grid.TOLERANCE, places).items()}
    half = _own(_in_scheme(case, "f16-weight"), case, grid.INT8_TOLERANCE, places)
    return _timed(contenders | {f"f16 {way}": (made, case) for way, made in half.items()}, rounds)


def _measure(names: Sequence[Any], one: Callable[[Any], Figures]) -> dict[str, Figures]:
    from measure import WrongAnswerError

    measured = {}
    for name in names:
        try:
            measured[str(name)] = one(name)
        except WrongAnswerError as problem:
            raise SystemExit(str(problem)) from None
        print(name, file=sys.stderr, flush=True)
    return measured


def _peak() -> float | None:
    """GFLOP/s of multiply-adds on this core; None where no C compiler is there to measure it with."""
    import limits
    from native import NoCompilerError

    try:
        return limits.measure([limits.SMALLEST]).gflops
    except NoCompilerError:
        return None


def main() -> None:
    options = _arguments()
    pinned = take_core(options.core)
    import report_cells
    from grid import OPTION_ROWS, rows_of
    from nets import NETS

    rows = rows_of(options.rows)

    rounds, places, peak = (QUICK_ROUNDS, QUICK_PLACES, _peak()) if options.quick else (ROUNDS, PLACES, _peak())
    every = bool(options.rows)
    result = {
        "machine": describe(),
        "pinned": pinned,
        "rounds": rounds,
        "places": places,
        "gflops": peak,
        "cells": _measure(rows, lambda row: measure_row(row, rounds, places, options=every or str(row) in OPTION_ROWS)),
        "dense": {} if every else _measure(DENSE, lambda units: measure_dense(units, rounds, places)),
        "nets": {} if every else _measure(list(NETS), lambda name: measure_net(name, rounds, places)),
    }
    print(report_cells.markdown(result))
    if options.json:
        try:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(result, indent=1) + "\n")
        except OSError as problem:
            raise SystemExit(f"The result could not be written: {problem}") from None
        print(f"wrote {options.json}", file=sys.stderr)


if __name__ == "__main__":
    main()
