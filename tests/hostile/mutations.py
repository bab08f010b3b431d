"""Mutations of a trained file by the thousand: each ends in a model or in one of edgelstm's errors, within the promised time and memory.

    python tests/hostile/mutations.py FILE COUNT

Tried: bits and bytes changed, numbers of 2, 4 and 8 bytes put to their extremes, pieces repeated, removed, exchanged and cut off; in an
archive the same in each of its members, with the checksums that belong to them. A finding is printed with the number that makes it again.
"""

import io
import json
import os
import resource
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

#: What one file may take.
SECONDS, BYTES = 5.0, 500 << 20

EXTREMES = [b"\xff" * 8, b"\xff\xff\xff\x7f" * 2, b"\0" * 8, b"\x01" + b"\0" * 7, b"\0\0\0\x80" * 2, b"\xff\xff\xff\xff\xff\xff\xff\x7f"]


def changed(data, rng):
    """`data` with one to six changes."""
    found = bytearray(data)
    for _ in range(rng.integers(1, 7)):
        size = len(found)
        place, other = (int(n) for n in rng.integers(0, max(1, size), 2))
        length = int(rng.integers(1, 64))
        match int(rng.integers(0, 9)):
            case 0 if size:
                found[place] ^= 1 << int(rng.integers(0, 8))
            case 1 | 2 if size:
                found[place] = int(rng.integers(0, 256))
            case 3 | 4:
                width = int(rng.choice([2, 4, 8]))
                found[place : place + width] = EXTREMES[int(rng.integers(0, len(EXTREMES)))][:width]
            case 5:
                del found[place : place + length]
            case 6:
                found[place:place] = found[place : place + length]
            case 7:
                found[place : place + length] = found[other : other + length]
            case 8 if rng.random() < 0.2:
                del found[place:]
            case _:
                pass
    return bytes(found)


def members(data):
    """The parts of an archive by name; None where the file is none."""
    if not data.startswith(b"PK"):
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def mutated(data, parts, rng):
    """One mutation of a file, whose archive's parts are given."""
    if parts is None or rng.random() < 0.2:
        return changed(data, rng)
    name = list(parts)[int(rng.integers(0, len(parts)))]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, inside in parts.items():
            archive.writestr(member, changed(inside, rng) if member == name else inside)
    return buffer.getvalue()


def tried(path, load):
    """What is wrong with how a mutated file is taken; None where nothing is."""
    from edgelstm.errors import EdgeLSTMError

    began, fault = time.process_time(), None
    try:
        load(path)
    except EdgeLSTMError as problem:
        text = str(problem)
        fault = None if text.isprintable() and len(text) < 4000 else f"prints {text[:200]!r}"
    except Exception as problem:  # noqa: BLE001  any other is a finding
        fault = f"{type(problem).__name__}: {problem}"[:300]
    took = time.process_time() - began
    return fault or (f"takes {took:.1f} s" if took > SECONDS else None)


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


def main(path, count, first=0):
    """Print findings and a summary as lines of JSON."""
    warnings.simplefilter("ignore")
    from edgelstm.importers import hdf5, import_file

    hdf5.subprocess = SimpleNamespace(run=forked, TimeoutExpired=subprocess.TimeoutExpired)

    sound = Path(path).read_bytes()
    import_file(path)
    parts, place = members(sound), Path(path).with_name("mutated")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    began, slowest, grown, findings = time.time(), 0.0, 0, 0
    for number in range(first, first + count):
        place.write_bytes(mutated(sound, parts, np.random.default_rng(number)))
        start = time.process_time()
        fault = tried(place, import_file)
        slowest = max(slowest, time.process_time() - start)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before
        if grown > BYTES:
            fault, before = f"takes {grown >> 20} MB", before + grown
        if fault:
            findings += 1
            print(json.dumps({"number": number, "fault": fault}), flush=True)
    summary = {"tried": count, "findings": findings, "seconds": round(time.time() - began), "slowest": round(slowest, 2)}
    print(json.dumps({**summary, "grown_mb": grown >> 20}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:4]))
