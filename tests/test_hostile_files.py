"""Whatever bytes a model file holds: a model, or an `EdgeLSTMError`. No crash, no code, no memory without bounds."""

import contextlib
import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from elstm_files import index_model, resigned, sensor_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_files import Call, Raw, Writer, legacy_of, linear_arrays, lstm_arrays, pickled, torch_legacy, torch_zip, under, zip_of

import edgelstm as el
from edgelstm.importers import import_file
from edgelstm.importers.from_torch import archive as torch_archive
from edgelstm.importers.pickles import reader as pickle_reader

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
STATE_DICT = under("lstm", lstm_arrays(2, 3)) | under("fc", linear_arrays(4, 3))


def attempt(path, data, **options):
    """Load `data`: a model that steps, or an error of ours with one line."""
    path.write_bytes(data)
    model, message = None, ""
    try:
        model = el.load(path, **options)
    except el.EdgeLSTMError as problem:
        message = str(problem)
    assert "\n" not in message
    assert model is None or model.output_size > 0
    return model


@st.composite
def mutated(draw, data):
    """`data` with some bytes changed, a piece repeated or removed, or its end cut off."""
    mutable = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(mutable) - 1)))
        kind = draw(st.sampled_from(["byte", "byte", "cut", "remove", "repeat", "number"]))
        if kind == "byte" and mutable:
            mutable[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del mutable[place:]
        elif kind == "remove":
            del mutable[place : place + draw(st.integers(1, 40))]
        elif kind == "repeat":
            mutable[place:place] = mutable[place : place + draw(st.integers(1, 40))]
        elif kind == "number":
            mutable[place : place + 4] = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0"]))
    return bytes(mutable)


@pytest.fixture(scope="module")
def elstm_files(tmp_path_factory):
    """Two sound files' bytes: a model that takes measurements, and one that takes indices."""
    folder = tmp_path_factory.mktemp("sound")
    for name, model in (("a", sensor_model()), ("b", index_model())):
        el.save(model, folder / name)
    return [(folder / name).read_bytes() for name in "ab"]


def digested(data):
    """What the digest speaks for: the document and the tensors; not the header's spelling."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    document = json.loads(header.pop("__metadata__")["edgelstm"])
    return document, {name: data[8 + length :][slice(*entry.pop("data_offsets"))] for name, entry in header.items()}, header


@SETTINGS
@given(data=st.data())
def test_mutated_elstm_files(tmp_path, elstm_files, data):
    sound = data.draw(st.sampled_from(elstm_files))
    changed = data.draw(mutated(sound))
    attempt(tmp_path / "m", changed, verify=False)
    assert attempt(tmp_path / "m", changed) is None or digested(changed) == digested(sound)


@SETTINGS
@given(data=st.data())
@pytest.mark.parametrize("sound", [torch_zip(STATE_DICT), torch_legacy(STATE_DICT)], ids=["zip", "legacy"])
def test_mutated_torch_files(tmp_path, sound, data):
    attempt(tmp_path / "m", data.draw(mutated(sound)))


@SETTINGS
@given(data=st.data())
def test_mutated_pickles_in_sound_zips(tmp_path, data):
    """The archive's checksums would catch most changes from outside."""
    writer = Writer()
    pickle = pickled(STATE_DICT, writer)
    storages = {key: array.tobytes() for key, array in writer.storages.items()}
    attempt(tmp_path / "m", zip_of(data.draw(mutated(pickle)), storages))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "function"]), inner, max_size=3),
    max_leaves=6,
)


def places(node, path=()):
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


@SETTINGS
@given(data=st.data())
def test_signed_elstm_files_with_any_json_in_any_place(tmp_path, elstm_files, data):
    path = tmp_path / "signed"
    path.write_bytes(data.draw(st.sampled_from(elstm_files)))

    def change(document):
        *way, last = data.draw(st.sampled_from([place for place in places(document) if place]))
        node = document
        for key in way:
            node = node[key]
        node[last] = data.draw(JSON)

    resigned(path, change)
    attempt(path, path.read_bytes())


BEGINNINGS = [b"", b"PK\x03\x04", b"\x80\x02", b"\x08\x07\x12", b"{", b"\x10\0\0\0\0\0\0\0{", b"\x89HDF"]


@SETTINGS
@given(start=st.sampled_from(BEGINNINGS), rest=st.binary(max_size=60))
def test_any_bytes_at_all(tmp_path, start, rest):
    assert attempt(tmp_path / "m", start + rest) is None


def deep_tuples(count):
    return b")" + b"\x85" * count


