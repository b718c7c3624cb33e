"""A reader that stops reading costs a bounded amount of memory, holds nobody up, and is told where to resume.

The full run: `STENOGRAM_EVENTS=100000 pytest -s tests/live/test_slow.py`
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest
from support.wire import Follower, Frame, SseReader, Wire

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

Dial = Callable[[str], socket.socket]

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS = int(os.environ.get("STENOGRAM_EVENTS", "20000"))
CONTROL = 10_000
BATCH = 200
BOUND = 160 * 2**20
"""What the process may grow by while any number of events flow: pages, frames and rings have limits of 32 MiB
each, one page for each reader who is behind is on its way at most, and a transport holds 256 KiB and one frame."""
PAD = "x" * 60


def batch(session: str, start: int) -> list[Frame]:
    """Commands that record numbered events."""
    return [
        {
            "frame": "command",
            "id": f"{uuid.uuid4()}",
            "session": session,
            "do": "custom.record",
            "data": {"type": "x.n", "data": {"n": number, "at": time.time(), "pad": PAD}},
        }
        for number in range(start, start + BATCH)
    ]


async def write(wire: Wire, session: str, count: int) -> None:
    """Record `count` events, a few batches at a time on their way."""
    for start in range(0, count, BATCH):
        await wire.send(*batch(session, start))
        await wire.until(lambda start=start: len(wire.answers) >= start - 3 * BATCH, 100)  # type: ignore[misc]
    await wire.until(lambda: len(wire.answers) >= count, 100)
    assert all(answer["frame"] == "ack" for answer in wire.answers.values())


class Delays(Follower):
    """Also notes how long each event took from its writer to here."""

    def __init__(self, after: int) -> None:
        super().__init__(after)
        self.delays: list[float] = []

    def extend(self, events: list[Frame], to: int | str) -> None:
        now = time.time()
        super().extend(events, to)
        self.delays += [now - event["data"]["at"] for event in events if event["type"] == "x.n"]
        self.events.clear()

    def worst(self) -> float:
        """The delay that 99 % were below."""
        return sorted(self.delays)[len(self.delays) * 99 // 100]


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Connects sockets with small receive buffers."""
    with contextlib.ExitStack() as stack:

        def dial(url: str) -> socket.socket:
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(("127.0.0.1", int(url.rpartition(":")[2])))
            sock.setblocking(False)
            return sock

        yield dial


