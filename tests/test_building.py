"""Libraries built for this kind of machine: every way of stepping one gives the model's numbers, to the last bit the same."""

import array
import ctypes
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import lstm_model
from hypothesis import given, settings
from hypothesis import strategies as st
from library_models import LIMIT, MODELS, X86, built, exact, model_of, models, runs_here, same_integers, samples_of, tool, worst
from test_realtime import peak_of

import edgelstm as el
from edgelstm import device, library_file
from edgelstm.compiler import numba_ir
from edgelstm.compiler.targets import named
from edgelstm.modelfile import model_digest

ROOT = Path(__file__).parents[1]
HEADER = ROOT / "edgelstm" / "include"

#: What a library shows.
SHOWN = {
    *(f"edgelstm_{name}" for name in ("abi", "info", "arena_bytes", "snapshot_bytes", "input_size", "output_size")),
    *(f"edgelstm_{name}" for name in ("init", "reset", "step", "process", "snapshot", "restore")),
    *(f"edgelstm_{name}" for name in ("run", "python_step", "weights", "initial_state")),
}

targets = pytest.mark.parametrize("target", ["host", *X86])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("libraries")


@pytest.fixture(scope="module")
def file_of(folder):
    """Where the library of a model for a target lies."""

    def place(name, target="host"):
        runs_here(target)
        path = folder / f"{name}-{target}.so"
        if not path.exists():
            built(name, target).write(path)
        return path

    return place


def processed(stream, xs):
    """Answers of a `device.Stream` to a block."""
    answers = np.zeros((len(xs), stream.output_size), np.float32)
    stream.process(xs, answers)
    return answers


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
    for target in fused:
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


NAME = "f32-odd"
XS = samples_of(NAME)


@pytest.fixture(scope="module")
def library(file_of):
    return file_of(NAME)


@pytest.fixture(scope="module")
def whole(library):
    return el.Stream(library).process(XS)


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


@pytest.mark.parametrize("name", ["f32-odd", "f32-table", "int8-weight", "int8-dynamic", "int8-static"])
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


@pytest.mark.parametrize("name", ["f32-all-layers", "int8-static"])
def test_a_library_says_what_it_is(file_of, name):
    model, made = model_of(name), built(name, "host")
    stream = el.Stream(file_of(name))
    info = device.Stream(file_of(name)).info
    assert info == made.info
    assert json.loads(json.dumps(info)) == info
    assert (info["input_size"], info["output_size"]) == (model.input_size, model.output_size)
    assert (info["input_names"], info["labels"], info["rate_hz"]) == (list(model.input_names), list(model.labels), model.rate_hz)
    assert [layer["name"] for layer in info["layers"]] == [layer.name for layer in model.layers]
    assert info["scheme"] == name.partition("-all")[0]
    assert info["digest"] == model_digest(model)
    assert (stream.input_names, stream.labels) == (model.input_names, model.labels)
    assert (stream.input_size, stream.output_size) == (model.input_size, model.output_size)
    with pytest.raises(el.UsageError, match="holds code and no model"):
        _ = stream.model


@models
def test_sizes_are_those_of_the_file(file_of, name):
    made, c = built(name, "host"), C(file_of(name))
    assert c.library.edgelstm_arena_bytes() == made.arena_bytes == el.Stream(file_of(name)).program.arena_bytes
    assert c.library.edgelstm_snapshot_bytes() == made.info["snapshot_bytes"] == len(device.Stream(file_of(name)).snapshot())
    assert c.library.edgelstm_snapshot_bytes() == len(el.Stream(model_of(name)).snapshot())
    assert made.weight_bytes == made.info["weight_bytes"]
    probe = 4 * 16 * (made.info["input_size"] + made.info["output_size"])
    assert made.weight_bytes + made.code_bytes <= len(made.data) - probe <= made.weight_bytes + made.code_bytes + 3072
    assert made.helpers == ()
    macros = dict(re.findall(r"#define EDGELSTM_(\w+) (\d+)", made.header))
    assert {key: int(value) for key, value in macros.items()} == {
        key.upper(): made.info[key] for key in ("arena_bytes", "snapshot_bytes", "input_size", "output_size")
    }


