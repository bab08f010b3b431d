"""The description of a network beside the file of its weights: what ``Model.to_json`` writes."""

import os
import re
from typing import Any, BinaryIO

from ...errors import EdgeLSTMError
from ...files import container
from .store import MOST_TEXT, config_of

#: What may stand behind the name of the weights' file, or in place of its ending.
_NAMES = ("{}.json", "{}_config.json", "{}_architecture.json", "{}_arch.json", "{}_model.json")

#: Names that tell nothing of the weights' file, for folders of one network.
_ALONE = ("config.json", "model.json", "architecture.json")

_WEIGHTS = re.compile(r"[._-]?weights?$", re.IGNORECASE)


def beside(file: BinaryIO) -> tuple[str, dict[str, Any], int] | None:
    """The name of a description in the folder of a file of weights, what stands in it, and Keras' first number; None where there is none.

    It has the name of the weights' file, or one that folders of one network use.
    """
    path = getattr(file, "name", None)
    if not isinstance(path, str):
        return None
    folder, name = os.path.split(path)
    stem = name.rpartition(".")[0]
    stems = dict.fromkeys((stem, _WEIGHTS.sub("", stem)))
    for candidate in [*(pattern.format(s) for s in stems if s for pattern in _NAMES), *_ALONE]:
        place = os.path.join(folder, candidate)
        if os.path.isfile(place) and not os.path.islink(place) and (found := _described(place)):
            return candidate, *found
    return None


def _described(path: str) -> tuple[dict[str, Any], int] | None:
    """What a JSON file that describes a model of Keras says; None of others."""
    try:
        with container.open_file(path) as file:
            return config_of(file.read(MOST_TEXT + 1), path)
    except (EdgeLSTMError, OSError):
        return None