async def stalled(sock: socket.socket, *sends: bytes) -> socket.socket:
    """A WebSocket that says hello, sends something and never reads."""
    loop = asyncio.get_running_loop()
    handshake = (
        "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await loop.sock_sendall(sock, handshake.encode())
    for payload in (b'{"frame":"hello","participant":"slow"}', *sends):
        await loop.sock_sendall(sock, masked(payload))
    return sock


def masked(payload: bytes) -> bytes:
    """A client's text frame, under a mask of zeros."""
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big")
    return b"\x81" + head + bytes(4) + payload


async def frames_of(sock: socket.socket) -> list[Frame]:
    """Everything that a connection still has to say, up to the close code."""
    loop, raw, frames = asyncio.get_running_loop(), b"", list[Frame]()
    async with asyncio.timeout(60):
        while b"\r\n\r\n" not in raw:
            raw += await loop.sock_recv(sock, 2**20)
        raw = raw.partition(b"\r\n\r\n")[2]
        while not frames or frames[-1]["frame"] != "close":
            taken, size = unframed(raw, frames)
            raw = raw[taken:]
            while len(raw) < size:
                more = await loop.sock_recv(sock, 2**20)
                assert more, "it ended without a close frame"
                raw += more
    return frames


def unframed(raw: bytes, frames: list[Frame]) -> tuple[int, int]:
    """Take one message off, if it is there whole: how many bytes it had, and how many the next needs at least."""
    if len(raw) < 10 and raw[:1] != b"\x88":
        return 0, len(raw) + 1
    size, start = raw[1], 2
    if size == 126:
        size, start = int.from_bytes(raw[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(raw[2:10], "big"), 10
    if len(raw) < start + size:
        return 0, start + size
    payload = raw[start : start + size]
    if raw[0] & 15 == 8:
        frames.append({"frame": "close", "code": int.from_bytes(payload[:2], "big")})
    else:
        content = orjson.loads(payload)
        frames += content if isinstance(content, list) else [content]
    return start + size, 0


async def test_a_subscriber_that_stops_reading_is_told_where_to_resume_and_holds_nobody_up(
    http: aiohttp.ClientSession, serve: Serve, dial: Dial
) -> None:
    gateway = await serve(slow_after=2, heartbeat=60)  # who only reads is silent
    writer = await Wire.open(http, gateway.url, participant="writer")
    await writer.command("hot", "session.open", {})
    reader = await Wire.open(http, gateway.url, participant="reader")
    alone, beside = Delays(1), Delays(1 + CONTROL)
    await flow(writer, reader, alone, CONTROL, gateway)
    before = gateway.memory()
    subscribe = b'{"frame":"subscribe","sub":"slow","session":"hot","after":1}'
    slow = [await stalled(dial(gateway.url), subscribe) for _ in range(5)]
    grown = await flow(writer, reader, beside, EVENTS, gateway) - before
    print(
        f"{EVENTS} events beside 5 stalled subscribers: grew by {grown / 2**20:.0f} MiB; "
        f"p99 of the others {beside.worst() * 1000:.0f} ms, {alone.worst() * 1000:.0f} ms without them"
    )
    assert grown < BOUND
    await given_up(http, gateway, len(slow))
    for number, sock in enumerate(slow):
        said = await frames_of(sock)
        follower = Follower(1)
        for frame in said[1:-2]:
            follower.receive(frame)
        bye, closed = said[-2:]
        assert (bye["code"], bye["resume"]["slow"].endswith(f".v{follower.at}")) == ("slow_consumer", True)
        assert closed == {"frame": "close", "code": 4008}
        if number == 0:
            await resumed(http, gateway, follower, 1 + CONTROL + EVENTS)
    # That the other got everything while nobody read from these five says that nobody waited for them; how late it was,
    # the benchmark `stalled` says beside a run without them.
    assert await gateway.terminate() == 0


async def given_up(http: aiohttp.ClientSession, gateway: Process, number: int = 1) -> None:
    """Wait until the gateway has ended so many for being slow. Reading earlier would be progress."""
    async with asyncio.timeout(60):
        while True:
            async with http.get(f"{gateway.url}/metrics") as answer:
                if f"stenogram_slow_consumers_total {number}.0" in await answer.text():
                    return
            await asyncio.sleep(0.1)


async def flow(writer: Wire, reader: Wire, delays: Delays, count: int, gateway: Process) -> int:
    """Let `count` events flow to a reader who keeps up; the most memory that the gateway had meanwhile."""
    reader.follow("hot", {("hot", "hot"): delays})
    head, most = delays.at + count, 0
    await reader.send({"frame": "subscribe", "session": "hot", "after": delays.at})
    writing = asyncio.create_task(write(writer, "hot", count))
    reading = asyncio.create_task(reader.until(lambda: delays.at >= head, 100))
    while not reading.done():
        most = max(most, gateway.memory())
        await asyncio.wait((reading,), timeout=0.05)
    await asyncio.gather(writing, reading)
    writer.answers.clear()
    return most


async def resumed(http: aiohttp.ClientSession, gateway: Process, follower: Follower, head: int) -> None:
    """Go on where the bye said: no gap, no duplicate."""
    wire = await Wire.open(http, gateway.url, participant="slow")
    wire.follow("slow", {("slow", "hot"): follower})
    await wire.send({"frame": "subscribe", "sub": "slow", "session": "hot", "after": follower.at})
    await wire.reach("slow", head)
    assert follower.places == list(range(2, head + 1))


async def test_a_client_that_does_not_read_its_acks_is_not_read_from(
    http: aiohttp.ClientSession, serve: Serve, dial: Dial
) -> None:
    """What it may have on its way is bounded, and so are the answers that wait for it."""
    gateway = await serve(slow_after=1)
    other = await Wire.open(http, gateway.url, participant="other")
    await other.command("s", "session.open", {})
    await other.command("s", "state.merge", {"patch": {"big": "x" * 200_000}})
    before = gateway.memory()
    conflict = b'{"frame":"command","id":"c","session":"s","do":"state.merge","data":{"patch":{"a":1},"if_version":0}}'
    sock = await stalled(dial(gateway.url))
    sent = await send_until_full(sock, masked(b"[" + b",".join([conflict] * 200) + b"]"))
    assert gateway.memory() - before < 128 * 2**20
    assert sent < 100_000
    await other.command("s", "message.post", {"message": "m", "text": "x"})
    await given_up(http, gateway)
    said = await frames_of(sock)
    assert (said[-2]["code"], said[-1]) == ("slow_consumer", {"frame": "close", "code": 4008})
    assert await gateway.terminate() == 0


async def send_until_full(sock: socket.socket, message: bytes) -> int:
    """Send until nothing more is taken for a while; how many commands that were."""
    loop = asyncio.get_running_loop()
    sent = 0
    with contextlib.suppress(TimeoutError, ConnectionError):
        while True:
            async with asyncio.timeout(0.7):
                await loop.sock_sendall(sock, message)
            sent += 200
    return sent


async def test_a_stream_that_is_not_read_ends_with_the_place_to_resume_from(
    http: aiohttp.ClientSession, serve: Serve, dial: Dial
) -> None:
    gateway = await serve(slow_after=1)
    writer = await Wire.open(http, gateway.url, participant="writer")
    await writer.command("s", "session.open", {})
    writer.answers.clear()
    sock = dial(gateway.url)
    sock.send(b"GET /v1/sessions/s/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
    await write(writer, "s", 30_000)
    await given_up(http, gateway)
    raw = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionError):
            while more := await loop.sock_recv(sock, 2**20):
                raw += more
    assert b"event: bye\n" in raw
    bye = raw[raw.index(b"event: bye\n") :].split(b"\n")
    assert orjson.loads(bye[2].removeprefix(b"data: "))["code"] == "slow_consumer"
    last = bye[1].removeprefix(b"id: ").decode()
    place = int(last.rpartition(".v")[2])
    assert f'"version":{place},'.encode() in raw
    assert f'"version":{place + 1},'.encode() not in raw
    url = f"{gateway.url}/v1/sessions/s/events"
    async with SseReader.open(http, url, Follower(place), last=last) as stream:
        await stream.reach(30_001)
        assert stream.follower.places == list(range(place + 1, 30_002))
    assert await gateway.terminate() == 0
