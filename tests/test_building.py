"""Libraries built for this kind of machine: every way of stepping one gives the model's numbers, to the last bit the same."""

import array
import os
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_models import (
    LIMIT,
    MODELS,
    NAME,
    X86,
    XS,
    C,
    can_run,
    model_of,
    models,
    same_integers,
    samples_of,
    tool,
    worst,
)
from library_models import file_of as file_of  # noqa: PLC0414
from library_models import library as library  # noqa: PLC0414
from library_models import whole as whole  # noqa: PLC0414

import edgelstm as el
from edgelstm import device

ROOT = Path(__file__).parents[1]
HEADER = ROOT / "edgelstm" / "include"

targets = pytest.mark.parametrize("target", ["host", *X86])


def processed(stream, xs):
    """Answers of a `device.Stream` to a block."""
    answers = np.zeros((len(xs), stream.output_size), np.float32)
    stream.process(xs, answers)
    return answers


@pytest.mark.slow
@targets
@models
def test_every_stream_over_a_library_agrees(file_of, name, target):
    """With the float64 reference, and bit for bit among Python with NumPy, Python alone, and C."""
    path, xs = file_of(name, target), samples_of(name)
    whole = el.Stream(path).process(xs)
    assert worst(name, whole) <= LIMIT
    with_numpy, alone = el.Stream(path), device.Stream(path)
    np.testing.assert_array_equal([with_numpy.step(x).copy() for x in xs], whole)
    np.testing.assert_array_equal([np.array(alone.step(x.tolist())) for x in xs], whole)
    alone.reset()
    np.testing.assert_array_equal(processed(alone, xs), whole)
    np.testing.assert_array_equal(C(path).process(xs), whole)
    if target == "host":
        np.testing.assert_array_equal(el.Stream(model_of(name)).process(xs), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if same_integers(name)])
def test_integers_are_the_same_on_every_x86(file_of, name):
    """Whatever form the dot products take; fused multiply-add rounds once on all of these."""
    xs = samples_of(name)
    whole = el.Stream(file_of(name)).process(xs)
    fused = ("x86-64-v3", "x86-64-v4", *(["x86-64-v2"] if name.startswith("int8-static") else []))
    for target in (*fused, *filter(can_run, ("x86-64-v3+avxvnni", "x86-64-v4+avx512vnni"))):
        np.testing.assert_array_equal(el.Stream(file_of(name, target)).process(xs), whole, err_msg=target)


@pytest.mark.slow
def test_c_programs_step_every_library(file_of, tmp_path):
    """Through dlopen, in every way of edgelstm.h; the program compares the ways."""
    driver = tmp_path / "driver"
    source = Path(__file__).with_name("library_driver.c")
    subprocess.run([tool("gcc"), "-std=gnu11", "-O1", "-Wall", "-Werror", "-I", HEADER, "-o", driver, source, "-ldl"], check=True)
    words = []
    for name in MODELS:
        samples_of(name).tofile(tmp_path / f"{name}.in")
        words += [file_of(name), tmp_path / f"{name}.in", tmp_path / f"{name}.out"]
    done = subprocess.run([driver, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    for name in MODELS:
        answers = np.fromfile(tmp_path / f"{name}.out", np.float32)
        np.testing.assert_array_equal(answers, el.Stream(file_of(name)).process(samples_of(name)).ravel())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, len(XS)), max_size=6), st.data())
def test_any_cut_gives_the_same_bits(library, whole, cuts, data):
    with_numpy, alone = el.Stream(library), device.Stream(library)
    for start, end in pairwise([0, *sorted(cuts), len(XS)]):
        if data.draw(st.booleans()):
            answers, others = with_numpy.process(XS[start:end]), processed(alone, XS[start:end])
        else:
            answers, others = ([np.array(stream.step(x)) for x in XS[start:end]] for stream in (with_numpy, alone))
        np.testing.assert_array_equal(np.reshape(answers, (-1, 3)), whole[start:end])
        np.testing.assert_array_equal(np.reshape(others, (-1, 3)), whole[start:end])
    assert with_numpy.steps == len(XS)


