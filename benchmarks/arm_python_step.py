"""A loop over ``stream.step(x)`` of a built library, to be counted: arm_instructions.py runs it. Argument: the number of steps."""

import os
import sys

import numpy as np

import edgelstm as el


def main() -> None:
    stream = el.Stream(os.environ["EDGELSTM_COUNTED_LIBRARY"])
    x = np.zeros(stream.input.size, np.float32)
    step = stream.step
    for _ in range(int(sys.argv[1])):
        step(x)


main()
