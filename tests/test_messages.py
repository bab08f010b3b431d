"""Messages are one printable line of bounded length, whatever a file put into them."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from conftest import lstm_model

import edgelstm as el
from edgelstm import errors
from edgelstm.files import container
from edgelstm.files import elstm as modelfile
from edgelstm.files.probes import reference_probe

MODEL = lstm_model(np.random.default_rng(1), 3, 4)
MODEL = replace(MODEL, probe=reference_probe(MODEL))
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.EdgeLSTMError)]
ODD = ["\n", "\0", "\x1b[2J", "\u202e", "\ud800", "x" * 100_000, "\r\n" * 5000]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_every_error_is_one_printable_line(kind, odd):
    problem = kind(f"a.elstm: names {odd} twice; convert it again.")
    for said in (problem, pickle.loads(pickle.dumps(problem))):
        assert type(said) is kind
        assert str(said).isprintable()
        assert len(str(said)) <= errors.LONGEST
        assert str(said).startswith("a.elstm: names ")
        assert str(said).endswith(" twice; convert it again.")


def test_printable_text_is_left_as_it_is():
    text = "Δ → 3 °C  two spaces"
    assert errors.printable(text) == str(el.InputError(text)) == text
    assert errors.printable("abcdef", 4) == "abc…"
    assert errors.printable("abcd", 4) == "abcd"


def write(path, change):
    """A file whose document was changed, with the digest that belongs to it."""
    document, tensors = modelfile._encode(MODEL)
    document = json.loads(json.dumps(document))
    change(document, tensors)
    document["sha256"] = modelfile._digest(document, tensors)
    path.write_bytes(container.write_tensors(tensors, {modelfile.KEY: modelfile._canonical(document).decode()}))


CHANGES = {
    "unknown name": lambda d, t, odd: d.update({odd: 1}),
    "unknown name of a layer": lambda d, t, odd: d["layers"][0].update({odd: 1}),
    "kind": lambda d, t, odd: d["layers"][0].update(kind=odd),
    "name": lambda d, t, odd: d["layers"][0].update(name=odd),
    "inputs": lambda d, t, odd: d["layers"][1].update(inputs=[odd]),
    "options": lambda d, t, odd: d["layers"][1].update(options={odd: 1}),
    "option": lambda d, t, odd: d["layers"][1].update(kind="activation", options={"function": odd}),
    "scheme": lambda d, t, odd: d["layers"][1].update(kind="dense_int8", options={"scheme": odd}),
    "label": lambda d, t, odd: d.update(labels=[odd]),
    "input name": lambda d, t, odd: d.update(input_names=[odd]),
    "source": lambda d, t, odd: d.update(source=[odd]),
    "probe source": lambda d, t, odd: (d.update(probe_source=odd), t.update(probe_outputs=t["probe_outputs"] + 1)),
    "tensor": lambda d, t, odd: t.update({odd: t["probe_inputs"]}),
    "version": lambda d, t, odd: d.update(version=odd),
}


@pytest.mark.parametrize("odd", ["\n", "\x1b[2J", "x" * 5000])
@pytest.mark.parametrize("change", CHANGES)
def test_a_model_files_words_are_cut_and_printable(tmp_path, change, odd):
    path = tmp_path / "a.elstm"
    write(path, lambda document, tensors: CHANGES[change](document, tensors, odd))
    with pytest.raises(el.EdgeLSTMError) as refused:
        el.load(path)
    message = str(refused.value).removeprefix(str(path))
    assert message.isprintable()
    assert len(message) < 500
    assert message.endswith((".", "upgrade edgelstm", "again"))


def test_a_sound_file_is_taken(tmp_path):
    write(tmp_path / "a.elstm", lambda document, tensors: None)
    assert repr(el.load(tmp_path / "a.elstm")) == repr(MODEL)
