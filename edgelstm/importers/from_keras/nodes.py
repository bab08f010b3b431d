"""How Keras writes which tensors a layer reads: lists in Keras 1 and 2, descriptions of a call in Keras 3."""

from typing import Any

from ...errors import ModelFileError, UnsupportedModelError, printable

#: A tensor: the layer, which of its calls, and which of its tensors.
Place = tuple[str, int, int]

#: Arguments of a call that change no answer when they are absent, or false.
_SILENT = ("mask", "training", "initial_state", "constants")

#: Names under which Keras 3 gives masks.
_MASKS = ("mask", "query_mask", "value_mask", "key_mask")

#: What Keras 2 writes in place of a layer where a number stands before the tensors.
_NUMBER = "_CONSTANT_VALUE"

#: Names under which tensors are given, in the order in which they are given without a name.
_ORDER = {"query": 1, "value": 2, "key": 3}


def places(given: Any) -> list[Place]:
    """Tensors such as ``[["input_1", 0, 0], ["input_2", 0, 0]]``, one alone, or some by name, which Keras takes in the order of the names.

    Raises
    ------
    ModelFileError
    """
    if isinstance(given, list) and given and isinstance(given[0], str):
        return [_place(given)]
    if isinstance(given, list | dict) and given:
        listed = given if isinstance(given, list) else [given[name] for name in sorted(given)]
        return [place for entry in listed for place in places(entry)]
    raise ModelFileError(f"its graph has {printable(repr(given), 60)} where tensors should be named; save the model again.")


def _place(given: list[Any]) -> Place:
    sound = 3 <= len(given) <= 4 and isinstance(given[0], str) and all(type(n) is int and 0 <= n < 1 << 16 for n in given[1:3])
    if not sound:
        raise ModelFileError(f"its graph names a tensor as {printable(repr(given), 60)}; save the model again.")
    return given[0], given[1], given[2]


def node_inputs(node: Any, place: str) -> list[Place]:
    """The tensors that one call of a layer reads.

    Raises
    ------
    ModelFileError, UnsupportedModelError
        If it is damaged, or the call has further arguments.
    """
    if isinstance(node, dict):
        tensors, others = _tensors(node.get("args"))
        tensors += _begun(node.get("kwargs"))
        _refuse_arguments(node.get("kwargs"), place)
        if others:
            raise UnsupportedModelError(f"{place} is called with {printable(others, 100)} beside its tensors.")
        return tensors
    found = places(node)
    entries = [node] if isinstance(node, list) and node and isinstance(node[0], str) else node
    for entry in entries:
        if len(entry) > 3:
            found += _begun(entry[3])
            _refuse_arguments(entry[3], place)
    return found


def _begun(given: Any) -> list[Place]:
    """The tensors that a recurrent layer begins with."""
    state = given.get("initial_state") if isinstance(given, dict) else None
    if not isinstance(state, list | dict) or (isinstance(state, list) and all(one is None for one in state)):
        return []
    return _tensors(state)[0] or places(state)


def node_call(node: Any) -> tuple[list[Place], dict[str, Any]]:
    """The tensors that one call of an operator reads, and what else it is called with, by name.

    What has no name is ``args``, and ``before`` where it stands before the tensors.

    Raises
    ------
    ModelFileError
        If it is damaged.
    """
    if isinstance(node, dict):
        given: Any = node.get("args")
        tensors, _ = _tensors(given)
        rest = [arg for arg in given if not _tensors(arg)[0]] if isinstance(given, list) else []
        place = "before" if rest and tensors and not _tensors(given[0])[0] else "args"
        more = {place: rest[0] if len(rest) == 1 and isinstance(rest[0], list) else rest} if rest else {}
        named = node["kwargs"] if isinstance(node.get("kwargs"), dict) else {}
    else:
        entry = node[0] if isinstance(node, list) and node and isinstance(node[0], list) else node
        named, more = (entry[3] if isinstance(entry, list) and len(entry) > 3 and isinstance(entry[3], dict) else {}), {}
        if isinstance(entry, list) and len(entry) > 2 and entry[:2] == [_NUMBER, -1]:
            more, tensors = {"before": [entry[2]]}, []
        else:
            tensors = places(node)
    for name, value in sorted(named.items(), key=lambda item: _ORDER.get(item[0], 0)):
        found = _tensors(value)[0] if isinstance(value, dict) else []
        if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            tensors = [*tensors, _place(value)]
        elif found and name in _ORDER:
            tensors = [*tensors, *found]
        elif value is not None and name != "name":
            more[name] = value
    return tensors, more


def node_mask(node: Any) -> tuple[Any, Place | None]:
    """One call of a layer without the mask that Keras 3 gives it by name, and the tensor that this mask is.

    Raises
    ------
    ModelFileError
    """
    named = node.get("kwargs") if isinstance(node, dict) else None
    masks = {name: named[name] for name in _MASKS if named.get(name)} if isinstance(named, dict) else {}
    found = {place for value in masks.values() for place in _tensors(value)[0]}
    if not isinstance(named, dict) or len(found) != 1 or any(isinstance(value, list) and None in value for value in masks.values()):
        return node, None
    return {**node, "kwargs": {name: value for name, value in named.items() if name not in masks}}, found.pop()


def _tensors(given: Any) -> tuple[list[Place], list[Any]]:
    """The tensors among a call's arguments, in order, and what else is there."""
    tensors: list[Place] = []
    others: list[Any] = []
    waiting = [given]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, list | tuple):
            waiting = [*node, *waiting]
        elif isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
            history = node["config"].get("keras_history") if isinstance(node.get("config"), dict) else None
            tensors += places(history)
        elif node is not None:
            others.append(node)
    return tensors, others


def _refuse_arguments(given: Any, place: str) -> None:
    for name, value in given.items() if isinstance(given, dict) else ():
        nothing = value is None or (isinstance(value, list) and all(one is None for one in value))
        if nothing or (name in _SILENT and value is False) or (name == "initial_state" and isinstance(value, list | dict)):
            continue
        raise UnsupportedModelError(
            f"{place} is called with {printable(name, 60)} = {printable(repr(value), 60)}, which edgelstm does not import."
        )
