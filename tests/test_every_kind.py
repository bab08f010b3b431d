"""All laws over all kinds of layer: what a kind must have, and what its kernel must keep. A kind that forgets one is named."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import samples
from kinds import MAKERS, MORE, WHOLE, model_of

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.lowering import rule
from edgelstm.compiler.reach import input_limit
from edgelstm.layers import KINDS, RECORDS, part, record_of
from edgelstm.layers.record import Layer
from edgelstm.layers.recurrent import Recurrent
from edgelstm.quantization import trace
from edgelstm.quantization.calibration import batch_of
from edgelstm.quantization.rules import UNTOUCHED, rules_of
from edgelstm.quantization.schemes import SCHEMES
from edgelstm.runtime import outline

PACKAGE = Path(el.__file__).parent
ROOT = PACKAGE.parent

kinds = pytest.mark.parametrize("kind", KINDS)


def over(names):
    """A test of all these; models of a kind with other options are slow ones."""
    return pytest.mark.parametrize("kind", [pytest.param(name, marks=pytest.mark.slow) if name in MORE else name for name in names])


#: Those, and models of a kind with other options.
models = over([*KINDS, *MORE])

#: Of these, those that step, and those that read whole recordings.
stepping = over([kind for kind in [*KINDS, *MORE] if kind not in WHOLE])
whole = over([kind for kind in [*KINDS, *MORE] if kind in WHOLE])

#: What knows models and memory, and no kind: it stays as it is when a kind comes.
SPINE = (
    *(
        "compiler/layout.py",
        "compiler/recordings.py",
        "compiler/fuse.py",
        "compiler/fuse_recordings.py",
        "compiler/c_abi.py",
        "compiler/c_abi_recordings.py",
        "compiler/elf",
        "compiler/plan.py",
        "kernels/entry",
    ),
    *(f"runtime/{name}.py" for name in ("binding", "library_file", "memory", "native_call", "program", "samples", "sizes", "snapshot")),
    "runtime/recording_calls.py",
)

#: Largest difference from the twin, relative to max(1, |y|): float32 sums over 1000 steps. Integer layers equal theirs where a step
#: rounds nothing apart; one step of int8 may round to the other side.
TOLERANCE = 1e-6


def inputs(kind, steps, seed=3):
    """Samples for a kind's model: (steps, input_size) float32."""
    model, rng = model_of(kind), np.random.default_rng(seed)
    if model.takes_index:
        return rng.integers(model.vocabulary_size, size=(steps, 1)).astype(np.float32)
    return samples(rng, model, steps)


def has(model, kind):
    return any(layer.kind == kind for layer in model.layers)


@kinds
def test_the_record_is_named_alike_everywhere(kind):
    name = KINDS[kind][1]
    record = record_of(kind)
    assert (record.kind, record.__name__, record.__module__) == (kind, name, f"edgelstm.layers.{KINDS[kind][0]}")
    assert issubclass(record, Layer)
    assert getattr(el, name) is record
    assert name in el.__all__, f"{name} is not in edgelstm.__all__"
    assert inspect.getdoc(record), f"{name} has no docstring"


def test_type_checkers_see_every_record():
    (block,) = (n for n in ast.parse((PACKAGE / "__init__.py").read_text()).body[-1:] if isinstance(n, ast.If))
    seen = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(el.__all__) - {"__version__"}
    assert set(RECORDS) <= seen


@kinds
def test_the_compiler_has_a_kernel_and_a_reach(kind):
    from edgelstm.compiler.targets import host
    from edgelstm.kernels.table import LAYER_KERNELS

    model = model_of(kind)
    for layer in model.layers:
        known = rule(layer)
        lowered = known.lower(layer, [model.size_of(name) for name in layer.inputs], host())
        assert lowered.kernel in LAYER_KERNELS, f"kernels.table lacks {lowered.kernel} of {layer.kind}"
        reach = known.reach(layer)
        assert reach.gain >= 0
        assert reach.offset >= 0
        assert reach.most > 0


