"""TCP connections: how many there may be, and how long one may keep a gateway waiting."""

import asyncio
import contextlib
import logging
import resource
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import orjson
import pytest
from support.wire import Wire

from stenogram.api.server import Gateway
from stenogram.api.transport.tcp_connections import most_connections

Start = Callable[..., Awaitable[Gateway]]
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Reach = Callable[[Gateway], Awaitable[Peer]]
HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    """Makes TCP connections."""
    made: list[Peer] = []

    async def reach(gateway: Gateway) -> Peer:
        made.append(await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        return made[-1]

    yield reach
    for _, writer in made:
        writer.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway waits for little."""
    monkeypatch.setattr("stenogram.api.transport.tcp_connections.FIRST_REQUEST_S", 1.0)
    monkeypatch.setattr("stenogram.api.transport.tcp_connections.INSPECT_EVERY_S", 0.05)
    monkeypatch.setattr("stenogram.api.server.IDLE_S", 1.0)
    monkeypatch.setattr("stenogram.api.http.responses.BODY_TIMEOUT_S", 1.0)


async def to_its_end(peer: Peer) -> bytes:
    """Read until the gateway closes."""
    async with asyncio.timeout(30):
        return await peer[0].read()


@pytest.mark.usefixtures("hasty")
async def test_one_that_says_nothing_is_ended(gateway: Gateway, reach: Reach) -> None:
    assert await to_its_end(await reach(gateway)) == b""


@pytest.mark.usefixtures("hasty")
async def test_one_that_says_little_is_ended(gateway: Gateway, reach: Reach) -> None:
    peer = await reach(gateway)

    async def trickle() -> None:
        for each in HEALTH:
            peer[1].write(bytes([each]))
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    with contextlib.suppress(ConnectionResetError):  # what came behind the end is answered so
        assert await to_its_end(peer) == b""
    trickling.cancel()


@pytest.mark.usefixtures("hasty")
async def test_one_that_asks_nothing_more_is_ended(gateway: Gateway, reach: Reach) -> None:
    peer = await reach(gateway)
    peer[1].write(HEALTH)
    assert (await to_its_end(peer)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("hasty")
async def test_a_body_that_does_not_come_is_not_waited_for(gateway: Gateway, reach: Reach) -> None:
    peer = await reach(gateway)
    peer[1].write(b"POST /v1/sessions/s/commands HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(30):
        assert b" 400 " in await peer[0].readuntil(b'"code":"invalid"')


@pytest.mark.usefixtures("hasty")
async def test_one_that_is_served_stays(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    wire = await Wire.open(http, gateway.url, participant="a")
    async with http.get(f"{gateway.url}/v1/sessions/s/events?wait=3") as response:
        assert response.status == 200
    assert (await wire.command("s", "session.open", {}))["frame"] == "ack"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # how TLS begins
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: few\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 10_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_with_a_problem(gateway: Gateway, reach: Reach, sent: bytes) -> None:
    peer = await reach(gateway)
    peer[1].write(sent)
    head, _, body = (await to_its_end(peer)).partition(b"\r\n\r\n")
    problem = orjson.loads(body)
    assert head.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert b"Content-Type: application/problem+json" in head
    assert (problem["status"], problem["code"]) == (400, "invalid")
    assert problem["detail"].startswith("This is no HTTP request: ")
    assert "\n" not in problem["detail"]


@pytest.mark.parametrize("limit", ["connections", "connections_per_address"])
async def test_one_too_many_is_told_so(
    limit: str, http: aiohttp.ClientSession, start: Start, reach: Reach, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await start(**{limit: 3})
    wire = await Wire.open(http, gateway.url, participant="a")
    taken = [await reach(gateway) for _ in range(2)]
    for _ in range(2):
        answer = await to_its_end(await reach(gateway))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b"as many connections as it may have")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]  # once for both
    assert "127.0.0.1" in caplog.text
    caplog.clear()
    assert (await wire.command("s", "session.open", {}))["frame"] == "ack"
    taken[0][1].close()
    await taken[0][1].wait_closed()
    peer = await reach(gateway)
    peer[1].write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
    answer = await to_its_end(peer)
    assert b'stenogram_connections{kind="tcp"} 3.0' in answer
    assert b"stenogram_connections_refused_total 2.0" in answer


def test_descriptors_are_left_for_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1_024, 896), (100, 50), (100_000, 5_000), (resource.RLIM_INFINITY, 5_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert most_connections(5_000) == most


async def test_a_hello_may_take_its_time_once(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    """A connection that has asked for a WebSocket is not one that says nothing."""
    ws = await http.ws_connect(f"{gateway.url}/v1/ws")
    await asyncio.sleep(1.5)
    wire = Wire(ws)
    await wire.send({"frame": "hello", "participant": "a"})
    await wire.until(lambda: bool(wire.welcome))
