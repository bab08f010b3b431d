"""Cache, loading, linking, and what a warm start imports."""

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model, samples

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import cache, numba_ir, plan
from edgelstm.compiler.fuse import fuse
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


def test_numba_still_has_what_the_compiler_stands_on():
    """Fails on a Numba release that moves an internal that `compiler/numba_ir.py` uses, naming it."""
    from numba.core import codegen, compiler, types
    from numba.core.registry import cpu_target

    for owner, name in [
        (codegen.AOTCodeLibrary, "_optimize_functions"),
        (codegen.AOTCodeLibrary, "_optimize_final_module"),
        (codegen.AOTCPUCodegen, "_library_class"),
        (compiler, "compile_extra"),
        (cpu_target.target_context, "subtarget"),
    ]:
        assert hasattr(owner, name), f"Numba has no {owner.__name__ if hasattr(owner, '__name__') else owner}.{name} any more"
    text = numba_ir.kernel_ir("twice", lambda: lambda x: x + x, (types.int64,), types.int64)
    assert "define i64 @twice(i64 %a0)" in text
    assert "target triple" not in text
    assert "NRT_" not in text


def test_numba_is_a_release_that_was_tried():
    """Fails on a release beyond the range: run `.ci/run` with it, then move `NEWEST` and the pins."""
    import numba

    assert numba_ir.OLDEST <= numba.version_info.short <= numba_ir.NEWEST, f"Numba {numba.__version__} was never tried"


def test_the_range_of_numba_is_one_everywhere():
    (oldest, newest), project = (numba_ir.OLDEST, numba_ir.NEWEST), tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pin = f"numba>={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
    assert pin in project["project"]["dependencies"]
    assert pin in (ROOT / "edgelstm" / "doctor/diagnosis.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(("release", "refused"), [("0.61.2", True), ("0.59.0rc1", True), ("0.62.0", False), ("0.69.0dev0", False)])
def test_a_numba_too_old_is_refused_in_a_sentence(fresh, rng, monkeypatch, release, refused, lowered_anew):
    import numba

    monkeypatch.setattr(numba, "__version__", release)
    short = tuple(int(number) for number in release.split(".")[:2])
    monkeypatch.setattr(numba, "version_info", numba.version_info._replace(short=short))
    numba_ir.kernel_ir.cache_clear()
    if not refused:
        right(lstm_model(rng, 2, 3), rng)
        return
    with pytest.raises(el.CompileError, match=rf"expected Numba 0\.62 or later, and {release} is installed.*pip install 'numba>=0\.62,<"):
        el.Stream(lstm_model(rng, 2, 3))


def test_a_kernel_is_lowered_once_for_its_constants():
    from numba.core import types

    def plus(constant):
        return lambda x: x + constant

    made = [numba_ir.kernel_ir("plus", plus, (types.int64,), types.int64, constant=n) for n in (7001, 9172635, 7001)]
    assert made[0] is made[2]
    assert "9172635" not in made[0]
    assert "9172635" in made[1]


def test_lowering_leaves_the_collector_of_garbage_as_it_was():
    from numba.core import types

    for collecting in (True, False):
        (gc.enable if collecting else gc.disable)()
        try:
            with pytest.raises(Exception, match=r"(?i)nrt|require"):
                numba_ir.kernel_ir("allocating", lambda: lambda x: len([x, x]), (types.int64,), types.int64)
            assert gc.isenabled() == collecting
        finally:
            gc.enable()


def test_inlining_with_fewer_copies_and_readings_gives_the_same_code(rng, monkeypatch, lowered_anew):
    from numba.core import inline_closurecall

    layout = lay_out(lstm_model(rng, 2, 3), host())
    worker = inline_closurecall.InlineWorker
    read, passes = [], worker.run_untyped_passes
    monkeypatch.setattr(worker, "run_untyped_passes", lambda *given: read.append(given[1]) or passes(*given))
    codes, readings, before = [], [], (inline_closurecall.copy, worker.run_untyped_passes)
    for inlining in (numba_ir._quick_inlining, nullcontext):
        numba_ir.kernel_ir.cache_clear()
        monkeypatch.setattr(numba_ir, "_quick_inlining", inlining)
        codes.append(plan._made(layout, host(), False))
        assert (inline_closurecall.copy, worker.run_untyped_passes) == before
        readings.append(len(read))
    assert codes[0] == codes[1]
    assert readings[0] < 0.8 * (readings[1] - readings[0])


def test_an_allocation_in_a_kernel_does_not_compile():
    from numba.core import types

    def allocating(x):
        return len([x, x])

    with pytest.raises(Exception, match=r"(?i)nrt|require"):
        numba_ir.kernel_ir("allocating", lambda: allocating, (types.int64,), types.int64)


def test_names_of_blocks_stay_short_however_much_a_process_has_compiled(rng, lowered_anew):
    from numba.core import ir_utils

    ir_utils._the_max_label._value = 10**4000
    model = lstm_model(rng, 3, 21)
    texts = fuse(lay_out(model, host()))
    assert max(len(name) for text in texts for name in re.findall(r"^(\w+):", text, re.MULTILINE)) < 40
