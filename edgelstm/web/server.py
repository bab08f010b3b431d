"""A server of few routes in a thread of its own: read-only, for this machine unless asked, for others with a token, for no other site.

Who asks from this machine must name it so in the Host header, which a site that resolves its own name to 127.0.0.1 does not. Browsers say
where a request comes from (Fetch Metadata, W3C): what another site's page asks for is refused, and no header allows it to read.
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..errors import UsageError

#: Environment variable that holds the token; one is made up where it is not set.
TOKEN = "EDGELSTM_WEB_TOKEN"

#: So many requests are answered at once; an open page is one.
MOST_OPEN = 64

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

#: The name of the cookie that stands for the token: its SHA-256.
_COOKIE = "edgelstm"


class Request(NamedTuple):
    """What a route is asked: the query, and an event that is set when the server ends."""

    query: Mapping[str, str]
    ending: threading.Event


class Reply(NamedTuple):
    """What a route answers: a body of this kind, whole or piece by piece as it comes."""

    kind: str
    body: bytes | Iterator[bytes]


Route = Callable[[Request], Reply]


class Server:
    """Serves routes from `start` to `close`.

    Parameters
    ----------
    where : str
        ``[HOST:]PORT``; without a host this machine alone can ask. Port 0 takes any that is free.
    routes : mapping of str to callable
        By path; more may be added before `start`.

    Attributes
    ----------
    routes : dict
    token : str
        What others must bring; empty where only this machine can ask.

    Raises
    ------
    UsageError
        If `where` is malformed, or nothing can be served there.
    """

    def __init__(self, where: str, routes: Mapping[str, Route]) -> None:
        host, port = _parted(where)
        self.routes = dict(routes)
        self.token = "" if _is_loopback(host) else os.environ.get(TOKEN) or secrets.token_urlsafe(16)
        self.mark = hashlib.sha256(self.token.encode()).hexdigest()
        self.ending = threading.Event()
        self.places = threading.BoundedSemaphore(MOST_OPEN)
        try:
            self._server = _HTTPServer((host, port), self)
        except OSError as problem:
            raise UsageError(f"--web {where}: nothing can be served there ({problem.strerror}); choose another port.") from None
        self._host = host
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True, name="edgelstm-web")

    @property
    def url(self) -> str:
        """What to open in a browser."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.server_address[1]}/" + (f"?{urlencode({'token': self.token})}" if self.token else "")

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Answer nothing more; open pages are let go."""
        self.ending.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def _parted(where: str) -> tuple[str, int]:
    host, _, port = where.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--web {where}: write a port, or HOST:PORT, as in 8080 or 0.0.0.0:8080.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _HTTPServer(ThreadingHTTPServer):
    """The standard library's, with the server that it belongs to."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], owner: Server) -> None:
        self.owner = owner
        if ":" in address[0]:
            import socket

            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that left is no news."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: _HTTPServer
    server_version = "edgelstm"
    sys_version = ""
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the standard library's name
        """Requests are not logged."""

    def do_GET(self) -> None:
        """Find the route, if the one who asks may."""
        owner = self.server.owner
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if not self._is_of_here():
            self._refuse(HTTPStatus.FORBIDDEN, "This page is not for other sites.")
        elif not self._has_token(query):
            self._refuse(HTTPStatus.UNAUTHORIZED, "Open the address that edgelstm printed, with its token.")
        elif owner.token and "token" in query:
            self._move_on(parts.path, query)
        elif parts.path not in owner.routes:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
        elif not owner.places.acquire(blocking=False):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages are open.")
        else:
            try:
                self._answer(owner.routes[parts.path](Request(query, owner.ending)))
            finally:
                owner.places.release()

    def _is_of_here(self) -> bool:
        """Whether the request names this machine rightly, and no other site's page made it."""
        site, mode = self.headers.get("Sec-Fetch-Site", "none"), self.headers.get("Sec-Fetch-Mode", "navigate")
        if site not in ("none", "same-origin") and mode != "navigate":
            return False
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        return bool(self.server.owner.token) or _is_loopback(name)

    def _has_token(self, query: Mapping[str, str]) -> bool:
        token = self.server.owner.token
        if not token:
            return True
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE)
        except CookieError:
            cookie = None
        brought = query.get("token") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        known = hmac.compare_digest(brought.encode(), token.encode())
        return known or (cookie is not None and hmac.compare_digest(cookie.value.encode(), self.server.owner.mark.encode()))

    def _move_on(self, path: str, query: Mapping[str, str]) -> None:
        """Put what stands for the token into a cookie, and the token out of the address."""
        rest = urlencode({name: text for name, text in query.items() if name != "token"})
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", path + (f"?{rest}" if rest else ""))
        self.send_header("Set-Cookie", f"{_COOKIE}={self.server.owner.mark}; HttpOnly; SameSite=Strict; Path=/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self._head(status, "text/plain; charset=utf-8", len(sentence) + 1)
        self.wfile.write(sentence.encode() + b"\n")

    def _answer(self, reply: Reply) -> None:
        if isinstance(reply.body, bytes):
            self._head(HTTPStatus.OK, reply.kind, len(reply.body))
            self.wfile.write(reply.body)
            return
        self._head(HTTPStatus.OK, reply.kind, None)
        for piece in reply.body:
            self.wfile.write(piece)
            self.wfile.flush()

    def _head(self, status: HTTPStatus, kind: str, length: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, text in _HEADERS.items():
            self.send_header(name, text)
        self.end_headers()
