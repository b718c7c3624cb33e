"""Resuming at random: cuts, places, batches and full transports, while writers go on. Never a gap, never a duplicate.

Rings, pages, frames and slices are made tiny, so that falling behind, paging and joining again happen all the time.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from support.wire import Closed, Follower, Frame, PageReader, SseReader, Wire, messages_of

from stenogram.api.server import Gateway
from stenogram.log.paging import read_range

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]

SESSIONS = ("a", "b")
TOPICS: tuple[str | None, ...] = ("a", "b", None)
TINY = {
    "log.engine.PAGE_BYTES": 1_500,
    "log.paging.PAGE_BYTES": 1_500,
    "log.sqlite.reading.PAGE_BYTES": 1_500,
    "api.delivery.topic.RING_ENTRIES": 8,
    "api.delivery.topic.RING_BYTES": 4_000,
    "api.delivery.history_reader.PAGE_EVENTS": 7,
    "api.delivery.history_reader.KEPT_BYTES": 20_000,
    "api.delivery.event_frames.KEPT_BYTES": 10_000,
    "api.delivery.event_frames.MAX_FRAME_BYTES": 900,
    "api.delivery.event_frames.PROGRESS_EVERY_PLACES": 5,
    "api.delivery.feed.WRITES_PER_STEP": 1,
    "api.delivery.pump.SLICE_S": 0.0,
    "api.delivery.window.MAX_WINDOW_S": 0.001,
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything small."""
    for name, value in TINY.items():
        monkeypatch.setattr(f"stenogram.{name}", value)


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway that keeps views meanwhile, as most do."""
    return await start(views="")


class Run:
    """One run of a seed: what is shared by writers, readers and whoever disturbs them."""

    def __init__(self, seed: int, http: aiohttp.ClientSession, gateway: Gateway, events: int) -> None:
        self.random = random.Random(seed)
        self.http = http
        self.gateway = gateway
        self.left = events
        self.writers = 0
        self.heads: dict[str, int] = {}

    @property
    def over(self) -> bool:
        """Whether nothing more will be written."""
        return self.left <= 0 and self.writers == 0

    async def pause(self, most: float = 0.005) -> None:
        """Let others go on."""
        await asyncio.sleep(self.random.random() * most)

    async def write(self, name: str) -> None:
        """Stream messages into both sessions, several at once, in batches of any size; now and then without waiting."""
        self.writers += 1
        wire = await Wire.open(self.http, self.gateway.url, participant=name, kind="agent")
        script = _script(self.random, name)
        while self.left > 0:
            frames = [next(script) for _ in range(self.random.choice((1, 1, 3, 20)))]
            self.left -= len(frames)
            await wire.send(*frames)
            await wire.until(lambda frames=frames: all(each["id"] in wire.answers for each in frames))  # type: ignore[misc]
            assert all(wire.answers[each["id"]]["frame"] == "ack" for each in frames)
            await self.pause()
        await wire.close()
        self.writers -= 1

    async def disturb(self) -> None:
        """Say of random transports that they are full, and that they are not."""
        while not self.over:
            for socket in tuple(self.gateway.websocket_server._connections):
                if self.random.random() < 0.3:
                    socket.paused()
            await self.pause(0.01)
            for socket in tuple(self.gateway.websocket_server._connections):
                socket.resumed()
            await self.pause(0.01)

    def done(self, follower: Follower, session: str | None) -> bool:
        """Whether a follower has everything."""
        log = self.gateway.tenants.open[""].log
        head = log.position if session is None else self.heads.get(session)
        return self.over and head is not None and follower.at >= head

    async def truth(self, session: str | None) -> list[int]:
        """All places, from the storage."""
        engine = self.gateway.tenants.open[""].log.engine
        if session is not None:
            return [record.version for record in await read_range(engine, session, 0, 100_000)]
        positions: list[int] = []
        while page := await engine.read_log(len(positions), 1_000):
            positions += [record.position for record in page]
        return positions


def _script(chance: random.Random, name: str) -> Any:
    """An endless stream of command frames: messages begun, streamed and ended, in random sessions and order."""
    open: list[tuple[str, str, int]] = []
    number = 0
    while True:
        number += 1
        session, message, index = chance.choice(open) if open and chance.random() < 0.85 else (None, None, 0)
        if session is None or message is None:
            session, message = chance.choice(SESSIONS), f"{name}-{number}"
            open.append((session, message, 0))
            do, data = "message.start", dict[str, Any](message=message)
        elif chance.random() < 0.1:
            open.remove((session, message, index))
            do, data = chance.choice(
                (("message.complete", {"message": message}), ("message.abort", {"message": message}))
            )
        else:
            open[open.index((session, message, index))] = (session, message, index + 1)
            part = {"part": "reasoning"} if chance.random() < 0.3 else {}
            text = chance.choice("aé😀") * chance.choice((1, 5, 60))
            do, data = "message.delta", {"message": message, "index": index, "text": text, **part}
        yield {"frame": "command", "id": f"{name}-{number}", "session": session, "do": do, "data": data}


async def follow_by_socket(run: Run, session: str | None, *, reading: str = "raw", after: int = 0) -> Follower:
    """Follow over sockets that are cut, closed or resubscribed on at random."""
    follower = Follower(after, dense=reading == "raw", whole=session is None)
    where: dict[str, Any] = {"all": True} if session is None else {"session": session}
    while not run.done(follower, session):
        wire = await Wire.open(run.http, run.gateway.url, participant="reader")
        for _ in range(run.random.choice((1, 1, 1, 3))):
            follower.resume()
            sub = f"sub{run.random.random()}"
            for name in {key[0] for key in wire.followers}:
                await wire.unsubscribe(name)
            wire.follow(sub, {(sub, session): follower})
            await wire.send({"frame": "subscribe", "sub": sub, **where, "after": follower.place, "reading": reading})
            goal = follower.at + run.random.choice((0, 1, 10, 40, 1_000))
            with contextlib.suppress(TimeoutError):
                await wire.until(lambda goal=goal: follower.at >= goal or run.done(follower, session), 0.2)  # type: ignore[misc]
        wire.cut()
        await wire.ws.close()
    return follower


async def follow_by_stream(run: Run, session: str | None) -> Follower:
    """Follow server-sent events, resuming by `Last-Event-ID`."""
    follower = Follower(0, whole=session is None)
    path = "/v1/events" if session is None else f"/v1/sessions/{session}/events"
    last: str | None = None
    while not run.done(follower, session):
        follower.resume()
        async with SseReader.open(run.http, run.gateway.url + path, follower, last=last) as stream:
            with contextlib.suppress(TimeoutError):
                for _ in range(run.random.choice((1, 3, 10))):
                    async with asyncio.timeout(0.1):
                        await stream.step()
            last = stream.last or last
    return follower


async def follow_by_pages(run: Run, session: str | None) -> Follower:
    """Page over HTTP, waiting or not."""
    follower = Follower(0, whole=session is None)
    path = "/v1/events" if session is None else f"/v1/sessions/{session}/events"
    pages = PageReader(run.http, run.gateway.url + path, follower)
    while not run.done(follower, session):
        await pages.next(limit=run.random.choice((1, 7, 100)), wait=run.random.choice((0, 0.05)))
    return follower


async def heads(run: Run) -> None:
    """Note where the sessions end, once nothing more is written."""
    while not run.over:
        await run.pause(0.02)
    for session in SESSIONS:
        run.heads[session] = len(await run.truth(session))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("tiny")
async def test_no_gap_and_no_duplicate_however_one_resumes(
    seed: int, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    run = Run(seed, http, gateway, events=500)
    setup = await Wire.open(http, gateway.url, participant="setup")
    for name in SESSIONS:
        await setup.command(name, "session.open", {})
    followers: dict[tuple[str, str | None, str], asyncio.Task[Follower]] = {}
    async with asyncio.timeout(50), asyncio.TaskGroup() as tasks:
        for name in ("w1", "w2", "w3"):
            tasks.create_task(run.write(name))
        tasks.create_task(run.disturb())
        tasks.create_task(heads(run))
        for session in TOPICS:
            for reading in ("raw", "folded"):
                followers["socket", session, reading] = tasks.create_task(
                    follow_by_socket(run, session, reading=reading)
                )
            followers["stream", session, "raw"] = tasks.create_task(follow_by_stream(run, session))
            followers["pages", session, "raw"] = tasks.create_task(follow_by_pages(run, session))
    truth = {session: await run.truth(session) for session in TOPICS}
    raw = {session: followers["socket", session, "raw"].result().events for session in TOPICS}
    for (face, session, reading), task in followers.items():
        follower = task.result()
        assert follower.gaps == []
        if reading == "raw":
            assert follower.places == truth[session], face
            assert follower.events == raw[session]
        else:
            assert said(follower.events) == said(raw[session])


def said(events: list[Frame]) -> dict[str, Any]:
    """The transcript of each session."""
    return {session: messages_of(each for each in events if each["session"] == session) for session in SESSIONS}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("tiny")
async def test_readers_who_share_a_name_from_random_places_get_the_same(
    seed: int, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    """Shared frames and pages: twenty subscribers under one name, who begin anywhere while events flow."""
    chance = random.Random(seed)
    writer = await Wire.open(http, gateway.url, participant="w")
    await writer.command("s", "session.open", {})
    version = 1
    followers: list[tuple[Wire, Follower, int]] = []
    for number in range(60):
        data = {"type": "x.n", "data": {"n": number, "pad": "x" * chance.choice((1, 200))}}
        for _ in range(chance.choice((1, 2, 9))):
            version = (await writer.command("s", "custom.record", data))["versions"][0]
        if number % 3 == 0:
            wire = await Wire.open(http, gateway.url, participant=f"r{number}")
            after = chance.randrange(version + 1)
            followers.append((wire, await wire.subscribe("same", session="s", after=after), after))
    for wire, follower, after in followers:
        await wire.reach("same", version)
        assert follower.places == list(range(after + 1, version + 1))


async def test_a_cut_while_catching_up_is_resumed_from_the_last_to(wire: Wire, connect: Open) -> None:
    commands = [
        {"frame": "command", "id": f"c{n}", "session": "s", "do": "custom.record", "data": {"type": "x.n", "data": {}}}
        for n in range(5_000)
    ]
    for start in range(0, 5_000, 250):
        await wire.send(*commands[start : start + 250])
    await wire.until(lambda: len(wire.answers) >= 5_001)
    follower = Follower()
    while follower.at < 5_001:
        reader = await connect("reader")
        reader.follow("s", {("s", "s"): follower})
        await reader.send({"frame": "subscribe", "session": "s", "after": follower.at})
        await reader.step()
        reader.cut()
        with contextlib.suppress(Closed):
            while True:
                await reader.step()
        follower.resume()
    assert follower.places == list(range(1, 5_002))
