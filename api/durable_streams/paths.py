"""Which session a stream's path is.

A path is the session's id with slashes for colons, so that it needs no table: the stream `chat/7` is the session
`chat:7`, and rights and listings by prefix hold for both.
"""

from urllib.parse import unquote

from aiohttp import web

from ...domain.errors import Invalid
from ...domain.ids import SessionId
from ..protocol.queries import session_named

ROOT = "/v1/stream/"
_ALPHABET = "1 to 128 of A-Z a-z 0-9 . _ : @ + - /, beginning with a letter or digit"


def session_of(request: web.Request) -> SessionId:
    """The session that a request is about."""
    return _session(request.match_info["path"])


def session_at(path: str) -> SessionId:
    """The session that a header names, by the whole path or what comes behind the root."""
    return _session(unquote(path.strip()).removeprefix(ROOT))


def _session(path: str) -> SessionId:
    try:
        return session_named(path.replace("/", ":"))
    except Invalid:
        raise Invalid(f"A stream's path is {_ALPHABET}.") from None
