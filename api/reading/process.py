"""The process beside a gateway that answers long reads. It is started when there is one, and ended when there was none
for a while; if it ends in between, the next request starts another.

It is asked by HTTP over a socket in a directory that only this user can enter. So each request has a connection of its
own: who is slow to take an answer holds up nobody else, and when the gateway ends a connection the work for it ends.
A request whose process ends before it has answered is asked once more, of a new one.
"""

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from ...domain.errors import NotReady
from ...log.turns import Turn
from ..access.principal import Principal
from ..http.moments import Asked
from ..processes.watched_process import START_S, WatchedProcess
from ..transport.answer_budget import CHUNK_BYTES, SMALL_BYTES, cut_off, write_chunk

PROGRAM = "stenogram.api.reading.program"
READER_HEADER = "Stenogram-Reader"
"""What a request to the process is, and whose: `Asked`, and what of the principal matters to reading; a JSON array."""
MOST_HERE_BYTES = 2**20
"""Up to so large a page of a view is made by the gateway itself."""
END_S = 1.0
"""Seconds that it gets to end: it writes nothing that would be missed."""
IDLE_S = 300.0
"""Seconds after the last request after which it is ended."""
RETRY_AFTER_S = 2.0
_NOT_PASSED_ON = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})

_logger = logging.getLogger(__name__)


def said_of(asked: Asked, principal: Principal) -> str:
    """What the header says."""
    who = (principal.participant, principal.kind, principal.tenant, principal.read, principal.audit)
    return orjson.dumps([asked, *who]).decode()


def read_said(said: str) -> tuple[Asked, Principal]:
    """The same, read; the principal may do nothing but read."""
    asked, participant, kind, tenant, read, audit = orjson.loads(said)
    return asked, Principal(participant, kind, tenant, tuple(read), (), tuple(audit))


class ReadingPlan(NamedTuple):
    """What the process is to read: addresses as in the settings, and names of projections."""

    log: str
    views: str
    projections: Sequence[str]
    log_level: str


class _Running:
    """One process: how it is asked, and whether it can be."""

    def __init__(self, plan: ReadingPlan, folder: Path, number: int) -> None:
        socket = str(folder / f"{number}.sock")
        self.ready = asyncio.Event()
        self.process = WatchedProcess(PROGRAM, [{**plan._asdict(), "socket": socket}], self._heard)
        # A connection for each request: one that is kept may be closed by the other side in the moment of asking.
        connector = aiohttp.UnixConnector(socket, force_close=True, limit=0)
        self.http = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout())
        self.ended: asyncio.Task[None] | None = None
        self.wanted = True

    def _heard(self, said: dict[str, Any]) -> None:
        if said.get("ready"):
            self.ready.set()

    async def run(self) -> None:
        """Until it ends."""
        try:
            how = await self.process.run()
            if self.wanted:
                self.wanted = False
                _logger.error("the process that answers long reads %s; the next request starts another", how)
        finally:
            self.ready.set()  # or those who wait for it would wait for as long as they can
            await self.http.close()

    async def may_have_ended(self) -> None:
        """Wait for its end for a moment: its connections break before it is known that it has ended."""
        if self.ended is not None:
            await asyncio.wait([self.ended], timeout=1.0)


class ReadingProcess:
    """Asks it, for the time of the block."""

    def __init__(self, plan: ReadingPlan, tasks: asyncio.TaskGroup) -> None:
        self._plan = plan
        self._tasks = tasks
        self._folder = Path()
        self._running: _Running | None = None
        self._started = 0
        self._asking = 0
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process, while there is one."""
        return None if self._running is None else self._running.process.pid

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="stenogram-"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Ends it; after `END_S` seconds it is killed."""
        running, ended = self._running, None if self._running is None else self._running.ended
        self._end()
        try:
            if ended is not None:
                await asyncio.wait([ended], timeout=END_S)
        finally:
            if running is not None and ended is not None:
                running.process.kill()
                await asyncio.wait([ended])
            shutil.rmtree(self._folder, ignore_errors=True)

    def prepare(self) -> None:
        """Start it if there is none: somebody is likely to ask soon, and it takes a while. One that has failed is
        started again when it is asked: this is for everybody, also without a token."""
        if self._running is None:
            self._there()
        self._end_when_idle()

    async def answer(self, asked: Asked, request: web.Request, principal: Principal, turn: Turn) -> web.StreamResponse:
        """Pass on what it answers. Raises NotReady when it has ended twice over this request, or cannot be started."""
        headers = {READER_HEADER: said_of(asked, principal)}
        if "If-None-Match" in request.headers:
            headers["If-None-Match"] = request.headers["If-None-Match"]
        with self._in_use():
            async with contextlib.AsyncExitStack() as stack:
                try:
                    found = await stack.enter_async_context(self._asked(request, headers))
                except aiohttp.ClientError:
                    try:
                        found = await stack.enter_async_context(self._asked(request, headers))
                    except aiohttp.ClientError:
                        raise _given_up() from None
                turn.end()  # the answer is made; however long the client takes to read it, others can go on
                return await _passed_on(request, found)

    @asynccontextmanager
    async def _asked(self, request: web.Request, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Its answer, read already if it is small, or else up to its body. Raises ClientError when the process ends."""
        running = await self._started_one()
        url = URL(f"http://gateway{request.raw_path}", encoded=True)
        try:
            response = await running.http.get(url, headers=headers)
        except aiohttp.ClientError:
            await running.may_have_ended()
            raise
        async with response:
            try:
                if (response.content_length or 0) <= SMALL_BYTES:
                    await response.read()
            except aiohttp.ClientError:
                await running.may_have_ended()
                raise
            yield response

    def _there(self) -> _Running:
        running = self._running
        if running is None or not running.wanted:
            self._started += 1
            running = self._running = _Running(self._plan, self._folder, self._started)
            running.ended = self._tasks.create_task(running.run())
        return running

    async def _started_one(self) -> _Running:
        running = self._there()
        try:
            async with asyncio.timeout(START_S):
                await running.ready.wait()
        except TimeoutError:
            running.process.kill()
            raise _given_up() from None
        if not running.wanted:
            raise aiohttp.ClientConnectionError("it ended before it was asked")
        return running

    @contextlib.contextmanager
    def _in_use(self) -> Any:
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._end_unless_asked)

    def _end_unless_asked(self) -> None:
        if not self._asking:  # or what asks says when it has ended
            self._end()

    def _end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._running is not None:
            self._running.wanted = False
            self._running.process.end()
            self._running = None


async def _passed_on(request: web.Request, found: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = [(name, value) for name, value in found.headers.items() if name.lower() not in _NOT_PASSED_ON]
    size = found.content_length or 0
    if size <= SMALL_BYTES:
        return web.Response(status=found.status, headers=headers, body=await found.read() or None)
    response = web.StreamResponse(status=found.status, headers=headers)
    response.content_length = size
    await response.prepare(request)
    try:
        async for chunk in found.content.iter_chunked(CHUNK_BYTES):
            await write_chunk(request, response, chunk)
    except aiohttp.ClientError:
        cut_off(request)
        raise ConnectionResetError("the process that answers long reads ended in the midst of an answer") from None
    await response.write_eof()
    return response


def _given_up() -> NotReady:
    return NotReady(
        "The process that answers long reads ended while it worked on this; ask again, for less at once if you can.",
        retry_after=RETRY_AFTER_S,
    )
