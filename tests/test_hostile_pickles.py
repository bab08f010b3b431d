"""Pickles and PyTorch's archives made to crash, hang, run code or read memory: an `EdgeLSTMError`."""

import io
import struct

import numpy as np
import pytest
from elstm_files import attempt
from hypothesis import HealthCheck, settings
from torch_files import Call, Raw, Writer, legacy_of, linear_arrays, lstm_arrays, pickled, torch_legacy, torch_zip, under, zip_of

import edgelstm as el
from edgelstm.importers.from_torch import archive as torch_archive
from edgelstm.importers.pickles import reader as pickle_reader

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
STATE_DICT = under("lstm", lstm_arrays(2, 3)) | under("fc", linear_arrays(4, 3))
BIG = 1 << 39


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
