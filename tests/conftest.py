"""What tests share: a cache folder of their own, models of any size, the golden models, and the tolerances with their reasons."""

import os
import signal

import numpy as np
import pytest
from golden_files import golden_file
from kept_kernels import keeping

import edgelstm as el
from edgelstm.compiler import plan, targets

# Threads of a framework wait for each other in loops: in each of several processes, for networks of a few numbers. Read at its import.
os.environ.setdefault("OMP_NUM_THREADS", "1")

#: Largest differences allowed, with what each covers.
TOLERANCE = {
    "f32": 1e-6,  # float32 sums of up to 640 terms and activations of 2.6e-7, over 1000 steps
    "golden": 1e-5,  # the same, against float32 runtimes with their own rounding
}

#: (inputs, hidden, layers) of the benchmark grid.
GRID = [(1, 8, 1), (1, 16, 1), (1, 24, 1), (1, 40, 1), (6, 32, 1), (9, 64, 1), (40, 128, 1), (128, 128, 1), (64, 256, 2), (40, 512, 1)]

#: Sizes that no vector width divides.
ODD = [(1, 1, 1), (3, 3, 1), (2, 15, 2), (5, 20, 1), (7, 41, 1), (2, 118, 1), (17, 70, 2)]


def shared_folder(tmp_path_factory):
    """The folder of this run; xdist's processes share it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """A cache folder of this run; xdist's processes share it, so that a model is compiled once for all of them.

    `library_models.built` keeps its libraries beside it.
    """
    run = shared_folder(tmp_path_factory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGELSTM_CACHE_DIR", str(run / "cache"))
        patch.setenv("EDGELSTM_BUILT_BY_TESTS", str(run))
        yield


@pytest.fixture(autouse=True, scope="session")
def _half_precision_at_every_size():
    """Tests are of small layers: on no CPU are they held in float32 where they are made to be in half precision."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "WIDENING", ())
        yield


@pytest.fixture(autouse=True, scope="session")
def _kept_kernels(tmp_path_factory):
    """What Numba makes of a kernel, shared by xdist's processes; without Numba nothing is compiled."""
    try:
        from edgelstm.compiler import numba_ir
    except ImportError:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_ir, "_lowered", keeping(numba_ir._lowered, shared_folder(tmp_path_factory) / "kernels"))
        yield


@pytest.fixture
def lowered_anew(monkeypatch):
    """Nothing that this process or another has lowered before is taken."""
    numba_ir = pytest.importorskip("edgelstm.compiler.numba_ir")
    monkeypatch.setattr(numba_ir, "_lowered", getattr(numba_ir._lowered, "__wrapped__", numba_ir._lowered))
    numba_ir.kernel_ir.cache_clear()


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An empty cache folder, and a process that has loaded nothing."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGELSTM_CACHE_DIR", str(folder))
    monkeypatch.setattr(plan, "_loaded", {})
    return folder


@pytest.fixture
def heard_signals():
    """Started in the background, this process may ignore some signals, and so would the ones that it starts."""
    wanted = {signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


@pytest.fixture(scope="session")
def golden():
    """Finds a golden model or its answers by name, or skips the test."""
    return golden_file


def lstm_layers(rng, inputs, hidden, layers, *, trained_start=False):
    """LSTM records with weights uniform within +-1/sqrt(hidden), as PyTorch begins."""
    bound = 1 / np.sqrt(hidden)
    records = []
    for layer in range(layers):
        shapes = (4 * hidden, hidden if layer else inputs), (4 * hidden, hidden), (4 * hidden,)
        start = rng.uniform(-0.5, 0.5, (2, hidden)) if trained_start else (None, None)
        records.append(el.LSTM(*(rng.uniform(-bound, bound, shape) for shape in shapes), *start))
    return records


def lstm_model(rng, inputs=6, hidden=8, layers=1, outputs=2, names=(), **options):
    """LSTM layers and a Dense head; the inputs are called `names`."""
    head = el.Dense(rng.uniform(-0.3, 0.3, (outputs, hidden)), rng.uniform(-0.3, 0.3, outputs))
    return el.Model([*lstm_layers(rng, inputs, hidden, layers, **options), head], input_names=names)


def samples(rng, model, steps):
    """Samples within [-1, 1]: (steps, input_size) float32."""
    return rng.uniform(-1, 1, (steps, model.input_size)).astype(np.float32)
