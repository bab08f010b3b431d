"""Drawings of networks, names of kinds for people, and options of layers in `describe`."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cli_calls import call, refused

import edgelstm as el
from edgelstm.cli import describe, diagram
from edgelstm.layers import KINDS
from edgelstm.runtime import outline

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def model(rng: np.random.Generator) -> el.Model:
    def drawn(*shape: int) -> np.ndarray:
        return rng.uniform(-0.5, 0.5, shape).astype(np.float32)

    layers = [
        el.Conv1D(drawn(3, 3, 2), drawn(3), stride=2, padding="valid", name="<conv> & more"),
        el.GRU(drawn(9, 3), drawn(9, 3), drawn(9), drawn(9), name="rec", reset_after=False),
        el.Activation("leaky_relu(0.3)", name="act"),
        el.Add(inputs=("<conv> & more", "act"), name="sum"),
    ]
    return el.Model(layers)


@pytest.fixture
def path(model: el.Model, tmp_path: Path) -> Path:
    el.save(model, tmp_path / "model.elstm")
    return tmp_path / "model.elstm"


def test_a_diagram_shows_names_sizes_rates_and_what_reads_what(path: Path, tmp_path: Path) -> None:
    assert call("describe", path, "--diagram", tmp_path / "net.svg").exit_code == 0
    page = ElementTree.parse(tmp_path / "net.svg").getroot()
    texts = [text.text for text in page.iter(f"{SVG}text")]
    assert texts == [
        *("input", "3", "<conv> & more", "Conv1D 3, every 2 steps", "rec", "GRU 3, every 2 steps"),
        *("act", "leaky_relu(0.3) 3, every …", "sum", "Add 3, every 2 steps"),
    ]
    assert len(list(page.iter(f"{SVG}path"))) == 5
    places = [(float(box.get("x")), float(box.get("y"))) for box in page.iter(f"{SVG}rect")]
    assert len(set(places)) == 5
    whole = float(page.get("width")), float(page.get("height"))
    assert all(x + diagram.WIDTH <= whole[0] and y + diagram.HEIGHT <= whole[1] for x, y in places)


def test_layers_of_one_row_stand_beside_each_other(rng: np.random.Generator, tmp_path: Path) -> None:
    def half(name: str, *, reverse: bool) -> el.LSTM:
        return el.LSTM(np.zeros((8, 3)), np.zeros((8, 2)), np.zeros(8), name=name, inputs=("input",), reverse=reverse)

    both = el.Model(
        [half("forward", reverse=False), half("backward", reverse=True), el.Concat(inputs=("forward", "backward"), name="both")]
    )
    el.save(both, tmp_path / "model.elstm")
    page = ElementTree.fromstring(diagram.drawn(describe.record(both, tmp_path / "model.elstm")))
    rows = [box.get("y") for box in page.iter(f"{SVG}rect")]
    assert rows[1] == rows[2] != rows[3]
    assert "LSTM 2, from the end" in [text.text for text in page.iter(f"{SVG}text")]


def test_a_drawing_overwrites_nothing_and_is_named_as_one(path: Path) -> None:
    before = path.read_bytes()
    assert ".svg" in refused(call("describe", path, "--diagram", path), 2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_called_as_their_records(kind: str) -> None:
    record = KINDS[kind][1].partition("Int8")[0].removesuffix("Half")
    assert outline.kind_title(kind) == {"SLSTM": "sLSTM"}.get(record, record)


def test_one_line_names_recurrent_layers_of_every_kind(model: el.Model) -> None:
    assert repr(model) == "Model(3 → 3, GRU 3, f32)"


def test_describe_names_the_options_that_are_not_usual(model: el.Model, path: Path) -> None:
    layers = describe.record(model, path)["layers"]
    assert [describe.unusual(layer) for layer in layers] == [
        ["stride 2", "padding valid"],
        ["no reset after"],
        ["function leaky_relu(0.3)"],
        [],
    ]
    assert "stride 2" in " ".join(call("describe", path).output.split())
