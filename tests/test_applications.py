"""The examples' own parts: games, made names, naive forecasts and alarms are what they claim to be."""

import importlib
import sys
from itertools import islice

import numpy as np
import pytest
from documents import ROOT

import edgelstm as el
from edgelstm import reference


def module(example, name):
    """A module of an example, by its name there."""
    folder = str(ROOT / "examples" / example)
    known = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        for other in set(sys.modules) - known:
            if getattr(sys.modules[other], "__file__", None) and str(sys.modules[other].__file__).startswith(folder):
                del sys.modules[other]


def test_the_game_is_that_of_gymnasium():
    gymnasium = pytest.importorskip("gymnasium")
    cartpole = module("game", "cartpole")
    game = gymnasium.make("CartPole-v1")
    for seed in range(3):
        given, _ = game.reset(seed=seed)
        state = cartpole.start([seed])[0]
        np.testing.assert_allclose(state, given, atol=1e-7)
        rng = np.random.default_rng(seed)
        for _ in range(40):
            right = bool(rng.random() < 0.5)
            given, _, ended, _, _ = game.step(int(right))
            state = cartpole.moved(state, np.bool_(right))
            np.testing.assert_allclose(state, given, atol=1e-5)
            assert bool(cartpole.lost(state)) == ended
            if ended:
                break


def test_the_game_falls_as_the_equations_say():
    """Of one state, by hand: Barto, Sutton and Anderson's formulas."""
    cartpole = module("game", "cartpole")
    state = np.array([0.1, -0.2, 0.05, 0.3])
    pushed = (10 + 0.05 * 0.3**2 * np.sin(0.05)) / 1.1
    turning = (9.8 * np.sin(0.05) - np.cos(0.05) * pushed) / (0.5 * (4 / 3 - 0.1 * np.cos(0.05) ** 2 / 1.1))
    linear = pushed - 0.05 * turning * np.cos(0.05) / 1.1
    np.testing.assert_allclose(cartpole.moved(state, np.bool_(True)), state + 0.02 * np.array([-0.2, linear, 0.3, turning]), rtol=1e-12)
    assert cartpole.lost(np.array([[2.5, 0, 0, 0], [0, 0, 0.22, 0], [0, 9, 0.2, 9]])).tolist() == [True, True, False]


def test_made_names_are_those_that_were_seen():
    """The first names of samples, as the analyses print them."""
    malware = module("attack", "malware")
    assert list(islice(malware.banjori("earnestnessbiophysicalohax.com"), 4)) == [
        f"{four}estnessbiophysicalohax.com" for four in ("earn", "kwto", "rvcx", "hjbt")
    ]
    assert list(islice(malware.simda(0x45AE94B2), 2)) == ["gatyfus.com", "lyvyxor.com"]


def test_naive_forecasts_of_variance(rng):
    """Each day's is of the days before alone; the grid finds the numbers that made a series."""
    returns = module("stock", "returns")
    xs = rng.normal(size=200)
    for way in (returns.smoothed, lambda r: returns.garch(r, 100)):
        other = xs.copy()
        other[150:] *= 9
        np.testing.assert_array_equal(way(xs)[:151], way(other)[:151])
    assert returns.smoothed(xs)[101] == pytest.approx(0.94 * returns.smoothed(xs)[100] + 0.06 * xs[100] ** 2)
    assert returns.qlike(np.array([1.0]), np.array([4.0])) == pytest.approx(np.log(4e-4) + 1 / 4)


def test_alarms_hold_off():
    detector = module("heart", "detector")
    made = detector.Detector.__new__(detector.Detector)
    made.threshold = 1.0
    scores = np.zeros(500)
    scores[[10, 11, 60, 300]] = 2
    assert made.alarms(scores) == [10, 300]
    assert detector.smoothed(np.eye(1, 60)[0] * 24, 24)[:25].tolist() == [1.0] * 24 + [0.0]


def test_regression_finds_the_line(rng):
    domains = module("attack", "domains")
    xs = rng.normal(size=(400, 2))
    weights = domains.regression(xs, xs @ [2.0, -1.0] + 0.5 > 0, penalty=1e-3)
    assert weights[1] / weights[2] == pytest.approx(-2, rel=0.15)
    assert ((domains.regressed(weights, xs) > 0) == (xs @ [2.0, -1.0] + 0.5 > 0)).mean() > 0.98


def test_dgaintel_with_int8_weights_answers_as_the_published_file(golden):
    """In what the network says of names; both in the float64 reference."""
    path = golden("dgaintel/domain_classifier_model.h5")
    pytest.importorskip("h5py")
    domains = module("attack", "domains")
    whole, small = el.load(path), el.load(domains.DGAINTEL)
    for name in ("wikipedia", "xjpakmdcfuqe", "vojyqem"):
        xs = domains.padded(name)[:, None]
        assert abs(reference.run(whole, xs)[-1, 0] - reference.run(small, xs)[-1, 0]) < 0.02


def test_names_held_back_train_nothing():
    domains = module("attack", "domains")
    every = domains.RANDOM + domains.SPEAKABLE
    trained, held_back = ({name for name, _ in names} for names in (domains.training(every), domains.held_back()))
    assert not trained & held_back
    assert [made for _, made in domains.held_back()].count(True) == 200
