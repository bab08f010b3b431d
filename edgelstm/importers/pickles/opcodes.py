"""The instructions of a pickle, one by one."""

import codecs
import pickletools
from collections.abc import Iterator
from typing import Any, BinaryIO

_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}


def opcodes(stream: BinaryIO) -> Iterator[tuple[Any, Any]]:
    """As `pickletools.genops`, which takes no text of protocol 0 that is not ASCII: Python 2 wrote bytes so."""
    while code := stream.read(1):
        opcode = _OPCODES.get(code.decode("latin-1"))
        if opcode is None:
            raise ValueError(f"it has the unknown instruction {code!r}")
        if opcode.name == "STRING":
            yield opcode, _quoted(stream.readline())
        else:
            yield opcode, opcode.arg.reader(stream) if opcode.arg is not None else None
        if opcode.name == "STOP":
            return
    raise ValueError("it has no end")


def _quoted(line: bytes) -> str:
    r"""The text of a line such as ``'\x91a'``, one letter a byte."""
    text = line.rstrip(b"\r\n")
    if len(text) < 2 or text[:1] not in (b"'", b'"') or text[-1:] != text[:1]:
        raise ValueError("a text has no quotes around it")
    return codecs.escape_decode(text[1:-1])[0].decode("latin-1")
