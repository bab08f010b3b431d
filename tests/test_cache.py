"""The code cache: only an entry's own code is loaded under its name, and a start works whatever lies in the folder, or without one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model, samples

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import cache, plan
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.targets import host

#: A start in a process of its own: whether the code was found, and the first answer.
START = "import sys, edgelstm as el; s = el.Stream(el.load(sys.argv[1])); print(s.plan.cached, float(s.step([0.5, -0.5])[0]).hex())"


def started(model, **environment):
    """What a start prints and logs. `environment`: variables by name; None takes one away."""
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    given = {name: value for name, value in given.items() if value is not None}
    folder = model.parent / "standing here"
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", START, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=given, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir()), "something was written where the process stands"
    return done


@pytest.fixture
def stored(tmp_path, rng):
    el.save(lstm_model(rng, 2, 3), tmp_path / "model.elstm")
    return tmp_path / "model.elstm"


def entry_of(model):
    return Path(cache.path_of(cache.key(lay_out(model, host()).signature, host())))


def right(model, rng):
    """Whether the code was found; the answers are the model's."""
    xs = samples(rng, model, 20)
    stream = el.Stream(el.Model(model.layers))
    assert np.abs(stream.process(xs) - reference.run(model, xs)).max() < 1e-6
    return stream.plan.cached


@pytest.mark.parametrize(("mine", "other"), [((3, 8, 1), (3, 40, 1)), ((3, 40, 1), (3, 8, 1)), ((3, 8, 1), (9, 8, 2))])
def test_another_models_entry_is_not_loaded(fresh, rng, monkeypatch, caplog, mine, other):
    """Its digest is right and its code is sound; it is only not this model's."""
    first, second = lstm_model(rng, *mine), lstm_model(rng, *other)
    right(first, rng)
    right(second, rng)
    shutil.copy(entry_of(second), entry_of(first))
    monkeypatch.setattr(plan, "_loaded", {})
    assert not right(first, rng)
    assert "another's" in caplog.text
    monkeypatch.setattr(plan, "_loaded", {})
    assert right(first, rng)
    assert right(second, rng)


def pipe(place, data):
    os.mkfifo(place)


def giant(place, data):
    with open(place, "wb") as file:
        file.write(data)
        file.truncate(4 << 40)


def large(place, data):
    with open(place, "wb") as file:
        file.truncate(cache.LARGEST)


def link_to_a_copy(place, data):
    place.with_name("elsewhere").write_bytes(data)
    place.symlink_to(place.with_name("elsewhere"))


