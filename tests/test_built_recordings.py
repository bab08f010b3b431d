"""Built libraries of models that read whole recordings, on this machine: the model's bits in Python and in C, and what is refused."""

import copy
import ctypes
import pickle
import struct

import numpy as np
import pytest
from cli_calls import call
from library_models import made_once
from recording_models import RECORDINGS, recording, recording_model

import edgelstm as el
from edgelstm import device
from edgelstm.runtime import library_file

SLOW = ("deep", "newer", "padded")
each = pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in RECORDINGS])
two = pytest.mark.parametrize("name", ["tags", "sum"])
kinds = pytest.mark.parametrize("kind", [el.Stream, device.Stream])

#: What `edgelstm_process_recording` answers where there is too little work memory.
TOO_LITTLE = ctypes.c_size_t(-1).value


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """``library(name)``: the file of a model's library, built when first asked for."""
    folder = tmp_path_factory.mktemp("recordings")

    def place(name):
        path = folder / f"{name}.so"
        if not path.exists():
            made_once(f"recording {name} host", lambda: el.build(recording_model(name))).write(path)
        return path

    return place


def rows_of(answers):
    return np.array([list(row) for row in answers], np.float32)


@each
def test_a_library_gives_the_models_bits(library, name):
    xs, model = recording(name), el.Stream(recording_model(name))
    stream, small = el.Stream(library(name)), device.Stream(library(name))
    assert (stream.first, stream.every) == (model.first, model.every)
    for rows in (41, 17, model.first, 41):
        expected = model.process(xs[:rows])
        np.testing.assert_array_equal(stream.process(xs[:rows]), expected)
        np.testing.assert_array_equal(rows_of(small.process(xs[:rows])), expected)
        assert small.due(rows) == len(expected)
        if stream.program.sizes.each_step:
            np.testing.assert_array_equal(stream.process(xs, length=rows), model.process(xs, length=rows))
    assert stream.steps == small.steps == 41


def in_c(library, name, rows, *, work_bytes=None, x=None, behind=4):
    """What `edgelstm_process_recording` gives, the answers, and whether all memory behind work and answers stayed as it was."""
    c = ctypes.CDLL(str(library(name)))
    for function in ("arena_bytes", "work_bytes", "process_recording"):
        getattr(c, f"edgelstm_{function}").restype = ctypes.c_size_t
    size = c.edgelstm_work_bytes(ctypes.c_size_t(rows)) if work_bytes is None else work_bytes
    assert c.edgelstm_work_bytes(ctypes.c_size_t(0)) == 0
    arena, work = (np.full(count + 128, 0xA5, np.uint8) for count in (c.edgelstm_arena_bytes(), size))
    xs = recording(name)[:rows].copy() if x is None else x
    due = len(el.Stream(recording_model(name)).process(recording(name)[:rows]))
    y = np.full((due + behind, recording_model(name).output_size), 7, np.float32)
    start = -arena.ctypes.data % 64
    assert c.edgelstm_init(ctypes.c_void_p(arena.ctypes.data + start)) == 0
    begin = -work.ctypes.data % 8
    places = [ctypes.c_void_p(array.ctypes.data) for array in (xs, y)]
    memory = ctypes.c_void_p(arena.ctypes.data + start), ctypes.c_void_p(work.ctypes.data + begin), ctypes.c_size_t(size)
    done = c.edgelstm_process_recording(*memory, *places, ctypes.c_size_t(rows))
    kept = (work[begin + size :] == 0xA5).all() and (arena[start + c.edgelstm_arena_bytes() :] == 0xA5).all() and (y[due:] == 7).all()
    return done, y[:due], bool(kept)


@each
def test_c_answers_a_recording_in_memory_that_it_gives(library, name):
    for rows in (41, 2 * recording_model(name).output_wire.first):
        done, answers, kept = in_c(library, name, rows)
        np.testing.assert_array_equal(answers, el.Stream(recording_model(name)).process(recording(name)[:rows]).reshape(answers.shape))
        assert (done, kept) == (rows, True)


