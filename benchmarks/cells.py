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

#: Cells that are timed in another form of numbers too: what the form is called in names of contenders, and its scheme.
FORMS = (("lstm", "f16", "f16-weight"), ("gru", "f16", "f16-weight"), ("gru", "int8", "int8-dynamic"))

#: Figures of contenders, by name.
Figures = dict[str, Any]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time other cells beside the LSTM of the same size, interleaved, on one core; then nets.")
    parser.add_argument("--rows", nargs="+", metavar="I,H,L", help="inputs,hidden,layers, any sizes, without the nets (default: the grid)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} chunks instead of {ROUNDS}: a first look, not a result")
    parser.add_argument("--core", type=int, default=1, metavar="N", help="the core to run on (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    return parser.parse_args()


def _timed(contenders: dict[str, tuple[Any, Any]], rounds: int) -> Figures:
    """Every contender checked, then timed in turns. contenders: name -> the contender, and the case whose answers it must give."""
    from measure import checked, interleaved

    errors = {name: checked(contender, case) for name, (contender, case) in contenders.items()}
    times = interleaved([contender.chunk for contender, _ in contenders.values()], rounds)
    return {name: {"max_error": errors[name], **figures} for name, figures in zip(contenders, times, strict=True)}


def measure_row(row: Any, rounds: int, *, options: bool) -> Figures:
    """Figures of ``"cell process()"``, ``"cell step(x)"`` and ``"cell C panel kernel"``; `options`: whether those of the LSTM are in it."""
    import grid
    from peers import available

    panels, _ = available(["panel"])
    contenders = {}
    for cell in grid.CELLS:
        if options or cell not in grid.OPTIONS:
            case = grid.make_case(row, cell)
            ways = _own(case.model, case, grid.TOLERANCE)
            for panel in panels.values():
                ways |= {"C panel kernel": panel.contenders(case)[0]} if cell in panel.KERNELS else {}
            contenders |= {f"{cell} {way}": (contender, case) for way, contender in ways.items()}
    for cell, form, scheme in FORMS:
        case = grid.make_case(row, cell)
        ways = _own(_in_scheme(case, scheme), case, grid.INT8_TOLERANCE)
        contenders |= {f"{cell} {form} {way}": (contender, case) for way, contender in ways.items()}
    return _timed(contenders, rounds)


def _own(model: Any, case: Any, tolerance: float) -> dict[str, Any]:
    """The two ways to step a model here."""
    from peers import stepwise
    from peers.edgelstm_peer import process

    import edgelstm as el

    step = stepwise("edgelstm step(x)", el.Stream(model).step, case, value=lambda y: float(y.flat[0]), tolerance=tolerance)
    return {"process()": process("edgelstm process()", model, case, tolerance), "step(x)": step}


def _in_scheme(case: Any, scheme: str) -> Any:
    """The case in another form of numbers, its ranges taken from its own inputs."""
    import edgelstm as el

    return el.quantize(case.model, case.inputs[None], scheme=scheme)


def measure_net(name: str, rounds: int) -> Figures:
    """Figures of ``"process()"``, ``"step(x)"`` and, of a ConvLSTM, ONNX Runtime's ways; and the net's multiply-accumulates."""
    import grid
    from nets import make_net
    from peers import available

    case = make_net(name)
    contenders = {way: (contender, case) for way, contender in _own(case.model, case, grid.TOLERANCE).items()}
    if case.layers[0].kind == "conv_lstm":
        engines, _ = available(["onnxruntime"], {"onnxruntime": "onnxruntime_conv_lstm"})
        contenders |= {c.name: (c, case) for engine in engines.values() for c in engine.contenders(case)}
    return {"multiply_accumulates": case.multiply_accumulates, "contenders": _timed(contenders, rounds)}


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

    rounds, peak = (QUICK_ROUNDS if options.quick else ROUNDS), _peak()
    result = {
        "machine": describe(),
        "pinned": pinned,
        "rounds": rounds,
        "gflops": peak,
        "cells": _measure(rows, lambda row: measure_row(row, rounds, options=bool(options.rows) or str(row) in OPTION_ROWS)),
        "nets": {} if options.rows else _measure(list(NETS), lambda name: measure_net(name, rounds)),
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
