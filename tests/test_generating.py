"""Tokens from a model that reads its own answers: which are drawn, how calls go on, and the texts that a beam finds."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli_calls import call, refused
from conftest import lstm_layers
from kinds import uniform
from library_models import tool
from microcontroller_boards import BOARDS, COMPILER, EMULATOR, emulated, linked, need

import edgelstm as el
from edgelstm import reference

SYMBOLS = 24
WORD = (1 << 64) - 1

SAMPLERS = [
    el.Sampler(seed=5),
    el.Sampler(temperature=0.5, top_k=7, top_p=0.9, seed=3),
    el.Sampler(temperature=2.0, top_p=0.4, seed=WORD),
    el.Sampler(top_k=3),
]


def mixed(z):
    """splitmix64's finaliser."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def drawn(scores, sampler, step):
    """The token of a step, slowly. scores: (symbols,)."""
    weights = np.rint(np.exp((scores - scores.max()) / sampler.temperature) * 2**22).astype(int)
    order = sorted(range(len(weights)), key=lambda k: (-weights[k], k))
    if sampler.top_k:
        weights[order[sampler.top_k :]] = 0
    if sampler.top_p < 1:
        wanted = (int(sampler.top_p * 2**16) * int(weights.sum())) >> 16
        before = np.cumsum([0, *weights[order]])[:-1]
        weights[np.array(order)[before >= wanted]] = 0
    upper = mixed((mixed(sampler.seed) + step * 0x9E3779B97F4A7C15) & WORD) >> 32
    whole = int(weights.sum())
    left = ((upper * (whole >> 16)) >> 16) + ((upper * (whole & 0xFFFF)) >> 32)
    return int(np.searchsorted(np.cumsum(weights), left, side="right"))


def layers_of(rng):
    """An embedding, an LSTM whose answers depend on what it has read, and a head."""
    return [el.Embedding(rng.normal(size=(SYMBOLS, 5))), *lstm_layers(rng, 5, 20, 1), el.Dense(6 * uniform(rng, SYMBOLS, 20))]


@pytest.fixture(scope="module")
def model():
    tokens = ["<end>", *"abcdefghijklmnopqrstu v"]
    return el.Model(layers_of(np.random.default_rng(1)), vocabulary=el.Vocabulary(tokens))


@pytest.fixture
def stream(model):
    return el.Stream(model)


def answers(model, first, tokens):
    """What the twin answers to a token and those drawn behind it, but for the last one: (tokens, symbols)."""
    return reference.run(model, np.array([[first], *([token] for token in tokens[:-1])], np.float32))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
def test_draws(model, stream, sampler):
    tokens = list(el.generate(stream, 3, 300, sample=sampler))
    scores = answers(model, 3, tokens)
    assert tokens == [drawn(row, sampler, step) for step, row in enumerate(scores, 1)]
    assert stream.steps == 300


def test_probabilities(model):
    softened = el.Model([*layers_of(np.random.default_rng(1)), el.Softmax()])
    stream = el.Stream(softened)
    for sampler in SAMPLERS[:2]:
        stream.reset()
        tokens = list(el.generate(stream, 3, 100, sample=sampler))
        scores = np.log(answers(softened, 3, tokens))
        assert tokens == [drawn(row, sampler, step) for step, row in enumerate(scores, 1)]


def test_greedy_is_the_likeliest(model, stream):
    """And the scores that it is taken by are the twin's, for every symbol read: wrong ones seldom change which is the largest."""
    every = list(range(SYMBOLS))
    tokens = list(el.generate(stream, every, 50))
    read = np.array([*every, *tokens[:-1]])[:, None]
    scores = reference.run(model, read)
    assert tokens == scores[SYMBOLS - 1 :].argmax(axis=1).tolist()
    stream.reset()
    np.testing.assert_allclose(stream.process(read), scores, rtol=0, atol=1e-5)
    for sampler in (el.Sampler(top_k=1), el.Sampler(temperature=1e-4), el.Sampler(top_p=1 / 65536)):
        stream.reset()
        assert list(el.generate(stream, every, 50, sample=sampler)) == tokens


def test_any_cut_gives_the_same(stream):
    sampler = el.Sampler(seed=11)
    whole = list(el.generate(stream, 3, 60, sample=sampler))
    stream.reset()
    first = list(el.generate(stream, [3], 25, sample=sampler))
    blob = stream.snapshot()
    for _ in range(2):
        assert first + list(el.generate(stream, first[-1], 35, sample=sampler)) == whole
        stream.restore(blob)
    assert list(el.generate(stream, first[-1], 35, sample=el.Sampler(seed=12))) != whole[25:]


