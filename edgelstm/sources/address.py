"""URLs of sources and sinks, taken apart; an option that nobody reads is refused."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import UsageError

#: How a URL spells what is so, and what is not.
_TRUTH = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Address(NamedTuple):
    """A URL in its parts.

    Parameters
    ----------
    shown : str
        The URL as errors and notes show it: without a password.
    scheme, host : str
    port : int
        0 where none is said.
    path : str
        Without the slash that parts it from a host.
    user, password : str
    options : mapping of str to str
        What stands behind the question mark.
    """

    shown: str
    scheme: str
    host: str
    port: int
    path: str
    user: str
    password: str
    options: Mapping[str, str]

    def settled(self, **defaults: Any) -> dict[str, Any]:
        """Every option of a scheme: as the URL says it, in the type of its default, or the default.

        Raises
        ------
        UsageError
            For an option that is no key of `defaults`, or a value of another type.
        """
        for name in self.options:
            if name not in defaults:
                known = ", ".join(defaults) if defaults else "none"
                raise UsageError(f"{self.shown}: {name!r} is no option of {self.scheme}: URLs, which have: {known}.")
        return {name: self._typed(name, default) for name, default in defaults.items()}

    def _typed(self, name: str, default: Any) -> Any:
        text = self.options.get(name)
        if text is None:
            return default
        kind = type(default)
        try:
            return _TRUTH[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            form = "yes or no" if kind is bool else {"int": "a whole number", "float": "a number"}[kind.__name__]
            raise UsageError(f"{self.shown}: {name}={text!r} is not {form}.") from None


def parse(url: str) -> Address:
    """Take a URL apart. ``#`` is part of the path, as in topics.

    Raises
    ------
    UsageError
        If it is malformed, or says an option twice.
    """
    scheme, _, rest = url.partition(":")
    shown = f"{scheme}:{rest}"
    try:
        parts = urlsplit(url, allow_fragments=False)
        port = parts.port or 0
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise UsageError(f"{shown.partition('@')[2] or shown}: this is no URL; write scheme://host:port/path?option=value.") from None
    if parts.password is not None:
        shown = url.replace(f":{parts.password}@", ":…@", 1)
    options = dict(pairs)
    if len(options) != len(pairs):
        raise UsageError(f"{shown}: an option is said twice.")
    path = unquote(parts.path)
    if parts.netloc:
        path = path.removeprefix("/")
    return Address(
        shown, parts.scheme, parts.hostname or "", port, path, unquote(parts.username or ""), unquote(parts.password or ""), options
    )
