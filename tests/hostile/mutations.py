"""Changes to a sound file by the thousand: each ends in a model or in one of edgelstm's errors, within the promised time and memory.

    python tests/hostile/mutations.py COUNT FIRST FORM FILE ...

COUNT changes of each file, from the number FIRST on. FORM is one of `readers.FORMS`. What is changed, `changes` tells. A finding is
printed with the number that makes it again.
"""

import json
import logging
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
from hostile_limits import BYTES
from readers import FORMS, tried, watch


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


def attack(form, path, count, first):
    """Print findings in one file's changes, and a summary, as lines of JSON."""
    reader, seal = FORMS[form]
    read, sound = reader(path.parent), path.read_bytes()
    watch(path.parent)
    read(path)
    parts, place = parts_of(sound), path.with_name("state.0.state" if form == "states" else f"changed{path.suffix}")
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
            print(json.dumps({"file": str(path), "number": number, "fault": fault}), flush=True)
    summary = {"tried": count, "answered": answered, "findings": findings, "seconds": round(time.time() - began)}
    print(json.dumps({"file": str(path), **summary, "slowest": round(slowest, 2), "grown_mb": grown >> 20}), flush=True)


def main(count, first, *files):
    """`files`: of each its form, then its path."""
    warnings.simplefilter("ignore")
    logging.disable()
    from edgelstm.importers import hdf5

    hdf5.subprocess = SimpleNamespace(run=forked, TimeoutExpired=subprocess.TimeoutExpired)
    for form, path in zip(files[::2], files[1::2], strict=True):
        attack(form, Path(path), int(count), int(first))


if __name__ == "__main__":
    main(*sys.argv[1:])
