"""Topics of brokers: which filters and names there are, and which topics a filter stands for (MQTT 3.1.1, section 4.7)."""

import re

from ..errors import UsageError
from .address import Address

#: Where brokers listen, by scheme.
PORTS = {"mqtt": 1883, "mqtts": 8883}

#: Bytes of the longest topic.
LONGEST = 65535

#: What no name of a topic holds, and how it is written in one.
_ESCAPED = {"+": "%2B", "#": "%23", "\0": "%00"}


def levels(topic: str) -> re.Pattern[str]:
    """What matches the topics that a filter stands for, a shared one too (``$share/GROUP/…``); its groups are the levels that differ."""
    own = topic.split("/")[2:] if topic.startswith("$share/") else topic.split("/")
    return re.compile("/".join({"+": "([^/]*)", "#": "(.*)"}.get(level, re.escape(level)) for level in own), re.DOTALL)


def check_filter(address: Address) -> None:
    """Refuse a topic that nobody can subscribe to.

    Raises
    ------
    UsageError
    """
    parts = address.path.split("/")
    whole = all(part in ("+", "#") or not {"+", "#"} & {*part} for part in parts)
    if not whole or "#" in parts[:-1] or "\0" in address.path or len(address.path.encode()) > LONGEST:
        raise UsageError(
            f"{address.shown}: + stands for a whole level of a topic, and # for all levels from the last one on: sensors/+/imu."
        )


def check_name(address: Address) -> None:
    """Refuse a topic that nobody can publish to; ``{key}`` in it stands for a level or more.

    Raises
    ------
    UsageError
    """
    if {*_ESCAPED} & {*address.path} or len(address.path.encode()) > LONGEST:
        raise UsageError(f"{address.shown}: answers go to one topic, which may hold {{key}}; + and # are for subscribers.")


def written(key: str) -> str:
    """A key as it stands in the name of a topic."""
    return "".join(_ESCAPED.get(sign, sign) for sign in key)


def feeds_back(read: Address, answered: Address) -> bool:
    """Whether what is published to a topic is read again."""
    brokers = {(one.host, one.port or PORTS[one.scheme]) for one in (read, answered)}
    return len(brokers) == 1 and levels(read.path).fullmatch(answered.path) is not None
