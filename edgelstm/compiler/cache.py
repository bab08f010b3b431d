"""Compiled libraries on disk: found again by what they were made of, whole or not at all.

A library file ends with the SHA-256 of what stands before it. It is written under a temporary name and renamed, so that readers and
other writers never see half a file. A folder that cannot be used is no error: the library then lives in memory only.

A warm start runs all of this file, so that it imports little.
"""

import os
import stat
from functools import cache
from importlib.machinery import PathFinder

from ..digests import sha256

_DIGEST = 32


def warn(message: str, *values: object) -> None:
    """Log what a user may want to know of the cache."""
    import logging

    logging.getLogger("edgelstm").warning(message, *values)


def folder() -> str:
    """``$EDGELSTM_CACHE_DIR``, else ``edgelstm`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if named := os.environ.get("EDGELSTM_CACHE_DIR"):
        return named
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "edgelstm")


def _version(package: str) -> str:
    """Installed version of a package, read off its metadata folder's name: importing it would take longer than loading the library."""
    spec = PathFinder.find_spec(package)
    if spec is None or spec.origin is None:
        return "absent"
    place = os.path.dirname(os.path.dirname(spec.origin))
    return ",".join(sorted(n for n in os.listdir(place) if n.startswith(f"{package}-") and n.endswith(".dist-info"))) or spec.origin


@cache
def makers() -> str:
    """Digest of all that turns a layout into code: kernels, compiler, Numba, llvmlite."""
    here = os.path.dirname(__file__)
    digest = sha256(f"{_version('numba')} {_version('llvmlite')}".encode())
    for place in (here, os.path.join(os.path.dirname(here), "kernels")):
        for name in sorted(os.listdir(place)):
            if name.endswith(".py"):
                with open(os.path.join(place, name), "rb") as source:
                    digest.update(source.read())
    return digest.hexdigest()


def key(*parts: object) -> str:
    """Name of an entry made of these parts by these makers."""
    return sha256(repr((makers(), *parts)).encode()).hexdigest()[:40]


def path_of(name: str) -> str:
    """Where the entry of this name lies, if it exists."""
    return os.path.join(folder(), f"{name}.so")


def trusted(place: str) -> bool:
    """Whether only this user or root can have written here: what lies in a cache is run."""
    if not hasattr(os, "geteuid"):
        return True
    status = os.stat(place)
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def find(name: str) -> bytes | None:
    """The library of this name if it is there, whole, and in a folder that others cannot write to."""
    place = path_of(name)
    try:
        with open(place, "rb") as file:
            data = file.read()
        if not (trusted(place) and trusted(folder())):
            warn("cache entry %s is ignored: others can write to it or to its folder", place)
            return None
    except OSError:
        return None
    if sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        warn("cache entry %s is damaged and will be made anew", place)
        return None
    return data[:-_DIGEST]


def keep(name: str, library: bytes) -> None:
    """Store a library. Where the disk does not take it, a warning says so."""
    place = path_of(name)
    temporary = f"{place}.{os.getpid()}.new"
    try:
        os.makedirs(folder(), mode=0o700, exist_ok=True)
        if not trusted(folder()):
            warn("cache folder %s is not used: others can write to it", folder())
            return
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(library + sha256(library).digest())
            os.replace(temporary, place)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
    except OSError as problem:
        warn("compiled code is not cached, the next start compiles again: %s", problem)
