"""Answers as sensors of Home Assistant, which finds them by MQTT discovery: a retained message for each, as the page "MQTT" of its
documentation describes under "MQTT Discovery".
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

#: Where Home Assistant looks unless it is told otherwise.
PREFIX = "homeassistant"

#: With more outputs than this, the decision alone becomes a sensor.
MOST_OUTPUTS = 16


def sensors(
    prefix: str, client: str, key: str, topic: str, status: str, labels: Sequence[str], output_size: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The topic and the contents of the message that announces each sensor of a stream.

    Parameters
    ----------
    prefix : str
        Of the topics that Home Assistant looks at.
    client : str
        Name of the client that publishes the answers.
    key : str
        Name of the stream; empty where there is one.
    topic, status : str
        Of its answers, and of the client's status.
    labels : sequence of str
    output_size : int
    """
    node = _plain(f"{client}_{key}" if key else client)
    common = {
        "state_topic": topic,
        "availability_topic": status,
        "device": {"identifiers": [node], "name": f"edgelstm {key}".strip(), "manufacturer": "edgelstm"},
    }
    if labels and output_size > 1:
        decision = {"name": "decision", "unique_id": f"{node}_decision", "value_template": "{{ value_json.label }}"}
        kind = {"device_class": "enum", "options": list(dict.fromkeys(labels))}
        yield f"{prefix}/sensor/{node}/decision/config", {**decision, **kind, **common}
    if output_size > MOST_OUTPUTS:
        return
    for i in range(output_size):
        name = labels[i] if labels else f"y{i}"
        place = f"value_json.outputs[{labels[i]!r}]" if labels else f"value_json.outputs[{i}]"
        own = {"name": name, "unique_id": f"{node}_y{i}", "value_template": f"{{{{ {place} }}}}", "state_class": "measurement"}
        yield f"{prefix}/sensor/{node}/y{i}/config", {**own, **common}


def _plain(name: str) -> str:
    """A name of the characters that a discovery topic may hold; names that differ stay so."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if plain == name else f"{plain}_{crc32(name.encode()):08x}"
