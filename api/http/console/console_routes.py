"""The console: a page for people, and the client that it is made with. Files, read once; a path names one of them or
is a place within the page.

The page may run no script but its own and ask no one but this gateway (Content Security Policy Level 3): whatever
text agents and people put into a session stays text.
"""

import mimetypes
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from ....domain.errors import NotFound
from ....web import CLIENT, CONSOLE

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
SUFFIXES = frozenset({".js", ".css", ".html", ".svg"})


class ConsoleRoutes:
    """`GET /console` and below. `opened` is called whenever somebody opens the page."""

    def __init__(self, opened: Callable[[], None]) -> None:
        self._opened = opened
        self._files = _files(CONSOLE, "") | _files(CLIENT, "client/")

    async def redirect(self, request: web.Request) -> web.Response:
        """`GET /` and `GET /console` lead to the page."""
        raise web.HTTPFound("/console/")

    async def show(self, request: web.Request) -> web.Response:
        """A file, or the page where the last part of the path names none (`/console/s/trip-7`)."""
        name = request.match_info["path"]
        body = self._files.get(name)
        if body is None and Path(name).suffix in SUFFIXES:
            raise NotFound(f"The console has no file {name!r}.")
        found, name = (body, name) if body is not None else (self._files["index.html"], "index.html")
        if name == "index.html":
            self._opened()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return web.Response(body=found, content_type=kind, charset="utf-8", headers=HEADERS)


def _files(folder: Path, prefix: str) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES)
    return {prefix + path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
