"""Serves an ASGI application at a path of the gateway (asgi.readthedocs.io, HTTP 2.3).

Its requests are authenticated like any other of the gateway's before the application sees them. It is made when the
first one comes, in a task of its own that lasts as long as the gateway: the task that enters a context with task groups
in it must be the one that leaves it.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from aiohttp import web

from ...domain.errors import Busy
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..transport.answer_budget import write_chunk
from .responses import read_body

MOST_CALLS = 64
"""Of one participant at a time. Each may wait for long, and take connections of the gateway to itself."""
RETRY_AFTER_S = 1.0
LOOK_EVERY_S = 0.5
"""How often it is looked whether the client is still there, for an application that asks."""
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Any, Receive, Send], Awaitable[None]]
_logger = logging.getLogger(__name__)


class AsgiMount(NamedTuple):
    """What is served at a path: `open` makes the application for a gateway at an address, for the time of a block."""

    path: str
    open: Callable[[str], AbstractAsyncContextManager[AsgiApp]]


class AsgiServer:
    """Serves one mount."""

    def __init__(self, mount: AsgiMount, auth: Authenticator, url: Callable[[], str]) -> None:
        self._mount = mount
        self._auth = auth
        self._url = url
        self._calls: Counter[tuple[str, str]] = Counter()
        self._ended = asyncio.Event()
        self._host: asyncio.Task[None] | None = None
        self._app: asyncio.Future[AsgiApp] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request. Raises Unauthenticated, Busy, and Invalid for a body that takes too long."""
        with self._one_of(self._auth.of_request(request)):
            exchange = _Exchange(request, await read_body(request))
            app = await self._opened()
            await app(exchange.scope(), exchange.receive, exchange.send)
            return exchange.response

    async def aclose(self) -> None:
        """End the application. Idempotent."""
        self._ended.set()
        if self._host is not None:
            await asyncio.wait([self._host])

    @contextlib.contextmanager
    def _one_of(self, principal: Principal) -> Iterator[None]:
        """A call among those of its participant. Raises Busy when there are too many."""
        caller = principal.tenant, principal.participant
        if self._calls[caller] >= MOST_CALLS:
            raise Busy(
                f"A participant makes at most {MOST_CALLS} calls at a time to {self._mount.path}; wait for one to end.",
                retry_after=RETRY_AFTER_S,
            )
        self._calls[caller] += 1
        try:
            yield
        finally:
            self._calls[caller] -= 1
            if not self._calls[caller]:
                del self._calls[caller]

    async def _opened(self) -> AsgiApp:
        if self._app is None or (self._app.done() and self._app.exception() is not None):
            self._app = asyncio.get_running_loop().create_future()
            self._host = asyncio.create_task(self._keep_open(self._app), name=f"stenogram{self._mount.path}")
        return await asyncio.shield(self._app)

    async def _keep_open(self, opened: "asyncio.Future[AsgiApp]") -> None:
        try:
            async with self._mount.open(self._url()) as app:
                opened.set_result(app)
                await self._ended.wait()
        except Exception as error:
            if not opened.done():
                opened.set_exception(error)  # the requests that wait for it fail, and the next one tries again
                return
            _logger.exception("What is served at %s has failed", self._mount.path)
            self._app = None


class _Exchange:
    """A request, and the response that the application gives it."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.response = web.StreamResponse(status=500)
        self._request = request
        self._body: bytes | None = body

    def scope(self) -> dict[str, Any]:
        """The request, as ASGI has it."""
        request = self._request
        headers = [(name.lower(), value) for name, value in request.raw_headers]
        sockname = (request.transport and request.transport.get_extra_info("sockname")) or ("", 0)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": f"{request.version.major}.{request.version.minor}",
            "method": request.method,
            "scheme": request.scheme,
            "path": request.path,
            "raw_path": request.rel_url.raw_path.encode(),
            "query_string": request.rel_url.raw_query_string.encode(),
            "root_path": "",
            "headers": headers,
            "client": (request.remote or "", 0),
            "server": (str(sockname[0]), sockname[1]),
        }

    async def receive(self) -> Message:
        """The body; then, once it has gone, that the client has."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while not self._gone():  # noqa: ASYNC110  (aiohttp does not say when)
            await asyncio.sleep(LOOK_EVERY_S)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """A piece of the response. Nothing is said to a client that has gone, or does not take it and is cut off."""
        with contextlib.suppress(ConnectionError):
            if message["type"] == "http.response.start":
                self.response = web.StreamResponse(status=message["status"])
                for name, value in message.get("headers", ()):
                    self.response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
                await self.response.prepare(self._request)
            elif message["type"] == "http.response.body":
                if body := message.get("body", b""):
                    await write_chunk(self._request, self.response, body)
                if not message.get("more_body", False):
                    await self.response.write_eof()

    def _gone(self) -> bool:
        transport = self._request.transport
        return transport is None or transport.is_closing()