def test_every_way_of_giving_a_sample_to_the_standard_library(library, whole):
    stream = device.Stream(library)
    forms = [
        list,
        tuple,
        lambda x: x,
        lambda x: array.array("f", x),
        memoryview,
        lambda x: x.astype(np.float64),
        lambda x: array.array("d", x),
        lambda x: (float(v) for v in x),
        lambda x: np.repeat(x, 2)[::2],
    ]
    for t, x in enumerate(XS):
        answer = stream.step(forms[t % len(forms)](x))
        np.testing.assert_array_equal(answer, whole[t])
        assert (answer.format, answer.shape) == ("f", (3,))
    stream.reset()
    for t, x in enumerate(XS):
        stream.input[:] = memoryview(x)
        np.testing.assert_array_equal(stream.step(), whole[t])
    np.testing.assert_array_equal(stream.output, whole[-1])


def test_input_is_the_sample_of_a_step_without_one(library, whole):
    stream = el.Stream(library)
    for t, x in enumerate(XS):
        stream.input[:] = x
        np.testing.assert_array_equal(stream.step(), whole[t])


def test_reset_replays_exactly(library, whole):
    for stream in (el.Stream(library), device.Stream(library)):
        for x in XS[:33]:
            stream.step(x)
        stream.reset()
        np.testing.assert_array_equal([np.array(stream.step(x)) for x in XS], whole)


def test_two_streams_of_one_library_are_independent(library, whole):
    for kind in (el.Stream, device.Stream):
        one, other = kind(library), kind(library)
        for t in range(30):
            np.testing.assert_array_equal(one.step(XS[t]), whole[t])
            other.step(-XS[t])
        other.reset()
        for t in range(30, 60):
            np.testing.assert_array_equal(one.step(XS[t]), whole[t])
            np.testing.assert_array_equal(other.step(XS[t - 30]), whole[t - 30])


