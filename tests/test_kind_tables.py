"""The tables of layer kinds on the pages: those that the records give, and the records are as they say."""

import sys

import pytest
from documents import ROOT
from kinds import model_of

from edgelstm.layers import KINDS, RECORDS, record_of

sys.path.insert(0, str(ROOT / "tools"))

import kind_tables

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("page", kind_tables.PAGES)
def test_a_page_has_the_table_that_the_records_give(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text.count(kind_tables.BEGIN) == text.count(kind_tables.END) == 1
    assert kind_tables.filled(text, kind_tables.PAGES[page]()) == text, "run: python tools/kind_tables.py"


@kinds
def test_arrays_are_as_the_docstring_says(kind):
    """The arrays and options of a cell that a layer holds are those of the cell's kind."""
    for layer in (layer for layer in model_of(kind).layers if layer.kind == kind):
        records = [*([type(layer.cell)] if hasattr(layer, "cell") else []), record_of(kind)]
        told = {part.name: part for record in records for part in kind_tables.parts(record)}
        arrays, options = layer.arrays(), layer.options()
        assert {name: str(array.dtype) for name, array in arrays.items()} == {name: told[name].dtype for name in arrays}
        for name, array in arrays.items():
            dimensions = {shape.count(",") + (not shape.endswith(",)`")) for shape in told[name].shape.split(" or ")}
            assert array.ndim in dimensions or told[name].shape in kind_tables.SHAPES.values()
        assert all(not told[name].dtype for name in {*options} - kind_tables.SHARED)
        assert {name for name, part in told.items() if not part.optional} <= {*arrays, *options}


@kinds
def test_forms_of_numbers_are_declared(kind):
    record = record_of(kind)
    assert {layer.numbers for layer in model_of(kind).layers if layer.kind == kind} <= set(record.forms) <= set(kind_tables.FORMS)
    assert (record.float_kind == "") == (record.forms == ("f32",))
    assert record.float_kind in ("", *KINDS)


def test_the_readme_has_every_record():
    assert [name for name in RECORDS if f"`{name}`" not in kind_tables.support()] == []


def test_a_docstring_that_lacks_an_array_is_named(monkeypatch):
    record = record_of("dense")
    monkeypatch.setattr(record, "__doc__", record.__doc__.replace("bias :", "bias, offset :"))
    with pytest.raises(ValueError, match="Dense: docstring and fields differ in offset"):
        kind_tables.parts(record)


def test_a_changed_fact_changes_the_table(monkeypatch):
    """The control: the comparison can fail."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.setattr(record_of("dense_int8"), "forms", ("int8-weight",))
    assert kind_tables.filled(text, kind_tables.support()) != text
    assert text.count("\n| `Dense` | `DenseHalf` | `DenseInt8` |") == 1
