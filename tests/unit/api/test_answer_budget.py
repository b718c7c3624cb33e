"""The memory of answers: first come, first served, given back whatever happens; and bodies in pieces."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from stenogram.api.http.responses import problem_middleware
from stenogram.api.telemetry.telemetry import Telemetry
from stenogram.api.transport import answer_budget
from stenogram.api.transport.answer_budget import AnswerBudget, SplicedResponse, reserve_answer
from stenogram.domain.errors import Overloaded

Serving = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]], AnswerBudget], Awaitable[str]]


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """Serves one handler at `/`."""
    runners = []

    async def serve(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], budget: AnswerBudget) -> str:
        app = web.Application(middlewares=[problem_middleware(Telemetry()), budget.middleware])
        app.router.add_get("/", handler)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runners[-1].addresses[0][1]}/"

    yield serve
    for runner in runners:
        await runner.cleanup()


async def test_those_who_wait_are_served_in_their_order() -> None:
    budget, served = AnswerBudget(10), list[int]()

    async def take(number: int, size: int) -> None:
        await budget.reserve(size)
        served.append(number)

    await budget.reserve(8)
    waiting = [asyncio.create_task(take(number, size)) for number, size in enumerate((5, 2, 9))]
    await _turns()
    assert served == [], "the second would fit, but came second"
    budget.release(8)
    await _turns()
    assert served == [0, 1]
    budget.release(7)
    await asyncio.gather(*waiting)
    budget.release(9)
    await budget.reserve(10)


async def _turns() -> None:
    """Let all that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_who_waits_in_vain_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_budget, "WAIT_S", 0.05)
    budget = AnswerBudget(10)
    await budget.reserve(10)
    with pytest.raises(Overloaded) as refused:
        await budget.reserve(1)
    assert refused.value.extra["retry_after"] > 0
    gone = asyncio.create_task(budget.reserve(10))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    budget.release(10)
    await budget.reserve(10)


@pytest.mark.parametrize("sizes", [[], [3], [0, 200_000, 1], [70_000] * 9, [1] * 300_000, [3_000_000]])
async def test_a_body_in_pieces_arrives_whole(serving: Serving, sizes: list[int]) -> None:
    pieces, budget = [bytes([65 + n % 26]) * size for n, size in enumerate(sizes)], AnswerBudget(2**24)

    async def handler(request: web.Request) -> web.StreamResponse:
        await reserve_answer(request)
        return SplicedResponse(pieces, "text/plain", {"X-Said": "yes"})

    url = await serving(handler, budget)
    async with aiohttp.ClientSession() as http:
        for _ in range(2):
            async with http.get(url) as response:
                assert await response.read() == b"".join(pieces)
                assert (response.headers["X-Said"], response.content_type) == ("yes", "text/plain")
    await budget.reserve(2**24)  # all of it was given back


async def test_a_client_that_takes_nothing_is_cut_off(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_budget, "CHUNK_S", 0.2)
    budget, size, reserved = AnswerBudget(2**25), 2**25, asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        await reserve_answer(request, size)
        reserved.set()
        return SplicedResponse([b"x" * size], "text/plain")

    url = await serving(handler, budget)
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reserved.wait()
    await asyncio.wait_for(budget.reserve(size), 30)  # it has given back what it reserved
    taken = 0
    with suppress(ConnectionResetError):
        while chunk := await asyncio.wait_for(reader.read(2**20), 30):
            taken += len(chunk)
    assert taken < size
    writer.close()


async def test_a_handler_that_fails_gives_back_what_it_reserved(serving: Serving) -> None:
    budget = AnswerBudget()

    async def handler(request: web.Request) -> Any:
        await reserve_answer(request)
        raise Overloaded("No.", retry_after=3.0)

    url = await serving(handler, budget)
    async with aiohttp.ClientSession() as http:
        for _ in range(6):
            async with http.get(url) as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "3")
