"""How a network is called in one line, and shown in a notebook. The standard library alone, since boards show it too."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def line(told: "Mapping[str, Any]") -> str:
    """A network in a few words: ``"2 → 1, LSTM 32 ×2, f32"``.

    Parameters
    ----------
    told : mapping
        ``input_size``, ``output_size``, ``vocabulary_size`` (None for measurements), ``vocabularies`` where several inputs hold
        indices, ``scheme``, and ``layers`` with the ``kind`` and
        ``output_size`` of each; ``reads`` where the network cannot step. Recurrent layers are named; where there are none, the others are.
    """
    sizes = f"{samples(told)} → {told['output_size']}"
    layers = [(str(layer["kind"]), layer["output_size"]) for layer in told["layers"]]
    shown = [layer for layer in layers if is_recurrent(layer[0])] or layers
    words: list[str] = []
    for place, layer in enumerate(shown):
        if place and layer == shown[place - 1]:
            continue
        end = next((k for k in range(place, len(shown)) if shown[k] != layer), len(shown))
        words.append(f"{kind_title(layer[0])} {layer[1]}" + (f" ×{end - place}" if end - place > 1 else ""))
    return ", ".join([sizes, *words, str(told["scheme"]), *([str(told["reads"])] if "reads" in told else [])])


def samples(told: "Mapping[str, Any]") -> str:
    """What a sample is in a few words: ``"6"`` values, ``"index of 64"``, or ``"indices of 64, 10 and 3 values"``."""
    tables = [rows for rows in told.get("vocabularies", [told["vocabulary_size"]]) if rows]
    others = told["input_size"] - len(tables)
    indices = f"{'index' if len(tables) == 1 else 'indices'} of {', '.join(map(str, tables))}"
    return f"{others}" if not tables else indices if not others else f"{indices} and {others} value{'s' * (others > 1)}"


def html(title: str, told: "Mapping[str, Any]", facts: "Iterable[tuple[str, object]]" = ()) -> str:
    """The same as a diagram and a table for notebooks: the layers in order, with names and sizes.

    Parameters
    ----------
    title : str
        First words.
    told : mapping
        As for `line`, with the ``name`` of each layer, ``input_names`` and ``labels``.
    facts : iterable of (str, object)
        What else is to be said, by name.
    """
    from html import escape

    boxes = [("input", told["input_size"]), *((kind_title(str(layer["kind"])), layer["output_size"]) for layer in told["layers"])]
    cells = [(str(layer["name"]), kind_title(str(layer["kind"])), str(layer["output_size"])) for layer in told["layers"]]
    named = [("inputs", ", ".join(map(str, told["input_names"]))), ("outputs", ", ".join(map(str, told["labels"])))]
    lines = [(name, str(value)) for name, value in (*named, *facts) if value != ""]
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    more = "".join(f"<div>{escape(name)}: {escape(value)}</div>" for name, value in lines)
    head = "<tr><th>layer</th><th>kind</th><th>outputs</th></tr>"
    return f"<div><b>{escape(f'{title}({line(told)})')}</b>{_diagram(boxes)}<table>{head}{rows}</table>{more}</div>"


def _diagram(boxes: "list[tuple[str, Any]]") -> str:
    """Boxes from left to right, an arrow between two, as inline SVG."""
    from html import escape

    width, step = 92, 116
    parts = []
    for place, (name, size) in enumerate(boxes[:24]):
        x = place * step + 2
        parts.append(f'<rect x="{x}" y="2" width="{width}" height="40" rx="6" fill="none" stroke="currentColor"/>')
        for y, text in ((19, name), (35, size)):
            parts.append(f'<text x="{x + width / 2:g}" y="{y}" text-anchor="middle">{escape(str(text)[:13])}</text>')
        if place:
            parts.append(f'<path d="M{x - 22} 22h18m-5 -4l5 4l-5 4" fill="none" stroke="currentColor"/>')
    whole = min(len(boxes), 24) * step
    attributes = f'width="{whole}" height="46" viewBox="0 0 {whole} 46" font-size="12" fill="currentColor" role="img"'
    return f'<div style="overflow-x:auto"><svg xmlns="http://www.w3.org/2000/svg" {attributes}>{"".join(parts)}</svg></div>'


#: Parts of names of kinds that people do not write as words.
_ACRONYMS = {word.lower(): word for word in ("LSTM", "sLSTM", "GRU", "RNN", "RMS", "PReLU", "Conv1D", "Pool1D", "Conv2D", "Pool2D")}


def kind_title(kind: str) -> str:
    """A kind of layer as people write it: ``lstm_int8`` is LSTM, ``layer_norm`` is LayerNorm."""
    return "".join(_ACRONYMS.get(word, word.capitalize()) for word in float_kind(kind).split("_"))


def float_kind(kind: str) -> str:
    """The kind that computes the same in float32, where no record says so: ``lstm`` of ``lstm_int8`` and of ``lstm_half``."""
    return kind.partition("_int8")[0].removesuffix("_half")


def is_recurrent(kind: str) -> bool:
    """Whether layers of a kind keep a state of their own making, where no record says so."""
    return float_kind(kind).endswith(("lstm", "gru", "rnn"))
