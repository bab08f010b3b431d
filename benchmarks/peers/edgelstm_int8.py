"""edgelstm with int8 weights, beside its own float32."""

from dataclasses import replace

from grid import CHECKED, INT8_TOLERANCE, Case
from quantised import model

import edgelstm as el
from edgelstm import reference
from peers import Contender, stepwise
from peers.edgelstm_peer import PROCESS, STEP, VERSION, process, step_in_place

__all__ = ["VERSION"]

DYNAMIC_PROCESS = "edgelstm int8-dynamic process()"
DYNAMIC_STEP = "edgelstm int8-dynamic step(x)"
DYNAMIC_STEP_IN_PLACE = "edgelstm int8-dynamic step()"
WEIGHT_PROCESS = "edgelstm int8-weight process()"


def _dynamic(case: Case) -> list[Contender]:
    quantised = model(case, "int8-dynamic")
    twin = reference.run(quantised, case.inputs[:CHECKED])[:, 0]
    made = [
        process(DYNAMIC_PROCESS, quantised, case, INT8_TOLERANCE),
        stepwise(DYNAMIC_STEP, el.Stream(quantised).step, case, tolerance=INT8_TOLERANCE),
        step_in_place(DYNAMIC_STEP_IN_PLACE, quantised, INT8_TOLERANCE),
    ]
    return [replace(contender, twin=twin) for contender in made]


def _weight(case: Case) -> Contender:
    quantised = model(case, "int8-weight")
    twin = reference.run(quantised, case.inputs[:CHECKED])[:, 0]
    return replace(process(WEIGHT_PROCESS, quantised, case, INT8_TOLERANCE), twin=twin)


def contenders(case: Case) -> list[Contender]:
    floats = [process(PROCESS, case.model, case), stepwise(STEP, el.Stream(case.model).step, case)]
    return [*floats, *_dynamic(case), _weight(case)]
