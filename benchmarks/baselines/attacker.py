"""A client that means harm, or does it unawares: `attacker.py URL TOKEN SECONDS NAME`.

It has one connection, except where its attack is to have many, and connects again at once when that is closed. Prints
how many messages or requests it got rid of, and how often it was refused and closed.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.wire import Closed, Wire

BIG_STATE_BYTES, OPERATIONS, PATCHES = 900_000, 1_000, 40
FORKS, SAID, LONG = 64, 20_000, "long"
SUBSCRIPTIONS = 100
HALF_OPEN = 1_000
PAUSE_S = 0.02
TEXT, PING = 0x1, 0x9


class Attack:
    """What an attack is made with, and what came of it."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, seconds: float) -> None:
        self.http = http
        self.url = url
        self.token = token
        self.until = time.monotonic() + seconds
        self.counts = {"sent": 0, "refused": 0, "acked": 0, "closed": 0}

    @property
    def on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.until

    async def connections(self) -> AsyncIterator[Wire]:
        """A connection, and another one each time that it is closed."""
        while self.on:
            with contextlib.suppress(Closed, ConnectionError, aiohttp.ClientError, asyncio.TimeoutError):
                yield await Wire.open(self.http, self.url, token=self.token)
            await asyncio.sleep(PAUSE_S)

    async def flood(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        """Send these bytes over a connection as quickly as they are taken."""
        async for wire in self.connections():
            reading = asyncio.create_task(self.read(wire.ws))
            for chunk in chunks():
                if not await self.sent(wire.ws, chunk, reading):
                    break
            reading.cancel()

    async def sent(self, ws: aiohttp.ClientWebSocketResponse, chunk: bytes, reading: "asyncio.Task[None]") -> bool:
        """Hand over bytes; returns whether they were taken before the connection, or the time, was over."""
        transport = transport_of(ws)
        transport.write(chunk)
        self.counts["sent"] += 1
        while self.on and not reading.done():
            if not transport.get_write_buffer_size():
                await asyncio.sleep(0)
                return True
            await asyncio.sleep(0.001)
        return False

    async def read(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Read what comes without looking much at it."""
        while True:
            message = await ws.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                self.counts["closed"] += 1
                return
            self.counts["refused"] += message.data.count('"frame":"refused"')
            self.counts["acked"] += message.data.count('"frame":"ack"')


def transport_of(ws: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    """Where its bytes go."""
    connection = ws._response.connection
    assert connection is not None
    assert connection.transport is not None
    return connection.transport


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame of a client, masked with zeros."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


def _same(chunk: bytes) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        while True:
            yield chunk

    return chunks


async def pings(attack: Attack) -> None:
    """Pings, a thousand at a time."""
    await attack.flood(_same(masked(PING, b"") * 1_000))


async def heartbeats(attack: Attack) -> None:
    """Heartbeats, 256 in a message."""
    await attack.flood(_same(masked(TEXT, json.dumps([{"frame": "heartbeat"}] * 256).encode())))


async def progress(attack: Attack) -> None:
    """Heartbeats about a hundred tasks in a hundred sessions."""
    beat = {"frame": "heartbeat", "progress": {f"s{n}": [f"t{m}" for m in range(100)] for n in range(100)}}
    await attack.flood(_same(masked(TEXT, json.dumps(beat).encode())))


async def unreadable(attack: Attack) -> None:
    """99 frames that cannot be read, and a heartbeat, again and again."""
    bad = masked(TEXT, b"[" + b'{"a":[[[}' * 2_000)
    await attack.flood(_same(bad * 99 + masked(TEXT, b'{"frame":"heartbeat"}')))


async def subscriptions(attack: Attack) -> None:
    """Subscriptions to sessions that do not exist, each begun and ended."""
    number = 0

    def chunks() -> Iterator[bytes]:
        nonlocal number
        while True:
            frames: list[dict[str, str]] = []
            for _ in range(128):
                number += 1
                frames.append({"frame": "subscribe", "session": f"absent-{number}"})
                frames.append({"frame": "unsubscribe", "sub": f"absent-{number}"})
            yield masked(TEXT, json.dumps(frames).encode())

    await attack.flood(chunks)


async def commands(attack: Attack) -> None:
    """Thousands of plain commands in flight over one connection."""
    session = f"hog-{uuid.uuid4()}"
    async for wire in attack.connections():
        await wire.command(session, "session.open", {})
        break

    def post() -> dict[str, Any]:
        return _command(session, "message.post", {"message": str(uuid.uuid4()), "text": "Hello."})

    def chunks() -> Iterator[bytes]:
        while True:
            yield masked(TEXT, json.dumps([post() for _ in range(64)]).encode())

    await attack.flood(chunks)


async def _big_state(attack: Attack, value: Any) -> str:
    session = f"big-{uuid.uuid4()}"
    async for wire in attack.connections():
        await wire.command(session, "session.open", {})
        answer = await wire.command(session, "state.merge", {"patch": {"list": value, "small": {"n": 0}}})
        assert answer["frame"] == "ack", answer
        await wire.close()
        break
    return session


async def _send_often(attack: Attack, frames: Callable[[], list[dict[str, Any]]]) -> None:
    """Send some commands, wait for their answers, and begin again."""
    async for wire in attack.connections():
        while attack.on:
            sent = frames()
            ids = [each["id"] for each in sent]
            for each in sent:
                await wire.send(each)
                attack.counts["sent"] += 1
            try:
                await wire.until(partial(_answered, wire, ids), 60)
            except Closed:  # it was silent for too long, while it waited
                attack.counts["closed"] += 1
                break
            for id in ids:
                attack.counts["acked" if wire.answers.pop(id)["frame"] == "ack" else "refused"] += 1


def _answered(wire: Wire, ids: list[str]) -> bool:
    return all(id in wire.answers for id in ids)


def _command(session: str, do: str, data: Any) -> dict[str, Any]:
    return {"frame": "command", "id": str(uuid.uuid4()), "session": session, "do": do, "data": data}


async def patches(attack: Attack) -> None:
    """Patches of a thousand operations on a state of 900 kB, forty at a time."""
    session = await _big_state(attack, [0] * (BIG_STATE_BYTES // 2))
    patch = [{"op": "copy", "from": "/small/n", "path": "/list/-"}, {"op": "remove", "path": "/list/0"}]
    data = {"patch": patch * (OPERATIONS // 2)}
    await _send_often(attack, lambda: [_command(session, "state.patch", data) for _ in range(PATCHES)])


async def merges(attack: Attack) -> None:
    """Merge patches of 60,000 names, four at a time."""
    session = await _big_state(attack, 0)
    rounds = count()

    def merge() -> dict[str, Any]:
        names = {f"k{number}": next(rounds) for number in range(60_000)}
        return _command(session, "state.merge", {"patch": {"list": names}})

    await _send_often(attack, lambda: [merge() for _ in range(PATCHES // 10)])


async def counters(attack: Attack) -> None:
    """Small changes of a large state, forty at a time."""
    session = await _big_state(attack, [0] * (BIG_STATE_BYTES // 2))
    data = {"path": "/list/5"}
    await _send_often(attack, lambda: [_command(session, "state.increment", data) for _ in range(PATCHES)])


async def absent(attack: Attack) -> None:
    """As many subscriptions to sessions that do not exist as a connection may have, over twenty connections."""
    async with contextlib.AsyncExitStack() as stack:
        for number in range(20):
            wire = await Wire.open(attack.http, attack.url, token=attack.token)
            stack.push_async_callback(wire.close)
            for each in range(SUBSCRIPTIONS):
                await wire.send({"frame": "subscribe", "session": f"absent-{number}-{each}"})
                attack.counts["sent"] += 1
        while attack.on:
            await asyncio.sleep(1)


async def forks(attack: Attack) -> None:
    """Forks of a long session at past versions, 64 at a time."""

    def fork(number: int) -> dict[str, Any]:
        data = {"origin": LONG, "at": SAID * (number + 1) // (FORKS + 1)}
        return _command(f"fork-{uuid.uuid4()}", "session.fork", data)

    await _send_often(attack, lambda: [fork(number) for number in range(FORKS)])


async def openapi(attack: Attack) -> None:
    """The API's description, ten at a time, without a token."""

    async def one() -> None:
        while attack.on:
            async with attack.http.get(f"{attack.url}/openapi.json") as response:
                await response.read()
                attack.counts["sent"] += 1

    await asyncio.gather(*[one() for _ in range(10)])


async def half_open(attack: Attack) -> None:
    """Connections that say nothing, or half of a request, without a token."""
    host, port = attack.url.removeprefix("http://").split(":")

    async def one(number: int) -> None:
        while attack.on:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(host, int(port))
                attack.counts["sent"] += 1
                if number % 2:
                    writer.write(b"GET /v1/ws HTTP/1.1\r\nHost: ")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), max(0.1, attack.until - time.monotonic()))
                    attack.counts["closed"] += 1
                writer.close()
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*[one(number) for number in range(HALF_OPEN)])


async def hello_pings(attack: Attack) -> None:
    """A WebSocket that says no hello, but pings."""
    while attack.on:
        ws = await attack.http.ws_connect(f"{attack.url}/v1/ws")
        reading = asyncio.create_task(attack.read(ws))
        while await attack.sent(ws, masked(PING, b"") * 1_000, reading):
            pass
        reading.cancel()
        await ws.close()


ATTACKS: dict[str, Callable[[Attack], Awaitable[None]]] = {
    each.__name__: each
    for each in (
        openapi,
        half_open,
        hello_pings,
        pings,
        heartbeats,
        progress,
        unreadable,
        subscriptions,
        commands,
        patches,
        merges,
        counters,
        absent,
        forks,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("seconds", type=float)
    parser.add_argument("name", choices=tuple(ATTACKS))
    options = parser.parse_args()
    print(json.dumps(asyncio.run(attack(options))))


async def attack(options: argparse.Namespace) -> dict[str, int]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        made = Attack(http, options.url, options.token, options.seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.seconds + 20):
                await ATTACKS[options.name](made)
    return made.counts


if __name__ == "__main__":
    main()
