"""The memory that HTTP answers take while they are made and sent, bounded over all requests of a process.

A handler reserves as much as its answer may take before it reads anything, and so waits where others are served. What
the answer turns out not to need is given back when it is made, and the rest when the client has taken it. A large
answer is written a little at a time, and a client that does not take it is cut off: it would hold what others wait for.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from ...domain.errors import Overloaded
from ...log.engine import PAGE_BYTES

BUDGET_BYTES = 4 * PAGE_BYTES
SMALL_BYTES = 256 * 2**10
"""An answer up to this size is left to the transport, whose buffer is about as large."""
CHUNK_BYTES = 64 * 2**10
CHUNK_S = 10.0
"""Seconds in which a client must take the next chunk."""
ANSWER_S = 60.0
"""Seconds in which it must take the whole answer."""
WAIT_S = 10.0
"""Seconds that a request waits for memory."""
RETRY_AFTER_S = 2.0


class AnswerBudget:
    """Bytes for answers, first come, first served."""

    def __init__(self, free: int = BUDGET_BYTES) -> None:
        self._free = free
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.refused = 0
        """Requests that waited in vain."""

    async def reserve(self, size: int) -> None:
        """Take some; to be released. Raises Overloaded when it cannot be had in time."""
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(WAIT_S):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it came in the moment in which this gave up
                self.release(size)
            else:
                self._waiting.remove((size, turn))
                self.release(0)  # those behind may need less
            if isinstance(error, TimeoutError):
                self.refused += 1
                raise Overloaded(
                    "Too many large answers are made and sent; try again in a moment.", retry_after=RETRY_AFTER_S
                ) from None
            raise

    def release(self, size: int) -> None:
        """Give some back."""
        self._free += size
        while self._waiting and self._waiting[0][0] <= self._free:
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= wanted
                turn.set_result(None)

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Lets handlers reserve (`reserve_answer`), and sends what they answer then."""
        reservation = request[_KEY] = _Reservation(self)
        try:
            response = await handler(request)
            if isinstance(response, SplicedResponse):
                reservation.shrink(response.size)
                return await _send(request, response)
            return response
        finally:
            reservation.shrink(0)


class _Reservation:
    def __init__(self, budget: AnswerBudget) -> None:
        self.budget = budget
        self.size = 0

    def shrink(self, size: int) -> None:
        if size < self.size:
            self.size, more = size, self.size - size
            self.budget.release(more)


_KEY = web.RequestKey("answer", _Reservation)


async def reserve_answer(request: web.Request, size: int = PAGE_BYTES) -> None:
    """Reserve memory for the answer to a request, before it is made. Raises Overloaded."""
    reservation = request[_KEY]
    if not reservation.size:
        await reservation.budget.reserve(size)
        reservation.size = size


def release_answer(request: web.Request) -> None:
    """Give back what was reserved: another process makes the answer."""
    reservation = request[_KEY]
    reservation.shrink(0)


class SplicedResponse(web.Response):
    """An answer whose body is in pieces. They are sent as they are, a few at a time: put together, a large body would
    be in memory two or three times."""

    def __init__(self, pieces: Sequence[bytes], content_type: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content_type=content_type, headers=headers)
        self.pieces = pieces
        self.size = sum(map(len, pieces))


async def _send(request: web.Request, response: SplicedResponse) -> web.StreamResponse:
    if response.size <= SMALL_BYTES:
        return web.Response(body=b"".join(response.pieces), headers=response.headers)
    sent = web.StreamResponse(headers=response.headers)
    sent.content_length = response.size
    await sent.prepare(request)
    async with patience(request, ANSWER_S):
        for chunk in _chunks(response.pieces):
            await write_chunk(request, sent, chunk)
        await sent.write_eof()
    return sent


def _chunks(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of up to `CHUNK_BYTES`."""
    waiting, size = list[bytes](), 0
    for piece in pieces:
        if waiting and size + len(piece) > CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
        if len(piece) > CHUNK_BYTES:
            yield from (piece[start : start + CHUNK_BYTES] for start in range(0, len(piece), CHUNK_BYTES))
        else:
            waiting.append(piece)
            size += len(piece)
    yield b"".join(waiting)


async def write_chunk(request: web.Request, response: web.StreamResponse, chunk: bytes) -> None:
    """Write a part of a body, once the client has taken what was written before. Raises ConnectionResetError, and the
    connection is cut then, when it does not."""
    async with patience(request, CHUNK_S):
        await response.write(chunk)


@asynccontextmanager
async def patience(request: web.Request, seconds: float) -> AsyncIterator[None]:
    """A block that may take so many seconds; then the client is cut off. Raises ConnectionResetError then."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        cut_off(request)
        raise ConnectionResetError("the client did not take its answer") from None


def cut_off(request: web.Request) -> None:
    """End the connection of a request in the midst of an answer, so that the client sees that it is not whole."""
    if request.transport is not None:
        request.transport.abort()
