"""Nine kinds of connections, good and bad. Each function makes one, and is through with it when it returns."""

import asyncio
import base64
import contextlib
import os
import random
import socket
import struct
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import orjson

from support.wire import LOST, Wire

SESSIONS = 8
BIG = "big"
"""A session with more in it than a slow reader takes."""
PATIENCE_S = 100.0
ENDED = (*LOST, asyncio.IncompleteReadError, OSError)
"""How connections end that are not good."""
_TCP_REPAIR = 19
"""Linux: a socket that is closed in this mode is gone without a word."""

Kind = Callable[["Churn"], Awaitable[None]]
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Churn:
    """Where to connect to, and by what chance."""

    def __init__(self, http: aiohttp.ClientSession, url: str, seed: int) -> None:
        self.http = http
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.chance = random.Random(seed)

    @property
    def session(self) -> str:
        """Any of the sessions."""
        return f"s{self.chance.randrange(SESSIONS)}"

    def hello(self) -> dict[str, str]:
        """Somebody new."""
        return {"participant": f"p-{uuid.uuid4()}", "kind": "agent"}

    @asynccontextmanager
    async def connected(self, buffer: int = 0) -> AsyncIterator[Peer]:
        """A TCP connection, with a small receive buffer if asked for; cut at the end."""
        made = socket.socket()
        made.setblocking(False)
        if buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=made, limit=buffer or 2**16)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def upgrade(self, peer: Peer) -> None:
        """Make it a WebSocket."""
        key = base64.b64encode(os.urandom(16))
        peer[1].write(
            b"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % key
        )
        await peer[0].readuntil(b"\r\n\r\n")

    async def greet(self, peer: Peer, *frames: object) -> None:
        """Say hello, and more behind it."""
        await self.upgrade(peer)
        peer[1].write(text([{"frame": "hello", "protocol": 1, **self.hello()}, *frames]))

    async def follow(self, peer: Peer, session: str) -> None:
        """Say hello and subscribe."""
        await self.greet(peer, {"frame": "subscribe", "session": session, "after": 0})


def text(content: object) -> bytes:
    """A masked text frame."""
    payload = orjson.dumps(content)
    assert len(payload) < 2**16
    return b"\x81\xfe" + struct.pack("!H", len(payload)) + bytes(4) + payload


async def well_behaved(churn: Churn) -> None:
    """Follows, says something, is answered, and goes. Nothing of that may fail."""
    wire = await Wire.open(churn.http, churn.url, participant=f"p-{uuid.uuid4()}", kind="agent")
    session = churn.session
    follower = await wire.subscribe(session=session)
    for number in range(5):
        ack = await wire.command(session, "state.merge", {"patch": {"n": f"{number}-{churn.chance.random()}"}})
        assert ack["frame"] == "ack", ack
        await wire.until(lambda: follower.at >= ack["versions"][0])  # noqa: B023
    await wire.close()


async def cut_by_reset(churn: Churn) -> None:
    """Cut with RST while much is on its way to it."""
    async with churn.connected() as peer:
        await churn.follow(peer, BIG)
        await peer[0].read(1_000)
        peer[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def half_open(churn: Churn) -> None:
    """The peer is gone without a word; or, where we may not do that, silent until it is ended."""
    async with churn.connected() as peer:
        if churn.chance.random() < 0.5:
            await churn.follow(peer, churn.session)
        else:
            peer[1].write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await peer[0].read(100)
        try:
            peer[1].get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        except PermissionError:
            await _ended(peer)


async def no_hello(churn: Churn) -> None:
    """A WebSocket on which nothing is said: the gateway ends it."""
    async with churn.connected() as peer:
        await churn.upgrade(peer)
        await _ended(peer)


async def event_stream(churn: Churn) -> None:
    """Server-sent events; the client goes in the midst of them."""
    url, query = f"{churn.url}/v1/sessions/{churn.session}/events", {**churn.hello(), "last": "50"}
    async with churn.http.get(url, params=query, headers={"Accept": "text/event-stream"}) as response:
        assert response.status == 200
        for _ in range(churn.chance.randrange(10)):
            await response.content.readline()


async def long_poll(churn: Churn) -> None:
    """Waits for what may not come; half of them hang up."""
    url, query = f"{churn.url}/v1/sessions/{churn.session}/events", {**churn.hello(), "last": "1", "wait": "1"}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(churn.chance.choice((0.3, PATIENCE_S))):
            async with churn.http.get(url, params={**query, "types": "x.never"}) as response:
                assert response.status == 200
                await response.read()


async def keep_alive(churn: Churn) -> None:
    """Request after request on one connection, which is left open for a while."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        who = churn.hello()
        for _ in range(5):
            session = f"{churn.url}/v1/sessions/{churn.session}"
            command = {"id": str(uuid.uuid4()), "do": "state.increment", "data": {"path": "/said"}}
            await _posted(http, f"{session}/commands", who, command)
            async with http.get(session, params=who) as response:
                assert response.status == 200
                await response.read()
        await asyncio.sleep(churn.chance.random() / 2)


async def _posted(http: aiohttp.ClientSession, url: str, who: dict[str, str], command: Mapping[str, object]) -> None:
    """Be told that it is done. A connection that rested may be closed just when it is used again, and no client repeats
    a POST by itself: it is sent once more, under the same id."""
    for times in (1, 2):
        try:
            async with http.post(url, params=who, json=command) as response:
                assert response.status == 200, await response.text()
                return
        except aiohttp.ClientConnectionError:
            if times == 2:
                raise


async def slow_reader(churn: Churn) -> None:
    """Takes nothing of what it asked for; some go, others are ended."""
    async with churn.connected(buffer=4_096) as peer:
        await churn.follow(peer, BIG)
        await asyncio.sleep(churn.chance.choice((0.5, 2.0)))
        if churn.chance.random() < 0.5:
            await _ended(peer)


async def garbage(churn: Churn) -> None:
    """Bytes that mean nothing, before or behind a handshake."""
    noise = churn.chance.randbytes(churn.chance.randrange(1, 5_000))
    heads = (b"", b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET /health HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\n")
    async with churn.connected() as peer:
        if churn.chance.random() < 0.5:
            await churn.upgrade(peer)
        else:
            peer[1].write(churn.chance.choice(heads))
        peer[1].write(noise)
        await _ended(peer)


async def _ended(peer: Peer) -> None:
    """Read until the gateway ends it."""
    async with asyncio.timeout(PATIENCE_S):
        while await peer[0].read(2**16):
            pass


GOOD = (well_behaved, event_stream, long_poll, keep_alive)
"""What of these fails is a fault."""
BAD = (cut_by_reset, half_open, no_hello, slow_reader, garbage)