ODD = {
    "empty": lambda place, data: place.write_bytes(b""),
    "one byte": lambda place, data: place.write_bytes(data[-1:]),
    "digest alone": lambda place, data: place.write_bytes(data[-32:]),
    "cut at the front": lambda place, data: place.write_bytes(data[64:]),
    "cut at the end": lambda place, data: place.write_bytes(data[:-1]),
    "twice": lambda place, data: place.write_bytes(2 * data),
    "pipe": pipe,
    "sparse giant": giant,
    "zeros": large,
    "folder": lambda place, data: place.mkdir(),
    "link to itself": lambda place, data: place.symlink_to(place),
    "link to a copy": link_to_a_copy,
    "link to an endless file": lambda place, data: place.symlink_to("/dev/zero"),
    "half a library with a right digest": lambda place, data: cache.keep(place.stem, data[: (len(data) - 32) // 2]),
    "most of a library with a right digest": lambda place, data: cache.keep(place.stem, data[:-40]),
    "more than a library with a right digest": lambda place, data: cache.keep(place.stem, data),
    "another system's library": lambda place, data: cache.keep(place.stem, b"\x7fELF\x01" + bytes(5000)),
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes files that POSIX knows")
def test_what_is_no_entry_is_made_anew(fresh, rng, monkeypatch, what):
    """Whatever has the entry's name, it is not loaded, nobody waits for it, and the next start finds a sound one."""
    model = lstm_model(rng, 2, 3)
    right(model, rng)
    place = entry_of(model)
    data = place.read_bytes()
    place.unlink()
    ODD[what](place, data)
    for found in (False, True):
        monkeypatch.setattr(plan, "_loaded", {})
        assert right(model, rng) == found
    assert place.read_bytes() == data
    assert not place.is_symlink()


def test_an_entry_that_does_not_fit_into_memory_is_made_anew(fresh, rng, monkeypatch):
    model = lstm_model(rng, 2, 3)
    right(model, rng)

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(cache, "_read", full)
    monkeypatch.setattr(plan, "_loaded", {})
    assert not right(model, rng)


def test_what_writers_that_died_have_left_is_removed(fresh, stored):
    """One is killed when its file appears; another left a file under the name of a process that lives."""
    code = (
        "import os, sys, signal, edgelstm as el\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "el.Stream(el.load(sys.argv[1]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code, str(stored)], capture_output=True, check=False, env=environment)
    assert done.returncode < 0
    (left,) = fresh.iterdir()
    assert left.name.endswith(".new")
    (fresh / f"{'0' * 40}.so.{os.getpid()}.new").write_bytes(b"half")
    started(stored)
    assert {path.suffix for path in fresh.iterdir()} <= {".so", ".noted"}
    assert len(list(fresh.glob("*.so"))) == 1


def test_files_of_living_writers_stay(fresh, rng):
    fresh.mkdir(mode=0o700)
    with cache._writing():
        unfinished = fresh / f"{'0' * 40}.so.1.new"
        unfinished.write_bytes(b"half")
        right(lstm_model(rng, 2, 3), rng)
        assert unfinished.exists()
    right(lstm_model(rng, 2, 4), rng)
    assert not unfinished.exists()


HOMELESS = {"HOME": None, "XDG_CACHE_HOME": None, "EDGELSTM_CACHE_DIR": None}


@pytest.mark.parametrize(
    "given",
    [
        {"HOME": ""},
        {"HOME": "", "XDG_CACHE_HOME": "cache"},
        {"HOME": "here"},
        {"HOME": "", "EDGELSTM_CACHE_DIR": "~/cache"},
        {"HOME": "~"},
        {"HOME": "", "EDGELSTM_CACHE_DIR": "~nobody-of-this-name/cache"},
    ],
    ids=str,
)
def test_without_a_home_there_is_no_cache_and_one_warning(stored, given):
    done = started(stored, **HOMELESS | given)
    assert done.stdout.startswith("False")
    assert done.stderr.count("EDGELSTM_CACHE_DIR") == len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not hasattr(os, "setuid") or os.geteuid() != 0, reason="becomes a user without an entry in passwd: root may")
def test_a_user_that_nobody_knows_has_no_home(tmp_path, monkeypatch):
    """As in a container that was started with --user."""
    code = (
        "import logging, os, pwd\n"
        "from edgelstm.compiler import cache\n"
        "os.setgid(54321); os.setuid(54321)\n"
        "cache.keep('a', b'a'); cache.keep('b', b'b'); print(repr(cache.folder()), cache.find('a'))"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    tmp_path.chmod(0o777)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.stdout.split() == ["''", "None"], done.stderr
    assert done.stderr.count("EDGELSTM_CACHE_DIR") == len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"HOME": "/h"}, "/h/.cache/edgelstm"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/edgelstm"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "x"}, "/h/.cache/edgelstm"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "~/x"}, "/h/.cache/edgelstm"),
        ({"HOME": "", "XDG_CACHE_HOME": "/x"}, "/x/edgelstm"),
        ({"HOME": "/h", "EDGELSTM_CACHE_DIR": "~/c"}, "/h/c"),
        ({"HOME": "", "XDG_CACHE_HOME": "/x", "EDGELSTM_CACHE_DIR": "~/c"}, "/x/edgelstm"),
        ({"HOME": "/h", "EDGELSTM_CACHE_DIR": "c"}, "c"),
    ],
    ids=str,
)
def test_where_the_cache_is(monkeypatch, given, place):
    for name in HOMELESS:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cache.folder() == place


def test_too_little_memory_is_one_clear_error(stored):
    """LLVM itself would end the process."""
    pytest.importorskip("resource")
    code = (
        "import resource, sys, numpy, edgelstm as el, edgelstm.stream\n"
        "model = el.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (300 << 20,) * 2)\n"
        "for act in (el.Stream, lambda m: el.build(m, 'rpi4')):\n"
        "    try:\n"
        "        act(model)\n"
        "    except el.CompileError as problem:\n"
        "        print(problem)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    environment["EDGELSTM_CACHE_DIR"] = str(stored.parent / "empty")
    done = subprocess.run([sys.executable, "-c", code, str(stored)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "limit of this process" in line
        assert "edgelstm build" in line
    assert done.stderr == ""


def test_memory_that_ends_while_compiling_is_one_clear_error(fresh, rng, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(plan, "_made", full)
    with pytest.raises(el.CompileError, match="not enough memory"):
        el.Stream(lstm_model(rng, 2, 3))
