"""Libraries built ahead of time: a shared library, a proof behind it, and a trailer that says what it is.

A file is the shared library, then the inputs and answers of the model's probe (float32), then the trailer, whose last part is the
SHA-256 of all that stands before. Python checks the trailer before the system's loader sees the library; C loads the file as it is.

Reading and loading need the standard library alone, and of that only what costs little: a start on a small board runs all of this file.
"""

import ctypes
import os
import struct
import time

from .digests import sha256_of
from .sizes import Sizes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

#: Version of the C interface (`edgelstm.h`) and of the trailer.
ABI = 1

#: What a library shows to C, behind a prefix.
FUNCTIONS = (
    *("abi", "info", "arena_bytes", "snapshot_bytes", "input_size", "output_size"),
    *("init", "reset", "step", "step_many", "process", "snapshot", "restore"),
)

#: What a library shows in their place whose model reads whole recordings.
RECORDING_FUNCTIONS = (
    *("abi", "info", "arena_bytes", "work_bytes", "input_size", "output_size"),
    *("init", "reset", "step", "process_recording"),
)

#: What it shows beside that where not every sample has its answer.
RATE_FUNCTIONS = ("due",)

#: And where the model can read its own answers.
TOKEN_FUNCTIONS = ("generate",)

#: Libraries that this process has loaded, by the digest of their files: none is ever unloaded.
_loaded: "dict[bytes, ctypes.CDLL]" = {}

#: The trailer, which `files.library.sealed` writes and `LibraryFile` reads.
MAGIC = b"\x7fEDGELSTM\r\n\x1a\n\0\0\0"
TRAILER = struct.Struct("<HHIIIIIIIQQQQQf256s32s16sI32s")
DIGEST_SIZE, NEEDS_SIZE = 32, 256

#: Version of the trailer of libraries with more to say: samples or answers that are maps, answers that are not due at every step, indices
#: beside measurements, whole recordings. A uint32 for each input stands before it, how many indices that may be (0 for a measurement);
#: then `RECORDINGS`: bytes of work memory for each row (0 where a model steps), and 1 where a recording gets one answer; then `WIRES`:
#: steps from one answer to the next and to the first, and both shapes, ended by zeros.
EXTENDED_ABI = 2
RECORDINGS = struct.Struct("<QQ")
WIRES = struct.Struct("<QQ3I3I")

#: Where arenas begin: a cache line.
ALIGNMENT = 64

#: Bytes of a snapshot that are not the state: `snapshot.size(0)`.
SNAPSHOT_FRAME = 52


def digest_of(data: "bytes | memoryview") -> bytes:
    sha256 = sha256_of(len(data))
    sha256.update(data)
    return sha256.digest()


def refuse(message: str) -> "NoReturn":
    from ..errors import LibraryError

    raise LibraryError(message) from None


def functions_of(sizes: Sizes) -> "tuple[str, ...]":
    """What a library of these sizes shows to C."""
    shown = RECORDING_FUNCTIONS if sizes.reads_recordings else FUNCTIONS
    shown = shown if sizes.each_step and not sizes.answers else (*shown, *RATE_FUNCTIONS)
    return (*shown, *TOKEN_FUNCTIONS) if sizes.generates else shown


