"""What a stream must know of a program: sizes, shapes, places in its memory, and when answers are due. Boards run it too."""

from . import rates

#: Largest difference that a probe may show at a start or in a file, relative to max(1, |output|).
PROBE_LIMIT = 1e-4


class Sizes:
    """Sizes, shapes and places of a program.

    Parameters
    ----------
    input_size, output_size : int
        Values in a sample and in an answer.
    vocabulary : int
        Number of indices that the one input may be; 0 where it is a measurement, or there are several.
    arena_bytes, state_bytes : int
        Size of one stream's memory, and of the part at its beginning that is its state.
    sample_offset, input_offset, output_offset : int
        Bytes from the arena's beginning to the sample read last, to the place that the user may write a sample into, to the answer.
    input_limit : float
        Largest magnitude of an input for which no intermediate value can overflow float32; the vocabulary for an index.
    digest : bytes
        The model's SHA-256.
    every, first : int
        Steps from one answer to the next, and to the first.
    input_shape, output_shape : tuple of int
        Of a sample and of an answer; by default those of vectors.
    row_bytes : int, optional
        Of a model that reads whole recordings: bytes of work memory for each of their rows. None of a model that steps.
    answers : int
        How many a recording gets, whatever it holds; 0 where its samples decide.
    vocabularies : tuple of int
        For each input, the number of indices that it may be, 0 for a measurement; empty where all are measurements.

    Attributes
    ----------
    each_step : bool
        Whether an answer is due at every step.
    reads_recordings : bool
        Whether whole recordings alone are answered, each from the initial state.
    """

    __slots__ = (
        "answers",
        "arena_bytes",
        "digest",
        "each_step",
        "every",
        "first",
        "input_limit",
        "input_offset",
        "input_shape",
        "input_size",
        "output_offset",
        "output_shape",
        "output_size",
        "reads_recordings",
        "row_bytes",
        "sample_offset",
        "state_bytes",
        "vocabularies",
        "vocabulary",
    )

    def __init__(
        self,
        input_size: int,
        output_size: int,
        vocabulary: int,
        arena_bytes: int,
        state_bytes: int,
        sample_offset: int,
        input_offset: int,
        output_offset: int,
        input_limit: float,
        digest: bytes,
        every: int = 1,
        first: int = 1,
        input_shape: "tuple[int, ...]" = (),
        output_shape: "tuple[int, ...]" = (),
        row_bytes: int | None = None,
        answers: int = 0,
        vocabularies: "tuple[int, ...]" = (),
    ) -> None:
        self.input_size, self.output_size, self.vocabulary = input_size, output_size, vocabulary
        self.arena_bytes, self.state_bytes = arena_bytes, state_bytes
        self.sample_offset, self.input_offset, self.output_offset = sample_offset, input_offset, output_offset
        self.input_limit, self.digest = input_limit, digest
        self.row_bytes, self.answers = row_bytes, answers
        self.vocabularies = vocabularies or ((vocabulary,) if vocabulary else ())
        self.every, self.first = every, first
        self.input_shape, self.output_shape = input_shape or (input_size,), output_shape or (output_size,)
        self.each_step, self.reads_recordings = every == first == 1, row_bytes is not None

    @property
    def generates(self) -> bool:
        """Whether the model can read its own answers: an index at each step, and a number for each of the indices."""
        return self.input_size == 1 and self.vocabulary == self.output_size > 0 and self.each_step and not self.reads_recordings

    def due(self, taken: int, steps: int) -> int:
        """How many answers `steps` steps give, behind the first `taken`."""
        if self.answers:
            return self.answers if steps >= self.first else 0
        if self.each_step:
            return steps
        return rates.due(taken + steps, self.every, self.first) - rates.due(taken, self.every, self.first)