@models
def test_the_kernel_stays_with_the_twin_for_1000_steps(kind):
    model, xs = model_of(kind), inputs(kind, 1000)
    expected = reference.run(model, xs)
    error = np.abs(el.Stream(model).process(xs) - expected) / np.maximum(1, np.abs(expected))
    if any(layer.rounds for layer in model.layers):
        assert np.mean(error.max(axis=1) <= TOLERANCE) > 0.9
        assert error.max() <= 0.02
    else:
        assert error.max() <= TOLERANCE


@stepping
def test_any_cut_gives_the_same_bits(kind):
    model, xs = model_of(kind), inputs(kind, 77)
    whole = el.Stream(model).process(xs)
    cut, stepped = el.Stream(model), el.Stream(model)
    pieces = [cut.process(piece) for piece in np.split(xs, [1, 4, 21, 37, 70])]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal([y.copy() for x in xs if (y := stepped.step(x)) is not None], whole)


@whole
def test_recordings_do_not_know_of_each_other(kind):
    model, xs = model_of(kind), inputs(kind, 50)
    stream = el.Stream(model)
    expected = stream.process(xs)
    for length in (1, 2, 16, 17, 49):
        part = stream.process(xs[:length])
        np.testing.assert_array_equal(part, el.Stream(model).process(xs[:length]))
        assert np.abs(part - reference.run(model, xs[:length])).max() <= TOLERANCE
    np.testing.assert_array_equal(stream.process(xs), expected)


@stepping
def test_a_snapshot_takes_up_the_state(kind):
    model, xs = model_of(kind), inputs(kind, 60)
    stream, other = el.Stream(model), el.Stream(model)
    stream.process(xs[:31])
    blob = stream.snapshot()
    expected = stream.process(xs[31:])
    other.process(xs[40:])
    other.restore(blob)
    assert other.snapshot() == blob
    np.testing.assert_array_equal(other.process(xs[31:]), expected)


@models
def test_the_file_gives_the_model_back(kind, tmp_path):
    model, path = model_of(kind), tmp_path / "model.elstm"
    el.save(model, path)
    loaded = el.load(path)
    assert [layer.kind for layer in loaded.layers] == [layer.kind for layer in model.layers]
    for before, after in zip(model.layers, loaded.layers, strict=True):
        assert before.options() == after.options()
        for name, array in before.arrays().items():
            np.testing.assert_array_equal(after.arrays()[name], array)
            assert after.arrays()[name].dtype == array.dtype


@models
def test_inputs_at_the_limit_leave_a_finite_state(kind):
    """The bound by which samples are checked holds: whatever passes leaves nothing but finite numbers, at either sign and together."""
    model = model_of(kind)
    if model.takes_index:
        rows = np.array([[0], [model.vocabulary_size - 1]], np.float32)
    else:
        limit = np.float32(input_limit(model))
        rng = np.random.default_rng(1)
        rows = limit * rng.choice(np.array([-1, 1, 0], np.float32), (40, model.input_size))
        rows[0], rows[1] = limit, -limit
    stream = el.Stream(model)
    assert np.isfinite(stream.process(rows)).all()
    if model.streams:
        stream.restore(stream.snapshot())  # refuses a state that is not finite
    assert np.isfinite(stream.process(inputs(kind, 5))).all()


@pytest.mark.slow
@models
def test_a_built_library_equals_the_stream(kind, tmp_path):
    model, xs = model_of(kind), inputs(kind, 50)
    path = tmp_path / "model.so"
    el.build(model).write(path)
    np.testing.assert_array_equal(el.Stream(path).process(xs), el.Stream(model).process(xs))


