"""What a built library's file holds, how it loads, and what is not built."""

import ctypes
import json
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from cli_calls import ROWS, make_model
from conftest import lstm_model
from library_models import NAME, XS, C, built, exact, model_of, models, samples_of, tool
from library_models import file_of as file_of  # noqa: PLC0414
from library_models import library as library  # noqa: PLC0414
from library_models import whole as whole  # noqa: PLC0414
from test_realtime import peak_of

import edgelstm as el
from edgelstm import device
from edgelstm.compiler import c_abi, fuse, numba_ir
from edgelstm.compiler.targets import named
from edgelstm.files.elstm import model_digest
from edgelstm.runtime import library_file

ROOT = Path(__file__).parents[1]

#: What a library shows.
SHOWN = {
    *(f"edgelstm_{name}" for name in ("abi", "info", "arena_bytes", "snapshot_bytes", "input_size", "output_size")),
    *(f"edgelstm_{name}" for name in ("init", "reset", "step", "step_many", "process", "snapshot", "restore")),
    *(f"edgelstm_{name}" for name in ("run", "python_step", "weights", "initial_state")),
}


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
    probe = 4 * library_file.LibraryFile(str(file_of(name))).probe_steps * (made.info["input_size"] + made.info["output_size"])
    assert made.weight_bytes + made.code_bytes <= len(made.data) - probe <= made.weight_bytes + made.code_bytes + 3072
    assert made.helpers == ()
    macros = dict(re.findall(r"#define EDGELSTM_(\w+) (\d+)", made.header))
    assert {key: int(value) for key, value in macros.items()} == {
        key.upper(): made.info[key] for key in ("arena_bytes", "snapshot_bytes", "input_size", "output_size")
    }


def test_a_library_is_written_whole_or_not_at_all(library, tmp_path):
    """Under its own name, which programs that are linked with it ask for; all else is `data`."""
    made = built(NAME, "host")
    made.write(tmp_path / library.name)
    assert (tmp_path / library.name).read_bytes() == library.read_bytes()
    made.write(tmp_path / "a.so")
    written = (tmp_path / "a.so").read_bytes()
    assert len(written) == len(made.data)
    different = [i for i, (a, b) in enumerate(zip(written, made.data, strict=True)) if a != b]
    assert len(different) <= len("a.so") + 16 + library_file.DIGEST_SIZE
    with pytest.raises(el.ModelFileError, match="absent"):
        built(NAME, "host").write(tmp_path / "absent" / "a.so")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.so", library.name]


def test_building_twice_gives_the_same_bytes(lowered_anew):
    """Lowered anew, too, not taken from what this process or another kept."""
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


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no anonymous memory")
def test_another_library_is_another_whatever_became_of_descriptors(file_of, monkeypatch):
    """A process that becomes a daemon closes them all: the next one has the number of the one before."""
    create, number = os.memfd_create, os.dup(0)

    def numbered(*args):
        made = create(*args)
        if made != number:
            os.dup2(made, number)
            os.close(made)
        return number

    monkeypatch.setattr(os, "memfd_create", numbered)
    first, second = (library_file.load_private(file_of(name).read_bytes()) for name in ("f32-all-layers", "int8-static"))
    assert first._handle != second._handle
    assert {"/fd/" in one._name for one in (first, second)} == {True}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(number)


def test_streams_over_libraries_load_no_compiler(library):
    """Nor JSON, which only what is told of a library needs."""
    code = (
        "import sys, edgelstm as el\n"
        f"el.Stream({str(library)!r}).step([0.0] * 7)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'numba', 'llvmlite', 'safetensors', 'click', 'rich', 'json'}))\n"
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


def test_no_rows_need_no_memory_and_a_snapshot_of_a_wrong_size_changes_nothing(library):
    c = C(library)
    c.process(XS[:5])
    before = c.snapshot()
    assert c.library.edgelstm_process(c.arena, None, None, ctypes.c_size_t(0)) == 0
    assert c.library.edgelstm_step_many(None, None, None, ctypes.c_size_t(0)) == 0
    for size in (0, 1, len(before) - 4, len(before) + 4, 1 << 40, 2**64 - 1):
        assert c.library.edgelstm_restore(c.arena, before, ctypes.c_size_t(size)) == 1
    assert c.library.edgelstm_restore(c.arena, None, ctypes.c_size_t(0)) == 1
    assert c.snapshot() == before


def test_the_layers_of_a_very_deep_model_are_called_and_give_the_same_bits(tmp_path, monkeypatch):
    """Inlined, they would take LLVM minutes: one function of a thousand layers."""
    model, answers, sizes = make_model(), [], []
    for most in (fuse.MOST_INLINED, 1):
        monkeypatch.setattr(fuse, "MOST_INLINED", most)
        made = el.build(model)
        made.write(tmp_path / f"{most}.so")
        stream = el.Stream(tmp_path / f"{most}.so")
        answers.append(np.array([stream.step(x).copy() for x in ROWS[:9]]))
        sizes.append(made.code_bytes)
    np.testing.assert_array_equal(*answers)
    assert sizes[1] < sizes[0]


def test_weights_become_text_in_a_few_times_their_memory():
    """Of a model of 200 MB the text alone would take more than most machines have, if each byte were an object."""
    data = np.random.default_rng(0).bytes(1 << 20)
    tracemalloc.start()
    text = c_abi._bytes_constant("w", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text.startswith(f'@w = constant [{len(data)} x i8] c"\\{data[0]:02x}\\{data[1]:02x}')
    assert peak < 10 * len(data)


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
