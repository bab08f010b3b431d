"""Compiled libraries on disk: found again by what they were made of, whole or not at all.

A library file ends with the SHA-256 of what stands before it. It is written under a temporary name and renamed, so that readers and
other writers never see half a file. A folder that cannot be used is no error: the library then lives in memory only.
"""

import logging
import os
import tempfile
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

_DIGEST = 32

log = logging.getLogger("edgelstm")


def folder() -> Path:
    """``$EDGELSTM_CACHE_DIR``, else ``edgelstm`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if named := os.environ.get("EDGELSTM_CACHE_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "edgelstm"


def _version(package: str) -> str:
    """Installed version of a package, read off its metadata folder's name: importing it would take longer than loading the library."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return "absent"
    return ",".join(sorted(p.name for p in Path(spec.origin).parent.parent.glob(f"{package}-*.dist-info"))) or spec.origin


@cache
def makers() -> str:
    """Digest of all that turns a layout into code: kernels, compiler, Numba, llvmlite."""
    here = Path(__file__).parent
    digest = sha256(f"{_version('numba')} {_version('llvmlite')}".encode())
    for source in sorted([*here.glob("*.py"), *(here.parent / "kernels").glob("*.py")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def key(*parts: object) -> str:
    """Name of an entry made of these parts by these makers."""
    return sha256(repr((makers(), *parts)).encode()).hexdigest()[:40]


def path_of(name: str) -> Path:
    """Where the entry of this name lies, if it exists."""
    return folder() / f"{name}.so"


def _trusted(place: Path) -> bool:
    """Whether only this user or root can have written here: what lies in a cache is run."""
    if not hasattr(os, "geteuid"):
        return True
    status = place.stat()
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o002


def find(name: str) -> Path | None:
    """The entry's file if it is there, whole, and in a folder that others cannot write to."""
    place = path_of(name)
    try:
        data = place.read_bytes()
        if not (_trusted(place) and _trusted(place.parent)):
            log.warning("cache entry %s is ignored: others can write to it or to its folder", place)
            return None
    except OSError:
        return None
    if sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        log.warning("cache entry %s is damaged and will be made anew", place)
        return None
    return place


def keep(name: str, library: bytes) -> Path | None:
    """Store a library; None where the disk does not take it."""
    place = path_of(name)
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _trusted(place.parent):
            log.warning("cache folder %s is not used: others can write to it", place.parent)
            return None
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(library + sha256(library).digest())
            os.replace(temporary, place)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as problem:
        log.info("compiled code is not cached: %s", problem)
        return None
    return place
