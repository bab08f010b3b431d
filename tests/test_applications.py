"""The examples' own parts: games, made names, naive forecasts and alarms are what they claim to be."""

from itertools import islice

import numpy as np
import pytest
from example_modules import script

import edgelstm as el
from edgelstm import reference


def test_the_game_is_that_of_gymnasium():
    gymnasium = pytest.importorskip("gymnasium")
    cartpole = script("game", "cartpole")
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
    cartpole = script("game", "cartpole")
    state = np.array([0.1, -0.2, 0.05, 0.3])
    pushed = (10 + 0.05 * 0.3**2 * np.sin(0.05)) / 1.1
    turning = (9.8 * np.sin(0.05) - np.cos(0.05) * pushed) / (0.5 * (4 / 3 - 0.1 * np.cos(0.05) ** 2 / 1.1))
    linear = pushed - 0.05 * turning * np.cos(0.05) / 1.1
    np.testing.assert_allclose(cartpole.moved(state, np.bool_(True)), state + 0.02 * np.array([-0.2, linear, 0.3, turning]), rtol=1e-12)
    assert cartpole.lost(np.array([[2.5, 0, 0, 0], [0, 0, 0.22, 0], [0, 9, 0.2, 9]])).tolist() == [True, True, False]


def test_made_names_are_those_that_were_seen():
    """The first names of samples, as the analyses print them."""
    malware = script("attack", "malware")
    assert list(islice(malware.banjori("earnestnessbiophysicalohax.com"), 4)) == [
        f"{four}estnessbiophysicalohax.com" for four in ("earn", "kwto", "rvcx", "hjbt")
    ]
    assert list(islice(malware.simda(0x45AE94B2), 2)) == ["gatyfus.com", "lyvyxor.com"]


def test_naive_forecasts_of_variance(rng):
    """Each day's is of the days before alone; the grid finds the numbers that made a series."""
    returns = script("stock", "returns")
    xs = rng.normal(size=200)
    for way in (returns.smoothed, lambda r: returns.garch(r, 100)):
        other = xs.copy()
        other[150:] *= 9
        np.testing.assert_array_equal(way(xs)[:151], way(other)[:151])
    assert returns.smoothed(xs)[101] == pytest.approx(0.94 * returns.smoothed(xs)[100] + 0.06 * xs[100] ** 2)
    assert returns.qlike(np.array([1.0]), np.array([4.0])) == pytest.approx(np.log(4e-4) + 1 / 4)


def test_alarms_hold_off():
    detector = script("heart", "detector")
    made = detector.Detector.__new__(detector.Detector)
    made.threshold = 1.0
    scores = np.zeros(500)
    scores[[10, 11, 60, 300]] = 2
    assert made.alarms(scores) == [10, 300]
    assert detector.smoothed(np.eye(1, 60)[0] * 24, 24)[:25].tolist() == [1.0] * 24 + [0.0]


def test_regression_finds_the_line(rng):
    domains = script("attack", "domains")
    xs = rng.normal(size=(400, 2))
    weights = domains.regression(xs, xs @ [2.0, -1.0] + 0.5 > 0, penalty=1e-3)
    assert weights[1] / weights[2] == pytest.approx(-2, rel=0.15)
    assert ((domains.regressed(weights, xs) > 0) == (xs @ [2.0, -1.0] + 0.5 > 0)).mean() > 0.98


def test_dgaintel_with_int8_weights_answers_as_the_published_file(golden):
    """In what the network says of names; both in the float64 reference."""
    path = golden("dgaintel/domain_classifier_model.h5")
    pytest.importorskip("h5py")
    domains = script("attack", "domains")
    whole, small = el.load(path), el.load(domains.DGAINTEL)
    for name in ("wikipedia", "xjpakmdcfuqe", "vojyqem"):
        xs = domains.padded(name)[:, None]
        assert abs(reference.run(whole, xs)[-1, 0] - reference.run(small, xs)[-1, 0]) < 0.02


def test_names_held_back_train_nothing():
    domains = script("attack", "domains")
    every = domains.RANDOM + domains.SPEAKABLE
    trained, held_back = ({name for name, _ in names} for names in (domains.training(every), domains.held_back()))
    assert not trained & held_back
    assert [made for _, made in domains.held_back()].count(True) == 200


def test_a_name_is_read_character_by_character():
    """The verdict after some characters knows nothing of those that follow, and is the float64 twin's."""
    run, domains = script("attack", "run"), script("attack", "domains")
    stream = el.Stream(run.stepping())
    said = run.verdicts("xjpakmdcfuqe", stream)
    np.testing.assert_array_equal(run.verdicts("xjpakm", stream), said[:6])
    wanted = reference.run(run.stepping(), np.array(domains.indices("xjpakmdcfuqe"))[:, None])[:, 0]
    np.testing.assert_allclose(said, wanted, atol=1e-5)
    (front, characters), (back, pairs) = run.load()
    assert (front.layers[-1].kind, back.layers[0].kind, characters, pairs) == ("activation", "lstm_int8", 82, 41)


def test_water_is_forecast_from_earlier_hours_alone():
    """What was said does not change with what flows later; the hour itself carries over."""
    run, flow = script("water", "run"), script("water", "flow")
    hours, model = flow.read(), run.load()
    first = flow.first_held_back(hours)
    assert (len(hours), first) == (1268, 1015)
    other = hours[:200].copy()
    other[150:] = 60
    said, changed = (reference.run(model, xs[:, None].astype(np.float32)).reshape(-1, 3, 3) for xs in (hours[:200], other))
    np.testing.assert_array_equal(said[:150], changed[:150])
    assert abs(changed[150:] - said[150:]).min() > 20
    np.testing.assert_array_equal(flow.later(hours, 3, first), hours[first - 3 : -3])
    assert flow.within(np.zeros(2), np.array([1.0, 3.0]), np.array([9.0, 2.0, 2.0]), 1) == 50


def test_anomalies_put_in_are_where_they_are_said_to_be(rng):
    detector = script("heart", "detector")
    recording = rng.normal(size=1200)
    made = detector.spoilt(recording, rng)
    np.testing.assert_array_equal(made.held_back[~made.wanted], recording[~made.wanted])
    assert (made.held_back[made.wanted] != recording[made.wanted]).mean() > 0.8
    assert 0.05 < made.wanted.mean() < 0.2
    kind = detector.Kind(1, 2, 3)
    errors = detector.errors_of(np.roll(recording, -2), recording, kind)
    np.testing.assert_allclose(errors, 0, atol=1e-12)


def test_hands_are_played_faster_and_slower(rng):
    pytest.importorskip("torch")
    train = script("gesture", "train")
    assert train.means(np.arange(9.0)).tolist() == [1.5, 5.5]
    lengths = [len(train.changed(np.ones(100), rng)) for _ in range(50)]
    assert 60 < min(lengths) < 90
    assert 110 < max(lengths) < 140
