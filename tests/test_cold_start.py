"""What a start loads, by name: a float32 model no code of another kind, a built library nothing of the compiler."""

import subprocess
import sys

import pytest
from conftest import lstm_model

import edgelstm as el

#: Parts of the package that every stream needs.
RUNTIME = {
    "edgelstm",
    "edgelstm.errors",
    "edgelstm.stream",
    "edgelstm.runtime",
    *(
        f"edgelstm.runtime.{name}"
        for name in ("arena", "binding", "decoding", "digests", "facts", "fields", "forks", "library_file", "memory", "sizes")
    ),
    *(f"edgelstm.runtime.{name}" for name in ("native_call", "program", "rates", "samples", "snapshot")),
}

#: What a float32 LSTM with a Dense head needs beside, from a file, with its code in the cache.
FLOAT32 = {
    *(
        "edgelstm.loading",
        "edgelstm.described",
        "edgelstm.model",
        "edgelstm.runtime.outline",
        "edgelstm.runtime.writing",
        "edgelstm.files",
        "edgelstm.files.container",
        "edgelstm.files.elstm",
    ),
    *(
        f"edgelstm.layers{name}"
        for name in ("", ".record", ".recurrent", ".order", ".wire", ".activations", ".cells", ".lstm", ".feedforward")
    ),
    *(f"edgelstm.reference{name}" for name in ("", ".functions", ".cells", ".lstm", ".feedforward")),
    *(f"edgelstm.compiler{name}" for name in ("", ".cache", ".layout", ".library", ".plan", ".reach", ".targets")),
    *(f"edgelstm.compiler.lowering{name}" for name in ("", ".lstm", ".feedforward", ".tables")),
}

_START = """
import sys, numpy, edgelstm as el
path = sys.argv[1]
stream = el.Stream(path if path.endswith(".so") else el.load(path))
stream.step(numpy.full(2, 0.5, numpy.float32))
print(*sorted(name for name in sys.modules if name.split(".")[0] == "edgelstm"))
"""


def loaded(path):
    done = subprocess.run([sys.executable, "-c", _START, str(path)], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.fixture
def model(rng):
    return lstm_model(rng, 2, 3)


def test_a_float32_start_loads_no_other_kind(model, fresh):
    path = fresh.parent / "model.elstm"
    el.save(model, path)
    assert "edgelstm.compiler.fuse" in loaded(path), "the control: a first start compiles"
    assert loaded(path) == RUNTIME | FLOAT32


def test_a_built_library_loads_nothing_of_the_compiler(model, tmp_path):
    path = tmp_path / "model.so"
    el.build(model).write(path)
    assert loaded(path) == RUNTIME | {"edgelstm.runtime.cpu"}
