"""The gateway is killed while messages are streamed: whatever it acknowledged is there afterwards, once, and its views
show that and nothing else.

The full run, 15 kills during 10,000 appends:

    STENOGRAM_KILLS=15 STENOGRAM_APPENDS=10000 pytest tests/live/test_crash.py
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from support.wire import LOST, Follower, Frame, ReconnectingWriter, SseReader, Wire, follow_reconnecting

from stenogram.log.records import Record
from stenogram.log.sqlite import SqliteEngine

if TYPE_CHECKING:
    from live.conftest import Process, Verify

    Serve = Callable[..., Awaitable[Process]]

pytestmark = pytest.mark.thorough

KILLS = int(os.environ.get("STENOGRAM_KILLS", "3"))
APPENDS = int(os.environ.get("STENOGRAM_APPENDS", "2000"))
WRITERS = 6


def script(name: str, session: str) -> Iterator[Frame]:
    """Messages streamed token by token, and now and then an event of a producer."""
    number = seq = 0
    for turn in range(10**6):
        message = f"{name}-{turn}"
        steps: list[tuple[str, Any]] = [("message.start", {"message": message})]
        steps += [("message.delta", {"message": message, "index": n, "text": f"«{turn}.{n}»"}) for n in range(30)]
        steps += [
            ("message.complete", {"message": message, "deltas": 30}),
            ("custom.record", {"type": "x.n", "data": {"turn": turn}}),
        ]
        for do, data in steps:
            if number >= APPENDS // WRITERS:
                return
            producer = {"producer": {"id": name, "epoch": 1, "seq": seq}} if do == "custom.record" else {}
            seq += bool(producer)
            number += 1
            yield {"frame": "command", "id": f"{name}:{number}", "session": session, "do": do, "data": data, **producer}


async def stream(http: aiohttp.ClientSession, url: str, follower: Follower, over: asyncio.Event) -> None:
    """The same over server-sent events."""
    last: str | None = None
    while not over.is_set():
        with contextlib.suppress(*LOST):
            follower.resume()
            async with SseReader.open(http, f"{url}/v1/sessions/s0/events", follower, last=last) as source:
                while await source.step():
                    last = source.last
        await asyncio.sleep(0.02)


@pytest.mark.timeout(240 + 10 * KILLS)
async def test_what_was_acknowledged_survives_being_killed(
    http: aiohttp.ClientSession, serve: Serve, verify_views: Verify, tmp_path: Path, held_port: int
) -> None:
    gateway = await serve(port=held_port)
    setup = await Wire.open(http, gateway.url, participant="setup")
    for number in range(2):
        await setup.command(f"s{number}", "session.open", {})
    writers = [ReconnectingWriter(f"w{n}", script(f"w{n}", f"s{n % 2}")) for n in range(WRITERS)]
    followers = {"s0": Follower(), "s1": Follower(), None: Follower(whole=True)}
    streamed = Follower()
    over, url = asyncio.Event(), gateway.url

    def where() -> str:
        return url

    async with asyncio.TaskGroup() as tasks:
        following = [
            tasks.create_task(
                follow_reconnecting(http, where, follower, {"session": session} if session else {"all": True})
            )
            for session, follower in followers.items()
        ]
        following.append(tasks.create_task(stream(http, url, streamed, over)))
        writing = [tasks.create_task(writer.run(http, where)) for writer in writers]
        for kill in range(1, KILLS + 1):
            goal = APPENDS * kill // (KILLS + 1)
            await until(lambda goal=goal: sum(len(writer.acks) for writer in writers) >= goal)  # type: ignore[misc]
            await gateway.kill()
            gateway = await serve(port=held_port)
        await asyncio.gather(*writing)
        total = 2 + sum(len(writer.acks) for writer in writers)
        await until(lambda: min(followers[None].at, len(streamed.events) + len(followers["s1"].events)) >= total)
        over.set()
        await verify_views(str(tmp_path / "log.db"))
        assert await gateway.terminate() == 0
        for task in following:
            task.cancel()
    records = await stored(tmp_path / "log.db")
    check(records, writers)
    assert len(records) == total == len(followers[None].events)
    assert streamed.events == followers["s0"].events
    for session, follower in followers.items():
        assert follower.gaps == []
        wires = [orjson.loads(record.wire()) for record in records if session in (None, record.session)]
        assert follower.events == wires


async def until(done: Callable[[], bool]) -> None:
    """Let others go on until `done`."""
    for _ in range(60_000):
        if done():
            return
        await asyncio.sleep(random.random() * 0.01)
    raise AssertionError("it takes too long")


async def stored(path: Path) -> list[Record]:
    """Everything in the log's file."""
    engine = SqliteEngine(path, read_only=True)
    await engine.open()
    try:
        return await engine.read_log(0, 10**6)
    finally:
        await engine.close()


def check(records: list[Record], writers: list[ReconnectingWriter]) -> None:
    """Positions and versions are dense; every acknowledged command is there, where it was said to be, once."""
    assert [record.position for record in records] == list(range(1, len(records) + 1))
    for session in ("s0", "s1"):
        versions = [record.version for record in records if record.session == session]
        assert versions == list(range(1, len(versions) + 1))
    seen = [identity(orjson.loads(record.data)) for record in records[2:]]
    assert len(set(seen)) == len(seen), "something was written twice"
    by_place = {(record.session, record.version): orjson.loads(record.data) for record in records}
    said = set(seen)
    for writer in writers:
        assert not writer.refusals
        assert len(writer.acks) == len(writer.sent) == APPENDS // WRITERS
        for id, ack in writer.acks.items():
            command = writer.sent[id]
            expected = expected_of(writer.name, command)
            assert expected in said, f"{id} was acknowledged and is not there"
            if ack["versions"]:
                assert identity(by_place[ack["session"], ack["versions"][0]]) == expected


def identity(stored: Frame) -> tuple[Any, ...]:
    """What must not be there twice."""
    data = stored["data"]
    return (stored["type"], stored["actor"], data.get("message"), data.get("index"), data.get("text"), data.get("turn"))


def expected_of(actor: str, command: Frame) -> tuple[Any, ...]:
    """The same, of what a command should have become."""
    data, do = command["data"], command["do"]
    type = {"message.start": "message.started", "message.complete": "message.completed"}.get(do, do)
    if do == "custom.record":
        return ("x.n", actor, None, None, None, data["data"]["turn"])
    return (type, actor, data["message"], data.get("index"), data.get("text"), None)
