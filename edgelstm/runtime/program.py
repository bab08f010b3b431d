"""What a stream runs on: native code, weights, and the places in an arena, whether compiled here or built ahead of time."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, LibraryError, UsageError
from .fields import Fields
from .library_file import LibraryFile, is_library
from .memory import allocate
from .rates import step_of
from .sizes import PROBE_LIMIT, Sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: ``run(weights, arena, x, y, n, limit, checked) -> int``: see `kernels.entry.blocks`.
Run = Callable[[int, int, int, int, int, float, int], int]


#: ``tokens(weights, arena, first, tokens, n, stops, stop_count, seed, sharpness, most, share) -> int``: see `kernels.entry.generation`.
Tokens = Callable[[int, int, int, int, int, int, int, int, float, int, float], int]


class About(Fields):
    """What is told of a program and not needed to run it.

    Attributes
    ----------
    input_names, labels : tuple of str
    target, cpu : str
    weight_bytes, code_bytes : int
    outline : dict
        As `outline.line` takes it.
    """

    input_names: tuple[str, ...]
    labels: tuple[str, ...]
    target: str
    cpu: str
    weight_bytes: int
    code_bytes: int
    outline: dict[str, Any]


class Program(Fields):
    """A model's native form.

    Attributes
    ----------
    sizes : Sizes
    initial_state : (sizes.state_bytes,) uint8
    weights : int
        Address.
    run : callable
    python_step : int
        Address of what Python calls as ``stream.step``; 0 where there is none.
    owner : object
        Keeps the memory and the library alive.
    about : callable
        Gives an `About`, which a library reads when asked: JSON takes longer to import than a library to open.
    tokens : callable, optional
        Of a model that can read its own answers.
    """

    sizes: Sizes
    initial_state: "NDArray[np.uint8]"
    weights: int
    run: Run
    python_step: int
    owner: object
    about: Callable[[], About]
    tokens: Tokens | None = None

    @property
    def reads_recordings(self) -> bool:
        """Whether it takes whole recordings alone, each from the initial state."""
        return self.sizes.reads_recordings

    @property
    def arena_bytes(self) -> int:
        """Memory of one stream."""
        return self.sizes.arena_bytes


def run_of(handle: ctypes.CDLL, sizes: Sizes, initial_state: "NDArray[np.uint8]") -> Run:
    """The entry point of a loaded library that takes blocks of steps, or whole recordings, each from the initial state."""
    if sizes.row_bytes is not None:
        return _recordings(handle, sizes.row_bytes, initial_state)
    run = handle.edgelstm_run
    run.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64, ctypes.c_float, ctypes.c_int64]
    run.restype = ctypes.c_int64
    return run


def tokens_of(handle: ctypes.CDLL) -> Tokens | None:
    """The entry point of a loaded library that draws tokens; None where its model cannot read its own answers."""
    if not address_of(handle, "edgelstm_run_tokens"):
        return None
    tokens = handle.edgelstm_run_tokens
    word, number = ctypes.c_int64, ctypes.c_float
    tokens.argtypes = [*(ctypes.c_void_p,) * 2, word, ctypes.c_void_p, word, ctypes.c_void_p, word, word, number, word, number]
    tokens.restype = word
    return tokens


def _recordings(handle: ctypes.CDLL, row_bytes: int, initial_state: "NDArray[np.uint8]") -> Run:
    native = handle.edgelstm_run_recording
    native.argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_int64, ctypes.c_float, ctypes.c_int64]
    native.restype = ctypes.c_int64

    def run(weights: int, arena: int, x: int, y: int, n: int, limit: float, checked: int) -> int:
        try:
            work = allocate(n * row_bytes)
        except MemoryError:
            raise InputError(f"a recording of {n} samples needs {n * row_bytes} bytes of memory, more than this machine gives.") from None
        ctypes.memmove(arena, initial_state.ctypes.data, initial_state.nbytes)
        return int(native(weights, arena, work.ctypes.data, x, y, n, limit, checked))

    return run


def address_of(handle: ctypes.CDLL, name: str) -> int:
    """Where a function or constant of a loaded library is; 0 where it has none of that name."""
    try:
        return ctypes.addressof(ctypes.c_char.in_dll(handle, name))
    except ValueError:
        return 0


def worst_difference(program: Program, inputs: "NDArray[np.float32]", outputs: "NDArray[np.float32]") -> tuple[float, int]:
    """Replay a probe: the largest difference from its outputs, relative to max(1, |output|), and the first step beyond `PROBE_LIMIT`.

    inputs: (steps, input_size); outputs: (answers due, output_size).

    The difference is infinite where a sample must not enter a state; no step has run then.
    """
    arena = allocate(program.arena_bytes)
    arena[: program.sizes.state_bytes] = program.initial_state
    answers = np.empty_like(outputs)
    x, y = inputs.ctypes.data, answers.ctypes.data
    done = program.run(program.weights, arena.ctypes.data, x, y, len(inputs), program.sizes.input_limit, 1)
    if done < len(inputs):
        return float("inf"), done
    error = np.abs(answers - outputs) / np.maximum(1, np.abs(outputs))
    beyond = int(np.argmax(~(error <= PROBE_LIMIT).all(axis=1)))
    return float(error.max()), step_of(beyond, program.sizes.every, program.sizes.first)


def _told_by(path: str, text: bytes, size: int, sizes: Sizes) -> Callable[[], About]:
    """`Program.about` of a library of `size` bytes, out of its JSON text."""

    @cache
    def about() -> About:
        from .library_text import sound_info

        info = sound_info(path, text, sizes)
        names, labels, weight_bytes = tuple(info["input_names"]), tuple(info["labels"]), info["weight_bytes"]
        return About(names, labels, info["target"], info["cpu"], weight_bytes, size - weight_bytes, info)

    return about


def open_library(path: str) -> Program:
    """A library that `edgelstm.build` made, checked, loaded, and its probe replayed.

    Raises
    ------
    LibraryError
        If it is damaged, foreign, of another version, for another machine, or does not reproduce its probe.
    UsageError
        If it is no library at all.
    """
    if not is_library(path, unreadable=True):  # what cannot be read is told by the attempt
        raise UsageError(f"{path} is no built library. Read a model file with edgelstm.load(path) and pass the model.")
    file = LibraryFile(path)
    handle = file.load()
    state = address_of(handle, "edgelstm_initial_state")
    initial_state = np.frombuffer(memoryview((ctypes.c_uint8 * file.sizes.state_bytes).from_address(state)), np.uint8)
    program = Program(
        sizes=file.sizes,
        initial_state=initial_state,
        weights=address_of(handle, "edgelstm_weights"),
        run=run_of(handle, file.sizes, initial_state),
        python_step=address_of(handle, "edgelstm_python_step"),
        owner=handle,
        about=_told_by(path, file.info_text, file.size, file.sizes),
        tokens=tokens_of(handle),
    )
    inputs = np.array(file.probe_inputs, np.float32).reshape(file.probe_steps, -1)  # (steps, input_size)
    outputs = np.array(file.probe_outputs, np.float32).reshape(file.probe_answers, -1)  # (answers, output_size)
    try:
        worst, step = worst_difference(program, inputs, outputs)
    except MemoryError:
        raise LibraryError(f"{path} needs {program.arena_bytes} bytes for a stream, more than this machine gives.") from None
    if worst == float("inf"):
        raise LibraryError(f"{path} holds a probe that this model cannot have answered, at step {step}. Build it again.")
    if not worst <= PROBE_LIMIT:
        raise LibraryError(
            f"{path} differs from the answers it was built to give by {worst:.1e} (limit {PROBE_LIMIT:.0e}) at step {step}. "
            "Build it again for this board; if it stays, please report this."
        )
    return program
