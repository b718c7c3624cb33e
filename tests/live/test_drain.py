"""SIGTERM under load: what was acknowledged is kept, everyone is told where to resume, and the process ends well."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest
from support.wire import Closed, Follower, SseReader, Wire

from stenogram.api.server import running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS
from stenogram.log.sqlite import SqliteEngine

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]


async def write(wire: Wire, name: str) -> Closed:
    """Record events as fast as they are taken, twenty on their way, until the gateway closes."""
    sent = 0
    try:
        while True:
            while sent < len(wire.answers) + 20:
                data = {"type": "x.n", "data": {"n": f"{name}-{sent}"}}
                await wire.send(
                    {"frame": "command", "id": f"{name}-{sent}", "session": "s", "do": "custom.record", "data": data}
                )
                sent += 1
            await wire.step()
    except Closed as closed:
        return closed
    except ConnectionError:
        return await wire.closed()


@pytest.mark.parametrize("signals", [1, 5])
async def test_a_gateway_that_is_told_to_end_under_load_keeps_what_it_acknowledged(
    signals: int, http: aiohttp.ClientSession, serve: Serve, tmp_path: Path
) -> None:
    gateway = await serve(drain=120)
    setup = await Wire.open(http, gateway.url, participant="setup")
    await setup.command("s", "session.open", {})
    await setup.close()
    writers = [await Wire.open(http, gateway.url, participant=f"w{n}") for n in range(5)]
    reader = await Wire.open(http, gateway.url, participant="reader")
    follower = await reader.subscribe("sub", session="s")
    url = f"{gateway.url}/v1/sessions/s/events"
    writing = [asyncio.create_task(write(wire, f"w{n}")) for n, wire in enumerate(writers)]
    reading = asyncio.create_task(reader.closed())
    streaming = asyncio.create_task(to_its_end(http, url))
    await asyncio.sleep(1)
    for _ in range(signals):
        with contextlib.suppress(ProcessLookupError):
            gateway.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.01)
    async with asyncio.timeout(30):
        assert await gateway.process.wait() == 0
    closed = await asyncio.gather(*writing)
    assert [(each.code, each.bye and each.bye["code"]) for each in closed] == [(4001, "shutdown")] * 5
    told = await reading
    assert told.code == 4001
    assert told.bye is not None
    assert told.bye["resume"]["sub"].endswith(f".v{follower.at}")
    assert told.bye["retry_after"] > 0
    stream = await streaming
    assert stream.bye is not None
    assert stream.bye.id.endswith(f".v{stream.follower.at}")
    assert "Traceback" not in gateway.stderr
    assert "error" not in gateway.stderr.lower()
    engine = SqliteEngine(tmp_path / "log.db", read_only=True)
    await engine.open()
    records = await engine.read_session("s", 0, 10**6)
    await engine.close()
    assert [record.version for record in records] == list(range(1, len(records) + 1))
    places = {record.key: record.version for record in records}
    acks = [ack for wire in writers for ack in wire.answers.values()]
    assert len(acks) > 100
    assert all(places[ack["id"]] == ack["versions"][0] for ack in acks)
    assert follower.events == [orjson.loads(record.wire()) for record in records[: follower.at]]


async def to_its_end(http: aiohttp.ClientSession, url: str) -> SseReader:
    """A stream, read until the gateway ends it."""
    async with SseReader.open(http, url, Follower()) as stream:
        while await stream.step():
            pass
    return stream


async def test_clients_that_do_not_answer_do_not_keep_a_gateway(
    http: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that never reads, nor one in the midst of a request, nor one that says nothing at all."""
    monkeypatch.setattr("stenogram.api.transport.tcp_connections.FIRST_REQUEST_S", 600)
    monkeypatch.setattr("stenogram.api.http.responses.BODY_TIMEOUT_S", 600)
    settings = Settings(log=str(tmp_path / "log.db"), port=0, drain=1, heartbeat=60, views=NO_VIEWS)
    async with asyncio.timeout(30), running(settings) as gateway:
        host, port = "127.0.0.1", int(gateway.url.rpartition(":")[2])
        deaf = await Wire.open(http, gateway.url, participant="deaf")
        await deaf.subscribe(session="s")
        _, half = await asyncio.open_connection(host, port)
        half.write(b"POST /v1/sessions/s/commands HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        _, mute = await asyncio.open_connection(host, port)
        while len(gateway.tcp_connections) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
    half.close()
    mute.close()


async def test_an_idle_gateway_ends_at_once(serve: Serve) -> None:
    gateway = await serve(drain=120)
    assert await gateway.terminate() == 0
    assert "Traceback" not in gateway.stderr


async def test_ctrl_c_ends_it_as_well(serve: Serve) -> None:
    gateway = await serve()
    gateway.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        assert await gateway.process.wait() in (0, 130)
    assert "Traceback" not in gateway.stderr