@pytest.mark.parametrize(
    "body",
    [
        b"}" + deep_tuples(300_000) + b"Ns",
        b"\x8f(" + deep_tuples(300_000) + b"\x90",
        b"Nr\xff\xff\xff\x7f",
        b"Nj\xff\xff\xff\x7f",
        b"\x95" + b"\xff" * 8 + b"N",
        b"\x8e" + b"\xff" * 7 + b"\x7f",
        b"\x8d" + b"\xff" * 7 + b"\x7f",
        b"B\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\x7f",
        b"](" * 100_000,
        b"}" + b"".join(b"\x8a\x08" + struct.pack("<q", k * ((1 << 61) - 1)) + b"N" for k in range(2)) + b"u",
        b"cos\nsystem\n(X\x04\x00\x00\x00trueo",
        b"(X\x04\x00\x00\x00trueios\nsystem\n",
        b"\x82\x01",
        b"0",
        b"t",
        b"R",
        b"Q",
        b"cbuiltins\neval\n" + b"(X\x03\x00\x00\x001+1tR",
        b"X\x08\x00\x00\x00builtinsX\x04\x00\x00\x00exec\x93)R",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        b"ctorch.Size\n" + b"]R",
        b"ccollections\nOrderedDict\n](]NNee\x85R",
        b"(X\x07\x00\x00\x00storageNNNNtQ",
        b"(KtQ",
        b"cto\\orch\nSize\n",
    ],
)
def test_pickles_made_to_crash_hang_or_run_code(tmp_path, body):
    pickle = b"\x80\x04" + body + b"."
    for data in (zip_of(pickle, {}), legacy_of(pickle, {})):
        assert attempt(tmp_path / "m", data) is None


FORBIDDEN = ["os.system", "posix.system", "builtins.eval", "__main__.Net", "torch.nn.modules.rnn.LSTM", "numpy.load", "torch.hub.load"]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_a_pickle_must_not_name_is_refused_by_name(tmp_path, name):
    value = {"weights": STATE_DICT, "extra": Call(name, ("touch hacked",))}
    for number, data in enumerate((torch_zip(value), torch_legacy(value))):
        path = tmp_path / f"{number}.pt"
        path.write_bytes(data)
        with pytest.raises(el.ModelFileError, match=r"torch\.save\(model\.state_dict\(\), path\)") as caught:
            el.load(path)
        assert repr(name) in str(caught.value)


BIG = 1 << 39


@pytest.mark.parametrize(
    "raw",
    [
        Raw("0", 12, 0, (3, 5), (5, 1)),
        Raw("0", 12, 1, (3, 4), (4, 1)),
        Raw("0", 12, -1, (3, 4), (4, 1)),
        Raw("0", 12, 0, (3, 4), (-4, 1)),
        Raw("0", 12, 0, (-3, 4), (4, 1)),
        Raw("0", 12, 0, (3, 4), (4,)),
        Raw("0", 12, 0, (3, 4), (BIG, BIG)),
        Raw("0", 12, BIG, (3, 4), (4, 1)),
        Raw("0", 12, 0, (BIG, BIG), (0, 0)),
        Raw("0", 12, 0, (60_000, 60_000), (0, 0)),
        Raw("0", 12, 0, (0, BIG, BIG), (1, 1, 1)),
        Raw("0", 12, 0, (3, 4.0), (4, 1)),
        Raw("0", 12, True, (3, 4), (4, 1)),
        Raw("0", 12, 0, (1,) * 40, (1,) * 40),
        Raw("0", 13, 0, (3, 4), (4, 1)),
        Raw("0", 1 << 70, 0, (3, 4), (4, 1)),
        Raw("0", -12, 0, (3, 4), (4, 1)),
        Raw("1", 12, 0, (3, 4), (4, 1)),
        Raw("../0", 12, 0, (3, 4), (4, 1)),
        Raw("0", 12, 0, (3, 4), (4, 1), "DoubleStorage"),
        Raw("0", 12, 0, (3, 4), (4, 1), "QInt8Storage"),
        Raw("0", 12, 0, (3, 4), (4, 1), "Size"),
    ],
)
def test_views_beyond_their_storage_are_refused(raw):
    for found in views(raw):
        with pytest.raises(el.EdgeLSTMError):
            found()


def views(raw):
    """Functions that read the tensor `raw` of 12 numbers, from a zip and from a legacy file."""
    numbers = np.arange(12, dtype=np.float32)
    zipped = zip_of(pickled([raw]), {"0": numbers.tobytes()})
    legacy = legacy_of(pickled([raw], Writer(legacy=True)), {"0": numbers})
    return [lambda data=data: np.asarray(torch_archive.read(io.BytesIO(data))[0]) for data in (zipped, legacy)]


def test_views_within_their_storage_are_read():
    for found in views(Raw("0", 12, 1, (2, 3), (4, 1))):
        np.testing.assert_array_equal(found(), [[1, 2, 3], [5, 6, 7]])


