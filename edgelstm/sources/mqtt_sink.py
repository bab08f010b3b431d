"""Answers as messages: ``--output mqtt://host/answers/{key}``."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..runners.keyed import KEY
from ..runners.sinks import decisions
from . import home_assistant
from .address import Address, parse
from .mqtt_client import Connection, check_options, client_name
from .topics import check_name, written


class MqttSink:
    """One message an answer: a JSON object with what is kept, the label of the largest output, and the outputs.

    Parameters
    ----------
    address : Address
        ``{key}`` in its topic stands for the name of the stream, in which ``+`` is written ``%2B`` and ``#`` ``%23``. Its options are
        ``qos``, ``retain``, ``client``, ``keepalive``, ``ca``.
    output_size : int
    labels, kept_names : sequence of str
    note : callable
        As of `Connection`.
    discovery : str
        Prefix of Home Assistant's discovery topics; empty: nothing is announced.
    thresholds : sequence of float
        As of `decisions`: an answer that reaches none has the label null.

    Raises
    ------
    UsageError
        As `Connection`; or if the topic holds a wildcard.
    """

    def __init__(
        self,
        address: Address,
        output_size: int,
        labels: Sequence[str],
        kept_names: Sequence[str],
        note: Callable[[str], None],
        discovery: str = "",
        thresholds: Sequence[float] = (),
    ) -> None:
        asked = check_options(address, address.settled(qos=1, retain=False, client="", keepalive=60, ca=""))
        check_name(address)
        self._topic, self._qos, self._retain = address.path, asked["qos"], asked["retain"]
        self._names, self._labels, self._size = list(kept_names), list(labels), output_size
        self._discovery, self._announced, self._thresholds = discovery, set[str](), thresholds
        name = client_name(address, asked["client"])
        self._connection = Connection(address, name, note, ca=asked["ca"], keepalive=asked["keepalive"], persistent=False)
        self._connection.start()

    def write(self, answers: NDArray[np.float32], kept: Sequence[Sequence[Any]] = ()) -> None:
        """Publish answers (count, output_size) float32, each with what is kept beside it."""
        best = decisions(answers, self._thresholds).tolist()
        for i, row in enumerate(answers.astype("U").tolist()):
            beside = dict(zip(self._names, kept[i], strict=True)) if kept else {}
            numbers = [float(text) if text[-1] not in "nf" else None for text in row]
            message: dict[str, Any] = beside
            if self._labels and best[i] >= 0:
                message = {**beside, "label": [*self._labels, None][best[i]]}
            message = {**message, "outputs": dict(zip(self._labels, numbers, strict=True)) if self._labels else numbers}
            key = str(beside.get(KEY, ""))
            self._announce(key)
            self._publish(self._topic_of(key), json.dumps(message), retain=self._retain)

    def _topic_of(self, key: str) -> str:
        return self._topic.replace("{key}", written(key))

    def _announce(self, key: str) -> None:
        """Tell Home Assistant of a stream, once."""
        if self._discovery and key not in self._announced:
            self._announced.add(key)
            topic = self._topic_of(key)
            connection = self._connection
            for place, config in home_assistant.sensors(
                self._discovery, connection.name, key, topic, connection.status, self._labels, self._size
            ):
                self._publish(place, json.dumps(config), retain=True)

    def _publish(self, topic: str, text: str, *, retain: bool) -> None:
        self._connection.publish(topic, text, self._qos, retain=retain)

    def settle(self, seconds: float | None = None) -> bool:
        """As `Connection.settle`, of every answer."""
        return self._connection.settle(seconds)

    @property
    def unconfirmed(self) -> int:
        """As of `Connection`."""
        return self._connection.unconfirmed

    @property
    def waits(self) -> bool:
        """As of `Connection`."""
        return self._connection.waits

    def close(self) -> None:
        """Leave the broker."""
        self._connection.close()


def open_output(
    url: str,
    output_size: int,
    labels: Sequence[str],
    kept_names: Sequence[str],
    note: Callable[[str], None],
    discovery: str = "",
    thresholds: Sequence[float] = (),
) -> MqttSink:
    """The sink of a URL; see `MqttSink`.

    Raises
    ------
    UsageError
        If the URL is none of a broker.
    """
    address = parse(url)
    if address.scheme not in ("mqtt", "mqtts"):
        raise UsageError(f"{address.shown}: answers go to files, to - and to mqtt: URLs.")
    return MqttSink(address, output_size, labels, kept_names, note, discovery, thresholds)
