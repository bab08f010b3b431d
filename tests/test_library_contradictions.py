"""Libraries whose digest is right and whose end, text or probe is not: a LibraryError that names the file, and the process lives."""

import json
import struct

import numpy as np
import pytest
from library_models import built

import edgelstm as el
from edgelstm import device
from edgelstm.runtime import library_file, snapshot

NAMES = ("f32-table", "f32-odd", "f32-all-layers")
FIELDS = ("machine", "bits", "abi", "inputs", "outputs", "vocabulary", "steps", "info", "info_bytes", "arena", "state", "sample", "given")
FIELDS += ("answer", "limit", "needs", "model", "magic", "size", "digest")

kinds = pytest.mark.parametrize("kind", [el.Stream, device.Stream])


def sealed(data, probe=None, text=None, **changes):
    """The file with other fields at its end, another text or other samples in its probe, and the digest that belongs to them."""
    trailer = library_file.TRAILER
    fields = dict(zip(FIELDS, trailer.unpack_from(data, len(data) - trailer.size), strict=True))
    body = bytearray(data[: -trailer.size])
    if probe is not None:
        body[fields["size"] : fields["size"] + 4] = struct.pack("<f", probe)
    if text is not None:
        body[fields["info"] : fields["info"] + fields["info_bytes"]] = text(bytes(body[fields["info"] :][: fields["info_bytes"]]))
    body += trailer.pack(*(fields | changes).values())[:-32]
    return bytes(body) + library_file.digest_of(bytes(body))


@pytest.fixture(scope="module")
def sound():
    return {name: built(name, "host").data for name in NAMES}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.so"


def refuses(use, path):
    with pytest.raises(el.LibraryError) as refused:
        use(path)
    message = str(refused.value)
    assert str(path) in message
    assert message.isprintable()
    assert len(message) < 1000


@kinds
@pytest.mark.parametrize("name", NAMES)
def test_an_unchanged_library_is_taken(sound, path, kind, name):
    path.write_bytes(sealed(sound[name]))
    assert kind(path).labels == tuple(built(name, "host").info["labels"])


@kinds
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [1e9, float("nan"), float("inf"), -3e38])
def test_a_probe_that_no_stream_may_read_is_refused(sound, path, kind, name, value):
    path.write_bytes(sealed(sound[name], probe=value))
    refuses(kind, path)


@kinds
@pytest.mark.parametrize("value", [7, -1, 2.5, 6.999, 1e-30, -float("inf")])
def test_a_probe_outside_the_table_is_refused(sound, path, kind, value):
    path.write_bytes(sealed(sound["f32-table"], probe=value))
    refuses(kind, path)


WRONG = {
    "arena": [0, 64, 1 << 31, 1 << 34, 1 << 62, (1 << 64) - 64],
    "state": [0, 8, 64, 1 << 20],
    "sample": [1 << 20, 1 << 63],
    "given": [0, 64, 1 << 40],
    "answer": [0, 64, 1 << 40],
    "limit": [float("nan"), float("inf"), 0.0, -1.0, 1e38, 1e-30, 3.0],
    "vocabulary": [0, 1, 6, 8, 1000, 1 << 31],
    "inputs": [0, 1 << 31],
    "outputs": [0, 1 << 31],
    "info": [1 << 20, (1 << 32) - 1],
}


@kinds
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", WRONG)
def test_an_end_that_is_not_that_of_the_code_is_refused(sound, path, kind, name, field):
    data = sound[name]
    held = dict(zip(FIELDS, library_file.TRAILER.unpack_from(data, len(data) - library_file.TRAILER.size), strict=True))[field]

    def use(path):
        return kind(path).labels

    for value in WRONG[field]:
        if value != held:
            path.write_bytes(sealed(data, **{field: value}))
            refuses(use, path)
    if field == "limit":  # both the limit and the vocabulary
        path.write_bytes(sealed(data, limit=1000.0, vocabulary=1000))
        refuses(use, path)


def changed(**values):
    def text(old):
        told = json.loads(old) | values
        told = {name: value for name, value in told.items() if value is not ...}
        spare = len(old) - len(json.dumps(told).encode())
        if spare < 0:
            told["cpu"] = told["features"] = told["edgelstm"] = ""
        return json.dumps(told).encode()[: len(old)].ljust(len(old))

    return text


TEXTS = {
    "no JSON": lambda old: b"{" * len(old),
    "cut": lambda old: old[:-1] + b" ",
    "no UTF-8": lambda old: b"\xff" * len(old),
    "deep": lambda old: b"[" * (len(old) // 2) + b"]" * (len(old) - len(old) // 2),
    "a list": lambda old: b"[]".ljust(len(old)),
    "null": lambda old: b"null".ljust(len(old)),
    "empty": lambda old: b"{}".ljust(len(old)),
    "nothing": lambda old: bytes(len(old)),
    **{
        f"no {name}": changed(**{name: ...})
        for name in ("labels", "input_names", "target", "cpu", "layers", "scheme", "weight_bytes", "digest")
    },
    **{f"labels {value}": changed(labels=value) for value in (None, 3, "ab", ["a"], [1, 2], {"a": 1, "b": 2}, [None, None])},
    "names that are none": changed(input_names=[[], {}, 1]),
    "target": changed(target=7),
    "weights": changed(weight_bytes="x"),
    "weights beyond": changed(weight_bytes=-1),
    "layers": changed(layers=[{"name": 1}]),
    "layers none": changed(layers=3),
    "rate": changed(rate_hz=[]),
    "size": changed(input_size=9),
}


@kinds
@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_does_not_say_it_is_refused(sound, path, kind, case):
    path.write_bytes(sealed(sound["f32-all-layers"], text=TEXTS[case]))
    refuses(lambda path: kind(path).labels, path)
    if kind is device.Stream:
        refuses(lambda path: kind(path).info, path)


def test_text_with_control_characters_does_not_leave_in_a_message(sound, path):
    path.write_bytes(sealed(sound["f32-odd"], needs=b"\x1b[2J\n" + b"x" * 240))
    refuses(el.Stream, path)
    refuses(device.Stream, path)


def test_the_frame_of_a_snapshot_is_that_of_snapshots():
    assert snapshot.size(0) == library_file.SNAPSHOT_FRAME


def test_a_library_that_memory_is_too_small_for_is_refused(sound, path, monkeypatch):
    path.write_bytes(sound["f32-odd"])

    def full(*_args):
        raise MemoryError

    device.Stream(path)
    with monkeypatch.context() as patch:
        patch.setattr("edgelstm.runtime.program.allocate", full)
        refuses(el.Stream, path)
    with monkeypatch.context() as patch:
        patch.setattr(device, "bytearray", full, raising=False)
        refuses(device.Stream, path)


def test_a_probe_of_a_model_made_in_python_is_checked_too(rng):
    """An index of its probe outside the table reads nothing."""
    layers = [el.Embedding(rng.normal(size=(7, 8))), el.Dense(np.zeros((1, 8)), np.zeros(1))]
    for index in (1e9, 7, -1, 0.5):
        with pytest.raises((el.CompileError, el.ShapeError)):
            el.Stream(el.Model(layers, probe=el.Probe(np.full((1, 1), index), np.zeros((1, 1)), "test")))
