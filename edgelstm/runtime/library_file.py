"""Libraries built ahead of time: a shared library, a proof behind it, and a trailer that says what it is.

A file is the shared library, then the inputs and answers of the model's probe (float32), then the trailer, whose last part is the
SHA-256 of all that stands before. Python checks the trailer before the system's loader sees the library; C loads the file as it is.

Reading and loading need the standard library alone, and of that only what costs little: a start on a small board runs all of this file.
"""

import ctypes
import os
import struct

from . import rates
from .digests import sha256_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

#: Version of the C interface (`edgelstm.h`) and of the trailer.
ABI = 1

#: What a library shows to C, behind a prefix.
FUNCTIONS = (
    *("abi", "info", "arena_bytes", "snapshot_bytes", "input_size", "output_size"),
    *("init", "reset", "step", "process", "snapshot", "restore"),
)

#: What it shows beside that where answers are not due at every step.
RATE_FUNCTIONS = ("due",)

#: Libraries that this process has loaded, by the digest of their files: none is ever unloaded.
_loaded: "dict[bytes, ctypes.CDLL]" = {}

#: The trailer, which `building.sealed` writes and `LibraryFile` reads.
MAGIC = b"\x7fEDGELSTM\r\n\x1a\n\0\0\0"
TRAILER = struct.Struct("<HHIIIIIIIQQQQQf256s32s16sI32s")
DIGEST_SIZE, NEEDS_SIZE = 32, 256

#: Version of the trailer of libraries whose samples or answers are maps, or whose answers are not due at every step: `WIRES` stands
#: before it, which says when they are due, and both shapes, ended by zeros.
WIRED_ABI = 2
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


class Sizes:
    """What a stream must know of a program's memory.

    Parameters
    ----------
    input_size, output_size : int
        Values in a sample and in an answer.
    vocabulary : int
        Number of indices that the input may take; 0 where it takes measurements.
    arena_bytes, state_bytes : int
        Size of one stream's memory, and of the part at its beginning that is its state.
    sample_offset, input_offset, output_offset : int
        Bytes from the arena's beginning to the sample read last, to the place that the user may write a sample into, to the answer.
    input_limit : float
        Largest magnitude of an input for which no intermediate value can overflow float32; the vocabulary for an index.
    digest : bytes
        The model's SHA-256.
    every, first : int
        Steps from one answer to the next, and to the first.
    input_shape, output_shape : tuple of int
        Of a sample and of an answer; by default those of vectors.
    row_bytes : int, optional
        Of a model that reads whole recordings: bytes of work memory for each of their rows. None of a model that steps.
    answers : int
        How many a recording gets, whatever it holds; 0 where its samples decide.
    """

    __slots__ = (
        "answers",
        "arena_bytes",
        "digest",
        "every",
        "first",
        "input_limit",
        "input_offset",
        "input_shape",
        "input_size",
        "output_offset",
        "output_shape",
        "output_size",
        "row_bytes",
        "sample_offset",
        "state_bytes",
        "vocabulary",
    )

    def __init__(
        self,
        input_size: int,
        output_size: int,
        vocabulary: int,
        arena_bytes: int,
        state_bytes: int,
        sample_offset: int,
        input_offset: int,
        output_offset: int,
        input_limit: float,
        digest: bytes,
        every: int = 1,
        first: int = 1,
        input_shape: "tuple[int, ...]" = (),
        output_shape: "tuple[int, ...]" = (),
        row_bytes: int | None = None,
        answers: int = 0,
    ) -> None:
        self.input_size, self.output_size, self.vocabulary = input_size, output_size, vocabulary
        self.arena_bytes, self.state_bytes = arena_bytes, state_bytes
        self.sample_offset, self.input_offset, self.output_offset = sample_offset, input_offset, output_offset
        self.input_limit, self.digest = input_limit, digest
        self.row_bytes, self.answers = row_bytes, answers
        self.every, self.first = every, first
        self.input_shape, self.output_shape = input_shape or (input_size,), output_shape or (output_size,)

    @property
    def each_step(self) -> bool:
        """Whether an answer is due at every step."""
        return self.every == self.first == 1

    def due(self, taken: int, steps: int) -> int:
        """How many answers `steps` steps give, behind the first `taken`."""
        if self.answers:
            return self.answers if steps >= self.first else 0
        if self.each_step:
            return steps
        return rates.due(taken + steps, self.every, self.first) - rates.due(taken, self.every, self.first)


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
            with open(self.path, "rb", buffering=0) as file:
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
        if abi not in (ABI, WIRED_ABI):
            refuse(f"{self.path} has interface version {abi}; this edgelstm loads version {ABI}. Build it again with this version.")
        wires = _wires(data, inputs, outputs) if abi == WIRED_ABI else (1, 1, (), ())
        if wires is None:
            refuse(f"{self.path} contradicts itself: its shapes are not those of its samples and answers. Build it again.")
        self.sizes = Sizes(inputs, outputs, vocabulary, arena, state, sample, given, answer, limit, model, *wires)
        answers = self.sizes.due(0, steps)
        end = len(data) - TRAILER.size - (WIRES.size if abi == WIRED_ABI else 0)
        parts = size + 4 * (steps * inputs + answers * outputs) + len(data) - end
        ends = max(state, given + 4 * inputs, answer + 4 * outputs)
        if not answers or parts != len(data) or ends > arena or sample + 4 * inputs > state or min(given, answer) < state:
            refuse(f"{self.path} contradicts itself: its parts do not add up to its size. Build it again.")
        if not 0 < limit < float("inf") or (vocabulary and (inputs, limit) != (1, vocabulary)):
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
            for function in FUNCTIONS if self.sizes.each_step else (*FUNCTIONS, *RATE_FUNCTIONS):
                setattr(handle, f"edgelstm_{function}", handle[f"{prefix}_{function}"])


