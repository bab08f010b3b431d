"""When values are due: the one formula, from the number of steps taken. Needs nothing, since boards run it too."""


def due(taken: int, every: int, first: int) -> int:
    """How many values are due within the first `taken` steps, of one that is due at step `first` (from 1) and every `every` steps after."""
    return 0 if taken < first else (taken - first) // every + 1


def step_of(number: int, every: int, first: int) -> int:
    """The step, from 0, at which value `number`, from 0, is due."""
    return first - 1 + number * every


def text(every: int, first: int) -> str:
    """A rate in words: ``"every 2 steps from step 3 on"``."""
    return ("every step" if every == 1 else f"every {every} steps") + (f" from step {first} on" if first > 1 else "")
