"""How a float32 layer is cut into tiles and blocks: whatever is chosen for a CPU, answers keep their bits."""

import numpy as np
import pytest
from conftest import lstm_layers
from test_gru import gru, rnn

import edgelstm as el
from edgelstm import building
from edgelstm.compiler import layout, targets
from edgelstm.compiler.layout import lay_out
from edgelstm.compiler.lowering import lowered
from edgelstm.compiler.targets import named

#: Units whose last tile lacks four of a register's sixteen, alone and behind full tiles.
LACKING = [12, 28, 44, 60]


def answers(model, target, path, xs):
    """Answers, and the state that they leave, with all that stands between its parts."""
    building.build(model, target).write(path)
    stream = el.Stream(path)
    return stream.process(xs), np.frombuffer(stream.snapshot(), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", LACKING)
def test_tiles_that_fill_registers_give_the_same_bits(rng, tmp_path, monkeypatch, hidden):
    """An LSTM and a GRU, by themselves and with a layer behind them whose weights and state they might touch."""
    if not set(targets.AVX512) <= set(targets.cpuinfo().get("flags", "").split()):
        pytest.skip("this CPU has no AVX-512")
    monkeypatch.setattr(layout, "MOST_CROWDED", 0)  # narrower tiles are summed in two chains
    own = [*lstm_layers(rng, 9, hidden, 2), gru(rng, hidden, hidden), *lstm_layers(rng, hidden, 5, 1)]
    model, xs = el.Model(own), rng.uniform(-1, 1, (21, 9)).astype(np.float32)
    found = []
    for number, filling in enumerate(((), ("x86-64-v4",))):
        monkeypatch.setattr(targets, "FILLING", filling)
        found.append(answers(model, "x86-64-v4", tmp_path / f"{number}.so", xs))
        kinds = [lowered(layer, [layer.input_size], named("x86-64-v4")).constants.get("filled") for layer in own]
        assert any(kinds) == bool(filling), "the control: tiles are filled for the second alone"
    for plain, filled in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, filled)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize("hidden", [33, 52])
def test_blocks_in_strips_give_the_bits_of_steps(rng, tmp_path, target, hidden):
    """Sums of a tile that the registers of no target hold for four timesteps, with a strip that is narrower than the others."""
    if target != "host" and named("host").architecture != "x86_64":
        pytest.skip("tried with libraries of x86")
    layers = [*lstm_layers(rng, 11, hidden, 1), gru(rng, hidden, hidden), rnn(rng, hidden, 68)]
    assert all(lowered(layer, [layer.input_size], named(target)).scratch for layer in layers), "the control: blocks are taken together"
    building.build(el.Model(layers), target).write(tmp_path / "model.so")
    stream, xs = el.Stream(tmp_path / "model.so"), rng.uniform(-1, 1, (23, 11)).astype(np.float32)
    whole = stream.process(xs)
    stream.reset()
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)
    stream.reset()
    np.testing.assert_array_equal(np.concatenate([stream.process(xs[:6]), stream.process(xs[6:])]), whole)


@pytest.mark.parametrize(("target", "strip"), [("x86-64-v4", 64), ("x86-64-v3", 16), ("x86-64-v2", 8), ("rpi4", 16), ("cortex-m3", 4)])
def test_a_strip_of_four_timesteps_fills_half_of_the_registers(target, strip):
    machine = named(target)
    assert machine.strip == strip
    assert target == "cortex-m3" or 4 * strip <= machine.registers * machine.lanes / 2


def test_layers_that_exceed_the_first_cache_together_turn(rng, monkeypatch):
    """And only those: neither alone nor far beyond it, nor on a CPU where that was not measured."""
    monkeypatch.setattr(targets, "FILLING", ("x86-64-v4",))
    turning = [
        [dict(operation.constants)["turning"] for operation in lay_out(el.Model(lstm_layers(rng, *sizes)), named(target)).operations]
        for sizes, target in (((6, 32, 2), "x86-64-v4"), ((6, 32, 1), "x86-64-v4"), ((6, 32, 3), "x86-64-v4"), ((6, 32, 2), "x86-64-v3"))
    ]
    assert turning == [[1, 1], [0], [0, 0, 0], [0, 0]]
