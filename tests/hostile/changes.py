"""Changes to the bytes of a file: blind ones, and ones that keep its format: of JSON, protobuf, pickles, words of a text, archives.

A blind change seldom gets past a parser. One that exchanges a value for another and leaves lengths and checksums right comes to what
reads the values. `seed` decides everything.
"""

import io
import json
import pickletools
import re
import warnings
import zipfile
from copy import deepcopy

EXTREMES = [b"\xff" * 8, b"\xff\xff\xff\x7f" * 2, b"\0" * 8, b"\x01" + b"\0" * 7, b"\0\0\0\x80" * 2, b"\xff\xff\xff\xff\xff\xff\xff\x7f"]

#: Values that readers may not expect.
ODD = [
    None,
    True,
    0,
    1,
    -1,
    2,
    7,
    1 << 31,
    1 << 40,
    1 << 63,
    10**400,
    0.5,
    -0.0,
    1e300,
    "",
    "x",
    "a" * 3000,
    "\0",
    "\ud800",
    [],
    {},
    [[]],
    [1, 2],
]

#: Whole numbers of protobuf: signed ones stand as 64 bits.
NUMBERS = [0, 1, 2, 3, 7, 127, 1 << 16, (1 << 31) - 1, 1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1, (1 << 64) - 2]

#: Words that stand for one of a text.
WORDS = [b"0", b"-1", b"3", b"1e400", b"nan", b"true", b"[]", b"{}", b'""', b'"input"', b"[[1], 2]", b"99999999999", b"(", b")", b"None"]


def drawn(rng, options):
    return options[int(rng.integers(0, len(options)))]


def blind(data, rng):
    """`data` with one to six changes: bits, bytes, numbers of 2, 4 and 8 bytes, pieces repeated, removed, exchanged and cut off."""
    found = bytearray(data)
    for _ in range(rng.integers(1, 7)):
        size = len(found)
        place, other = (int(n) for n in rng.integers(0, max(1, size), 2))
        length = int(rng.integers(1, 64))
        match int(rng.integers(0, 9)):
            case 0 if size:
                found[place] ^= 1 << int(rng.integers(0, 8))
            case 1 | 2 if size:
                found[place] = int(rng.integers(0, 256))
            case 3 | 4:
                width = int(rng.choice([2, 4, 8]))
                found[place : place + width] = drawn(rng, EXTREMES)[:width]
            case 5:
                del found[place : place + length]
            case 6:
                found[place:place] = found[place : place + length]
            case 7:
                found[place : place + length] = found[other : other + length]
            case 8 if rng.random() < 0.2:
                del found[place:]
            case _:
                pass
    return bytes(found)


def json_places(value):
    """Every container of a JSON document with each of its keys."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        for key in node if isinstance(node, dict) else range(min(len(node), 40)) if isinstance(node, list) else ():
            yield node, key
            waiting.append(node[key])


def documented(text, rng):
    """A JSON text in which one or two values are exchanged, removed, repeated or called otherwise."""
    document = json.loads(text)
    for _ in range(int(rng.integers(1, 3))):
        found = list(json_places(document))
        if not found:
            break
        (node, key), (other, name) = drawn(rng, found), drawn(rng, found)
        match int(rng.integers(0, 6)):
            case 0 | 1 | 2:
                node[key] = deepcopy(drawn(rng, ODD))  # another change may reach into it
            case 3:
                node[key] = json.loads(json.dumps(other[name]))
            case 4:
                del node[key]
            case _ if isinstance(node, dict):
                node[str(name)] = node.pop(key)
    return json.dumps(document).encode()


def varint(data, at):
    """A number of protobuf and where it ends; IndexError where the bytes end first."""
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return number, at


def spelled(number):
    """A number as protobuf writes it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def fields(data):
    """The fields of a protobuf message: tag, and a number or bytes; None of what is no message."""
    found, at = [], 0
    try:
        while at < len(data):
            tag, at = varint(data, at)
            size = {1: 8, 5: 4}.get(tag & 7, 0)
            if tag & 7 == 0:
                value, at = varint(data, at)
                found.append((tag, value))
                continue
            if tag & 7 == 2:
                size, at = varint(data, at)
            if (not size and tag & 7 != 2) or at + size > len(data) or not tag >> 3:
                return None
            found.append((tag, bytes(data[at : at + size])))
            at += size
    except IndexError:
        return None
    return found


