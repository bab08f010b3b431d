"""The bytes of a line as text, and whose bytes they are where they are none."""

from ..errors import InputError
from .rows import NoText

_UTF16 = "this is UTF-16 text; write it as UTF-8: iconv -f UTF-16{} -t UTF-8."

#: Beginnings of files that hold no lines, and what to do with them.
_NO_LINES = (
    (b"\x1f\x8b", "this is compressed by gzip; unpack it: zcat FILE | edgelstm run …"),
    (b"BZh", "this is compressed by bzip2; unpack it: bzcat FILE | edgelstm run …"),
    (b"\xfd7zXZ\0", "this is compressed by xz; unpack it: xzcat FILE | edgelstm run …"),
    (b"\x28\xb5\x2f\xfd", "this is compressed by zstd; unpack it: zstdcat FILE | edgelstm run …"),
    (
        b"PK\x03\x04",
        "this is a zip archive, a spreadsheet (.xlsx, .ods) or a .npz file; unpack it, save it as CSV, or give the .npz by its path.",
    ),
    (b"\xd0\xcf\x11\xe0", "this is a spreadsheet (.xls); save it as CSV."),
    (b"PAR1", "this is a Parquet file, which edgelstm score reads; write it as CSV to stream it."),
    (b"\x89HDF", "this is an HDF5 file; write it as CSV."),
    (b"\x93NUMPY", "this is a .npy file; give it by its path, not on standard input."),
    (b"\xff\xfe", _UTF16.format("")),
    (b"\xfe\xff", _UTF16.format("")),
)


def is_text(block: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unmarked(data: bytes) -> str:
    """The order of bytes of UTF-16 text without a mark, by its beginning: every other byte is 0, and those between are not; else empty."""
    even, odd = data[:8:2], data[1:8:2]
    for order, zeros, rest in (("LE", odd, even), ("BE", even, odd)):
        if len(data) > 3 and not any(zeros) and all(rest):
            return order
    return ""


def text_of(data: bytes, *, first: bool) -> str:
    """A line as text; `first`: it is the first of its file.

    Raises
    ------
    InputError
        If it is none. Of a first line the error says what the file may be.
    """
    if first and (order := _unmarked(data)):
        raise NoText(_UTF16.format(order))
    if first and (known := next((what for begin, what in _NO_LINES if data.startswith(begin)), "")):
        raise NoText(known)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            "this is not UTF-8 text; give CSV or JSON lines in UTF-8 (of Windows' text, iconv -f WINDOWS-1252 -t UTF-8 makes it)."
        ) from None
    if "\0" in text:
        raise InputError("the line holds NUL bytes, as noise on a wire or a file cut while it is written leaves them; remove them.")
    return text.removeprefix("\ufeff")