def test_a_zip_that_claims_more_bytes_than_it_has_is_refused_before_they_are_asked_for(tmp_path):
    """The central directory's compressed size is what `zipfile` reads at once."""
    data = bytearray(torch_zip(lstm_arrays(3, 4)))
    place = data.index(b"PK\1\2")
    data[place + 20 : place + 24] = b"\xff\xff\xff\x7f"
    (tmp_path / "m").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(el.ModelFileError, match="larger than"):
        el.load(tmp_path / "m")
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


LONG = "a" * 3000


def tensor_file(header):
    """A safetensors file of 4 bytes of data under any header."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        *(torch_zip({f"{name}.weight": np.ones((2, 2), np.float32)}) for name in (LONG, "a\nb", "\x1b[2J", "a\0b")),
        torch_zip(lstm_arrays(3, 4) | {"b" * 900: np.ones(3, np.float32)}),
        torch_zip(lstm_arrays(3, 4) | {f"{i}{'b' * 900}.weight": np.ones((3, 3), np.float32) for i in range(30)}),
        zip_of(pickled(Call(f"{LONG}.b")), {}),
        zip_of(b"\x80\x02S" + LONG.encode() + b"\n.", {}),
        torch_zip({"a": 1}).replace(b"model/data.pkl", b"model\n\n\n\npkl", 1),
        tensor_file({"a\nb": {"dtype": "\n" + LONG, "shape": [1], "data_offsets": [0, 4]}}),
        tensor_file({LONG: {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}),
        tensor_file({LONG: {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}),
    ],
)
@pytest.mark.parametrize("read", [el.load, import_file])
def test_messages_are_short_printable_lines_whatever_a_file_holds(tmp_path, data, read):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(el.EdgeLSTMError) as caught:
        read(tmp_path / "m")
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 2200


def test_a_pickle_of_too_many_instructions_is_refused_early(tmp_path):
    (tmp_path / "m").write_bytes(zip_of(b"\x80\x02" + b"]" * (pickle_reader.MAX_OPCODES + 1) + b".", {}))
    with pytest.raises(el.ModelFileError, match="instructions"):
        el.load(tmp_path / "m")


def test_a_storage_shorter_than_it_says_is_never_viewed():
    """The last check before memory is read, whatever the container promised."""
    short = torch_archive.Storage(np.dtype(np.float32), 12, lambda: bytes(16))
    with pytest.raises(el.ModelFileError, match="4 of 12 numbers"):
        np.asarray(torch_archive.Tensor(short, 0, (3, 4), (4, 1)))


@pytest.mark.parametrize("key", [1 << 61, -(1 << 61), ((),), [], {}])
def test_keys_that_make_a_dict_slow_or_overflow_the_stack_are_refused(tmp_path, key):
    pickle = b"\x80\x02}(" + Writer().value(key) + b"Nu."
    (tmp_path / "m").write_bytes(zip_of(pickle, {}))
    with pytest.raises(el.ModelFileError, match="as a key"):
        el.load(tmp_path / "m")


def test_a_checkpoint_that_refers_to_itself_ends(tmp_path):
    """A list in itself, and lists of lists of the same lists: walked once each."""
    laughs = b"]q\x00(" + b"".join(b"](" + b"h\x00" * 50 + b"e" for _ in range(50)) + b"h\x00e"
    assert attempt(tmp_path / "m", zip_of(b"\x80\x02" + laughs + b".", {})) is None


def test_zip_archives_that_lie(tmp_path):
    sound = torch_zip(STATE_DICT)
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}

    def packed(compression=zipfile.ZIP_STORED, names=tuple(entries)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive, contextlib.suppress(UserWarning):
            for name in names:
                archive.writestr(name, entries[name])
        return buffer.getvalue()

    assert attempt(tmp_path / "m", packed()) is not None
    assert attempt(tmp_path / "m", packed(zipfile.ZIP_DEFLATED)) is None
    assert attempt(tmp_path / "m", packed(names=[n for n in entries if not n.endswith("/0")])) is None
    entries["other/data.pkl"] = entries["model/data.pkl"]
    assert attempt(tmp_path / "m", packed(names=tuple(entries))) is None
    end = bytearray(sound)
    place = end.index(b"PK\x01\x02")
    end[place + 20 : place + 28] = struct.pack("<II", 0x7FFFFFFF, 0x7FFFFFFF)
    assert attempt(tmp_path / "m", bytes(end)) is None


def test_safetensors_that_name_a_tensor_twice_are_refused(tmp_path):
    entry = json.dumps({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})
    header = f'{{"weight_ih":{entry},"weight_ih":{entry}}}'.encode()
    (tmp_path / "m").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(el.ModelFileError, match="'weight_ih' twice"):
        import_file(tmp_path / "m")


def test_names_that_would_write_to_the_terminal_are_refused(tmp_path):
    (tmp_path / "m").write_bytes(torch_zip({"\x1b[2J.weight": np.ones((2, 2), np.float32)}))
    with pytest.raises(el.ModelFileError, match="no ordinary text"):
        el.load(tmp_path / "m")
