"""Who reads a file of each form, as a user's call would, and what becomes of it: a model, one of edgelstm's errors, or a finding."""

import json
import os
import struct
import sys
import time
import traceback
import zlib
from hashlib import sha256
from pathlib import Path

import numpy as np
from changes import documented
from hostile_limits import SECONDS, seconds

#: What a program that only reads a file has no cause for.
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn", "socket.connect")
TOUCHED = ("open", "os.remove", "os.rename", "os.mkdir", "os.symlink", "os.link", "os.truncate", "shutil.rmtree")

#: Files and programs that were asked for since `tried` began, beyond those of Python and of the folders that are watched.
_strange: list[str] = []
_folders: list[str] = []


def watch(folder):
    """Note files that are opened or changed outside of `folder`, those given before and Python's own, and programs that are started."""
    if not _folders:
        python = (sys.prefix, sys.base_prefix, *map(os.path.realpath, filter(None, sys.path)))
        cache = os.environ.get("EDGELSTM_CACHE_DIR") or os.path.expanduser("~/.cache")
        _folders.extend((*python, cache, "/proc", "/sys", "/usr/share", "/dev/null"))
        sys.addaudithook(_heard)
    _folders.append(str(folder))


def _heard(event, arguments):
    if event in TOUCHED and isinstance(arguments[0], str | bytes | os.PathLike):
        place = os.fsdecode(arguments[0])  # in <…> the text of no file, which Python would show
        if not place.startswith("<") and not os.path.realpath(place).startswith(tuple(_folders)):
            _strange.append(f"{event} {place}")
    elif event in FORBIDDEN:
        _strange.append(f"{event}{arguments}")


def tried(path, read, told=None):
    """What is wrong with how a changed file is taken, None where nothing is. `told`, a list, gets the message of a refusal."""
    from edgelstm.errors import EdgeLSTMError

    began, fault = time.process_time(), None
    _strange.clear()
    try:
        read(path)
    except EdgeLSTMError as problem:
        text = str(problem)
        if told is not None:
            told.append(text)
        fault = None if text.isprintable() and 20 < len(text) < 4000 else f"prints {text[:200]!r}"
    except Exception as problem:  # noqa: BLE001  any other is a finding
        place = traceback.extract_tb(problem.__traceback__)[-1]
        fault = f"{type(problem).__name__} at {Path(place.filename).name}:{place.lineno}: {problem}"[:300]
    took = time.process_time() - began
    return fault or (f"takes {took:.1f} s" if took > SECONDS and took > seconds() else None) or (", ".join(_strange)[:300] or None)


def network(path):
    from edgelstm.importers import import_file

    import_file(path)


def weights(path):
    """Keras' weights alone, of which the layers have to be said."""
    from edgelstm.importers import import_file

    import_file(path, layers="lstm_4, dense_3", recurrent_activation="sigmoid")


def recipe(path):
    """What says what the arrays in the file beside it are: a recipe, or Keras' description of a network."""
    from edgelstm.importers import import_file

    import_file(path.with_name("arrays"), recipe=path)


def own(path):
    """Without its digest, which ends most readings; then with it."""
    import edgelstm as el

    el.load(path, verify=False)
    el.load(path)


def snapshot(folder):
    """A reader of snapshots of a stream, which is as it was where one is refused, and answers finite numbers after others."""
    import edgelstm as el

    stream = el.Stream(el.load(folder / "model.elstm"))
    xs = np.full((3, stream.input_size), 0.25, np.float32)

    def read(path):
        before = stream.snapshot()
        try:
            stream.restore(path.read_bytes())
        except el.StateError:
            assert stream.snapshot() == before
            raise
        assert np.isfinite(stream.process(xs)).all()
        stream.reset()

    return read


def states(folder):
    """A reader of what ``edgelstm run --state DIR/`` keeps: the command, on samples that carry numbers."""
    from click.testing import CliRunner

    from edgelstm.cli import main
    from edgelstm.errors import StateError

    runner, rows = CliRunner(), "n,a,b,c\n" + "".join(f"{n},0.1,0.2,0.3\n" for n in range(90, 99))

    def read(path):
        told = ["run", str(folder / "model.elstm"), "--state", f"{path.parent}/", "--sequence", "n", "--keep", "n"]
        done = runner.invoke(main, told, input=rows)
        for kept in path.parent.glob("state.[01].state"):
            kept.unlink()
        if done.exit_code:
            assert isinstance(done.exception, SystemExit), repr(done.exception)
            assert done.stderr.startswith("edgelstm: ")
            raise StateError(done.stderr.strip())

    return read


def library(path):
    """A library that was built, in a process of its own: a digest that was made again lets its code run."""
    import edgelstm as el

    read, write = os.pipe()
    if not (child := os.fork()):
        fault = tried(path, lambda place: el.Stream(place).snapshot())
        os.write(write, (fault or "").encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answers:
        fault = answers.read().decode()
    assert os.waitpid(child, 0)[1] == 0, "the process died"
    assert not fault, fault


def sealed_snapshot(data, rng):
    """The same snapshot with other numbers and its checksum."""
    found = bytearray(data)
    at = 4 * int(rng.integers(0, len(data) // 4 - 1))
    found[at : at + 4] = struct.pack("<f", float(rng.choice([1e38, -3e38, np.nan, np.inf, 1e-45, 7.0, -1.0])))
    return bytes(found[:-4]) + struct.pack("<I", zlib.crc32(found[:-4]))


def sealed_store(data, rng):
    """The same state with other marks, and its digest."""
    magic, version, generation, marks, size = struct.unpack_from("<8sIQIQ", data)
    begun = struct.calcsize("<8sIQIQ")
    text = documented(data[begun : begun + marks], rng)
    body = struct.pack("<8sIQIQ", magic, version, generation, len(text), size) + text + data[begun + marks : -32]
    return body + sha256(body).digest()


def sealed_library(data, rng):
    """The same library with another trailer or text, and its digest; its code is what it was."""
    found = bytearray(data)
    at = len(found) - 32 - int(rng.integers(1, 460))
    found[at : at + 4] = rng.bytes(4) if rng.random() < 0.5 else bytes(4)
    return bytes(found[:-32]) + sha256(found[:-32]).digest()


def sealed_model(data, rng):
    """The same .elstm file with another description; its digest is that of the one before."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"]["edgelstm"] = documented(header["__metadata__"]["edgelstm"], rng).decode()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


#: Of each form: who reads it, given the file's folder, and what changes it and keeps its checksums.
FORMS = {
    "network": (lambda _: network, None),
    "weights": (lambda _: weights, None),
    "recipe": (lambda _: recipe, None),
    "own": (lambda _: own, sealed_model),
    "library": (lambda _: library, sealed_library),
    "snapshot": (snapshot, sealed_snapshot),
    "states": (states, sealed_store),
}
