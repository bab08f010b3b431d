"""Compiled libraries on disk: found again by what they were made of, whole or not at all.

A library file ends with the SHA-256 of its name and of what stands before it, so that a library under another's name is none. It is
written under a temporary name and renamed, so that readers and other writers never see half a file. A folder that cannot be used is no
error: the library then lives in memory only.

A warm start runs all of this file, so that it imports little.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.machinery import PathFinder

from .. import errors
from ..runtime.digests import sha256

_DIGEST = 32

#: Bytes of the largest entry that is kept, and read.
LARGEST = 1 << 26

_SUFFIX, _NOTES, _UNFINISHED = ".so", ".noted", ".new"

#: Nanoseconds for which a file that was written to may be written to again without another time.
_SETTLING = 2 * 10**9

#: How often a writer asks for the folder, hundredths of a second apart, before it goes on without.
_PATIENCE = 50


_warn_once = cache(errors.warn)


def warn(message: str, *values: object) -> None:
    """Tell what a user may want to know of the cache; the same words once a process."""
    _warn_once(message % values)


def _home() -> str:
    """The user's home folder; empty where there is none, as in many containers."""
    place = os.environ["HOME"] if "HOME" in os.environ else os.path.expanduser("~")
    return place if os.path.isabs(place) else ""


def folder() -> str:
    """``$EDGELSTM_CACHE_DIR``, else ``edgelstm`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; empty where this user has no home either.

    A relative ``XDG_CACHE_HOME`` counts as none: code would be loaded from wherever the process stands.
    """
    named, home = os.environ.get("EDGELSTM_CACHE_DIR", ""), _home()
    if named.startswith("~"):
        named = os.path.expanduser(named) if home else ""
    if named and not named.startswith("~"):
        return named
    for place in (os.environ.get("XDG_CACHE_HOME", ""), home and os.path.join(home, ".cache")):
        if os.path.isabs(place):
            return os.path.join(place, "edgelstm")
    return ""


def _versions(*packages: str) -> str:
    """Installed versions, read off the names of metadata folders: importing the packages would take longer than loading the library."""
    found, names = [], dict[str, list[str]]()
    for package in packages:
        spec = PathFinder.find_spec(package)
        if spec is None or spec.origin is None:
            found.append("absent")
            continue
        place = os.path.dirname(os.path.dirname(spec.origin))
        if place not in names:
            names[place] = sorted(name for name in os.listdir(place) if name.endswith(".dist-info"))
        found.append(",".join(name for name in names[place] if name.startswith(f"{package}-")) or spec.origin)
    return " ".join(found)


#: The folders of the package whose files turn a layout into code.
_MAKERS = ("edgelstm/compiler/", "edgelstm/kernels/")

#: Files elsewhere whose offsets become part of the code.
_OFFSETS = ("edgelstm/runtime/binding.py", "edgelstm/runtime/many_call.py")


@cache
def makers() -> str:
    """Digest of all that turns a layout into code: kernels, compiler, Numba, llvmlite."""
    place = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    digest = sha256(_versions("numba", "llvmlite").encode())
    files = made_from(place)
    digest.update(_record(place, files) or _contents(files))
    return digest.hexdigest()


def made_from(place: str) -> list[str]:
    """Every file that turns a layout into code; `place`: where the package lies."""
    rooms = [os.path.join(place, room) for room in _MAKERS]
    return [*sources(*rooms), *(os.path.join(place, file) for file in _OFFSETS)]


def _record(place: str, files: list[str]) -> bytes:
    """What a wheel's installer noted of the package, and which of its files are there; nothing where it noted none, or one is younger.

    Reading them all at every start would take longer than loading the library.
    """
    notes = [n for n in os.listdir(place) if n.startswith("edgelstm-") and n.endswith(".dist-info")]
    try:
        with open(os.path.join(place, *notes, "RECORD"), "rb") as file:
            noted, written = file.read(), os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return b""
    if not all(os.stat(source).st_mtime_ns <= written for source in files) or _MAKERS[1].encode() not in noted:
        return b""
    lines = [_lines(noted, room.encode()) for room in (*_MAKERS, *_OFFSETS)]
    return b"".join(lines) + "\n".join(source.removeprefix(place) for source in files).encode()


def _lines(noted: bytes, room: bytes) -> bytes:
    """From the first to the last line that begins with this, which are all of them where lines are sorted."""
    first, last = noted.find(room), noted.rfind(room)
    return noted[first : noted.find(b"\n", last) + 1] if first >= 0 else b""


