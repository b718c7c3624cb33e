"""The least that aiohttp can do: every event to every client, without a log, sessions, audiences or resuming.

`send_str` awaits `ws.send_str` for one client after the other; `transport` builds each frame once and writes the same
bytes to every client's transport. Frames have the form and size of the gateway's. Speaks on stdin as `gateway.py` does.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

from aiohttp import web

from stenogram.api.delivery.websocket_encoder import WEBSOCKET
from stenogram.domain.concepts.messages import MessageDelta
from stenogram.domain.envelope import encode
from stenogram.domain.ids import Position, Version, new_id
from stenogram.domain.model import Fact
from stenogram.log.records import Record

BEHIND = 65_536  # bytes that wait for a client before the broadcast waits for it, too
Client = tuple[web.WebSocketResponse, asyncio.Transport, web.Request]
Broadcast = Callable[[list[Client], bytes], Awaitable[None]]


async def run(mode: str) -> None:
    clients: list[Client] = []
    app = web.Application()
    app.router.add_get("/v1/ws", lambda request: serve(request, clients))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    async for words in lines():
        broadcast = broadcast_str if mode == "send_str" else broadcast_transport
        with contextlib.suppress(ConnectionError):
            await feed(broadcast, clients, int(words[1]))


async def serve(request: web.Request, clients: list[Client]) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    assert request.transport is not None
    await ws.receive()  # hello
    await ws.send_str('{"frame":"welcome"}')
    await ws.receive()  # subscribe
    await ws.send_str('{"frame":"caught_up"}')
    clients.append((ws, request.transport, request))
    async for _ in ws:
        pass
    return ws


async def broadcast_str(clients: list[Client], payload: bytes) -> None:
    text = payload.decode()
    for ws, _, _ in clients:
        await ws.send_str(text)


async def broadcast_transport(clients: list[Client], payload: bytes) -> None:
    size = len(payload)
    frame = b"\x81\x7e" + size.to_bytes(2, "big") + payload
    for _, transport, _ in clients:
        transport.write(frame)


async def feed(broadcast: Broadcast, clients: list[Client], size: int) -> None:
    """Until the clients have seen enough and go."""
    text = f"{0:019d} ".ljust(size, "x")
    data = encode(new_id(), Fact(MessageDelta(message="m", index=0, text=text)), "2026-01-31T09:30:00.000000Z", "bench")
    head, tail = data.split(b"0" * 19)
    for sent in count(1):
        if clients[0][1].is_closing():
            return
        data = b"%s%019d%s" % (head, time.monotonic_ns(), tail)
        record = Record(Position(sent), "b0", Version(sent), "message:m", "message.delta", data, None, 0)
        frame = WEBSOCKET.events("s", "b0", sent, f"e.v{sent}", [record.wire()])
        await broadcast(clients, frame[4:])
        await asyncio.sleep(0)
        if sent % 16 == 0:
            while any(transport.get_write_buffer_size() > BEHIND for _, transport, _ in clients):
                await asyncio.sleep(0.0002)


async def lines() -> AsyncIterator[list[str]]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().split()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["send_str", "transport"])
    asyncio.run(run(parser.parse_args().mode))
