"""What the tests of built libraries share: a model of every layer kind and scheme, its samples and answers, and files sealed again."""

import ctypes
import hashlib
import os
import pickle
import shutil
import subprocess
from functools import cache
from pathlib import Path

import lstm_cells
import numpy as np
import pytest
from conftest import lstm_layers, lstm_model
from elstm_files import index_model, sensor_model
from int8_records import dense_int8_static, hidden_int8, integers, lstm_int8, lstm_int8_static
from kinds import MAKERS, uniform

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import targets
from edgelstm.files.probes import reference_probe
from edgelstm.runtime import library_file

#: Targets that run on this kind of machine without emulation.
X86 = ("x86-64-v2", "x86-64-v3", "x86-64-v4")

#: Largest difference from the float64 reference, relative to max(1, |y|): float32 sums, as conftest's tolerance for f32. The samples of
#: integer models rest on no edge between two integers.
LIMIT = 1e-6


def _drawn(name):
    return np.random.default_rng(sum(name.encode()))


def _int8(name, scheme, *, calibrated=False):
    rng = _drawn(name)
    first = lstm_int8(rng, 7, 41, scheme, calibrated=calibrated, h0=rng.uniform(-0.6, 0.6, 41), c0=rng.uniform(-1, 1, 41))
    second = lstm_int8(rng, 41, 6, scheme, calibrated=calibrated)
    head = el.DenseInt8(scheme, integers(rng, 5, 6), rng.uniform(0.5, 1, 5) / 400, input_scale=[1 / 127] if calibrated else None)
    return el.Model([first, second, head])


def _gru_int8(scheme):
    rng = _drawn(scheme)
    first = hidden_int8(rng, el.GRUInt8, 5, 18, scheme)
    return el.Model([first, hidden_int8(rng, el.GRUInt8, 18, 41, scheme, reset_after=False), hidden_int8(rng, el.RNNInt8, 41, 7, scheme)])


def _half(name):
    """Tiles with a tail, a reset gate before and after the product, outputs of an odd number and few."""
    rng = _drawn(name)
    between = el.Dense(uniform(rng, 5, 6))
    return el.Model([*MAKERS["lstm_half"](rng), between, *MAKERS["gru_half"](rng), *MAKERS["dense_half"](rng)[1:]])


def _newer(rng):
    """One after another: Elman, minimal and sLSTM layers."""
    widths = {"rnn": 9, "min_gru": 13, "min_lstm": 18, "slstm": 6}
    return el.Model([part for kind, width in widths.items() for part in [*MAKERS[kind](rng), el.Dense(uniform(rng, 5, width))]])


def _static(name):
    rng = _drawn(name)
    lstm = lstm_int8_static(rng, 5, 18)
    return el.Model([lstm, dense_int8_static(rng, 18, 3, float(lstm.hidden_scale[0]), lstm.hidden_zero_point)])


#: Every kind of layer in every scheme, by a name that begins with the scheme.
MODELS = {
    "f32": lambda: lstm_model(_drawn("f32"), 6, 32),
    "f32-odd": lambda: lstm_model(_drawn("f32-odd"), 7, 41, 2, 3, trained_start=True),
    "f32-all-layers": lambda: sensor_model(labels=("a", "b"), input_names=("x", "y", "z"), rate_hz=50),
    "f32-table": index_model,
    "f32-activations": lambda: el.Model([*lstm_layers(_drawn("act"), 1, 3, 1), el.Activation("sigmoid"), el.Activation("tanh")]),
    "f32-cells": lambda: el.Model(lstm_cells.of_every_option(_drawn("f32-cells"))),
    "int8-weight-cells": lambda: el.Model(lstm_cells.quantised(_drawn("cells"))[1:2]),
    "f32-gru": lambda: el.Model(MAKERS["gru"](_drawn("gru"))),
    "f32-newer": lambda: _newer(_drawn("newer")),
    "f32-maps": lambda: el.Model(MAKERS["conv_lstm"](_drawn("maps"))),
    "int8-weight-maps": lambda: el.Model(MAKERS["conv_lstm_int8"](_drawn("maps"))),
    "f16-weight": lambda: _half("f16-weight"),
    "int8-weight": lambda: _int8("int8-weight", "int8-weight"),
    "int8-dynamic": lambda: _int8("int8-dynamic", "int8-dynamic"),
    "int8-dynamic-calibrated": lambda: _int8("int8-dynamic-calibrated", "int8-dynamic", calibrated=True),
    "int8-weight-gru": lambda: _gru_int8("int8-weight"),
    "int8-dynamic-gru": lambda: _gru_int8("int8-dynamic"),
    "int8-static": lambda: _static("int8-static"),
    "int8-static-lstm": lambda: el.Model([lstm_int8_static(_drawn("lstm"), 3, 33)]),
}

#: Of these, what takes longest to build, and is left to slow tests.
LONGEST = ("f32-cells", "f32-newer", "f16-weight", "f32-gru", "int8-dynamic-gru", "int8-weight-gru", "int8-weight-cells")

models = pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in LONGEST else name for name in MODELS])


@cache
def model_of(name):
    return MODELS[name]()


