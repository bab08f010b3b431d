"""Attention over a memory, and decoders that begin where their encoders ended; against PyTorch and Keras where they are."""

import numpy as np
import pytest
from conftest import lstm_layers
from kinds import uniform

import edgelstm as el
from edgelstm import reference

ROWS, SIZE = 9, 6


def decoder(rng):
    """An LSTM, and behind it what it finds in a memory of at most nine rows."""
    query = el.Dense(2 * uniform(rng, 8, 10), name="query", inputs=("cell",))
    keys = {"key_weight": uniform(rng, 8, SIZE), "value_weight": uniform(rng, 4, SIZE)}
    found = el.Attention(SIZE, ROWS, heads=2, **keys, name="found", inputs=("query",))
    (cell,) = lstm_layers(rng, 3, 10, 1)
    return el.Model([el.LSTM(cell.weight_ih, cell.weight_hh, cell.bias, name="cell"), query, found, el.Concat(inputs=("cell", "found"))])


@pytest.fixture(scope="module")
def model():
    return decoder(np.random.default_rng(3))


@pytest.fixture
def stream(model):
    return el.Stream(model)


def expected(model, xs, memory, h=None, c=None):
    """The twin's answers with a memory, from a state."""
    state = reference.initial_state(model)
    state["found"] = model.layers[2].remembered(memory)
    if h is not None:
        state["cell"] = (h.astype(np.float64), c.astype(np.float64))
    return reference.run(model, xs, state)


def test_a_memory(model, stream, rng):
    xs = uniform(rng, 12, 3)
    assert not stream.process(xs)[:, 10:].any()  # no memory, no answer
    for rows in (1, 5, ROWS):
        memory = uniform(rng, rows, SIZE)
        stream.reset()
        stream.attend(memory)
        blob = stream.snapshot()
        np.testing.assert_allclose(stream.process(xs), expected(model, xs, memory), rtol=0, atol=2e-6)
        stream.restore(blob)
        np.testing.assert_allclose(stream.process(xs[:2]), expected(model, xs[:2], memory), rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        (np.zeros((10, SIZE)), "1 to 9 rows of 6 values"),
        (np.zeros((0, SIZE)), "1 to 9 rows"),
        (np.zeros((3, SIZE + 1)), "of 6 values"),
        (np.zeros(SIZE), "shape"),
        (np.full((2, SIZE), np.nan), "NaN"),
        (np.full((2, SIZE), 1e9), "beyond"),
    ],
)
def test_what_is_no_memory(stream, memory, told):
    before = stream.snapshot()
    with pytest.raises(el.InputError, match=told):
        stream.attend(memory)
    assert stream.snapshot() == before


def test_a_forged_count_reads_no_other_memory(model, stream):
    """A snapshot may hold any finite number of rows."""
    ((_, at, _),) = stream.plan.layout.keeps["found"]
    for count in (-5.0, 1e30, 3.5):
        stream._arena.state.view(np.float32)[at] = count
        assert np.isfinite(stream.step(np.zeros(3, np.float32))).all()


def test_from_an_encoder(model, stream, rng):
    encoder_model = el.Model([el.LSTM(uniform(rng, 40, 2), uniform(rng, 40, 10), name="cell"), el.Dense(uniform(rng, SIZE, 10))])
    encoder = el.Stream(encoder_model)
    memory, xs = encoder.process(uniform(rng, 7, 2)), uniform(rng, 6, 3)
    h, c = encoder.state("cell").values()
    assert h.any()
    for pairs in (None, {"cell": "cell"}):
        stream.reset()
        stream.start_from(encoder, pairs)
        stream.attend(memory, "found")
        np.testing.assert_allclose(stream.process(xs), expected(model, xs, memory, h, c), rtol=0, atol=2e-6)
    stream.reset()
    stream.set_state("cell", h=h, c=c)
    stream.attend(memory)
    np.testing.assert_allclose(stream.process(xs), expected(model, xs, memory, h, c), rtol=0, atol=2e-6)


