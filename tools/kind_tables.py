"""Writes the tables of layer kinds into README and `docs/model-format.md`: ``python tools/kind_tables.py``.

Everything comes from `layers.KINDS` and the records: their fields, the facts that they declare, and the parameters in their docstrings.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from edgelstm.layers import KINDS, activations, record_of  # noqa: E402
from edgelstm.layers.record import Layer  # noqa: E402
from edgelstm.layers.recurrent import Recurrent  # noqa: E402

BEGIN, END = "<!-- kinds:begin -->", "<!-- kinds:end -->"

FORMS = {
    "f32": "float32",
    "f16-weight": "f16-weight",
    "int8-weight": "int8-weight",
    "int8-dynamic": "int8-dynamic",
    "int8-static": "int8-static",
}

#: How docstrings spell shapes that need a word more in a table.
SHAPES = {"the same shape": "as its mantissa"}


#: Fields that the docstrings of `Layer` and `Recurrent` tell of.
SHARED = {f.name for f in fields(Recurrent)}

#: How docstrings spell the values of options that need another word in a table.
VALUES = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text"}


class Part(NamedTuple):
    """An array or an option of a kind, as files hold it.

    Parameters
    ----------
    name : str
    dtype : str
        NumPy's name; empty for an option.
    shape : str
        For an option, its values.
    optional : bool
        Whether a file may lack it.
    """

    name: str
    dtype: str
    shape: str
    optional: bool


def parts(record: type[Layer]) -> list[Part]:
    """The arrays and options of a kind, in the order of its docstring.

    Raises
    ------
    ValueError
        If the docstring and the fields differ.
    """
    optional = {f.name: f.default is not MISSING for f in fields(record) if f.name not in SHARED}
    section = (inspect.getdoc(record) or "").partition("Parameters\n----------\n")[2]
    found = []
    for names, text in re.findall(r"^(\w+(?:, \w+)*) : (.+)$", section, re.MULTILINE):
        dtype, shape = _told(text.removesuffix(", optional"))
        found += [Part(name, dtype, shape, optional.get(name, False)) for name in names.split(", ")]
    if wrong := {part.name for part in found} ^ set(optional):
        raise ValueError(f"{record.__name__}: docstring and fields differ in {', '.join(sorted(wrong))}")
    return found


def _told(text: str) -> tuple[str, str]:
    """(dtype, shape) of what a docstring says of an array; ("", values) of an option."""
    if text.startswith("{"):
        return "", ", ".join(f"`{value}`" for value in text.strip("{}").split(", "))
    if not text.startswith("(") and "shape" not in text:
        return "", VALUES.get(text, text)
    shape, dtype = re.fullmatch(r"(.*?),?(?: (u?int\d+|float16))?", text).groups()  # type: ignore[union-attr]
    return dtype or "float32", SHAPES.get(shape) or " or ".join(f"`{one}`" for one in shape.split(" or "))


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def support() -> str:
    """Which record holds a layer in which form of numbers: a row for each that has several, and the names of the rest."""
    records = [record_of(kind) for kind in KINDS]
    rows, alone = [], []
    for record in records:
        if record.float_kind:
            continue
        forms = {form: other for other in records if record.kind in (other.kind, other.float_kind) for form in other.forms}
        row = [f"`{forms[form].__name__}`" if form in forms else "—" for form in FORMS]
        if len(forms) > 1:
            rows.append(row)
        else:
            alone.append(row[0])
    return f"{_markdown(list(FORMS.values()), rows)}\n\nIn float32 alone: {', '.join(alone)}."


def arrays() -> str:
    """The arrays and options of all kinds."""
    rows = []
    for kind in KINDS:
        found = parts(record_of(kind))
        rows += [[f"`{kind}`", f"`{p.name}`", p.dtype or "option", p.shape, "yes" if p.optional else ""] for p in found]
        rows += [] if found else [[f"`{kind}`", "none", "", "", ""]]
    return _markdown(["kind", "name", "dtype", "shape, or values", "may be absent"], rows)


def words() -> str:
    """The activation words, with their numbers and what these are where a word stands alone."""
    rows = []
    for name, function in activations.FUNCTIONS.items():
        usual = "" if function.defaults is None else ", ".join(f"{number:g}" for number in function.defaults)
        rows.append([f"`{activations.form(name)}`", function.formula.replace("|", "\\|"), usual])
    return _markdown(["word", "of x", "numbers of the bare word"], rows)


def formats() -> str:
    """All that the page on files says of kinds."""
    return f"{arrays()}\n\nAn activation word is one of these, its numbers in their shortest spelling:\n\n{words()}"


#: What stands between the marks of each page.
PAGES = {"README.md": support, "docs/model-format.md": formats}


def filled(text: str, table: str) -> str:
    """A page with `table` between its marks."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main() -> None:
    for page, table in PAGES.items():
        path = ROOT / page
        path.write_text(filled(path.read_text(encoding="utf-8"), table()), encoding="utf-8")


if __name__ == "__main__":
    main()