def test_the_state_is_that_of_stepping(stream):
    tokens = list(el.generate(stream, [3, 4, 5], 20, sample=el.Sampler()))
    after = stream.snapshot()
    stream.reset()
    stream.process(np.array([3, 4, 5, *tokens[:-1]]))
    assert stream.snapshot() == after


def test_texts_and_stops(model, stream):
    vocabulary = model.vocabulary
    tokens = list(el.generate(stream, "bad ", 80, sample=el.Sampler(seed=2)))
    assert vocabulary.indices(vocabulary.text(tokens)) == tokens
    for stop in (tokens[9], vocabulary.tokens[tokens[9]], [tokens[9], "<end>"]):
        stream.reset()
        ended = list(el.generate(stream, "bad ", 80, sample=el.Sampler(seed=2), stop=stop))
        assert ended == tokens[: len(ended)]
        assert tokens[len(ended)] in (tokens[9], 0)
    stream.reset()
    assert list(el.generate(stream, 3, 0)) == []
    assert stream.steps == 0


@pytest.mark.parametrize(
    ("start", "options", "error", "told"),
    [
        (24, {}, el.InputError, "start holds 24, and the model reads indices from 0 to 23"),
        ([], {}, el.InputError, "at least one index"),
        ("Z", {}, el.InputError, "'Z', character 0"),
        (1.5, {}, el.UsageError, "must be a whole number"),
        ([1.5], {}, el.UsageError, "must be a whole number"),
        (3, {"stop": 99}, el.InputError, "stop holds 99"),
        (3, {"steps": -1}, el.UsageError, "steps must be"),
        (3, {"sample": "best"}, el.UsageError, 'must be "greedy" or a Sampler'),
    ],
)
def test_what_cannot_be_read(stream, start, options, error, told):
    with pytest.raises(error, match=told):
        el.generate(stream, start, **{"steps": 5, **options})
    assert stream.steps == 0


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_p": 0}, {"top_p": 1.5}, {"top_k": -1}, {"top_k": 1.0}, {"seed": 1 << 64}])
def test_samplers_that_are_none(options):
    with pytest.raises(el.UsageError, match=next(iter(options))):
        el.Sampler(**options)


def test_models_that_do_not_read_their_answers(rng):
    classifier = el.Model([*layers_of(rng)[:2], el.Dense(uniform(rng, 3, 20))])
    assert not classifier.generates
    with pytest.raises(el.UsageError, match="does not read what it answers"):
        el.generate(el.Stream(classifier), 1, 5)


def test_a_library_draws_the_same(model, stream, tmp_path):
    path = tmp_path / "model.so"
    el.build(model).write(path)
    for sampler in SAMPLERS[:2]:
        stream.reset()
        assert list(el.generate(el.Stream(path), 3, 60, sample=sampler)) == list(el.generate(stream, 3, 60, sample=sampler))


def log_probabilities(model, tokens):
    """Of each symbol behind each of some tokens, by the twin: (tokens, symbols)."""
    scores = reference.run(model, np.array(tokens)[:, None])
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def test_a_beam_as_wide_as_all_texts_finds_the_likeliest(model, stream):
    found = el.beam_search(stream, [5, 3], 2, width=SYMBOLS**2)
    assert len(found) == SYMBOLS**2
    behind = np.array([log_probabilities(model, [5, 3, token])[1:] for token in range(SYMBOLS)])  # (first, step, symbols)
    totals = behind[0, 0][:, None] + behind[:, 1]
    assert found[0].tokens == list(np.unravel_index(totals.argmax(), totals.shape))
    assert found[0].log_probability == pytest.approx(totals.max(), abs=1e-5)
    assert stream.steps == 1


def test_a_narrow_beam(model, stream):
    greedy = el.beam_search(stream, 3, 12, width=1)
    stream.reset()
    assert greedy[0].tokens == list(el.generate(stream, 3, 12))
    stream.reset()
    wide = el.beam_search(stream, 3, 12, width=6, stop="<end>")
    assert 0 < len(wide) <= 6
    assert all(0 not in text.tokens for text in wide)
    assert wide[0].log_probability >= greedy[0].log_probability or 0 in greedy[0].tokens
    for tokens, total in wide:
        read = [3, *tokens] if len(tokens) < 12 else [3, *tokens[:-1]]
        given = [*tokens, 0] if len(tokens) < 12 else tokens
        likely = log_probabilities(model, read)
        assert total == pytest.approx(likely[np.arange(len(given)), given].sum(), abs=1e-4)