def test_states_that_do_not_fit(model, stream):
    other = el.Stream(model)
    before = stream.snapshot()
    for given, error, told in (
        ({"cell": ("cell", "cell")}, el.InputError, "takes 10 values; got 20"),
        ({"cell": "query"}, el.UsageError, "'query' is no layer whose state can be given; those of this model are: cell"),
        ({"query": "cell"}, el.UsageError, "'query' is no layer"),
    ):
        with pytest.raises(error, match=told):
            stream.start_from(other, given)
    with pytest.raises(el.UsageError, match="is h and c; got 'd'"):
        stream.set_state("cell", d=np.zeros(10))
    with pytest.raises(el.InputError, match="must be finite"):
        stream.set_state("cell", h=np.zeros(10), c=np.full(10, np.inf))
    with pytest.raises(el.UsageError, match="no Attention layer 'cell'"):
        stream.attend(np.zeros((2, SIZE)), "cell")
    assert stream.snapshot() == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"score": "cosine"}, "score must be one of"),
        ({"vector": np.ones(4)}, "vector belongs to"),
        ({"score": "additive", "vector": np.ones(5)}, "vector must have shape"),
        ({"heads": 3}, "3 heads divide"),
        ({"score": "additive", "heads": 2}, "2 heads divide"),
        ({"key_weight": np.ones((4, 3))}, "key_weight must have shape"),
        ({"value_bias": np.ones(3)}, "value_bias must have shape"),
        ({"rows": 0}, "rows must be"),
        ({"scale": 0}, "scale must be"),
        ({"memory": np.ones((4, 4))}, "1 to 3 rows of 4 values"),
    ],
)
def test_records_that_are_none(options, told):
    with pytest.raises(el.EdgeLSTMError, match=told):
        el.Attention(**{"memory_size": 4, "rows": 3, **options})


def answers(layer, queries, memory):
    """The twin's, to queries (time, query_size)."""
    state = layer.remembered(memory)
    return np.array([reference.twin(layer).step(layer, [q], state)[0] for q in queries.astype(np.float64)])


def test_as_multi_head_attention_of_torch(rng):
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    network = torch.nn.MultiheadAttention(12, 3, batch_first=True, kdim=5, vdim=5).double()
    queries, memory = rng.normal(size=(4, 12)), rng.normal(size=(7, 5))
    with torch.no_grad():
        wanted = network(*(torch.tensor(a)[None] for a in (queries, memory, memory)))[0][0].numpy()
    held = {name: value.detach().numpy() for name, value in network.named_parameters()}
    of_q, of_k, of_v = np.split(held["in_proj_bias"], 3)
    keys = {"key_weight": held["k_proj_weight"], "key_bias": of_k, "value_weight": held["v_proj_weight"], "value_bias": of_v}
    layer = el.Attention(5, 7, heads=3, scale=1 / 2, **keys)
    found = answers(layer, queries @ held["q_proj_weight"].T + of_q, memory)
    np.testing.assert_allclose(found @ held["out_proj.weight"].T + held["out_proj.bias"], wanted, rtol=0, atol=1e-6)


def test_as_attention_of_keras(rng, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    queries, memory = rng.normal(size=(4, 6)).astype(np.float32), rng.normal(size=(7, 6)).astype(np.float32)
    for made, options in (
        (keras.layers.Attention(), {}),
        (keras.layers.Attention(use_scale=True), {"scale": 0.3}),
        (keras.layers.Attention(score_mode="concat"), {"score": "additive"}),
        (keras.layers.AdditiveAttention(), {"score": "additive", "vector": uniform(rng, 6)}),
    ):
        made.build([(1, 4, 6), (1, 7, 6)])
        for weight in made.weights:
            weight.assign(options.get("vector", options.get("scale", 1.0)))
        wanted = made([queries[None], memory[None]]).detach().numpy()[0]
        np.testing.assert_allclose(answers(el.Attention(6, 7, **options), queries, memory), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"steps": 0}, "steps must be"),
        ({"heads": 3}, "3 heads divide"),
        ({"score": "additive", "heads": 2}, "2 heads divide"),
        ({"query_size": 150}, "and a value that 1 heads divide"),
        ({"steps": 1 << 20}, "steps must be"),
        ({"query_size": 120, "steps": 60000}, "make them fewer"),
    ],
)
def test_windows_that_cannot_be(options, told):
    with pytest.raises(el.EdgeLSTMError, match=told):
        el.Model([el.Normalizer(np.zeros(300), np.ones(300)), el.WindowAttention(**{"query_size": 4, "steps": 3, **options})])


def test_a_library_needs_the_memory(model):
    with pytest.raises(el.UnsupportedModelError, match="attention 'found' waits for a memory"):
        el.build(model)


def test_what_reads_recordings_is_given_nothing(rng):
    backwards = el.Stream(el.Model([el.LSTM(uniform(rng, 12, 2), uniform(rng, 12, 3), reverse=True, name="cell")]))
    with pytest.raises(el.UsageError, match="begins each recording anew"):
        backwards.set_state("cell", h=np.zeros(3))
