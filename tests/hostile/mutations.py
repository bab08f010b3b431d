"""Changes to a sound file by the thousand: each ends in a model or in one of edgelstm's errors, within the promised time and memory.

    python tests/hostile/mutations.py FORM FILE COUNT [FIRST]

FORM is one of `readers.FORMS`. What is changed, `changes` tells. A finding is printed with the number that makes it again.
"""

import json
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from changes import changed, parts_of
from readers import BYTES, FORMS, tried, watch


def forked(_program, *, input, **_options):  # noqa: A002  as subprocess.run calls it
    """The second process that reads HDF5 files, without its start."""
    from edgelstm.importers import hdf5_library

    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(read)
            with os.fdopen(write, "wb") as answers:
                answers.write(hdf5_library.described(input))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as answers:
        stdout = answers.read()
    return SimpleNamespace(stdout=stdout, returncode=os.waitpid(child, 0)[1])


def main(form, path, count, first=0):
    """Print findings and a summary as lines of JSON."""
    warnings.simplefilter("ignore")
    from edgelstm.importers import hdf5

    hdf5.subprocess = SimpleNamespace(run=forked, TimeoutExpired=subprocess.TimeoutExpired)
    path = Path(path)
    reader, seal = FORMS[form]
    read, sound = reader(path.parent), path.read_bytes()
    read(path)
    parts, place = parts_of(sound), path.with_name("state.0.state" if form == "states" else f"changed{path.suffix}")
    watch(path.parent)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    began, slowest, grown, findings, answered = time.time(), 0.0, 0, 0, 0
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        place.write_bytes(seal(sound, rng) if seal and rng.random() < 0.5 else changed(path.name, sound, parts, rng))
        start, told = time.process_time(), []
        fault = tried(place, read, told)
        answered += not told
        slowest = max(slowest, time.process_time() - start)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before
        if grown > BYTES:
            fault, before = f"takes {grown >> 20} MB", before + grown
        if fault:
            findings += 1
            print(json.dumps({"number": number, "fault": fault}), flush=True)
    summary = {
        "tried": count,
        "answered": answered,
        "findings": findings,
        "seconds": round(time.time() - began),
        "slowest": round(slowest, 2),
    }
    print(json.dumps({**summary, "grown_mb": grown >> 20}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5]))
