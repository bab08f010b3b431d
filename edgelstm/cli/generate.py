"""`edgelstm generate`: text from a model that reads what it answers."""

from pathlib import Path

import click

from ..errors import UsageError
from ..generation.sampling import Sampler
from . import given


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@given.how_to_read
@click.option("--prompt", default="", help="Text to begin with; its tokens are read first, and printed.")
@click.option("--start", metavar="TOKEN", help="A token to read before the prompt, as the end of the text before.  [default: --stop]")
@click.option("--stop", metavar="TOKEN", help="A token that ends the text.")
@click.option("--tokens", "-n", "count", type=click.IntRange(min=0), default=200, show_default=True, help="Most tokens to draw.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="0: the likeliest token each time; below 1: tamer text.")
@click.option("--top-k", type=int, default=0, metavar="K", help="Draw one of the K likeliest tokens.")
@click.option("--top-p", type=float, default=1.0, metavar="P", help="Draw one of the likeliest tokens that together have this probability.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same text.")
def generate(
    *,
    model: Path,
    how: given.How,
    prompt: str,
    start: str | None,
    stop: str | None,
    count: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int,
) -> None:
    """Write text with MODEL, which reads a symbol at each step and answers what may come next.

    MODEL needs a vocabulary: `edgelstm convert … --vocabulary FILE` stores one.

    \b
    Examples:
      edgelstm generate text.elstm --prompt "The best " --temperature 0.7 --stop "<end>"
      edgelstm generate text.elstm --start "<end>" --tokens 1000 --seed 3
    """  # noqa: D301
    from ..generation.sampling import generate as drawn
    from ..stream import Stream

    network = given.loaded(model, how)
    if network.vocabulary is None:
        raise UsageError(f"{model} has no vocabulary, so that its answers are no text; convert it again with --vocabulary FILE.")
    vocabulary, first = network.vocabulary, start if start is not None else stop
    before = ([] if first is None else [vocabulary.index(first)]) + vocabulary.indices(prompt)
    if not before:
        raise UsageError("generate needs something to begin with: give --prompt or --start.")
    sample: Sampler | str = "greedy" if temperature == 0 else Sampler(temperature, top_k, top_p, seed)
    tokens = drawn(Stream(network), before, count, sample=sample, stop=() if stop is None else stop)  # type: ignore[arg-type]
    click.echo(prompt + (vocabulary.between if prompt else "") + vocabulary.text(tokens))