class LibraryFile:
    """A library read from a file, found whole and of this version, for whatever machine; nothing of it has run.

    Attributes
    ----------
    path : str
    machine, bits : int
        ELF's number of the machine that it is for, and the bits of an address there.
    needs : list of str
        What /proc/cpuinfo must list where it is to run.
    sizes : Sizes
    probe_inputs, probe_outputs : memoryview of float
        Steps one behind the other.
    probe_steps, probe_answers : int
    size : int
        Bytes of the shared library alone.
    info_text : bytes
        What `info` reads.
    """

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        self.path = os.fspath(path)
        try:
            with open(self.path, "rb", buffering=0, opener=_at_once) as file:
                data = bytearray(os.fstat(file.fileno()).st_size)
                data = data[: file.readinto(data)]
        except (OSError, ValueError) as problem:
            refuse(f"{self.path}: {getattr(problem, 'strerror', None) or problem}; check the path and its permissions.")
        except MemoryError:
            refuse(f"{self.path} is larger than this machine's memory. Check the path, or build a smaller model.")
        if len(data) < TRAILER.size or not data.startswith(b"\x7fELF"):
            refuse(f"{self.path} is no library of edgelstm. Make one of a model with edgelstm build.")
        machine, bits, abi, inputs, outputs, vocabulary, steps, *rest = TRAILER.unpack_from(data, len(data) - TRAILER.size)
        info, info_bytes, arena, state, sample, given, answer, limit, needs, model, magic, size, digest = rest
        if magic != MAGIC:
            refuse(f"{self.path} is not a library that edgelstm built, or it is cut short. Copy it again, whole.")
        if digest_of(memoryview(data)[:-DIGEST_SIZE]) != digest:
            refuse(f"{self.path} is damaged (its digest does not match). Copy it again, or build it again.")
        if abi not in (ABI, EXTENDED_ABI):
            refuse(f"{self.path} has interface version {abi}; this edgelstm loads version {ABI}. Build it again with this version.")
        end = len(data) - TRAILER.size - _extension(inputs) * (abi == EXTENDED_ABI)
        wires = (1, 1, (), ()) if abi == ABI else _wires(data, inputs, outputs)
        if wires is None:
            refuse(f"{self.path} contradicts itself: its shapes are not those of its samples and answers. Build it again.")
        self.sizes = Sizes(inputs, outputs, vocabulary, arena, state, sample, given, answer, limit, model, *wires)
        answers = self.sizes.due(0, steps)
        parts = size + 4 * (steps * inputs + answers * outputs) + len(data) - end
        ends = max(state, given + 4 * inputs, answer + 4 * outputs)
        if not answers or parts != len(data) or ends > arena or sample + 4 * inputs > state or min(given, answer) < state:
            refuse(f"{self.path} contradicts itself: its parts do not add up to its size. Build it again.")
        if not 0 < limit < float("inf") or (vocabulary and (inputs, limit, self.sizes.vocabularies) != (1, vocabulary, (vocabulary,))):
            refuse(f"{self.path} contradicts itself: no input lies below its limit, {limit:g}. Build it again.")
        self.machine, self.bits, self.needs = machine, bits, needs.rstrip(b"\0").decode("ascii", "replace").split()
        self.size, self.probe_steps, self.probe_answers = size, steps, answers
        floats = memoryview(data)[size:end].cast("f")
        self.probe_inputs, self.probe_outputs = floats[: steps * inputs], floats[steps * inputs :]
        self._data, self._digest = memoryview(data)[:size], digest
        self.info_text = bytes(self._data[info : info + info_bytes])

    @property
    def info(self) -> "dict[str, Any]":
        """What the library says of itself: sizes, names, labels, layers, scheme, target.

        Raises
        ------
        LibraryError
            If it says nothing that can be read.
        """
        from .library_text import info_of

        return info_of(self.path, self.info_text)

    @property
    def rate_hz(self) -> "float | None":
        """Samples a second that the model was trained on; None where it states none."""
        rate = self.info.get("rate_hz")
        return float(rate) if isinstance(rate, int | float) else None

    def misfit(self) -> str:
        """Why this process cannot run it; empty if it can."""
        from .cpu import cpu_has, misfit, this_machine

        return misfit(self.machine, self.bits, self.needs, *this_machine(), cpu_has)

    def load(self) -> ctypes.CDLL:
        """Have the system load the library, from a private copy: what runs is what was checked. Once a process and library.

        Raises
        ------
        LibraryError
            If it is for another machine, or the system refuses it.
        """
        if reason := self.misfit():
            refuse(f"{self.path} {reason}. Build it for this machine: edgelstm targets")
        if self._digest not in _loaded:
            try:
                library = load_private(self._data)
                self._name(library)
                odd = _contradiction(library, self.sizes)
            except (OSError, AttributeError) as problem:
                refuse(f"{self.path} does not load: {problem}.")
            except MemoryError:
                refuse(f"{self.path} needs more memory than this machine gives. Close other programs, or build a smaller model.")
            if odd:
                refuse(f"{self.path} contradicts itself: its code has another {odd} than its end says. Build it again.")
            _loaded[self._digest] = library
        return _loaded[self._digest]

    def _name(self, handle: ctypes.CDLL) -> None:
        """Let the functions of a library that was built with a prefix be called by their usual names."""
        _, key, rest = self.info_text.partition(b'"prefix": "')  # within a text the quotes would stand behind backslashes
        prefix = rest.partition(b'"')[0].decode("ascii", "replace")
        if key and prefix != "edgelstm":
            for function in functions_of(self.sizes):
                if function == "step_many" and not hasattr(handle, f"{prefix}_{function}"):
                    continue  # built before there was one
                setattr(handle, f"edgelstm_{function}", handle[f"{prefix}_{function}"])


def _extension(inputs: int) -> int:
    """Bytes that stand before the trailer of a library with this many inputs, if it has more to say."""
    return 4 * inputs + RECORDINGS.size + WIRES.size