@models
def test_facts_are_declared_on_the_record(kind):
    """Facts come from the record: widths as its arrays have them, products as its matrices, outputs within one where it says so."""
    model, xs = model_of(kind), inputs(kind, 200)
    for layer in (layer for layer in model.layers if layer.kind == kind.partition(",")[0]):
        width = sum(model.size_of(name) for name in layer.inputs)
        assert layer.input_width in (None, width)
        assert layer.multiply_accumulates >= 0
        if layer.within_one and layer is model.layers[-1]:
            assert np.abs(el.Stream(model).process(xs)).max() <= 1
    assert model.scheme == (", ".join(sorted({layer.numbers for layer in model.layers} - {"f32"})) or "f32")


@kinds
def test_names_tell_what_records_declare_where_there_are_none(kind):
    """A library says of its layers the kind alone."""
    record = record_of(kind)
    assert outline.float_kind(kind) == (record.float_kind or kind)
    assert outline.is_recurrent(kind) == issubclass(record, (Recurrent, el.ConvLSTM, el.IntraRNN, el.InterRNN))


def quantised(model, windows, scheme):
    """(model, ""), or (None, why a layer is refused)."""
    try:
        return el.quantize(model, windows, scheme=scheme), ""
    except el.UnsupportedModelError as problem:
        return None, str(problem)


@kinds
def test_a_trace_stays_with_the_twin(kind):
    """Of integer layers, whose activations it rounds in float32, it has the form alone; `test_quantize_static` has their steps."""
    model, xs = model_of(kind), inputs(kind, 300)
    values = trace.run(model.layers, batch_of(model, [xs])).values[model.layers[-1].name][0]
    values = values[-1:] if model.sums_up else values
    expected = reference.run(model, xs)
    assert values.shape == expected.shape
    assert np.isfinite(values).all()
    error = (np.abs(values - expected) / np.maximum(1, np.abs(expected))).max(axis=1)
    if not any(layer.output_grid for layer in model.layers):
        assert np.mean(error <= TOLERANCE) >= (0.9 if any(layer.rounds for layer in model.layers) else 1)


FLOAT_KINDS = [kind for kind in KINDS if model_of(kind).scheme == "f32"]


@pytest.mark.parametrize("kind", FLOAT_KINDS)
def test_every_scheme_has_a_rule_for_a_float_kind_or_none_touches_it(kind):
    found = rules_of(kind)
    assert found is UNTOUCHED or set(found) == set(SCHEMES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLOAT_KINDS)
def test_quantize_gives_a_record_or_refuses_by_name(kind):
    model = model_of(kind)
    windows = [inputs(kind, 300, seed) for seed in range(4)]
    if all(rules_of(layer.kind) is UNTOUCHED for layer in model.layers):
        with pytest.raises(el.UsageError, match="leaves every layer of this model as it is"):
            el.quantize(model, windows)
        return
    for scheme in ("int8-weight", "int8-dynamic", "int8-static"):
        made, refusal = quantised(model, windows, scheme)
        if made is None:
            assert any(layer.name in refusal for layer in model.layers)
            continue
        assert made.scheme == scheme
        assert np.isfinite(el.Stream(made).process(inputs(kind, 50))).all()


@pytest.mark.parametrize("place", SPINE)
def test_the_spine_names_no_kind(place):
    path = PACKAGE / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files
    names = [*KINDS, *RECORDS]
    for file in files:
        found = [name for name in names if re.search(rf"""["'.]{name}["'(]|\b{name}\b(?=\()""", file.read_text())]
        assert not [name for name in found if name not in ("add", "record")], f"{file.name} names {found}"


def test_every_maker_makes_its_kind():
    for kind in MAKERS:
        assert has(model_of(kind), kind), f"tests/kinds.py: the model for {kind} has no such layer"
    assert {kind for kind in [*KINDS, *MORE] if not model_of(kind).streams} == WHOLE, "tests/kinds.py: what reads whole recordings"


def test_a_kind_without_a_part_is_named(monkeypatch):
    """The control: a kind that is listed and has no file fails, and says which."""
    monkeypatch.setitem(KINDS, "ghost", ("ghost", "Ghost"))
    with pytest.raises(ModuleNotFoundError, match="ghost"):
        part("edgelstm.compiler.lowering", "ghost")
