"""The recommender offers the film that someone rated last more often than a list of what is popular, or of what followed the last film."""

import numpy as np
import pytest
from example_modules import EXAMPLES, script

import edgelstm as el
from edgelstm.gallery.result import read

FOLDER = EXAMPLES / "recommend"

#: User, film, rating, second.
ROWS = [
    *((7, 30, 3, 50), (2, 10, 4, 10), (7, 10, 5, 30)),
    *((2, 20, 1, 30), (7, 20, 2, 40), (2, 30, 4, 40)),
    *((9, 20, 3, 5), (9, 10, 3, 5), (9, 40, 3, 6)),
]


@pytest.fixture(scope="module")
def run():
    return script("recommend")


@pytest.fixture
def given(run, tmp_path):
    rows = ["\t".join(map(str, row)) for row in ROWS]
    (tmp_path / "ml-100k.inter").write_text("\n".join(["user_id:token\t…", *rows, ""]))
    films = [f'{film}\tFilm "{film}"\t1990\tDrama' for film in (40, 10, 30, 20)]
    (tmp_path / "ml-100k.item").write_text("\n".join(["item_id:token\t…", *films, ""]))
    return run.ratings.read(tmp_path)


def test_ratings_are_read_in_order_of_time(run, given):
    assert {user: history.tolist() for user, history in given.histories().items()} == {2: [1, 2, 3], 7: [1, 2, 3], 9: [2, 1, 4]}
    assert given.titles == ["", 'Film "10"', 'Film "20"', 'Film "30"', 'Film "40"']
    assert given.users.tolist()[:2] == [9, 9]
    with pytest.raises(SystemExit, match="are not those of recbole"):
        run.ratings.check(given)


def test_counting_sees_nothing_that_is_held_back(run, given):
    popular, markov = run.popular(given), run.markov(given)
    assert popular[2].tolist() == [0, 3, 3, 0, 0]
    np.testing.assert_allclose(markov[2], np.array([0, 1, 0, 0, 0]) + popular[2] / 1e6)  # behind film 2 came film 1, of user 9
    np.testing.assert_allclose(markov[9], np.array([0, 0, 2, 0, 0]) + popular[2] / 1e6)
    assert run.places({2: [9, 9, 9, 1, 2], 7: [9, 9, 9, 2, 1], 9: [9, 1, 1, 5, 1]}, given).tolist() == [1, 0, 1]
    assert run.figures(np.array([0, 1, 9, 10])) == (75.0, pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(11)) / 4))


@pytest.mark.slow
def test_the_bank_is_a_stream_for_each(run, given):
    model = run.load()
    bank, scores = run.replayed(model, given)
    assert len(bank) == 3
    for user, history in given.histories().items():
        alone = el.Stream(model).process(np.array([0, *history[:-1]], np.float32)[:, None])[-1]
        np.testing.assert_array_equal(scores[user], alone)


def test_it_reaches_its_figures(run):
    try:
        run.data()
    except SystemExit as problem:
        pytest.skip(str(problem))
    result = read(FOLDER)
    assert run.network() == pytest.approx(result.rows["the network"], abs=2e-3)
    naive, _ = result.baseline
    assert run.others()[naive] == pytest.approx(result.rows[naive], abs=1e-4)
    assert result.beaten