@cache
def samples_of(name, steps=60):
    """(steps, input_size) float32: first the samples of a probe, on which rounding is no matter of chance, then others."""
    model = model_of(name)
    rng = _drawn(name)
    first = reference_probe(model).inputs
    rest = (steps - len(first), model.input_size)
    more = rng.integers(model.vocabulary_size, size=rest) if model.takes_index else rng.uniform(-1, 1, rest)
    return np.concatenate([first, more.astype(np.float32)])


@cache
def exact(name):
    """The reference's answers to the first samples: (steps, output_size) float64."""
    model = model_of(name)
    return reference.run(model, reference_probe(model).inputs)


def worst(name, answers):
    """Largest difference of answers (time, output_size) from the reference, relative to max(1, |y|)."""
    wanted = exact(name)
    return float((np.abs(answers[: len(wanted)] - wanted) / np.maximum(1, np.abs(wanted))).max())


def same_integers(name):
    """Whether the model's sums are of integers, so that machines with fused multiply-add agree in every bit."""
    return name.startswith(("int8-dynamic", "int8-static"))


def target_of(text):
    """A target by its name, after which a feature may stand: ``x86-64-v3+avxvnni``."""
    name, plus, feature = text.partition("+")
    return targets.named(name, features=plus + feature)


def made_once(name, make):
    """What `make` gives: made once for all processes of a test run, where it has several, for that takes seconds; kept under this name."""
    if "EDGELSTM_BUILT_BY_TESTS" not in os.environ:
        return make()
    kept = Path(os.environ["EDGELSTM_BUILT_BY_TESTS"]) / f"{name}.kept"
    if not kept.exists():
        unfinished = kept.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(pickle.dumps(make()))
        unfinished.replace(kept)
    return pickle.loads(kept.read_bytes())


@cache
def built(name, target):
    """A model built for a target."""
    return made_once(f"library {name} {target}", lambda: el.build(model_of(name), target_of(target)))


def can_run(target):
    """Whether this machine is of the target's kind and its CPU has the instructions."""
    chosen = target_of(target)
    known = targets.cpuinfo().get("flags", "").split()
    return chosen.architecture == targets.host().architecture and set(chosen.needs) <= set(known)


def runs_here(target):
    """Skip where this machine cannot run the target's code."""
    if not can_run(target):
        pytest.skip(f"this machine cannot run code for {target}")


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    """``file_of(name, target)``: where the library of a model for a target lies, built when first asked for."""
    folder = tmp_path_factory.mktemp("libraries")

    def place(name, target="host"):
        runs_here(target)
        path = folder / f"{name}-{target}.so"
        if not path.exists():
            built(name, target).write(path)
        return path

    return place


#: The model and the samples of tests that need but one.
NAME = "f32-odd"
XS = samples_of(NAME)


@pytest.fixture(scope="module")
def library(file_of):
    return file_of(NAME)


@pytest.fixture(scope="module")
def whole(library):
    """Answers of the library to `XS`."""
    return el.Stream(library).process(XS)


class C:
    """The functions of edgelstm.h, and an arena."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        for function in ("arena_bytes", "snapshot_bytes", "input_size", "output_size", "process", "snapshot"):
            getattr(self.library, f"edgelstm_{function}").restype = ctypes.c_size_t
        self.memory = np.zeros(self.library.edgelstm_arena_bytes() + 64, np.uint8)
        self.arena = ctypes.c_void_p(self.memory.ctypes.data + -self.memory.ctypes.data % 64)
        assert self.library.edgelstm_init(self.arena) == 0

    def process(self, xs):
        answers = np.zeros((len(xs), self.library.edgelstm_output_size()), np.float32)
        rows = np.ascontiguousarray(xs)
        places = ctypes.c_void_p(rows.ctypes.data), ctypes.c_void_p(answers.ctypes.data)
        assert self.library.edgelstm_process(self.arena, *places, ctypes.c_size_t(len(xs))) == len(xs)
        return answers

    def snapshot(self):
        blob = ctypes.create_string_buffer(self.library.edgelstm_snapshot_bytes())
        assert self.library.edgelstm_snapshot(self.arena, blob) == len(blob)
        return blob.raw

    def restore(self, blob):
        return self.library.edgelstm_restore(self.arena, ctypes.create_string_buffer(blob, len(blob)), ctypes.c_size_t(len(blob)))


#: Where fields stand in the trailer: those that did not move between versions of it.
FIELDS = {"machine": 0, "bits": 1, "abi": 2, "needs": -5, "model": -4, "magic": -3, "size": -2}


def sealed_again(data, **changes):
    """The file with other fields in its trailer, and the digest that belongs to them. `probe`: added to its last answer."""
    trailer = library_file.TRAILER
    fields = list(trailer.unpack_from(data, len(data) - trailer.size))
    body = data[: -trailer.size]
    if step := changes.pop("probe", 0):
        body = body[:-4] + (np.frombuffer(body[-4:], np.float32) + np.float32(step)).tobytes()
    for field, value in changes.items():
        fields[FIELDS[field]] = value
    body += trailer.pack(*fields)[:-32]
    return body + hashlib.sha256(body).digest()


def tool(name):
    """Where a program is; the test is skipped if it is not installed, or is but a name (rustup's, of a compiler that was never chosen)."""
    if (found := shutil.which(name)) is None:
        pytest.skip(f"{name} is not installed")
    if subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
        pytest.skip(f"{name} is installed and does not run")
    return found