@pytest.mark.parametrize("kind", [el.Stream, device.Stream])
def test_streams_of_one_library_share_its_memory(library, kind):
    """One copy of the code is loaded, whatever the number of streams; a thousand leave no thousand open files."""
    streams = [kind(library)]
    before = len(os.listdir("/proc/self/fd"))
    streams += [kind(library) for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before


BAD = [float("nan"), float("inf"), -float("inf"), 1e38]


@pytest.mark.parametrize("bad", BAD)
def test_what_must_not_enter_the_state_is_refused(library, whole, bad):
    sample = XS[10].copy()
    sample[4] = bad
    for stream in (el.Stream(library), device.Stream(library)):
        for x in XS[:10]:
            stream.step(x)
        before = stream.snapshot()
        with pytest.raises(el.InputError, match="channel 4 is"):
            stream.step(sample)
        rest = [] if isinstance(stream, el.Stream) else [np.zeros((2, 3), np.float32)]
        with pytest.raises(el.InputError, match="sample 1 "):
            stream.process(np.stack([XS[9], sample]), *rest)
        assert stream.snapshot() == before
        np.testing.assert_array_equal(stream.step(XS[10]), whole[10])


@pytest.mark.parametrize("index", [-1, 7, 2.5, 1e30, float("nan")])
def test_an_index_outside_the_table_is_refused(file_of, index):
    for stream in (el.Stream(file_of("f32-table")), device.Stream(file_of("f32-table"))):
        before = stream.snapshot()
        with pytest.raises(el.InputError, match=r"channel 0 .*whole number from 0 to 6"):
            stream.step([index])
        assert stream.snapshot() == before
    with pytest.raises(el.UsageError, match="propagate"):
        el.Stream(file_of("f32-table"), nan_policy="propagate")


@pytest.mark.parametrize("by_step", [True, False])
@pytest.mark.parametrize("policy", ["hold", "reset", "propagate"])
def test_policies_act_as_on_a_model(library, policy, by_step):
    xs = XS.copy()
    xs[0, 1] = xs[17, 4] = xs[18, 4] = np.nan
    xs[40] = np.inf
    answers = []
    for source in (library, model_of(NAME)):
        stream = el.Stream(source, nan_policy=policy)
        answers.append(np.array([stream.step(x).copy() for x in xs]) if by_step else stream.process(xs))
        assert stream.bad_inputs == (0 if policy == "propagate" else 4)
    np.testing.assert_array_equal(*answers)


WRONG = [
    ([1, 2], "7 numbers; got 2"),
    ([1] * 8, "7 numbers; got 8"),
    (None, "7 numbers; got NoneType"),
    (5.0, "7 numbers; got float"),
    ("1234567", "7 numbers; got str"),
    (["1"] * 7, "7 numbers; got list"),
    ([[1]] * 7, "7 numbers; got list"),
    (dict.fromkeys, "7 numbers; got builtin"),
    ([0, 0, 1e300, 0, 0, 0, 0], "channel 2 is inf"),
    ([10**400, 0, 0, 0, 0, 0, 0], "7 numbers"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[m for _, m in WRONG])
def test_wrong_samples_are_refused_without_numpy_too(library, wrong, message):
    stream = device.Stream(library)
    before = stream.snapshot()
    with pytest.raises(el.InputError, match=message):
        stream.step(wrong)
    assert stream.snapshot() == before


def test_wrong_blocks_are_refused_without_numpy_too(library):
    stream = device.Stream(library)
    answers = np.zeros((4, 3), np.float32)
    frozen = answers.copy()
    frozen.flags.writeable = False
    before = stream.snapshot()
    for xs, ys in [
        (XS[:5], answers),
        (XS[:4].astype(np.float64), answers),
        (XS[:4], answers.astype(np.float64)),
        (XS[:4], frozen),
        (XS[:4], bytearray(48)),
        (np.asfortranarray(XS[:4]), answers),
        (XS[:4], np.asfortranarray(answers)),
        (XS[:8:2], answers),
        (XS[0, :5], answers),
        ([1.0] * 28, answers),
        (XS[:4], None),
    ]:
        with pytest.raises(el.InputError, match=r"float32 buffers of \(time, 7\) and \(time, 3\)"):
            stream.process(xs, ys)
    assert stream.snapshot() == before
    stream.process(XS[:0], answers[:0])
    assert stream.snapshot() == before


@pytest.mark.parametrize(
    "name",
    ["f32-odd", "f32-table", *(pytest.param(name, marks=pytest.mark.slow) for name in ("int8-weight", "int8-dynamic", "int8-static"))],
)
def test_snapshots_move_between_every_kind_of_stream(file_of, name):
    """Taken in one, restored in any other, of this machine's code and of a library for an older PC."""
    path, xs = file_of(name), samples_of(name)
    old = file_of(name, "x86-64-v2")
    takers = {
        "model": lambda: el.Stream(model_of(name)),
        "library": lambda: el.Stream(path),
        "device": lambda: device.Stream(path),
        "c": lambda: C(path),
        "old": lambda: el.Stream(old),
        "old device": lambda: device.Stream(old),
        "old c": lambda: C(old),
    }

    def answer(stream, rows):
        return processed(stream, rows) if isinstance(stream, device.Stream) else stream.process(rows)

    for taker in takers.values():
        source = taker()
        answer(source, xs[:31])
        blob = source.snapshot()
        rest = answer(source, xs[31:])
        for other, make in takers.items():
            stream = make()
            assert not stream.restore(blob)
            assert stream.snapshot() == blob, other
            again = answer(stream, xs[31:])
            assert np.abs(again - rest).max() < (1e-5 if name.startswith("f32") else 0.05), other
            stream.restore(blob)
            np.testing.assert_array_equal(answer(stream, xs[31:]), again)
