"""A gateway that only reads: beside the process that writes, or over a copy that nobody writes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from pydantic import BaseModel
from support.wire import Follower, PageReader, ReconnectingWriter, SseReader, Wire, audit, follow_reconnecting, workload

from stenogram.api.delivery.log_cursor import write_cursor
from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.errors import LogReadOnly
from stenogram.log.log import Log
from stenogram.log.sqlite import SqliteEngine
from stenogram.projections import DocProjection, Meta
from stenogram.testing import command

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

Start = Callable[..., Awaitable[Gateway]]
WHO: dict[str, Any] = {"participant": "hotels", "kind": "agent"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def writing(start: Start) -> Gateway:
    """The gateway that writes."""
    return await start(drain=0.2)


@pytest.fixture
async def reading(writing: Gateway, start: Start) -> Gateway:
    """One that reads beside it."""
    return await start(drain=0.2, read_only=True)


@pytest.fixture
async def wires(http: aiohttp.ClientSession, writing: Gateway, reading: Gateway) -> tuple[Wire, Wire]:
    """A connection to each; session `s` is open."""
    one, other = [await Wire.open(http, each.url, **WHO) for each in (writing, reading)]
    assert (await one.command("s", "session.open", {}))["frame"] == "ack"
    return one, other


# -- Following ---------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
async def test_everyone_who_follows_sees_each_event_once_while_its_writer_is_killed_and_comes_back(
    http: aiohttp.ClientSession, serve: Serve, log: Path
) -> None:
    writing = [await serve()]
    reading = await serve(read_only=True)
    setup = await Wire.open(http, writing[0].url, participant="setup")
    for session in ("a", "b"):
        await setup.command(session, "session.open", {})
    writers = [ReconnectingWriter(f"w{n}", workload(f"w{n}", ("a", "b"), 150)) for n in range(4)]
    followers = {session: Follower(whole=session is None) for session in ("a", "b", None)}
    async with asyncio.TaskGroup() as tasks:
        following = [
            tasks.create_task(
                follow_reconnecting(
                    http, partial(str, reading.url), follower, {"session": session} if session else {"all": True}
                )
            )
            for session, follower in followers.items()
        ]
        writes = [tasks.create_task(writer.run(http, lambda: writing[-1].url)) for writer in writers]
        await _until(lambda: sum(len(writer.acks) for writer in writers) > 200)
        await writing[0].kill()
        writing.append(await serve())
        await asyncio.wait(writes)
        async with Log(SqliteEngine(log, read_only=True)) as stored:
            await _until(lambda: followers[None].at >= stored.position)
            records = await stored.engine.read_log(0, 10_000)
        for task in following:
            task.cancel()
    audit(records, writers)
    for followed, follower in followers.items():
        expected = [_id(record.data) for record in records if followed in (None, record.session)]
        assert [event["id"] for event in follower.events] == expected
    assert await reading.terminate() == 0
    assert "for reading only" in reading.stderr


async def test_a_place_that_the_writer_gave_is_good_at_once(wires: tuple[Wire, Wire]) -> None:
    one, other = wires
    assert other.welcome["epoch"] == one.welcome["epoch"]
    for number in range(20):
        ack = await one.command("s", "message.post", {"message": f"m{number}", "text": "Hello"})
        (version,), (position,) = ack["versions"], ack["positions"]
        await other.subscribe(f"s{number}", session="s", after=version)
        await other.subscribe(f"all{number}", all=True, after=write_cursor(one.welcome["epoch"], position), at=position)
        for sub in (f"s{number}", f"all{number}"):
            await other.catch_up(sub)
            await other.unsubscribe(sub)
    assert other.frames == []


async def test_pages_streams_sessions_and_folded_readings_are_served(
    http: aiohttp.ClientSession, wires: tuple[Wire, Wire], reading: Gateway
) -> None:
    one, other = wires
    await one.command("s", "message.start", {"message": "m"})
    folded = await other.subscribe("f", session="s", reading="folded", dense=False)
    await other.catch_up("f")
    waiting = asyncio.create_task(
        PageReader(http, f"{reading.url}/v1/sessions/s/events", Follower(after=2)).next(wait=10)
    )
    async with SseReader.open(http, f"{reading.url}/v1/events", Follower(whole=True)) as stream:
        await one.command("s", "message.delta", {"message": "m", "index": 0, "text": "Casa "})
        assert await waiting == 1
        await one.command("s", "message.delta", {"message": "m", "index": 1, "text": "Azul"})
        await one.command("s", "message.complete", {"message": "m", "deltas": 2})
        await stream.reach(5)
        await other.reach("f", 5)
    assert [event["type"] for event in folded.events][-1] == "message.completed"
    answer = await http.get(f"{reading.url}/v1/sessions/s")
    assert (await answer.json())["version"] == 5
    answer = await http.get(f"{reading.url}/v1/sessions")
    assert [each["session"] for each in (await answer.json())["sessions"]] == ["s"]


# -- Refusing ----------------------------------------------------------------------------------------------------------


async def test_every_command_is_refused_and_nothing_is_written(
    http: aiohttp.ClientSession, wires: tuple[Wire, Wire], writing: Gateway, reading: Gateway
) -> None:
    one, other = wires
    assert ("read_only" in one.welcome, other.welcome["read_only"]) == (False, True)
    await one.command("s", "presence.join", {})
    for do, data in (("session.open", {}), ("message.post", {"message": "m", "text": "Hello"}), ("presence.leave", {})):
        refused = await other.command("s", do, data)
        assert (refused["frame"], refused["error"]["code"]) == ("refused", "log_read_only")
        answer = await http.post(f"{reading.url}/v1/sessions/s/commands", json={"id": "c", "do": do, "data": data})
        assert (answer.status, (await answer.json())["code"]) == (503, "log_read_only")
    await other.send({"frame": "heartbeat"}, {"frame": "heartbeat", "progress": {"s": ["t-1"]}})
    assert (await other.refusal())["error"]["code"] == "log_read_only"
    assert {"frame": "heartbeat"} in other.frames
    async with Client(reading.url, **WHO) as client:
        with pytest.raises(LogReadOnly, match="process that writes"):
            await client.session("s").__aenter__()
        seen = [event.type async for event in _first(client.watch("s").events(after=0), 2)]
    assert seen == ["session.opened", "presence.joined"]
    assert writing.tenants.open[""].log.position == 2
    assert reading.tenants.open[""].timekeeper is None


async def test_readiness_and_metrics_say_what_it_is(
    http: aiohttp.ClientSession, wires: tuple[Wire, Wire], writing: Gateway, reading: Gateway
) -> None:
    await wires[1].subscribe(session="s")
    await wires[1].reach("s", 1)
    await _until(lambda: reading.tenants.open[""].log.position == 1)  # a session's events may come before it
    told = [await (await http.get(f"{each.url}/ready")).json() for each in (writing, reading)]
    assert [each.get("read_only", False) for each in told] == [False, True]
    assert told[1]["position"] == 1
    assert 0 <= told[1]["lag"] < 5
    page = await (await http.get(f"{reading.url}/metrics")).text()
    assert "stenogram_log_position 1.0" in page
    assert "stenogram_events_appended_total 0.0" in page


# -- Logs at rest, and logs that are not there -------------------------------------------------------------------------


async def test_a_copy_that_nobody_writes_is_served_and_stays_as_it_is(
    http: aiohttp.ClientSession, start: Start, log: Path, tmp_path: Path
) -> None:
    async with Log(SqliteEngine(log)) as source:
        await _say(source, 30)
    copy = Path(shutil.copy(log, tmp_path / "copy.db"))
    before = _digest(copy)
    gateway = await start(log=str(copy), read_only=True)
    wire = await Wire.open(http, gateway.url, **WHO)
    assert len((await wire.subscribe(session="s")).events) == 0
    assert (await wire.reach("s", 30)).places == [*range(1, 31)]
    assert (await wire.command("s", "session.close", {}))["frame"] == "refused"
    assert _digest(copy) == before
    assert not {"copy.db.lock", "copy.views.db"} & set(os.listdir(tmp_path))


@pytest.mark.parametrize(
    ("log", "said"), [("nowhere.db", "There is no log at"), ("memory:", "nothing to be read")], ids=["file", "memory"]
)
def test_it_does_not_start_without_a_log(log: str, said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stenogram", "serve", "--read-only", "--port", "0", "--log", log]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert list(tmp_path.iterdir()) == []


async def test_it_ends_when_another_file_takes_the_place_of_its_log(serve: Serve, log: Path, tmp_path: Path) -> None:
    async with Log(SqliteEngine(log)) as source:
        await _say(source, 3)
    backup = Path(shutil.copy(log, tmp_path / "backup.db"))
    reading = await serve(read_only=True)
    os.replace(backup, log)
    assert await asyncio.wait_for(reading.process.wait(), 40) == 1
    assert "is another file than the one that was opened" in reading.stderr
    assert "Traceback" not in reading.stderr


# -- Views -------------------------------------------------------------------------------------------------------------


class Tally(BaseModel):
    said: int = 0


told: list[str] = []
tally = DocProjection("tally", Tally)


@tally.on
def _count(doc: Tally, event: MessagePosted) -> None:
    doc.said += 1


@tally.effect
async def _tell(event: MessagePosted, meta: Meta) -> None:
    told.append(event.message)


async def test_views_are_kept_where_a_place_is_named_and_nothing_else_comes_of_them(
    http: aiohttp.ClientSession,
    start: Start,
    tmp_path: Path,
    wires: tuple[Wire, Wire],
    reading: Gateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))  # and with it what looking for projections adds to the path is undone
    refused = await http.get(f"{reading.url}/v1/views/state/s")
    assert (refused.status, "STENOGRAM_VIEWS" in (await refused.json())["detail"]) == (404, True)
    own: dict[str, Any] = {"views": str(tmp_path / "own.db"), "projections": (f"{__name__}:tally",)}
    keeping = await start(read_only=True, drain=0.2, **own)
    ack = await wires[0].command("s", "message.post", {"message": "m", "text": "Hello"})
    at = {"min_position": str(ack["positions"][0]), "wait": "20"}
    found = await http.get(f"{keeping.url}/v1/views/tally/s", params=at)
    assert (await found.json())["value"] == {"said": 1}
    found = await http.get(f"{keeping.url}/v1/views/tally/s", params={"at": "2"})
    assert (await found.json())["value"] == {"said": 1}
    names = {build.name for build in await keeping.tenants.open[""].views.store.builds()}
    assert "tally" in names
    assert not any(name.endswith("effects") for name in names)
    assert told == []


async def _say(log: Log, events: int) -> None:
    await log.submit(command("session.open", "s"))
    for number in range(events - 1):
        await log.submit(command("message.post", "s", message=f"m{number}", text="Hello"))


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(4_000):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it takes too long")


def _digest(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


async def _first(events: Any, count: int) -> Any:
    async for event in events:
        yield event
        count -= 1
        if not count:
            return


def _id(data: bytes) -> str:
    found: str = orjson.loads(data)["id"]
    return found