def test_a_library_is_written_whole_or_not_at_all(library, tmp_path):
    built(NAME, "host").write(tmp_path / "a.so")
    assert (tmp_path / "a.so").read_bytes() == built(NAME, "host").data == library.read_bytes()
    with pytest.raises(el.ModelFileError, match="absent"):
        built(NAME, "host").write(tmp_path / "absent" / "a.so")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.so"]


def test_building_twice_gives_the_same_bytes():
    """Lowered anew, too, not taken from what this process kept."""
    first = built("f32-table", "host").data
    numba_ir.kernel_ir.cache_clear()
    assert el.build(model_of("f32-table")).data == first
    assert numba_ir.kernel_ir.cache_info().misses > 0


@pytest.mark.parametrize("target", ["host", "rpi4", "rpi5"])
def test_the_loader_has_nothing_to_do_but_to_map(tmp_path, target):
    """No undefined symbol, no other library, no relocation; nothing both writable and executable, and no executable stack."""
    built(NAME, target).write(tmp_path / "a.so")
    shown = subprocess.run(
        [tool("readelf"), "-W", "-h", "-l", "-d", "-D", "-s", "-r", tmp_path / "a.so"], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"Type:\s+DYN", shown)
    assert re.findall(r"(LOAD|GNU_STACK)\s.*\s([R ][W ][E ]) 0x\w+$", shown, re.MULTILINE) == [
        ("LOAD", "R E"),
        ("LOAD", "RW "),
        ("GNU_STACK", "RW "),
    ]
    for word in ("NEEDED", "TEXTREL", "INIT", "FINI", "RELA", "JMPREL", "RPATH"):
        assert f"({word}" not in shown
    rows = re.findall(r"\s(FUNC|OBJECT)\s+GLOBAL DEFAULT\s+(\w+) (\w+)", shown)
    assert {name for *_, name in rows} == SHOWN
    assert "UND" not in {section for _, section, _ in rows}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_code_is_not_writable_where_it_is_loaded(library):
    C(library)
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(library))]
    assert {modes for _, modes, *_ in maps} >= {"r-xp"}
    assert not [modes for _, modes, *_ in maps if "w" in modes and "x" in modes]


def test_a_step_of_a_library_allocates_nothing(library):
    stream = el.Stream(library)
    assert type(stream.step).__name__ == "builtin_function_or_method"
    x = np.ones(7, np.float32)
    nothing = peak_of(lambda _: None, x)
    assert peak_of(stream.step, x) <= nothing
    assert peak_of(lambda _: stream.step(), x) <= nothing
    assert peak_of(lambda v: stream.step(v).copy(), x) > nothing


def test_steps_of_the_standard_library_leave_nothing(library):
    """Each call makes and frees small objects of ctypes; a thousand leave no more than one does."""
    stream = device.Stream(library)
    x, xs, ys = np.ones(7, np.float32), np.ones((50, 7), np.float32), np.ones((50, 3), np.float32)
    for action, argument in ((stream.step, x), (lambda _: stream.step(), x), (lambda v: stream.process(v, ys), xs)):
        assert peak_of(action, argument, 1000) <= peak_of(action, argument, 1) + 64
    kept = []
    assert peak_of(lambda v: kept.append(bytes(stream.step(v))), x, 1000) > peak_of(stream.step, x, 1) + 64


@pytest.mark.parametrize("kind", [el.Stream, device.Stream])
def test_a_loaded_library_survives_its_file(library, whole, tmp_path, kind):
    path = tmp_path / "a.so"
    path.write_bytes(library.read_bytes())
    stream = kind(path)
    path.write_bytes(b"")
    for t in range(20):
        np.testing.assert_array_equal(stream.step(XS[t]), whole[t])
    path.write_bytes(os.urandom(len(library.read_bytes())))
    for t in range(20, 40):
        np.testing.assert_array_equal(stream.step(XS[t]), whole[t])
    path.unlink()
    np.testing.assert_array_equal(stream.step(XS[40]), whole[40])