def _contents(files: list[str]) -> bytes:
    """Digest of what files hold. They are read where one was written to, came or went since the cache noted it."""
    states = [(file, status.st_size, status.st_mtime_ns, status.st_ctime_ns) for file in files for status in (os.stat(file),)]
    seen = sha256(repr(states).encode()).digest()
    name = sha256(os.path.commonpath(files).encode()).hexdigest()[:40]
    noted = _entry(name, path_of(name, _NOTES))
    if noted is not None and noted[:_DIGEST] == seen:
        return noted[_DIGEST:]
    digest = sha256()
    for file in files:
        with open(file, "rb") as source:
            digest.update(source.read())
    if all(max(times) < time.time_ns() - _SETTLING for _, _, *times in states):
        _note(name, seen + digest.digest())
    return digest.digest()


def _note(name: str, data: bytes) -> None:
    """Store what saves later starts some work, where there is a cache folder."""
    with suppress(OSError):
        if folder() and trusted(folder()):
            with _writing():
                _write(path_of(name, _NOTES), data + _seal(name, data))


def sources(*rooms: str) -> Iterator[str]:
    """Every Python file in these folders and below, in one order on every machine."""
    for room in rooms:
        with os.scandir(room) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        below = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
        yield from (entry.path for entry in found if entry.name.endswith(".py") and entry.path not in below)
        yield from sources(*(place for place in below if not place.endswith("__pycache__")))


def key(*parts: object) -> str:
    """Name of an entry made of these parts by these makers."""
    return sha256(repr((makers(), *parts)).encode()).hexdigest()[:40]


def path_of(name: str, suffix: str = _SUFFIX) -> str:
    """Where the entry of this name lies, if it exists; empty where there is no folder."""
    return os.path.join(folder(), f"{name}{suffix}") if folder() else ""


def trusted(place: str | int) -> bool:
    """Whether only this user or root can have written to a path or open file: what lies in a cache is run."""
    if not hasattr(os, "geteuid"):
        return True
    status = os.stat(place)
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _seal(name: str, data: bytes) -> bytes:
    """The digest of an entry's name and of what it holds."""
    digest = sha256(name.encode())
    digest.update(data)
    return digest.digest()


def _read(place: str) -> bytes | None:
    """A regular file of acceptable size, to its end. A pipe is not waited for, a link not followed."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(place, flags), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return b""
        if not (trusted(file.fileno()) and trusted(folder())):
            warn("cache entry %s is ignored: others can write to it or to its folder", place)
            return None
        return file.read()


def find(name: str) -> bytes | None:
    """The library of this name if it is there, whole, and in a folder that others cannot write to."""
    return _entry(name, path_of(name))


def _entry(name: str, place: str) -> bytes | None:
    """What an entry holds: as `find`, of any kind."""
    try:
        data = _read(place) if place else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, MemoryError):
        data = b""
    if data is None:
        return None
    if _seal(name, data[:-_DIGEST]) != data[-_DIGEST:]:
        warn("cache entry %s is damaged or another's, and will be made anew", place)
        return None
    return data[:-_DIGEST]


def keep(name: str, library: bytes) -> None:
    """Store a library, and remove what writers that died have left. Where the disk does not take it, a warning says so."""
    place = path_of(name)
    remedy = "set EDGELSTM_CACHE_DIR to a folder of your own"
    if not place:
        warn("compiled code is not cached, the next start compiles again: this user has no home folder; %s", remedy)
        return
    if len(library) > LARGEST:
        warn("compiled code is not cached, the next start compiles again: %s bytes are more than a cache entry may have", len(library))
        return
    try:
        os.makedirs(folder(), mode=0o700, exist_ok=True)
        if not trusted(folder()):
            warn("cache folder %s is not used: others can write to it; %s", folder(), remedy)
            return
        with _writing():
            _write(place, library + _seal(name, library))
    except OSError as problem:
        warn("compiled code is not cached, the next start compiles again: %s; %s", problem, remedy)


def _write(place: str, data: bytes) -> None:
    """Put an entry in its place, where an empty folder may stand."""
    temporary = f"{place}.{os.getpid()}-{time.monotonic_ns()}{_UNFINISHED}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        if os.path.isdir(place) and not os.path.islink(place):
            os.rmdir(place)
        os.replace(temporary, place)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


@contextmanager
def _writing() -> Iterator[None]:
    """Hold the folder as one of its writers. Where there is no other, unfinished files are those of writers that died: they go first."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    held = os.open(folder(), os.O_RDONLY)
    try:
        if _locked(held, fcntl.LOCK_EX):
            _tidy()
        for _ in range(_PATIENCE):  # another may be tidying
            if _locked(held, fcntl.LOCK_SH):
                break
            time.sleep(0.01)
        yield
    finally:
        os.close(held)


def _locked(file: int, how: int) -> bool:
    """Take a lock if it is free; False where another has it or the file system knows none."""
    import fcntl

    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _tidy() -> None:
    for entry in os.scandir(folder()):
        if entry.name.endswith(_UNFINISHED) and not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