def message(data, rng):
    """A protobuf message in which one field, of it or of one within it, is changed; lengths are right."""
    found = fields(data) if len(data) < 1 << 16 else None
    if not found:
        return blind(data, rng)
    place = int(rng.integers(0, len(found)))
    tag, value = found[place]
    match int(rng.integers(0, 12)):
        case 0:
            del found[place]
        case 1:
            found.insert(place, drawn(rng, found))
        case 2:
            found[place] = tag, drawn(rng, [other for t, other in found if t & 7 == tag & 7])
        case _ if isinstance(value, int):
            found[place] = tag, drawn(rng, NUMBERS)
        case _:
            changed = message(value, rng)
            found[place] = tag, changed if tag & 7 == 2 else changed[: len(value)].ljust(len(value), b"\0")
    return b"".join(
        spelled(tag) + (spelled(value) if isinstance(value, int) else spelled(len(value)) * (tag & 7 == 2) + value) for tag, value in found
    )


def pickled(data, rng):
    """A pickle in which one or two instructions are removed, repeated or exchanged."""
    with warnings.catch_warnings(action="ignore"):
        starts = [place for _, _, place in pickletools.genops(data)]
    end = starts[-1] + 1
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)]
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(1, len(parts)))
        match int(rng.integers(0, 4)):
            case 0:
                del parts[place]
            case 1:
                parts.insert(place, drawn(rng, parts[1:]))
            case _:
                parts[place] = drawn(rng, parts[1:])
        if len(parts) < 3:
            break
    return b"".join(parts) + data[end:]


def reworded(data, rng):
    """A text in which one to three words are others."""
    found = re.findall(rb'"[^"\n]*"|\w+|\s+|.', data)
    places = [place for place, word in enumerate(found) if not word.isspace()]
    for _ in range(int(rng.integers(1, 4))):
        found[drawn(rng, places)] = drawn(rng, WORDS) if rng.random() < 0.5 else found[drawn(rng, places)]
    return b"".join(found)


def within(data, rng, start):
    """The same file with the JSON text that begins at `start` changed and padded to its length, where it becomes no longer."""
    _, length = json.JSONDecoder().raw_decode(data[start:].decode("latin-1"))
    text = documented(data[start : start + length], rng)
    return data[:start] + text.ljust(length) + data[start + length :] if len(text) <= length else blind(data, rng)


def headed(data, rng):
    """A safetensors file with a changed header."""
    size = int.from_bytes(data[:8], "little")
    header = documented(data[8 : 8 + size], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def formed(name, data, rng):
    """A change that keeps the format of the file or part called `name`; blind where it has none that is known."""
    if name.endswith((".json", ".nam")):
        return documented(data, rng)
    if name.endswith((".onnx", ".pb")):
        return message(data, rng)
    if name.endswith((".pkl", ".p")):
        return pickled(data, rng)
    if name.endswith((".py", ".toml")):
        return reworded(data, rng)
    if name.endswith(".safetensors"):
        return headed(data, rng)
    if name.endswith(".h5") and (begins := re.search(rb'\{"(class_name|module|config)"', data)):
        return within(data, rng, begins.start())
    return blind(data, rng)


def parts_of(data):
    """The parts of an archive by name; None where the file is none."""
    if not data.startswith(b"PK"):
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(name, data, parts, rng):
    """One change of the file called `name`, whose archive's parts are given; half of them keep its format."""
    change = (lambda _, inside, r: blind(inside, r)) if rng.random() < 0.5 else formed
    if parts is None or rng.random() < 0.2:
        return change(name, data, rng)
    chosen = drawn(rng, list(parts))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, inside in parts.items():
            archive.writestr(member, change(member, inside, rng) if member == chosen and inside else inside)
    return buffer.getvalue()
