"""Files that hold named arrays and nothing else: NumPy's, under PyTorch's names, and Flax's, whose formulas are computed here."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from torch_files import gru_arrays, linear_arrays, under

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

LIMIT = 1e-6


def npz(arrays, **options):
    buffer = io.BytesIO()
    (np.savez_compressed if options.get("compressed") else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def packed(value):
    """MessagePack as ``flax.serialization.to_bytes`` writes it."""
    if isinstance(value, dict):
        return b"\xde" + struct.pack(">H", len(value)) + b"".join(packed(name) + packed(inside) for name, inside in value.items())
    if isinstance(value, str):
        return bytes([0xA0 | len(value)]) + value.encode() if len(value) < 32 else b"\xd9" + bytes([len(value)]) + value.encode()
    if isinstance(value, int):
        return b"\xce" + struct.pack(">I", value)
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, tuple):
        return bytes([0x90 | len(value)]) + b"".join(map(packed, value))
    array = packed((tuple(value.shape), value.dtype.name, value.tobytes()))
    return b"\xc9" + struct.pack(">Ib", len(array), 1) + array


NETWORK = under("rnn", gru_arrays(3, 4, 2)) | under("fc", linear_arrays(2, 4))

WRITERS = {
    "npz": npz,
    "compressed": lambda arrays: npz(arrays, compressed=True),
    **{f"pickle {protocol}": lambda arrays, protocol=protocol: pickle.dumps(arrays, protocol) for protocol in range(6)},
    "msgpack": packed,
    "safetensors": safetensors.numpy.save,
    "JSON": lambda arrays: json.dumps({name: array.tolist() for name, array in arrays.items()}).encode(),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_arrays_under_pytorchs_names_are_a_state_dict(writer, tmp_path):
    (tmp_path / "m").write_bytes(WRITERS[writer](NETWORK))
    taken = import_file(tmp_path / "m")
    assert taken.chain == "rnn, fc"
    assert taken.model.layers[0].weight_ih.tobytes() == NETWORK["rnn.weight_ih_l0"].tobytes()
    assert taken.model.layers[1].bias_hh.tobytes() == NETWORK["rnn.bias_hh_l1"].tobytes()


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("writer", ["npz", "pickle 0", "pickle 2", "pickle 5"])
def test_arrays_of_any_layout_are_the_same(writer, order, dtype, tmp_path):
    arrays = {name: np.asarray(array, dtype=dtype, order=order) for name, array in NETWORK.items()}
    (tmp_path / "m").write_bytes(WRITERS[writer](arrays))
    layer = el.load(tmp_path / "m").layers[0]
    np.testing.assert_array_equal(layer.weight_ih, arrays["rnn.weight_ih_l0"].astype(np.float32))


def test_a_nested_pickle_is_found_and_other_things_are_not_read(tmp_path):
    (tmp_path / "m").write_bytes(pickle.dumps({"epoch": 3, "best": np.float64(0.5), "model": NETWORK}, 2))
    assert import_file(tmp_path / "m").chain == "rnn, fc"
    for value in (NETWORK | {"f": np.load}, NETWORK | {"a": np.array([{}])}, NETWORK | {"d": np.dtype("U3")}):
        (tmp_path / "m").write_bytes(pickle.dumps(value, 2))
        with pytest.raises(el.ModelFileError):
            el.load(tmp_path / "m")


RANDOM = np.random.default_rng(8)


def numbers(*shape):
    return RANDOM.uniform(-0.7, 0.7, shape).astype(np.float32)


def dense(inputs, outputs, bias=True):
    return {"kernel": numbers(inputs, outputs)} | ({"bias": numbers(outputs)} if bias else {})


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Linen:
    """The cells of ``flax.linen``, an array a gate."""

    def __init__(self, kind, inputs, hidden):
        self.kind, self.hidden = kind, hidden
        gates = {"lstm": "ifgo", "gru": "rzn", "simple": [""]}[kind]
        biases = {"lstm": ("h",), "gru": ("i", "hn"), "simple": ("i",)}[kind]
        self.params = {
            f"{side}{gate}": dense(inputs if side == "i" else hidden, hidden, side in biases or f"{side}{gate}" in biases)
            for side in "ih"
            for gate in gates
        }

    def run(self, xs):
        def of(name, value):
            return value @ self.params[name]["kernel"] + self.params[name].get("bias", 0)

        h, c, rows = np.zeros(self.hidden), np.zeros(self.hidden), []
        for x in xs:
            if self.kind == "lstm":
                i, f, g, o = (of(f"i{gate}", x) + of(f"h{gate}", h) for gate in "ifgo")
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            elif self.kind == "gru":
                r, z = (sigmoid(of(f"i{gate}", x) + of(f"h{gate}", h)) for gate in "rz")
                h = (1 - z) * np.tanh(of("in", x) + r * of("hn", h)) + z * h
            else:
                h = np.tanh(of("i", x) + of("h", h))
            rows.append(h)
        return np.array(rows)


def joint(cell):
    """The same parameters as ``flax.nnx`` keeps them: all gates in one, ``dense_i`` and ``dense_h``."""
    gates = {"lstm": "ifgo", "gru": "rzn", "simple": [""]}[cell.kind]
    found = {}
    for side in "ih":
        parts = [cell.params[f"{side}{gate}"] for gate in gates]
        found[f"dense_{side}"] = {"kernel": np.concatenate([part["kernel"] for part in parts], 1)}
        if any("bias" in part for part in parts):
            found[f"dense_{side}"]["bias"] = np.concatenate([part.get("bias", np.zeros(cell.hidden, np.float32)) for part in parts])
    return found


def flat(tree, path=""):
    for name, inside in tree.items():
        if isinstance(inside, dict):
            yield from flat(inside, f"{path}{name}.")
        else:
            yield f"{path}{name}", inside


FORMS = {
    "linen": lambda cell: cell.params,
    "nnx": joint,
    "nnx an array a gate": lambda cell: {{"if": "if_", "in": "in_"}.get(name, name): part for name, part in cell.params.items()},
}


@pytest.mark.parametrize("container", ["msgpack", "safetensors", "npz"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["lstm", "gru", "simple"])
def test_cells_of_flax_answer_as_its_formulas(kind, form, container, tmp_path):
    cell, head = Linen(kind, 3, 5), dense(5, 2)
    tree = {"params": {"Dense_0": head, f"{kind}_0": FORMS[form](cell)}}
    data = packed(tree) if container == "msgpack" else WRITERS[container](dict(flat(tree)))
    (tmp_path / "m").write_bytes(data)
    taken = import_file(tmp_path / "m")
    assert taken.chain == f"{kind}_0, Dense_0"
    xs = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    expected = cell.run(xs.astype(np.float64)) @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(reference.run(taken.model, xs), expected, atol=LIMIT)


def test_an_embedding_and_norms_of_flax(tmp_path):
    cell, head, table = Linen("gru", 3, 5), dense(5, 2), numbers(9, 3)
    norm = {"scale": numbers(5), "bias": numbers(5)}
    tree = {"params": {"Dense_0": head, "Embed_0": {"embedding": table}, "GRUCell_0": cell.params, "LayerNorm_0": norm}, "step": 7}
    (tmp_path / "m").write_bytes(packed(tree))
    taken = import_file(tmp_path / "m")
    assert taken.chain == "Embed_0, GRUCell_0, LayerNorm_0, Dense_0"
    assert any("eps = 1e-06, as Flax has it" in note for note in taken.notes)
    ids = np.random.default_rng(0).integers(0, 9, (20, 1))
    y = cell.run(table.astype(np.float64)[ids[:, 0]])
    y = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-6) * norm["scale"] + norm["bias"]
    np.testing.assert_allclose(reference.run(taken.model, ids.astype(np.float32)), y @ head["kernel"] + head["bias"], atol=LIMIT)


@pytest.mark.parametrize("stroke", [".", "/"])
def test_both_directions_of_nnx_whatever_parts_its_names(stroke, tmp_path):
    """All of its state, the keys of a dropout among it."""
    ways, head = [Linen("lstm", 3, 5), Linen("lstm", 3, 5)], dense(10, 2)
    cells = {
        f"{side}_rnn": {"cell": joint(cell), "rngs": {"key": np.ones(2, np.uint32)}}
        for side, cell in zip(("backward", "forward"), ways, strict=True)
    }
    (tmp_path / "m").write_bytes(npz({name.replace(".", stroke): array for name, array in flat({"bi": cells, "head": head})}))
    taken = import_file(tmp_path / "m")
    assert taken.chain == "bi, head"
    xs = np.random.default_rng(0).normal(size=(20, 3))
    both = np.hstack([ways[1].run(xs), ways[0].run(xs[::-1])[::-1]])
    np.testing.assert_allclose(reference.run(taken.model, xs.astype(np.float32)), both @ head["kernel"] + head["bias"], atol=LIMIT)


@pytest.mark.parametrize(
    ("cell", "options"), [("OptimizedLSTMCell", {}), ("SimpleCell", {}), ("MGUCell", {}), ("MGUCell", {"reset_gate": False})]
)
def test_flax_itself_writes_what_is_read(cell, options, tmp_path, rng):
    """Two cells one behind the other. A minimal gated unit is a GRU."""
    linen = pytest.importorskip("flax.linen")
    serialization = pytest.importorskip("flax.serialization")
    jax = pytest.importorskip("jax")

    class Network(linen.Module):
        @linen.compact
        def __call__(self, x):
            for _ in range(2):
                x = linen.RNN(getattr(linen, cell)(5, **options))(x)
            return linen.Dense(2)(x)

    xs = np.random.default_rng(0).normal(size=(1, 20, 3)).astype(np.float32)
    variables = jax.tree.map(lambda v: rng.uniform(-0.6, 0.6, v.shape).astype(np.float32), Network().init(jax.random.PRNGKey(1), xs))
    (tmp_path / "m").write_bytes(serialization.to_bytes(variables))
    np.testing.assert_allclose(reference.run(el.load(tmp_path / "m"), xs[0]), Network().apply(variables, xs)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hf": {"kernel": np.zeros((5, 4), np.float32)}}, "have the shapes"),
        ({"hf": {"bias": np.zeros(5, np.float32)}}, "lacks a kernel"),
        ({"hf": {"kernel": np.zeros((2, 5, 5), np.float32)}}, "nn.scan"),
    ],
)
def test_cells_of_flax_that_do_not_fit_are_refused(change, message, tmp_path):
    tree = {"params": {"LSTMCell_0": Linen("lstm", 3, 5).params | change, "Dense_0": dense(5, 2)}}
    (tmp_path / "m").write_bytes(packed(tree))
    with pytest.raises((el.UnsupportedModelError, el.ShapeError), match=message):
        el.load(tmp_path / "m")


def damaged(name, shape, dtype="<f4", data=bytes(16), flags=0):
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data)
    found = bytearray(buffer.getvalue())
    found[found.index(b"PK\1\2") + 8] |= flags
    return bytes(found)


@pytest.mark.parametrize(
    "data",
    [
        damaged("a", "(2, 3)"),
        damaged("a", f"({1 << 40}, {1 << 40})"),
        damaged("a", "(-2, -2)"),
        damaged("a", "(2, 2.0)"),
        damaged("a", "__import__('os').system('true')"),
        damaged("a", "(" * 300 + ")" * 300),
        damaged("a", "(2, 2)", dtype="O"),
        damaged("a", "(2, 2)", dtype="<f9"),
        damaged("a", "(2, 2)", flags=1),
        npz({"a": np.array([{}], object)}),
        b"\xde\xff\xff\xa1a",
        b"\x81\xa1a" + b"\x91" * 100_000,
        b"\x81\xa1a\xdd\xff\xff\xff\xff",
        b"\x81\xa1a\xc9\xff\xff\xff\xff\x01",
        b"\x81\xa1a\xc7\x04\x01\x93\x91\x02\xa3",
        b"\x81\xa1a" + packed((np.uint8([1]),)),
        b"\x81\xa1a\xd4\x05\x00",
        packed({"a": np.zeros(2, np.complex64)}),
        packed({"a": np.zeros((2, 2), np.float32)})[:-4],
        packed({"a": np.zeros((2, 2), np.float32)}) + b"\0",
    ],
)
def test_bags_made_to_mislead_are_refused(data, tmp_path):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(el.EdgeLSTMError) as caught:
        el.load(tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
