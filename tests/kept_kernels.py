"""Kernels that one test has had lowered, kept for all processes of a run: Numba takes most of the time of a compilation."""

import hashlib
import os
import re
import zlib
from functools import wraps
from threading import get_ident

#: What a kernel is called while it is kept; the text has the name in its first line and in its last function alone.
NAME = "a_kernel_that_is_kept"


def keeping(lowered, folder):
    """`numba_ir._lowered`, which looks into a folder first. Only for kernels of the package: their text depends on what is given alone."""
    folder.mkdir(exist_ok=True)

    @wraps(lowered)
    def kept(name, factory, argument_types, result, constants):
        key = repr((factory.__module__, factory.__qualname__, argument_types, result, sorted(constants.items())))
        if not factory.__module__.startswith("edgelstm.") or re.search(r"<locals>|<lambda>| at 0x", key):
            return lowered(name, factory, argument_types, result, constants)
        place = folder / hashlib.sha256(key.encode()).hexdigest()
        if not place.exists():
            text = lowered(NAME, factory, argument_types, result, constants)
            unfinished = place.with_suffix(f".{os.getpid()}-{get_ident()}")
            unfinished.write_bytes(zlib.compress(text.encode(), 1))
            unfinished.replace(place)
        return zlib.decompress(place.read_bytes()).decode().replace(NAME, name)

    return kept
