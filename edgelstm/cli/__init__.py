"""The command line: `edgelstm <verb>`, one file a verb, each loaded when it is called.

Here stand what all verbs share: the group and the way errors leave the process. Exit codes: 0 done, 1 bad data, 2 bad usage,
130 interrupted, 141 nobody reads the output any more; SIGTERM and SIGHUP kill, once everything is put right.
"""

import io
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from .. import __version__
from ..errors import EdgeLSTMError, UsageError, heard
from .log import say, settle
from .signals import unwinding

#: Exit code of a program that SIGPIPE would have killed.
READER_LEFT = 141

#: Every verb, as `edgelstm --help` lists it; each is the command of that name in the module of that name.
VERBS = {
    "demo": "See a trained network recognise activities, live.",
    "examples": "List applications on real data, each measured beside a naive way.",
    "convert": "Turn a trained file (PyTorch, Keras, ONNX, TensorFlow Lite, …) into a .elstm file.",
    "describe": "Show what a model file holds.",
    "verify": "Compare a model's answers with those of the framework that trained it.",
    "quantize": "Make a model small and fast with int8 weights, and see what that costs.",
    "build": "Compile a model ahead of time, for a Raspberry Pi, a PC or a microcontroller.",
    "targets": "List what `build` compiles for.",
    "run": "Stream CSV or JSON lines through a model.",
    "score": "Score the logs of many devices, Parquet or CSV, a stream each.",
    "generate": "Write text with a model that reads a symbol and answers what may come next.",
    "bench": "Measure latency and deadline misses on this machine.",
    "doctor": "Examine this machine: what runs here, what is missing, what slows it down.",
}


class _Verbs(click.Group):
    """A group that imports a verb when it is called, and ends every failure with one line on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f".{cmd_name}", __name__), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderLeft from None
        except SystemExit as leaving:
            if isinstance(leaving.__context__, BrokenPipeError):  # Rich's way out
                raise _ReaderLeft from None
            raise

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        extra["standalone_mode"] = False
        settle("text")
        with unwinding(), heard(_warn):
            _settle_standard_streams()
            try:
                code = super().main(args, prog_name or "edgelstm", **extra)
            except click.exceptions.Abort:
                code = 130
            except click.ClickException as problem:
                where = problem.ctx.command_path if isinstance(problem, click.UsageError) and problem.ctx else "edgelstm"
                code = _complain(f"{problem.format_message()} Try '{where} --help'.", problem.exit_code)
            except EdgeLSTMError as problem:
                code = _complain(_as_options(str(problem)), 2 if isinstance(problem, UsageError) else 1)
            except _ReaderLeft:
                code = READER_LEFT
                _give_up_unwritten()
            except OSError as problem:
                code = _complain(_os_error(problem), 1)
                _give_up_unwritten()
            except MemoryError:
                code = _complain("not enough memory; close other programs or give a smaller file.", 1)
            sys.exit(code if isinstance(code, int) else 0)


class _ReaderLeft(Exception):
    """Whoever read our output has gone."""


def _settle_standard_streams() -> None:
    """Make printing safe where whoever launched us closed a stream, or the terminal cannot show a character."""
    for name, mode in (("stdin", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if sys.stdout is None:  # what is written there is lost, and has to fail as it does where the system says so
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _as_options(message: str) -> str:
    """A message of the Python interface, its arguments spelled as options."""
    spelled = re.sub(r"\b(nan_policy)='(\w+)'", lambda found: f"--{found[1].replace('_', '-')} {found[2]}", message)
    return re.sub(r"(--nan-policy \w+ or) '(\w+)'", r"\1 \2", spelled)


def _warn(sentence: str) -> None:
    """What the package warns of, as all else is said."""
    say(sentence, "warning")


def _complain(message: str, code: int) -> int:
    """One printable line on stderr, whatever a hostile file put into the message."""
    say(" ".join(message.split()), "error")
    return code


def _give_up_unwritten() -> None:
    """Let what stdout could not take go nowhere: the interpreter would try again on exit, and complain in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _os_error(problem: OSError) -> str:
    name = "standard input or output" if problem.filename in (None, 1) else problem.filename
    return f"{name}: {problem.strerror or problem}; check the path, its permissions and the space left."


@click.group("edgelstm", cls=_Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="edgelstm %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Streaming inference of LSTM, GRU and RNN networks for edge CPUs.

    A trained file in, one compiled step function out: no framework, no allocation, no surprise in the tail.
    Every verb that takes a model takes a .elstm file, or a trained one: PyTorch, Keras, ONNX, TensorFlow Lite, and more.

    \b
    Begin here:
      edgelstm demo
      edgelstm convert gesture.keras -o gesture.elstm
      edgelstm run gesture.elstm --input recording.csv --output -
    """  # noqa: D301
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