def test_from_the_command_line(model, stream, tmp_path):
    path = tmp_path / "text.elstm"
    el.save(model, path)
    given = ("generate", path, "--prompt", "bad ", "--tokens", 40, "--temperature", 0.8, "--seed", 4)
    tokens = el.generate(stream, "bad ", 40, sample=el.Sampler(temperature=0.8, seed=4))
    assert call(*given).stdout == f"bad {model.vocabulary.text(tokens)}\n"
    assert call(*given, "--stop", "<end>").stdout.startswith("bad ")
    assert "give --prompt or --start" in refused(call("generate", path), 2)
    assert "'B', character 0" in refused(call("generate", path, "--prompt", "B"), 1)
    el.save(el.Model(model.layers), path)
    assert "convert it again with --vocabulary" in refused(call("generate", path, "--start", "a"), 2)


def in_scheme(model, scheme):
    if scheme == "f32":
        return model
    return el.quantize(model, np.random.default_rng(5).integers(SYMBOLS, size=(4, 60, 1)).astype(np.float32), scheme=scheme)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "compiler", "emulator"),
    [
        ("rpi4", "aarch64-linux-gnu-gcc", ["qemu-aarch64", "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu"]),
        ("armv7", "arm-linux-gnueabihf-gcc", ["qemu-arm", "-cpu", "cortex-a7", "-L", "/usr/arm-linux-gnueabihf"]),
    ],
)
@pytest.mark.parametrize("scheme", ["f32", "int8-dynamic"])
def test_boards_draw_the_same(model, tmp_path, target, compiler, emulator, scheme):
    """In C, under emulation."""
    model = in_scheme(model, scheme)
    stream = el.Stream(model)
    tests = Path(__file__).parent
    include = tests.parent / "edgelstm" / "include"
    subprocess.run([tool(compiler), "-O1", f"-I{include}", "-o", tmp_path / "draw", tests / "library_tokens.c", "-ldl"], check=True)
    el.build(model, target).write(tmp_path / "model.so")
    for sampler in SAMPLERS[:3]:
        stream.reset()
        here = list(el.generate(stream, 3, 400, sample=sampler))
        said = (sampler.seed, sampler.temperature, sampler.top_k, sampler.top_p)
        words = [tool(emulator[0]), *emulator[1:], tmp_path / "draw", tmp_path / "model.so", 3, 400, *said]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
        assert list(map(int, done.stdout.split())) == here


@pytest.mark.slow
@pytest.mark.parametrize(("target", "scheme"), [("cortex-m4f", "f32"), ("cortex-m4f", "int8-dynamic"), ("cortex-m3", "int8-dynamic")])
def test_microcontrollers_draw_the_same(model, tmp_path, target, scheme):
    """On QEMU's boards, without an operating system."""
    need(COMPILER, EMULATOR)
    model, count = in_scheme(model, scheme), 200
    made = el.build(model, target)
    made.write(tmp_path / "model.o")
    (tmp_path / "model.h").write_text(made.header)
    (tmp_path / "edgelstm.h").write_bytes((Path(el.__file__).parent / "include" / "edgelstm.h").read_bytes())
    rows = [f"{{{s.seed}ull, {float(s.temperature).hex()}f, {s.top_k}, {float(s.top_p).hex()}f}}" for s in SAMPLERS]
    kind = "struct sampler { uint64_t seed; float temperature; uint32_t top_k; float top_p; }"
    given = f"enum {{ FIRST = 3, COUNT = {count} }};\n{kind};\nstatic const struct sampler samplers[] = {{{', '.join(rows)}}};\n"
    (tmp_path / "given.h").write_text(given)
    check = Path(__file__).with_name("board_tokens.c")
    program = linked(BOARDS[target], [check], tmp_path, tmp_path / "draw.elf", tmp_path / "model.o")
    said, code = emulated(BOARDS[target], program)
    assert code == 0
    stream, here = el.Stream(model), []
    for sampler in SAMPLERS:
        stream.reset()
        here += el.generate(stream, 3, count, sample=sampler)
    assert list(map(int, said.split())) == here
