"""An object file as an archive that linkers search (the common format of `ar`, with an index of symbols)."""

import struct


def _member(name: str, data: bytes) -> bytes:
    """A header of 60 bytes without time, owner or place of making, and the data, filled up to an even size."""
    return f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)


def archive(data: bytes, symbols: tuple[str, ...], name: str) -> bytes:
    """An archive of one object file.

    Parameters
    ----------
    data : bytes
        The object file.
    symbols : tuple of str
        What it defines for others.
    name : str
        The object's name within, at most 15 letters.
    """
    names = "".join(f"{symbol}\0" for symbol in symbols).encode()
    names += bytes(len(names) % 2)
    begin = b"!<arch>\n"
    size = 4 + 4 * len(symbols) + len(names)
    place = len(begin) + 60 + size
    index = struct.pack(f">{1 + len(symbols)}I", len(symbols), *[place] * len(symbols)) + names
    return begin + _member("/", index) + _member(f"{name}/", data)
