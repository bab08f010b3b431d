"""The tables of docs/clusters.md are what the measurements wrote, and what was killed lost nothing."""

import pytest
from cli_calls import ROOT


@pytest.fixture
def figures():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        import cluster_figures

        yield cluster_figures


def test_the_page_says_what_was_measured(figures):
    page = figures.PAGE.read_text(encoding="utf-8")
    assert figures.filled(page) == page


def test_results_are_what_the_page_is_about(figures):
    for victim in figures.VICTIMS:
        found = figures.result(f"kills-{victim}")
        assert found["kills"] == sum(len(run["kills"]) for run in found["runs"]) == 20
        assert all((run["lost"], run["twice"], run["largest_difference"]) == (0, 0, 0) for run in found["runs"])
    clusters = figures.result("clusters")
    assert clusters["streams"]["rows"] == clusters["devices"] * clusters["files"] * clusters["samples"] == 10_000_000
    assert clusters["streams"]["same_bits"]
    assert clusters["scoring"]["same_bits"]
