"""What `edgelstm` says and leaves behind however it ends: counts, closed pipes, signals, terminals, early faults."""

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_calls import CSV, ROOT, ROWS, call, launch, line_of, lines, make_model, refused

import edgelstm as el
from edgelstm.cli import signals

HEAD = "rest,walk\n"

pytestmark = pytest.mark.usefixtures("heard_signals")


@pytest.fixture(scope="module")
def model() -> el.Model:
    return replace(make_model(), window=None)


@pytest.fixture(scope="module")
def path(model: el.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("run") / "model.elstm"
    el.save(model, file)
    return file


@pytest.fixture(scope="module")
def expected(model: el.Model) -> np.ndarray:
    return el.Stream(model).process(ROWS)


# ---------------------------------------------------------------- what is said


def test_lines_that_are_not_finite_are_named(path: Path) -> None:
    rows = [f"{'nan' if i % 3 == 0 else i},1,2\n" for i in range(1, 40)]
    says = call("run", path, "--nan-policy", "hold", given="".join(rows)).stderr
    assert says == "edgelstm: 13 samples were not finite or too large (lines 3, 6, 9, 12, 15, 18, 21, 24, …); --nan-policy hold.\n"
    assert "(line 2)" in call("run", path, "--nan-policy", "reset", given="1,2,3\n1e39,2,3\n4,5,6\n").stderr
    assert "--nan-policy hold or reset" in refused(call("run", path, given="1,2,3\n1,nan,3\n"), 1)


def test_ctrl_c_says_what_was_counted(path: Path) -> None:
    with launch("run", path, "--nan-policy", "hold", "--bad-lines", "skip") as process:
        assert process.stdin is not None
        process.stdin.write(b"1,2,3\nnan,2,3\n1,2\n4,5,6\n")
        for _ in range(4):
            line_of(process)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"1 bad line skipped (line 3)" in complaint
    assert b"1 sample was not finite or too large (line 2)" in complaint
    assert b"Traceback" not in complaint


def test_a_signal_that_waited_for_a_burst_is_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer fires in the moment in which the burst is answered."""
    timers = []

    class Late(threading.Timer):
        def start(self) -> None:
            timers.append(self)
            super().start()

        def cancel(self) -> None:
            pass

    monkeypatch.setattr(threading, "Timer", Late)
    monkeypatch.setattr(signals, "PATIENCE", 0.05)
    heard = 0
    with signals.deferring() as bursts:
        try:
            for _ in bursts.whole([None]):
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            heard += 1
        try:
            timers[0].join()
        except KeyboardInterrupt:
            heard += 1
    assert heard == 1


def test_empty_inputs_say_so(path: Path, tmp_path: Path) -> None:
    for given in ("", "\n\n", "ax,ay,az\n"):
        result = call("run", path, given=given)
        assert (result.exit_code, result.stdout, result.stderr) == (0, HEAD, "edgelstm: the input holds no samples.\n")
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "b.csv").write_text(CSV)
    assert (
        call("run", path, "-i", tmp_path / "a.csv", "-i", tmp_path / "b.csv").stderr
        == f"edgelstm: {tmp_path / 'a.csv'} holds no samples.\n"
    )


@pytest.mark.parametrize("verb", [["run"], ["describe"]])
def test_a_pipe_that_closes_is_no_bad_data(path: Path, verb: list[str], tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text(CSV * 2000)
    options = ["-i", tmp_path / "long.csv"] if verb == ["run"] else []
    with launch(*verb, path, *options) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


# ---------------------------------------------------------------- terminals


def in_terminal(*args: object, stdin: int | None = None) -> tuple[subprocess.Popen[bytes], int]:
    """The command in a pseudo-terminal of 80 x 24, and the other end of that."""
    parent, child = os.openpty()
    termios.tcsetwinsize(child, (24, 80))
    environment = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "edgelstm", *map(str, args)],
        stdin=child if stdin is None else stdin,
        stdout=child,
        stderr=child,
        env=environment,
    )
    os.close(child)
    return process, parent


def shown(parent: int, until: bytes = b"") -> bytes:
    """What appears on a terminal, to the end or until some text does."""
    text = b""
    try:
        while not until or until not in text:
            block = os.read(parent, 65536)
            if not block:
                break
            text += block
    except OSError:  # Linux reports the end of a pseudo-terminal as an error
        pass
    return text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("verb", ["demo", "run"])
def test_a_signal_leaves_the_terminal_as_it_was(path: Path, tmp_path: Path, verb: str, number: int) -> None:
    feed, more = tmp_path / "feed", tmp_path / "more"
    if verb == "demo":
        process, parent = in_terminal("demo", "--speed", "1")
        text = shown(parent, until=b"what the network says")
    else:
        feed.write_text(CSV)
        os.mkfifo(more)  # nobody writes there: the run does not end by itself
        process, parent = in_terminal("run", path, "-i", feed, "-i", more, "-o", tmp_path / "out.csv")
        text = shown(parent, until=b"\x1b[?25l")
    process.send_signal(number)
    text += shown(parent)
    os.close(parent)
    assert process.wait(60) == -number
    assert b"Traceback" not in text
    for begin, end in ((b"\x1b[?25l", b"\x1b[?25h"), (b"\x1b[?1049h", b"\x1b[?1049l")):
        assert text.rfind(end) >= text.rfind(begin)
    assert b"\x1b[?25h" in text


@pytest.mark.parametrize("named", [True, False])
def test_a_serial_line_as_the_kernel_sets_it_up_is_read(path: Path, expected: np.ndarray, named: bool) -> None:
    """Carriage return and line feed arrive as two line ends where the line is not set to raw."""
    parent, child = pty.openpty()
    settings = termios.tcgetattr(child)
    settings[0] |= termios.ICRNL
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(child, termios.TCSANOW, settings)
    options = {"stdin": subprocess.PIPE} if named else {"stdin": child}
    with launch("run", path, *(["-i", os.ttyname(child)] if named else []), **options) as process:
        os.write(parent, lines(ROWS[:4]).replace("\n", "\r\n").encode())
        assert line_of(process) == HEAD.encode()
        got = [[np.float32(cell) for cell in line_of(process).split(b",")] for _ in range(4)]
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)
    os.close(parent)
    os.close(child)
    assert complaint == b""
    assert np.array_equal(got, expected[:4])


def test_somebody_who_types_is_told_how_to_end(path: Path) -> None:
    """The terminal is the one that the process belongs to, as a shell's is: the first that the head of a session opens."""
    parent, child = pty.openpty()
    shown = 'exec "$0" -m edgelstm run "$1" -o "$2" --format csv <"$3"'
    command = ["sh", "-c", shown, sys.executable, str(path), os.devnull, os.ttyname(child)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        os.write(parent, b"\x04")
        _, said = process.communicate(timeout=60)
    os.close(parent)
    os.close(child)
    assert b"samples are read from this terminal, one a line; Ctrl-D ends them." in said


# ---------------------------------------------------------------- before anything runs

INTERRUPTED = """
import os, signal, sys
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
sys.path.insert(0, {root!r})
sys.argv = ["edgelstm", "run", {path!r}]
from edgelstm.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "module", ["edgelstm.cli", "click", "edgelstm.errors", "edgelstm.cli.run", "numpy", "edgelstm.stream", "edgelstm.runners.lines"]
)
def test_an_early_ctrl_c_is_no_traceback(path: Path, module: str) -> None:
    script = INTERRUPTED.format(module=module, root=str(ROOT), path=str(path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, input=CSV.encode(), check=False)
    assert done.returncode == 130
    assert done.stderr.count(b"\n") <= 1
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("NUMBA_DISABLE_JIT", "1", 1), ("NUMBA_NUM_THREADS", "0", 1), ("NUMBA_OPT", "x", 0), ("NUMBA_DEBUG", "perhaps", 0)],
)
@pytest.mark.parametrize("verb", ["run", "build"])
def test_numbas_environment_is_one_line(path: Path, tmp_path: Path, name: str, value: str, code: int, verb: str) -> None:
    options = [] if verb == "run" else ["-o", tmp_path / "m.so"]
    process = launch(verb, path, *options, env={name: value, "EDGELSTM_CACHE_DIR": str(tmp_path / "cache")})
    _, complaint = process.communicate(CSV.encode(), timeout=120)
    assert process.returncode == code, complaint
    assert name.encode() in complaint
    assert complaint.count(b"\n") == 1
