"""The routes of the protocol, and what every answer of theirs says to browsers."""

from aiohttp import web

from ..transport.sse_server import SseServer
from .appending import StreamWriter
from .creating import StreamCreator
from .paths import ROOT
from .reading import StreamReader
from .service import PROBLEM_HEADERS, StreamService

_FOR_BROWSERS = {
    "X-Content-Type-Options": "nosniff",
    # Who appends chooses the content type: a page of theirs must not run as one of the gateway's own.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Authorization, Origin",
}


class StreamRoutes:
    """Of one gateway."""

    def __init__(self, service: StreamService, sse_server: SseServer) -> None:
        self._reader = StreamReader(service, sse_server)
        self._writer = StreamWriter(service)
        self._creator = StreamCreator(service)

    def add_to(self, app: web.Application) -> None:
        """Serve them."""
        path = ROOT + "{path:.+}"
        app.router.add_put(path, self._creator.create)
        app.router.add_post(path, self._writer.append)
        app.router.add_get(path, self._reader.read, allow_head=False)
        app.router.add_head(path, self._reader.head)
        app.router.add_delete(path, self._writer.delete)
        app.on_response_prepare.append(_add_headers)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A signal of responses that are about to be sent, refusals among them."""
    if request.path.startswith(ROOT):
        response.headers.update({**_FOR_BROWSERS, **request.get(PROBLEM_HEADERS, {})})
