"""What the compiler stands on in Numba is there, and what it does otherwise than Numba gives the same code."""

import gc
import re
import tomllib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model, samples

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler import numba_ir, plan
from edgelstm.compiler.fuse import fuse
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.targets import host

ROOT = Path(__file__).parents[1]


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
        model = lstm_model(rng, 2, 3)
        xs = samples(rng, model, 20)
        assert np.abs(el.Stream(model).process(xs) - reference.run(model, xs)).max() < 1e-6
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