def test_another_library_in_its_place_is_the_other(file_of, tmp_path):
    path = tmp_path / "a.so"
    for name in ("f32-odd", "f32-table", "f32-odd"):
        path.write_bytes(file_of(name).read_bytes())
        for stream in (el.Stream(path), device.Stream(path)):
            np.testing.assert_array_equal(stream.step(samples_of(name)[0]), el.Stream(model_of(name)).step(samples_of(name)[0]))


@pytest.mark.parametrize("memory", ["absent", "full", "not executable"])
def test_without_anonymous_memory_a_library_loads_from_a_file(library, whole, monkeypatch, tmp_path, memory):
    monkeypatch.setattr(library_file, "_loaded", {})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load = ctypes.CDLL

    def refusing(path, *args):
        if path and "/fd/" in path:
            raise OSError("failed to map segment from shared object")
        return load(path, *args)

    if memory == "absent":
        monkeypatch.delattr(os, "memfd_create")
    elif memory == "full":
        monkeypatch.setattr(os, "memfd_create", lambda *_: os.open("/dev/full", os.O_WRONLY))
    else:
        monkeypatch.setattr(ctypes, "CDLL", refusing)
    np.testing.assert_array_equal(device.Stream(library).step(XS[0]), whole[0])
    assert not list(tmp_path.iterdir())


def test_streams_over_libraries_load_no_compiler(library):
    code = (
        "import sys, edgelstm as el\n"
        f"el.Stream({str(library)!r}).step([0.0] * 7)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'numba', 'llvmlite', 'safetensors', 'click', 'rich'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_standard_library_is_all_that_device_loads(library):
    heavy = {"numpy", "json", "hashlib", "tempfile", "numba", "typing", "inspect"}
    code = (
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom edgelstm.device import Stream\n"
        f"Stream({str(library)!r}).step([0.0] * 7)\n"
        f"print(sorted({{m.split('.')[0] for m in sys.modules}} & {heavy}))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


#: LLVM ends its process where an instruction is missing.
IMPOSSIBLE = {
    "a Pi 5 without its dot product": ("int8-dynamic", lambda: named("rpi5", features="-dotprod")),
    "AVX-512's dot product without AVX-512": ("int8-dynamic", lambda: named("x86-64-v3")._replace(dot="vnni")),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_cpu_that_lacks_an_instruction_is_an_error(case):
    name, target = IMPOSSIBLE[case]
    with pytest.raises(el.CompileError, match=r"LLVM cannot compile for .*Check --cpu and --features"):
        el.build(model_of(name), target())


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"cpu": "cortex-a999"}, "'cortex-a999'.*Check --cpu and --features"),
        ({"features": "+teleport"}, "'\\+teleport'.*Check --cpu and --features"),
    ],
)
def test_a_cpu_or_feature_that_llvm_does_not_know_is_an_error(wish, message):
    with pytest.raises(el.CompileError, match=message):
        el.build(model_of("f32-table"), named("rpi4", **wish))


def test_a_target_that_does_not_exist_is_an_error():
    with pytest.raises(el.UsageError, match=r"no target 'rpi6'; known are host, .*rpi5"):
        el.build(model_of("f32-table"), "rpi6")
    with pytest.raises(el.UsageError, match="the host is compiled for as it is"):
        named("host", features="+avx2")


def test_a_child_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr("edgelstm.compiler.child.TIMEOUT", 0.01)
    with pytest.raises(el.CompileError, match="took more than"):
        el.build(lstm_model(np.random.default_rng(9), 2, 3))


def test_a_model_that_fails_on_its_own_inputs_is_not_built(monkeypatch):
    """A model whose probe another program answered otherwise: the library refuses to load."""
    model = model_of("f32-table")
    probe = el.Probe(np.ones((2, 1), np.float32), np.full((2, 2), 9, np.float32), "another program")
    lying = el.build(el.Model(model.layers, probe=probe))
    assert len(exact("f32-table"))
    path = Path(os.environ["EDGELSTM_CACHE_DIR"]).parent / "lying.so"
    lying.write(path)
    for kind in (el.Stream, device.Stream):
        with pytest.raises(el.LibraryError, match="differs from the answers"):
            kind(path)
