"""The live page as a browser shows it: what it holds, by day, by night and on a phone."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from browser import Browser

from edgelstm.web.feed import Feed
from edgelstm.web.page import serve

pytestmark = pytest.mark.slow

#: Share of a canvas' pixels that are not empty.
DRAWN = """[...document.querySelectorAll("canvas")].map(c => {
  const pixels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let drawn = 0;
  for (let i = 3; i < pixels.length; i += 4) drawn += pixels[i] > 0;
  return drawn / (pixels.length / 4);
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as made:
        yield made


def feed_of(keys: int) -> Feed:
    """Samples of a sine and a cosine through streams by key; one stream where there is none."""
    feed = Feed("a test <b>&", ("ax", "ay", "az"), ("rest", "walk"), labels=True)
    turns = np.linspace(0, 12, 240, dtype=np.float32)
    xs = np.stack([np.sin(turns), np.cos(turns), turns / 12], axis=1)
    ys = np.stack([turns / 12, 1 - turns / 12], axis=1)
    for start in range(0, 240, 24):
        names = [f"watch-{i % keys}" for i in range(24)] if keys else ()
        feed.saw(names, xs[start : start + 24], ys[start : start + 24], 24 * 900)
    feed.count = lambda: {"bad_lines": 3}
    return feed


def seen(browser: Browser, name: str, tmp_path: Path) -> None:
    browser.screenshot(Path(os.environ.get("EDGELSTM_SCREENSHOTS", tmp_path)) / f"{name}.png")


@pytest.mark.parametrize(
    ("name", "width", "height", "dark"), [("light", 1200, 900, False), ("dark", 1200, 900, True), ("phone", 390, 844, True)]
)
def test_the_page_is_drawn(browser: Browser, tmp_path: Path, name: str, width: int, height: int, dark: bool) -> None:
    feed = feed_of(0)
    with closing(serve("0", feed)) as server:
        browser.window(width, height, dark=dark, phone=name == "phone")
        browser.open(server.url)
        browser.until("document.body.innerText.includes('240')")
        browser.until(f"{DRAWN}.length >= 2 && Math.min(...{DRAWN}) > 0.002")
        text = browser.value("document.body.innerText")
        assert "a test <b>&" in text
        assert "bad lines" in text
        assert browser.value("document.querySelectorAll('#histogram li').length") >= 1
        brightness = browser.value("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number).reduce((a, b) => a + b)")
        assert brightness < 150 if dark else brightness > 600
        assert browser.value("document.scrollingElement.scrollWidth") <= width
        feed.saw((), np.zeros((7, 3), np.float32), np.zeros((7, 2), np.float32), 6300)
        browser.until("document.body.innerText.includes('247')")
        seen(browser, name, tmp_path)
        assert browser.complaints == []
        browser.open("about:blank")


def test_a_stream_is_chosen_by_its_key(browser: Browser, tmp_path: Path) -> None:
    with closing(serve("0", feed_of(24))) as server:
        browser.window(390, 844, dark=False, phone=True)
        browser.open(server.url)
        browser.until("location.search.includes('key=') && document.querySelectorAll('td a').length === 24")  # the page goes to the first
        browser.value("[...document.querySelectorAll('td a')].find(a => a.textContent === 'watch-7').click()")
        browser.until("location.search.includes('watch-7') && document.querySelector('tr.chosen')?.innerText.includes('watch-7')")
        assert browser.value("document.scrollingElement.scrollWidth") <= 390
        seen(browser, "streams", tmp_path)
        assert browser.complaints == []
        browser.open("about:blank")
