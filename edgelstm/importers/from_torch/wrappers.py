"""What DataParallel, torch.compile, Lightning and others put before all names of a network."""

from collections.abc import Iterator

from .tensors import Named

WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.")


def unwrapped(tensors: dict[str, Named]) -> dict[str, Named]:
    """Without the wrappers' part of the names, as long as a module's name is left."""
    while tensors and (wrapper := next((w for w in WRAPPERS if all(n.startswith(w) and "." in n[len(w) :] for n in tensors)), None)):
        tensors = {name.removeprefix(wrapper): tensor for name, tensor in tensors.items()}
    return tensors


def each_unwrapped(name: str) -> Iterator[str]:
    """A name, and what is left of it without one wrapper after the other."""
    yield name
    while wrapper := next((w for w in WRAPPERS if name.startswith(w)), None):
        name = name.removeprefix(wrapper)
        yield name