def _wires(data: bytearray, inputs: int, outputs: int) -> "tuple[Any, ...] | None":
    """(every, first, input_shape, output_shape, row_bytes, answers, vocabularies) of a library's file; None where they are none, or none of
    these sizes.
    """
    start = len(data) - TRAILER.size - _extension(inputs)
    if start < 0:
        return None
    tables = struct.unpack_from(f"<{inputs}I", data, start)
    row_bytes, answers = RECORDINGS.unpack_from(data, start + 4 * inputs)
    every, first, *lengths = WIRES.unpack_from(data, start + 4 * inputs + RECORDINGS.size)
    shapes = [tuple(n for n in part if n) for part in (lengths[:3], lengths[3:])]
    sizes = [1, 1]
    for k, shape in enumerate(shapes):
        for n in shape:
            sizes[k] *= n
    limit = 1 << 32
    if sizes != [inputs, outputs] or not (0 < every < limit and 0 < first < limit and row_bytes < limit and answers < limit):
        return None
    return every, first, *shapes, row_bytes or None, answers, tables if any(tables) else ()


def _contradiction(library: ctypes.CDLL, sizes: Sizes) -> str:
    """What of these sizes is not that of the code; empty if all is."""
    told = {"input_size": sizes.input_size, "output_size": sizes.output_size, "arena_bytes": sizes.arena_bytes}
    if not sizes.reads_recordings:
        told["snapshot_bytes"] = sizes.state_bytes + SNAPSHOT_FRAME
    for name, size in told.items():
        function = getattr(library, f"edgelstm_{name}")
        function.restype = ctypes.c_size_t
        if function() != size:
            return name
    memory = (ctypes.c_char * (sizes.arena_bytes + ALIGNMENT))()
    arena = ctypes.c_void_p(ctypes.addressof(memory) + -ctypes.addressof(memory) % ALIGNMENT)
    library.edgelstm_init(arena)
    if "due" in functions_of(sizes):
        library.edgelstm_due.restype = ctypes.c_size_t
        steps = [sizes.first + n for n in (-1, 0, sizes.every - 1, sizes.every)]
        if [library.edgelstm_due(arena, ctypes.c_size_t(n)) for n in steps] != [sizes.due(0, n) for n in steps]:
            return "rate of answers"
    x, y = (ctypes.c_float * sizes.input_size)(), (ctypes.c_float * sizes.output_size)()
    if sizes.reads_recordings:
        from . import recording_calls

        if odd := recording_calls.odd_work(library, sizes):
            return odd
    step = _one_step(library, sizes, arena, x, y)
    for k in range(len(sizes.vocabularies) or 1):
        rows = sizes.vocabularies[k] if sizes.vocabularies else 0
        # The limit of a measurement is a power of two.
        limits = ((rows - 1, 1), (rows, 0), (0.5, 0)) if rows else ((sizes.input_limit, 1), (2 * sizes.input_limit, 0))
        for value, taken in limits:
            x[k] = value
            if step() != taken:
                return "range of inputs"
        x[k] = 0
    return ""


def _one_step(library: ctypes.CDLL, sizes: Sizes, arena: ctypes.c_void_p, x: "Any", y: "Any") -> "Callable[[], bool]":
    """A function that answers the sample x, and says whether it may enter the state."""
    if not sizes.reads_recordings:
        return lambda: library.edgelstm_step(arena, x, y) != 1
    from . import recording_calls

    places = ctypes.c_void_p(ctypes.addressof(x)), ctypes.c_void_p(ctypes.addressof(y))
    return lambda: recording_calls.process(library, sizes, arena, *places, 1) == 1


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting, as a named pipe would have it, for somebody who writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def is_library(path: "str | os.PathLike[str]", *, unreadable: bool = False) -> bool:
    """Whether a file begins as a shared library does. `unreadable`: the answer for one that cannot be read."""
    try:
        with open(path, "rb", buffering=0, opener=_at_once) as file:
            return file.read(4) == b"\x7fELF"
    except (OSError, ValueError):
        return unreadable


def load_private(data: "bytes | memoryview") -> ctypes.CDLL:
    """Load a shared library from anonymous memory where the system has it and runs code there, else from a file that is deleted at once."""
    try:
        return _from_memory(data)
    except (OSError, AttributeError):
        pass
    import tempfile

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "edgelstm.so")
        with open(path, "wb") as file:
            file.write(data)
        return ctypes.CDLL(path)


def _from_memory(data: "bytes | memoryview") -> ctypes.CDLL:
    """The loader takes a path that it has seen for the library that it found there then, so that each is another: by dots, for the time."""
    handle = os.memfd_create("edgelstm", os.MFD_CLOEXEC)
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(data)
        dots = "".join("/." if bit == "1" else "/" for bit in f"{time.monotonic_ns():b}")
        return ctypes.CDLL(f"/proc/self/fd{dots}/{handle}")
    finally:
        os.close(handle)