@two
def test_c_is_told_of_too_little_memory_and_of_bad_rows(library, name):
    needed = 41 * el.Stream(library(name)).program.sizes.row_bytes
    for little in (needed - 1, needed // 2, 0):
        done, answers, kept = in_c(library, name, 41, work_bytes=little)
        assert (done, kept, set(answers.ravel())) == (TOO_LITTLE, True, {7.0})
    xs = recording(name).copy()
    xs[29, 1] = np.nan
    done, answers, _ = in_c(library, name, 41, x=xs)
    assert (done, set(answers.ravel())) == (29, {7.0})


def test_c_has_a_code_for_a_step_and_a_count_of_answers(library):
    for name, dues in (("sum", [0, 1, 1, 1, 1, 1]), ("seldom", [0, 0, 0, 1, 1, 2]), ("tags", None)):
        c = ctypes.CDLL(str(library(name)))
        assert c.edgelstm_step(None, None, None) == 3
        assert not hasattr(c, "edgelstm_process")
        assert not hasattr(c, "edgelstm_snapshot")
        if dues is None:
            assert not hasattr(c, "edgelstm_due")
            continue
        c.edgelstm_due.restype = ctypes.c_size_t
        assert [c.edgelstm_due(None, ctypes.c_size_t(n)) for n in range(6)] == dues
    header = el.build(recording_model("sum"), "cortex-m4f", prefix="sum").header
    assert "#define SUM_SUMS_UP 1" in header
    assert f"#define SUM_ROW_BYTES {el.Stream(library('sum')).program.sizes.row_bytes}" in header
    assert "SNAPSHOT_BYTES" not in header
    assert "sum_process_recording" in header


@kinds
def test_what_needs_steps_is_refused_with_the_way_out(library, kind):
    stream = kind(library("tags"))
    sample = np.zeros(stream.input_size, np.float32)
    with pytest.raises(el.UsageError, match=r"process\("):
        stream.step(sample)
    for attempt in (stream.snapshot, lambda: stream.restore(b"")):
        with pytest.raises(el.UsageError, match=r"recording"):
            attempt()
    with pytest.raises(el.InputError, match="at least one sample; got none"):
        stream.process(recording("tags")[:0])
    with pytest.raises(el.InputError, match="at least 3 samples; got 2"):
        kind(library("seldom")).process(recording("seldom")[:2])
    bad = recording("tags").copy()
    bad[5] = np.inf
    with pytest.raises(el.InputError, match="sample 5"):
        stream.process(bad)


@kinds
def test_copies_answer_alike(library, kind):
    stream, xs = kind(library("tags")), recording("tags")
    expected = rows_of(stream.process(xs))
    for other in (copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        np.testing.assert_array_equal(rows_of(other.process(xs)), expected)
    stream.warmup()
    stream.reset()
    np.testing.assert_array_equal(rows_of(stream.process(xs)), expected)


def forged(path, place, **changes):
    """A copy whose end says something else, with a digest that fits."""
    data = path.read_bytes()
    end = len(data) - library_file.TRAILER.size
    wires, rows = end - library_file.WIRES.size, end - library_file.WIRES.size - library_file.RECORDINGS.size
    fields = dict(zip(("row_bytes", "answers"), library_file.RECORDINGS.unpack_from(data, rows), strict=True))
    times = dict(zip(("every", "first"), struct.unpack_from("<QQ", data, wires), strict=True))
    for name, value in changes.items():
        (fields if name in fields else times)[name] = value
    body = data[:rows] + library_file.RECORDINGS.pack(*fields.values()) + struct.pack("<QQ", *times.values())
    body += data[len(body) : -library_file.DIGEST_SIZE]
    place.write_bytes(body + library_file.digest_of(body))
    return place


@kinds
@two
def test_an_end_that_is_not_that_of_the_code_is_refused(library, tmp_path, kind, name):
    sound = el.Stream(library(name)).program.sizes
    place = tmp_path / "forged.so"
    kind(forged(library(name), place))  # unchanged
    wrong = [{"row_bytes": n} for n in (sound.row_bytes - 4, sound.row_bytes + 64, 1 << 31, 1 << 62)]
    wrong += [{"answers": int(not sound.answers)}, {"answers": 2}, {"first": 2}, {"first": 1 << 40}, {"every": 0}]
    wrong += [] if sound.answers else [{"every": 3}]
    for changes in wrong:
        with pytest.raises(el.LibraryError, match="contradicts itself") as refused:
            kind(forged(library(name), place, **changes))
        assert str(place) in str(refused.value)
    with pytest.raises(el.LibraryError, match="undefined symbol: edgelstm_snapshot_bytes"):  # what only models that step have
        kind(forged(library(name), place, row_bytes=0))


def test_verbs_take_such_a_library(library, tmp_path):
    model, xs = recording_model("sum"), recording("sum")
    np.save(tmp_path / "x.npy", xs)
    np.save(tmp_path / "y.npy", el.Stream(model).process(xs))
    done = call("verify", library("sum"), "--data", tmp_path / "x.npy", "--expect", tmp_path / "y.npy")
    assert done.exit_code == 0, done.output
    told = call("describe", library("sum"))
    assert told.exit_code == 0, told.output
    assert "edgelstm_process_recording" in told.output
    assert "a row" in told.output
    text = "".join(",".join(map(repr, row)) + "\n" for row in xs.tolist())
    ran = call("run", library("sum"), given=text)
    assert ran.exit_code == 0, ran.output
    np.testing.assert_allclose([float(word) for word in ran.stdout.splitlines()[-1].split(",")], el.Stream(model).process(xs)[0], atol=1e-6)


def test_a_trial_replays_the_recording(library):
    from edgelstm.doctor.trial import library as tried

    told = {}
    tried(str(library("tags")), told)
    assert told["difference"] <= 1e-6
    assert told["recording_ns"] > 0
    assert "step_ns" not in told
