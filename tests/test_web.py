"""The live page: what it serves, to whom, and what looking on costs."""

import http.client
import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import numpy as np
import pytest
from cli_calls import call

from edgelstm.errors import UsageError
from edgelstm.web.feed import BOUNDS, Feed
from edgelstm.web.page import FILES, serve
from edgelstm.web.server import MOST_OPEN, TOKEN, Server


@pytest.fixture
def feed() -> Feed:
    return Feed("a test", ("ax", "ay"), ("rest", "walk"), labels=True)


@pytest.fixture
def server(feed: Feed) -> Iterator[Server]:
    with closing(serve("0", feed)) as made:
        yield made


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    port = urlsplit(server.url).port
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as line:
        line.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        reply = line.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()


def events(server: Server, path: str, count: int) -> list[dict]:
    """The first events of a page."""
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=10)) as line:
        line.request("GET", path)
        reply = line.getresponse()
        assert reply.getheader("Content-Type") == "text/event-stream"
        told = []
        while len(told) < count:
            if (text := reply.fp.readline()).startswith(b"data: "):
                told.append(json.loads(text[6:]))
        reply.close()
        return told


def test_the_page_and_what_it_reads(server: Server, feed: Feed) -> None:
    for path, (_, kind) in FILES.items():
        status, headers, body = ask(server, path)
        assert (status, headers["Content-Type"]) == (200, kind)
        assert len(body) > 100
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert not any(name.startswith("Access-Control") for name in headers)
    assert json.loads(ask(server, "/about")[2]) == {
        "title": "a test",
        "inputs": ["ax", "ay"],
        "outputs": ["rest", "walk"],
        "bounds": BOUNDS,
    }
    feed.saw((), np.array([[1, np.nan], [3, 4]], np.float32), np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), 2 * 400)
    feed.count = lambda: {"bad_lines": 3}
    first, second = events(server, "/events", 2)
    assert [row[1:] for row in first["rows"]] == [[1, None, 0.9, 0.1], [3, 4, 0.2, 0.8]]
    assert first["histogram"][1] == 2
    assert first["counters"] == {"samples": 2, "streams": 1, "bad lines": 3}
    assert first["streams"] == [["", 2, "walk"]]
    assert second["rows"] == []
    assert ask(server, "/about", Authorization="Bearer needless")[0] == 200
    assert ask(server, "/nothing")[0] == 404
    assert ask(server, "/", "POST")[0] == 501


def test_streams_by_key(server: Server, feed: Feed) -> None:
    keys = [f"watch-{i}" for i in range(1200)]
    ys = np.tile(np.float32([0.2, 0.8]), (1200, 1))
    assert events(server, "/events?key=watch-7", 1)[0]["rows"] == []
    feed.saw(keys, np.zeros((1200, 2), np.float32), ys, 1200)
    told = events(server, "/events?key=watch-7", 1)[0]
    assert len(told["rows"]) == 1
    assert len(told["streams"]) == 1000
    assert told["streams"][0] == ["watch-1199", 1, "walk"]
    assert told["counters"]["streams"] == 1200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}, 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 200),
    ],
)
def test_other_sites_learn_nothing(server: Server, headers: dict[str, str], status: int) -> None:
    assert ask(server, "/about", **headers)[0] == status


def test_others_need_the_token(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "a b&c")
    with closing(serve("0.0.0.0:0", feed)) as server:
        host = {"Host": "gateway.local"}
        assert ask(server, "/about", **host)[0] == 401
        assert ask(server, "/about", Authorization="Bearer wrong", **host)[0] == 401
        assert ask(server, "/about", Authorization="Bearer a b&c", **host)[0] == 200
        status, headers, _ = ask(server, urlsplit(server.url).path + "?" + urlsplit(server.url).query + "&key=k", **host)
        assert (status, headers["Location"]) == (303, "/?key=k")
        assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
        assert ask(server, "/about", Cookie=headers["Set-Cookie"].partition(";")[0], **host)[0] == 200
    monkeypatch.delenv(TOKEN)
    with closing(serve("0.0.0.0:0", feed)) as server, closing(serve("0.0.0.0:0", feed)) as other:
        assert len(server.token) > 20
        assert server.token != other.token


def test_pages_are_let_go_and_are_not_too_many(server: Server) -> None:
    port = urlsplit(server.url).port
    lines = []
    for _ in range(MOST_OPEN):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        line.request("GET", "/events")
        lines.append((line, line.getresponse()))
    assert ask(server, "/about")[0] == 503
    lines[0][1].close()
    lines[0][0].close()
    deadline = time.monotonic() + 10
    while ask(server, "/about")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.close()
    for line, reply in lines[1:]:
        reply.read()
        line.close()


def test_looking_on_costs_little(server: Server, feed: Feed) -> None:
    """Twenty samples a second, seen by one page: a share of the time, not a time."""
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port)) as line:
        line.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        used, begin = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        for _ in range(40):
            feed.saw((), np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), 500)
            time.sleep(0.05)
        ended, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - begin
    share = (ended.ru_utime + ended.ru_stime - used.ru_utime - used.ru_stime) / took
    assert share < 0.1


def test_a_place_that_cannot_be_served_is_refused(server: Server) -> None:
    for where in ("x", "1:2:", "70000"):
        with pytest.raises(UsageError, match="write a port"):
            Server(where, {})
    taken = str(urlsplit(server.url).port)
    with pytest.raises(UsageError, match="choose another port"):
        Server(taken, {})


def test_the_demo_on_a_page() -> None:
    result = call("demo", "--recordings", "1", "--speed", "1000", "--web", "0")
    assert result.exit_code == 0, result.output
    assert "the page is at http://127.0.0.1:" in result.stderr
