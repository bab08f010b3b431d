"""What a stream says of samples, blocks, snapshots and libraries that it refuses: with the standard library alone."""

from .sizes import PROBE_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .sizes import Sizes


def refuse(kind: str, message: str) -> "NoReturn":
    """Raise an error of `errors`, which a healthy start has no need to load."""
    from .. import errors

    raise getattr(errors, kind)(message) from None


def refuse_sample(given: "memoryview[float]", sizes: "Sizes") -> "NoReturn":
    """Say which value of a sample must not enter the state."""
    tables = sizes.vocabularies or (0,) * sizes.input_size
    for channel, (value, indices) in enumerate(zip(given, tables, strict=True)):
        if indices and not (0 <= value < indices and value == int(value)):
            refuse("InputError", f"channel {channel} must be a whole number from 0 to {indices - 1}, an index; got {value:g}.")
        if not indices and not abs(value) <= sizes.input_limit:
            break
    refuse("InputError", f"channel {channel} is {value:g}, which must not enter the state, which is as it was; repair the sample.")


def refuse_buffers(given: "memoryview[Any] | None", taken: "memoryview[Any] | None", rows: object, sizes: "Sizes") -> "NoReturn":
    """Say what blocks `process` takes. rows: those of the answers."""
    found = " and ".join("no such buffer" if each is None else f"{each.nbytes} bytes" for each in (given, taken))
    refuse(
        "InputError",
        f"process takes float32 buffers of (time, {sizes.input_size}) and ({rows}, {sizes.output_size}), the second writable; got {found}.",
    )


def refuse_recording(steps: int, first: int) -> "NoReturn":
    """Say how many samples the first answer of a recording needs."""
    least = "one sample" if first == 1 else f"{first} samples"
    refuse("InputError", f"a recording needs at least {least}; got {steps or 'none'}.")


def refuse_snapshot(answer: int, size: int) -> "NoReturn":
    """Say what is wrong with a snapshot of `size` bytes. answer: what `edgelstm_restore` gave."""
    if answer == 1:
        refuse("StateError", f"these {size} bytes are no whole snapshot of this model; take another, or start with reset().")
    refuse("StateError", "the snapshot belongs to another model; load that model's library, or start with reset().")


def refuse_memory(rows: int, sizes: "Sizes") -> "NoReturn":
    """Say what memory a recording needs."""
    needed = rows * (sizes.row_bytes or 0)
    refuse("InputError", f"a recording of {rows} samples needs {needed} bytes of memory, more than this machine gives.")


def check_probe(path: str, answers: "memoryview[float]", wanted: "memoryview[float]", size: int) -> None:
    """Refuse a library that does not give the answers, of `size` values each, that it was built with."""
    for index, (got, right) in enumerate(zip(answers, wanted, strict=True)):
        if not abs(got - right) <= PROBE_LIMIT * max(1.0, abs(right)):
            refuse(
                "LibraryError",
                f"{path} differs from the answers it was built to give by {abs(got - right):.1e} at answer {index // size}. Build it again "
                "for this board; if it stays, please report this.",
            )
