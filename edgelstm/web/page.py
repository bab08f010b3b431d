"""The files of the page."""

from importlib.resources import files

from .feed import Feed, routes
from .server import Server

#: The file of each path, and its kind.
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/uPlot.iife.min.js": ("uPlot.iife.min.js", "text/javascript; charset=utf-8"),
    "/uPlot.min.css": ("uPlot.min.css", "text/css; charset=utf-8"),
}


def read() -> dict[str, tuple[str, bytes]]:
    """Kind and bytes of each file, by path."""
    folder = files(__package__) / "static"
    return {path: (kind, (folder / name).read_bytes()) for path, (name, kind) in FILES.items()}


def serve(where: str, feed: Feed) -> Server:
    """A server that shows a feed, begun.

    Raises
    ------
    UsageError
        As `Server`.
    """
    return Server(where, routes(feed, read())).start()
