"""Cache, loading, linking, and what a warm start imports."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model, samples

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import cache, plan
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.targets import Target, host

ROOT = Path(__file__).parents[1]


def right(model, rng):
    xs = samples(rng, model, 20)
    stream = el.Stream(model)
    assert np.abs(stream.process(xs) - reference.run(model, xs)).max() < 1e-6
    return stream


def another(model):
    """The same network as another object, so that nothing kept in memory is found."""
    return el.Model(model.layers)


def test_second_start_finds_the_code(fresh, rng, monkeypatch):
    model = lstm_model(rng, 2, 3)
    assert not right(model, rng).plan.cached
    assert len(list(fresh.iterdir())) == 1
    assert right(another(model), rng).plan.cached
    monkeypatch.setattr(plan, "_loaded", {})
    monkeypatch.setattr(plan, "_compiled", lambda *_: pytest.fail("compiled again"))
    assert right(another(model), rng).plan.cached


def test_models_of_one_architecture_share_code(fresh, rng):
    right(lstm_model(rng, 2, 3), rng)
    assert right(lstm_model(rng, 2, 3), rng).plan.cached
    assert not right(lstm_model(rng, 2, 4), rng).plan.cached
    assert len(list(fresh.iterdir())) == 2


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_damaged_entries_are_made_anew(fresh, rng, monkeypatch, damage, caplog):
    model = lstm_model(rng, 2, 3)
    right(model, rng)
    (entry,) = fresh.iterdir()
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 255
    entry.write_bytes({"truncated": data[:500], "flipped": data, "empty": b"", "foreign": b"no library" * 50}[damage])
    monkeypatch.setattr(plan, "_loaded", {})
    assert not right(another(model), rng).plan.cached
    assert "made anew" in caplog.text
    monkeypatch.setattr(plan, "_loaded", {})
    assert right(another(model), rng).plan.cached


def test_an_entry_that_does_not_load_is_made_anew(fresh, rng, monkeypatch):
    """Whole by its digest, but no library: what another architecture's cache folder would hold."""
    model = lstm_model(rng, 2, 3)
    layout = lay_out(model, host())
    cache.keep(cache.key(layout.signature, host()), b"not an ELF file")
    assert not right(model, rng).plan.cached


def test_without_a_usable_folder_code_lives_in_memory(rng, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGELSTM_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(plan, "_loaded", {})
    first, second = lstm_model(rng, 2, 3), lstm_model(rng, 3, 5)
    assert not right(first, rng).plan.cached
    right(second, rng)
    right(first, rng)
    assert "not cached" in caplog.text


def test_full_disk_leaves_nothing_behind(fresh, rng, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not right(lstm_model(rng, 2, 3), rng).plan.cached
    assert not list(fresh.iterdir())


def test_folders_that_others_can_write_are_not_trusted(fresh, rng, monkeypatch, caplog):
    model = lstm_model(rng, 2, 3)
    right(model, rng)
    fresh.chmod(0o777)
    monkeypatch.setattr(plan, "_loaded", {})
    assert not right(another(model), rng).plan.cached
    assert "others can write" in caplog.text


def test_concurrent_writers(fresh, rng):
    """Processes that compile one model at once: all get right answers, one whole entry stays."""
    el.save(lstm_model(rng, 2, 3), fresh.parent / "model.elstm")
    code = "import sys, edgelstm as el; s = el.Stream(el.load(sys.argv[1])); print(float(s.step([0.5, -0.5])[0]).hex())"
    command = [sys.executable, "-c", code, str(fresh.parent / "model.elstm")]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: subprocess.run(command, check=True, capture_output=True, text=True).stdout, range(3)))
    assert len(set(answers)) == 1
    (entry,) = fresh.glob("*.so")  # whoever starts when it is there may note more beside it
    assert entry.read_bytes().startswith(cache.find(entry.stem))


def test_key_covers_code_and_cpu(rng):
    layout = lay_out(lstm_model(rng, 2, 3), host())
    keys = {cache.key(layout.signature, target) for target in (host(), host()._replace(identity="other"), host()._replace(fma=False))}
    assert len(keys) == 3