def _wires(data: bytearray, inputs: int, outputs: int) -> "tuple[int, int, tuple[int, ...], tuple[int, ...]] | None":
    """(every, first, input_shape, output_shape) of a library's file; None where they are none, or none of these sizes."""
    if len(data) < TRAILER.size + WIRES.size:
        return None
    every, first, *lengths = WIRES.unpack_from(data, len(data) - TRAILER.size - WIRES.size)
    shapes = [tuple(n for n in part if n) for part in (lengths[:3], lengths[3:])]
    sizes = [1, 1]
    for k, shape in enumerate(shapes):
        for n in shape:
            sizes[k] *= n
    limit = 1 << 32
    return (every, first, *shapes) if sizes == [inputs, outputs] and 0 < every < limit and 0 < first < limit else None


def _contradiction(library: ctypes.CDLL, sizes: Sizes) -> str:
    """What of these sizes is not that of the code; empty if all is."""
    told = {
        "input_size": sizes.input_size,
        "output_size": sizes.output_size,
        "arena_bytes": sizes.arena_bytes,
        "snapshot_bytes": sizes.state_bytes + SNAPSHOT_FRAME,
    }
    for name, size in told.items():
        function = getattr(library, f"edgelstm_{name}")
        function.restype = ctypes.c_size_t
        if function() != size:
            return name
    memory = (ctypes.c_char * (sizes.arena_bytes + ALIGNMENT))()
    arena = ctypes.c_void_p(ctypes.addressof(memory) + -ctypes.addressof(memory) % ALIGNMENT)
    library.edgelstm_init(arena)
    if not sizes.each_step:
        library.edgelstm_due.restype = ctypes.c_size_t
        due = [library.edgelstm_due(arena, ctypes.c_size_t(sizes.first + n)) for n in (-1, 0, sizes.every - 1, sizes.every)]
        if due != [0, 1, 1, 2]:
            return "rate of answers"
    # The limit is a power of two, or a number of indices.
    limits = (
        ((sizes.vocabulary - 1, 1), (sizes.vocabulary, 0), (0.5, 0))
        if sizes.vocabulary
        else ((sizes.input_limit, 1), (2 * sizes.input_limit, 0))
    )
    x, y = (ctypes.c_float * sizes.input_size)(), (ctypes.c_float * sizes.output_size)()
    for value, taken in limits:
        x[0] = value
        if (library.edgelstm_step(arena, x, y) != 1) != taken:
            return "range of inputs"
    return ""


def is_library(path: "str | os.PathLike[str]", *, unreadable: bool = False) -> bool:
    """Whether a file begins as a shared library does. `unreadable`: the answer for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except (OSError, ValueError):
        return unreadable


def load_private(data: "bytes | memoryview") -> ctypes.CDLL:
    """Load a shared library from anonymous memory where the system has it and runs code there, else from a file that is deleted at once."""
    if hasattr(os, "memfd_create"):
        # The descriptor stays open: the loader takes a path that it has seen before for the library that it found there then.
        handle = os.memfd_create("edgelstm", os.MFD_CLOEXEC)
        try:
            with os.fdopen(handle, "wb", closefd=False) as file:
                file.write(data)
            return ctypes.CDLL(f"/proc/self/fd/{handle}")
        except OSError:
            os.close(handle)
    import tempfile

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "edgelstm.so")
        with open(path, "wb") as file:
            file.write(data)
        return ctypes.CDLL(path)
