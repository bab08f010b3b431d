"""`edgelstm doctor`: what it reads of boards, what follows, and that nothing odd makes it fail."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from boards import BOARDS, put
from cli_calls import call, make_model, refused

import edgelstm as el
from edgelstm.cli import measure
from edgelstm.doctor import diagnosis, machine, trial

FITS = {
    "pi3": ["rpi3", "rpi-zero2w", "aarch64", "rpi4"],
    "zero2w": ["rpi-zero2w", "rpi3", "aarch64", "rpi4"],
    "pi4": ["rpi4", "aarch64", "rpi3", "rpi-zero2w"],
    "cm4": ["rpi4", "aarch64", "rpi3", "rpi-zero2w"],
    "pi5": ["rpi5", "aarch64", "rpi3", "rpi-zero2w", "rpi4"],
    "graviton": ["rpi5", "aarch64", "rpi3", "rpi-zero2w", "rpi4"],
    "pi4-32": ["armv7"],
    "pi4-32-on-64": ["armv7"],
    "zero": [],
    "pc": ["x86-64-v3", "x86-64-v2"],
    "riscv": ["riscv64"],
    "riscv-v": ["riscv64-v", "riscv64"],
    "bare": [],
    "hostile": ["aarch64", "rpi3", "rpi-zero2w", "rpi4"],
}


def board(name: str, folder: Path) -> machine.Machine:
    system, bits, _ = BOARDS[name]
    return machine.look(str(put(name, folder)), system=system or "unheard-of", bits=bits)


def told_of(looked: machine.Machine, **changed: Any) -> dict[str, Any]:
    """A healthy record of a machine, with changes."""
    healthy: dict[str, Any] = {
        "targets": [target.name for target in diagnosis.fitting(looked)],
        "packages": diagnosis.packages(),
        "cache": {"folder": "/c", "exists": True, "trusted": True, "writable": True, "entries": 1, "bytes": 9},
        "code_memory": "anonymous memory",
        "toy": {"problem": "", "phases_ns": {}},
        "library": None,
    }
    return healthy | changed


def levels(looked: machine.Machine, **changed: Any) -> dict[str, str]:
    return {finding.what: finding.level for finding in diagnosis.findings(looked, told_of(looked, **changed))}


def level_of(found: dict[str, str], words: str) -> str:
    (level,) = {level for what, level in found.items() if words in what}
    return level


@pytest.mark.parametrize("name", BOARDS)
def test_the_targets_of_a_board(name: str, tmp_path: Path) -> None:
    assert [target.name for target in diagnosis.fitting(board(name, tmp_path))] == FITS[name]


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_is_told_and_judged(name: str, tmp_path: Path) -> None:
    looked = board(name, tmp_path)
    json.dumps(looked.record())
    found = levels(looked)
    assert ("broken" in found.values()) == (not FITS[name])


def test_a_pi_4_tells_all(tmp_path: Path) -> None:
    looked = board("pi4", tmp_path)
    assert (looked.board, looked.cpu, looked.cores) == ("Raspberry Pi 4 Model B Rev 1.4", "cortex-a72", 4)
    assert (looked.kernel_bits, looked.python_bits) == (64, 64)
    assert (looked.governors, looked.mhz, looked.max_mhz, looked.celsius) == (("ondemand",), 600, 1800, 82.3)
    assert looked.throttled == ("under-voltage now", "throttled now", "under-voltage since the start", "throttled since the start")
    assert (looked.isolated, looked.read_only_root) == ("2-3", True)
    assert (looked.memory_bytes, looked.free_bytes) == (1024 * 3884312, 1024 * 3300000)
    found = levels(looked)
    for words in ("under-voltage now", "throttled now", "82 °C", "governor is ondemand"):
        assert level_of(found, words) == "advice"
    assert level_of(found, "read-only") == "ok"


def test_names_of_cpus(tmp_path: Path) -> None:
    names = {"pi3": "cortex-a53", "pi5": "cortex-a76", "zero": "arm1176", "pc": "Intel(R) N100", "riscv": "sifive,u74-mc", "bare": ""}
    for name, cpu in names.items():
        assert board(name, tmp_path / name).cpu == cpu
    assert board("pc", tmp_path / "pc").board == "MINI PC"
    assert machine.cpu_name("CPU implementer: 0x51\nCPU part: 0x802\n") == "implementer 0x51 part 0x802"
    assert board("hostile", tmp_path / "hostile").cpu.isprintable()


def test_a_32_bit_system_on_a_64_bit_kernel_is_named(tmp_path: Path) -> None:
    looked = board("pi4-32-on-64", tmp_path)
    assert (looked.kernel_bits, looked.system_bits, looked.python_bits) == (64, 32, 32)
    assert level_of(levels(looked), "this Python 32") == "advice"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("throttled=0x0\n", ()),
        ("0\n", ()),
        ("throttled=0x50000", ("under-voltage since the start", "throttled since the start")),
        ("f000f", tuple(machine.THROTTLED.values())),
        ("throttled=0x80008\n", ("at the soft temperature limit now", "at the soft temperature limit since the start")),
        ("VCHI initialization failed", None),
        ("", None),
    ],
)
def test_throttling_bit_by_bit(text: str, words: tuple[str, ...] | None) -> None:
    assert machine.throttled_words(text) == words


def test_vcgencmd_is_asked_first_and_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "vcgencmd"
    monkeypatch.setenv("PATH", str(tmp_path))
    for body, words in (("echo throttled=0x2", ("frequency capped now",)), ("echo no; exit 255", None), ("kill -9 $$", None)):
        command.write_text(f"#!/bin/sh\n{body}\n")
        command.chmod(0o755)
        assert machine.look().throttled == words
    command.write_text("no program at all")
    assert machine.look().throttled is None


@pytest.mark.parametrize(("text", "count"), [("0-3\n", 4), ("0,2-3", 3), ("", 0), ("0-", 0), ("3-1", 0), ("all", 0)])
def test_lists_of_cpus(text: str, count: int) -> None:
    assert machine.count_cpus(text) == count


def test_files_that_cannot_be_read_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree/model").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").symlink_to("cpuinfo")
    (tmp_path / "sys").write_text("no folder")
    looked = machine.look(str(tmp_path), system="aarch64", bits=64)
    assert (looked.board, looked.cpu, looked.throttled, looked.celsius) == ("", "", None, None)


def test_where_code_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert diagnosis.code_memory() == "anonymous memory"

    def refusing(*_: object, **__: object) -> int:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refusing)
    assert diagnosis.code_memory() == "temporary files"
    monkeypatch.setattr(diagnosis.mmap, "mmap", refusing)
    assert diagnosis.code_memory() == ""
    looked = machine.look()
    assert level_of(levels(looked, code_memory=""), "may hold code") == "broken"


def test_the_cache_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a" / "cache"
    monkeypatch.setenv("EDGELSTM_CACHE_DIR", str(place))
    assert diagnosis.code_cache() == {"folder": str(place), "exists": False, "trusted": True, "entries": 0, "bytes": 0, "writable": True}
    assert not place.exists()
    place.mkdir(parents=True)
    (place / "x.so").write_bytes(bytes(7))
    (place / "x.so.1.new").write_bytes(bytes(9))
    place.chmod(0o777)
    told = diagnosis.code_cache()
    assert (told["entries"], told["bytes"], told["trusted"]) == (1, 7, False)
    looked = machine.look()
    assert level_of(levels(looked, cache=told), "is ignored") == "advice"
    sealed = told | {"trusted": True, "writable": False}
    assert level_of(levels(looked, cache=sealed), "read-only and holds 1") == "ok"
    assert level_of(levels(looked, cache=sealed | {"entries": 0}), "every start compiles") == "advice"
    assert "every start" not in str(levels(looked, cache=sealed | {"entries": 0}, toy={"problem": "", "skipped": "without Numba"}))


def test_without_a_home_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EDGELSTM_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "")
    told = diagnosis.code_cache()
    assert (told["folder"], told["exists"], told["writable"]) == ("", False, False)
    looked = machine.look()
    found = diagnosis.findings(looked, told_of(looked, cache=told))
    assert [f.level for f in found if "EDGELSTM_CACHE_DIR" in f.do] == ["advice"]


def test_a_fault_breaks_and_advice_does_not() -> None:
    looked = machine.look()
    assert "broken" not in levels(looked).values()
    assert level_of(levels(looked, toy={"problem": "no"}), "toy model fails") == "broken"
    assert level_of(levels(looked, library={"problem": "", "misfit": "is for Mars"}), "Mars") == "broken"
    assert level_of(levels(looked, library={"problem": "damaged"}), "damaged") == "broken"
    packages = [package | {"version": ""} for package in diagnosis.packages()]
    assert set(levels(looked, packages=packages).values()) == {"ok"}
    packages = [package | {"version": "" if package["name"] == "safetensors" else "1"} for package in packages]
    assert set(levels(looked, packages=packages).values()) == {"ok", "advice"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("doctor") / "m.so"
    el.build(make_model()).write(path)
    return path


def test_doctor_here(library: Path) -> None:
    result = call("doctor", library, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["verdict"] == "works"
    assert told["toy"]["difference"] <= trial.LIMIT
    assert told["toy"]["library"]["difference"] <= 1e-4
    assert list(told["toy"]["phases_ns"]) == ["import NumPy", "import Numba", "compile, or find in the cache", "build a library"]
    assert told["library"]["step_ns"] > 0
    assert told["library"]["target"] == "host"
    assert {package["name"] for package in told["packages"] if package["version"]} >= {"numpy", "numba", "llvmlite"}
    assert told["targets"]
    assert told["cache"]["exists"] or told["cache"]["writable"]


def test_doctor_prints_verdict_and_advice(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "apart", lambda path="": {"problem": "", "phases_ns": {}, "skipped": "without Numba nothing compiles"})
    assert "edgelstm works here." in call("doctor").stdout
    monkeypatch.setattr(trial, "apart", lambda path="": {"problem": "ended by an instruction \x1b[31m"})
    result = call("doctor", library)
    assert result.exit_code == 1
    assert "Something is broken." in result.stdout
    assert "\x1b" not in result.stdout


def test_a_damaged_library_is_told_in_words(library: Path, tmp_path: Path) -> None:
    data = bytearray(library.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.so").write_bytes(data)
    assert "is damaged" in trial.apart(str(tmp_path / "bad.so"))["problem"]
    assert "No such file" in trial.apart(str(tmp_path / "none.so"))["problem"]


def test_a_library_for_another_machine_is_told_and_not_loaded(tmp_path: Path) -> None:
    other = "aarch64" if os.uname().machine == "x86_64" else "x86-64-v2"
    el.build(make_model(), other).write(tmp_path / "m.so")
    told = trial.apart(str(tmp_path / "m.so"))
    assert told["problem"] == ""
    assert "this is a 64-bit Python" in told["misfit"]
    assert "step_ns" not in told


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "an instruction that this CPU lacks"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9 (out of memory?)"),
        ("raise SystemError('odd')", "SystemError: odd"),
        ("print('[1]')", "ended with code 0"),
    ],
)
def test_a_trial_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}"\n')
    python.chmod(0o755)
    monkeypatch.setattr(trial.sys, "executable", str(python))
    assert says in trial.apart()["problem"]


def test_where_no_process_starts_the_trial_runs_in_this_one(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.sys, "executable", "/nowhere/python")
    assert trial.apart(str(library))["step_ns"] > 0


def test_without_numba_the_toy_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    find = trial.find_spec
    monkeypatch.setattr(trial, "find_spec", lambda name: None if name == "numba" else find(name))
    told: dict[str, Any] = {}
    trial.toy(told)
    assert "without Numba" in told["skipped"]


def test_a_wrong_kernel_breaks_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgelstm import reference

    right = reference.run
    monkeypatch.setattr(reference, "run", lambda model, xs: right(model, xs) + 1e-3)
    with pytest.raises(el.CompileError, match="differs from the reference by 1"):
        trial.toy({})


def test_doctor_refuses_what_it_does_not_know() -> None:
    assert "No such option" in refused(call("doctor", "--fix"), 2)


def test_building_where_no_process_starts_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.sys, "executable", "/nowhere/python")
    with pytest.raises(el.CompileError, match="copy the library"):
        el.build(make_model())


def test_fresh_processes_import_nothing_from_the_current_folder(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in map(os.path.abspath, filter(None, sys.path)) if path != str(tmp_path)])
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for name in ("json", "numpy", "ctypes"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')")
    assert trial.apart(str(library))["problem"] == ""
    el.build(make_model())
    monkeypatch.setattr(measure, "LAUNCHES", 1)
    assert measure.cold_start(library, library=True)["total"] > 0
