"""A built library as a file: behind the shared library its probe, and an end that says what it is, which `LibraryFile` reads."""

import struct

from ..errors import LibraryError
from ..runtime import library_file as end
from ..runtime.cpu import MACHINES
from ..runtime.library_file import digest_of
from ..runtime.sizes import Sizes


def sealed(library: bytes, sizes: Sizes, architecture: str, needs: tuple[str, ...], info: bytes, probe: tuple[bytes, bytes, int]) -> bytes:
    """A library as the file that `LibraryFile` reads.

    Parameters
    ----------
    library : bytes
        ELF shared library.
    sizes : Sizes
    architecture : str
        First word of LLVM's triple.
    needs : tuple of str
        What /proc/cpuinfo must list where it is to run.
    info : bytes
        The JSON text that stands in the library.
    probe : (bytes, bytes, int)
        Inputs and outputs as float32, and the number of steps.
    """
    machine, bits = MACHINES[architecture]
    library += bytes(-len(library) % 4)
    body = library + probe[0] + probe[1]
    abi, extension = _extension(sizes)
    body += extension
    fields = (sizes.input_size, sizes.output_size, sizes.vocabulary, probe[2])
    lengths = (library.index(info), len(info), sizes.arena_bytes, sizes.state_bytes)
    places = (sizes.sample_offset, sizes.input_offset, sizes.output_offset, sizes.input_limit)
    words = " ".join(needs).encode()
    if len(words) > end.NEEDS_SIZE:
        raise LibraryError(
            f"the names of what the CPU must have take {len(words)} bytes, more room than the trailer has. Please report this."
        )
    trailer = end.TRAILER.pack(
        *(machine, bits, abi, *fields, *lengths, *places),
        *(words, sizes.digest, end.MAGIC, len(library), bytes(end.DIGEST_SIZE)),
    )
    body += trailer[: -end.DIGEST_SIZE]
    return body + digest_of(body)


def _extension(sizes: Sizes) -> tuple[int, bytes]:
    """The trailer's version, and what stands before it."""
    mixed = sizes.input_size > 1 and any(sizes.vocabularies)
    maps = max(len(sizes.input_shape), len(sizes.output_shape)) > 1
    if sizes.each_step and not (mixed or maps or sizes.reads_recordings):
        return end.ABI, b""
    tables = struct.pack(f"<{sizes.input_size}I", *(sizes.vocabularies or (0,) * sizes.input_size))
    recordings = end.RECORDINGS.pack(sizes.row_bytes or 0, sizes.answers)
    return end.EXTENDED_ABI, tables + recordings + end.WIRES.pack(
        sizes.every, sizes.first, *_three(sizes.input_shape), *_three(sizes.output_shape)
    )


def _three(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 0, 0, 0)[:3]
