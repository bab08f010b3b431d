"""Pickles of madmom and NumPy, npz, MessagePack, torch.export, TorchScript and recipes: whatever their bytes, a model or one sentence.

Tried: bytes changed, cut, repeated and removed in whole files; the same in the pickle, the JSON and the code within sound archives,
which checksums would catch from outside; words of recipes exchanged for others of any type.
"""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bags import NETWORK, Linen, dense, npz, packed
from test_hostile_files import attempt, mutated
from test_recipes import OWN, OWN_NAMES

SETTINGS = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])

FLAX = {"params": {"Dense_0": dense(5, 2), "LSTMCell_0": Linen("lstm", 3, 5).params}}

BAGS = {
    "npz": npz(NETWORK),
    "compressed": npz(NETWORK, compressed=True),
    **{f"pickle {protocol}": pickle.dumps(NETWORK, protocol) for protocol in (0, 2, 5)},
    "msgpack": packed(FLAX),
}


@SETTINGS
@given(data=st.data())
@pytest.mark.parametrize("kind", BAGS)
def test_changed_bags(tmp_path, kind, data):
    attempt(tmp_path / "m", data.draw(mutated(BAGS[kind])))


def madmom_pickle():
    """A network of madmom, without madmom: objects as protocol 2 writes them."""
    weights, bias = (pickle.dumps(np.ones(shape, np.float32), 2)[2:-1] for shape in ((2, 2), 2))
    text = b"".join(
        b"X" + len(name).to_bytes(4, "little") + name + value
        for name, value in ((b"weights", weights), (b"bias", bias), (b"activation_fn", b"cmadmom.ml.nn.activations\ntanh\n"))
    )
    layer = b"cmadmom.ml.nn.layers\nFeedForwardLayer\n)\x81}(" + text + b"ub"
    return b"\x80\x02cmadmom.ml.nn\nNeuralNetwork\n)\x81}(X\x06\0\0\0layers](" + layer + b"eub."


@SETTINGS
@given(data=st.data())
def test_changed_pickles_of_madmom(tmp_path, data):
    attempt(tmp_path / "m", data.draw(mutated(madmom_pickle())))


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The entries of a torch.export archive and of a TorchScript one."""
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()
    folder = tmp_path_factory.mktemp("programs")
    torch.export.save(torch.export.export(net, (torch.zeros(1, 5, 3),)), folder / "n.pt2")
    torch.jit.save(torch.jit.script(net), folder / "n.pt")
    found = []
    for path in (folder / "n.pt2", folder / "n.pt"):
        with zipfile.ZipFile(path) as archive:
            found.append({name: archive.read(name) for name in archive.namelist()})
    return found


@SETTINGS
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_changed_entries_of_sound_archives(tmp_path, programs, data):
    entries = dict(data.draw(st.sampled_from(programs)))
    name = data.draw(st.sampled_from([n for n in entries if n.endswith((".py", ".pkl", ".json")) and entries[n]]))
    entries[name] = data.draw(mutated(entries[name]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
    attempt(tmp_path / "m", buffer.getvalue())


WORDS = st.sampled_from(
    ["gru", "lstm", "dense", "3", "true", "[]", '""', "{ a = 1 }", '["fc_w", "fc_b"]', "[[1], 2]", "1e400", '"input"', "nan"]
)


@SETTINGS
@given(data=st.data())
def test_changed_recipes(tmp_path, data):
    lines = OWN.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        name = lines[place].partition("=")[0]
        lines[place] = f"{name}= {data.draw(WORDS)}" if "=" in lines[place] else lines[data.draw(st.integers(0, len(lines) - 1))]
    text = "\n".join(lines).encode()
    (tmp_path / "r.toml").write_bytes(data.draw(mutated(text)) if data.draw(st.booleans()) else text)
    attempt(tmp_path / "m", npz(OWN_NAMES), recipe=tmp_path / "r.toml")
