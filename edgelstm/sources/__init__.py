"""Samples from beyond files: serial lines, brokers, sound, functions of the user's own; and answers to brokers.

A URL's scheme names a file here, and that file's `open_input` makes the source. Heavy packages are imported there, when they are needed.
"""

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from ..errors import UsageError
from ..runners import Input
from ..runners.reading import Reading
from ..runners.rows import Inputs
from . import topics
from .address import Address, parse

#: The file of each scheme.
SCHEMES = {
    "serial": "serial_port",
    "mqtt": "mqtt",
    "mqtts": "mqtt",
    "wav": "wav",
    "mic": "microphone",
    "python": "python_function",
}

#: Schemes of inputs that have no end.
ENDLESS = {"serial", "mqtt", "mqtts", "mic"}

#: Schemes of inputs with a queue.
QUEUED = {"mqtt", "mqtts", "mic"}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class Wanted(NamedTuple):
    """What a source is asked for.

    Parameters
    ----------
    model : Model or Stream
        Says how wide a sample is and what its values are called.
    reading : Reading
        How lines are read, where the source has lines.
    note : callable
        Takes a sentence that a person should read now: a port that is awaited, a connection that broke.
    rate_hz : float or None
        Samples a second that the model was trained at.
    full : str
        What happens where samples come faster than they are stepped: a policy of `bounded.BoundedQueue`; empty: the source's own.
    seen : sequence
        What the source's `seen` was in the process before this one; empty at the first start.
    """

    model: Inputs
    reading: Reading
    note: Callable[[str], None]
    rate_hz: float | None = None
    full: str = ""
    seen: Sequence[tuple[int, int]] = ()


def is_url(text: str) -> bool:
    """Whether a text is a URL rather than the path of a file.

    Raises
    ------
    UsageError
        For a URL of a scheme that is not known here.
    """
    found = _SCHEME.match(text)
    if found and found[1].lower() in SCHEMES:
        return True
    if found and text.startswith("//", found.end()):
        raise UsageError(f"{found[1]}:// is no source; there are files, - and {', '.join(f'{scheme}:' for scheme in SCHEMES)}.")
    return False


def acknowledges(text: str) -> bool:
    """Whether asking a source for more tells its sender that all before is dealt with: what came of it must be kept by then."""
    return is_url(text) and parse(text).scheme.startswith("mqtt")


def has_keys(text: str) -> bool:
    """Whether a URL's samples are of many streams, each named by its topic."""
    return acknowledges(text) and any(level in ("+", "#") for level in parse(text).path.split("/"))


def never_ends(text: str) -> bool:
    """Whether an input goes on until the run is ended."""
    return is_url(text) and parse(text).scheme in ENDLESS


def may_wait(text: str) -> bool:
    """Whether samples of an input may come faster than they are stepped, and wait."""
    return is_url(text) and parse(text).scheme in QUEUED


def shown(text: str) -> str:
    """A path or a URL as messages have it: without a password."""
    return parse(text).shown if is_url(text) else text


def feeds_back(read: str, answered: str) -> bool:
    """Whether the answers that one URL names are samples of the other."""
    return acknowledges(read) and acknowledges(answered) and topics.feeds_back(parse(read), parse(answered))


def open_input(url: str, wanted: Wanted) -> Input:
    """The source of a URL.

    Raises
    ------
    UsageError
        If the URL is malformed, has options that its scheme lacks, or needs a package that is not installed.
    OSError
        If there is no such file or no such device.
    """
    address = parse(url)
    opened: Input = _file_of(address).open_input(address, wanted)
    return opened


def _file_of(address: Address):  # type: ignore[no-untyped-def]  # the modules of SCHEMES have one function of one name
    return import_module(f".{SCHEMES[address.scheme]}", __name__)