def test_a_warm_start_imports_no_compiler(fresh, rng):
    model = fresh.parent / "model.elstm"
    el.save(lstm_model(rng, 2, 3), model)
    code = (
        "import sys, json, edgelstm as el\n"
        "stream = el.Stream(el.load(sys.argv[1])); stream.step([1, 2])\n"
        "heavy = 'numba llvmlite click rich matplotlib torch'.split()\n"
        "print(json.dumps([stream.plan.cached, [name for name in heavy if name in sys.modules]]))\n"
    )

    def start():
        done = subprocess.run([sys.executable, "-c", code, str(model)], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    assert start() == [False, ["numba", "llvmlite"]]
    assert start() == [True, []]


def test_plain_import_is_light():
    code = "import sys, edgelstm; print('numpy' in sys.modules, 'edgelstm.stream' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() == ["False", "False"]


def test_library_calls_nothing_and_owns_no_variables(fresh, rng):
    """No undefined symbol, so no allocator, lock or system call can be reached from a step; no segment both writable and executable."""
    right(lstm_model(rng, 2, 70, 2), rng)
    (entry,) = fresh.iterdir()
    if shutil.which("readelf") is None:
        pytest.skip("readelf (binutils) is not installed")
    shown = subprocess.run(["readelf", "-W", "-l", "-r", "-D", "-s", entry], check=True, capture_output=True, text=True).stdout
    symbols = re.findall(r"(?:FUNC|OBJECT)\s+GLOBAL DEFAULT\s+(\S+) (\S+)", shown)
    assert {name for _, name in symbols} == {"edgelstm_run", "edgelstm_python_step", "edgelstm_made_for"}
    assert not [name for index, name in symbols if index == "UND"]
    assert "R_X86_64" not in shown
    assert "R_AARCH64" not in shown
    assert not re.search(r"\bRWE\b", shown)
    assert "GNU_STACK" in shown


@pytest.mark.parametrize(
    "target",
    [
        Target("avx2", 8, 16, True, "pmaddwd"),
        Target("neon", 4, 32, True, "generic"),
        Target("sse2", 4, 16, False, "pmaddwd"),
    ],
)
def test_packing_for_narrower_cpus_gives_the_same_answers(fresh, rng, monkeypatch, target):
    """Tiles for other register files, run on this one; without fused multiply-add in the last case."""
    monkeypatch.setattr(plan, "host", lambda: target)
    for inputs, hidden in [(6, 32), (9, 70), (1, 8), (2, 118)]:
        right(lstm_model(rng, inputs, hidden, 1, 5), rng)


def test_an_initial_cell_that_would_overflow_is_refused(rng):
    def model(most):
        lstm = el.LSTM(rng.uniform(-1, 1, (8, 3)), rng.uniform(-1, 1, (8, 2)), np.full(8, 20.0), c0=[most, -most])
        return el.Model([lstm, el.Activation("linear")])

    answers = el.Stream(model(1e9)).process(rng.uniform(-1, 1, (50, 3)))
    assert np.isfinite(answers).all()
    with pytest.raises(el.CompileError, match="c0 reaches"):
        el.Stream(model(2e9))


def test_input_limit_keeps_every_sum_finite(rng):
    """At the largest input that is let in, with weights that amplify, nothing overflows; beyond it, it is refused."""
    dense = el.Dense(1e6 * rng.choice([-1.0, 1.0], (20, 4)))
    (lstm,) = lstm_model(rng, 20, 6, 1).layers[:1]
    model = el.Model(
        [el.Normalizer([1e3] * 4, [1e-3] * 4), dense, el.LSTM(1e3 * lstm.weight_ih, lstm.weight_hh, lstm.bias), el.Dense(np.ones((1, 6)))]
    )
    stream = el.Stream(model)
    limit = stream.program.sizes.input_limit
    for signs in rng.choice([-1.0, 1.0], (50, 4)):
        assert np.isfinite(stream.step(limit * signs)).all()
    with pytest.raises(el.InputError, match="beyond"):
        stream.step([2 * limit, 0, 0, 0])


def test_a_plan_that_differs_from_its_probe_is_refused(rng):
    model = lstm_model(rng, 2, 3)
    xs = samples(rng, model, 8)
    wrong = reference.run(model, xs)
    wrong[5] += 0.01
    with pytest.raises(el.CompileError, match="step 5"):
        el.Stream(el.Model(model.layers, probe=el.Probe(xs, wrong, "a test")))
