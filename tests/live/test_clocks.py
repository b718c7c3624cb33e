"""Gateways whose clocks are wrong, or are set, keep the log's time: nothing falls due early, late or never for that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support.faketime import FakeClock, find_faketime
from support.postgres import new_log
from support.wire import Follower, Wire

from stenogram.domain.ids import new_id

if TYPE_CHECKING:
    from live.conftest import Process
    from support.postgres import PostgresServer

    Serve = Callable[..., Awaitable[Process]]

HOUR = 3_600
TIMERS = {"approval.expired": 3.0, "signal.expired": 4.0, "presence.stalled": 2.0, "presence.lost": 5.0}
"""What falls due in a session, by its kind, after so many seconds."""
EARLY, LATE = 1.5, 60.0
"""Seconds by which it may seem early, since clocks differ by as much, and by which it may be late on a busy machine."""

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.faketime,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(find_faketime() is None, reason="no libfaketime: install it (Debian: libfaketime)"),
]


class Scene:
    """A session in which timers run: ada holds a task, and looks on; an agent has asked, and goes silent; another one
    is to pause."""

    def __init__(self, watcher: Wire, follower: Follower) -> None:
        self.watcher = watcher
        self.events = follower.events
        self.since: dict[str, tuple[float, float]] = {}

    async def starting(self, type: str, command: Awaitable[None]) -> None:
        """The time of this kind begins to run with a command: after it was sent, and before it is acknowledged."""
        sent = monotonic()
        await command
        self.since[type] = sent, monotonic()

    @classmethod
    async def begin(cls, http: aiohttp.ClientSession, url: str, watched: str | None = None) -> Scene:
        """Begin over one gateway, watched over another."""
        session = new_id()
        hotels = await Wire.open(http, url, participant="hotels", kind="agent")
        await _do(hotels, session, "session.open")
        watcher = await Wire.open(http, watched or url, participant="ada", kind="user")
        scene = cls(watcher, await watcher.subscribe(session=session))
        await _do(watcher, session, "approval.configure", default_after=1)
        await _do(watcher, session, "task.create", task="t-1", title="Find", stall_after=TIMERS["presence.stalled"])
        await _do(watcher, session, "presence.join", lease=600)
        await scene.starting("presence.stalled", _do(watcher, session, "task.claim", task="t-1", lease=600))
        asked = {"approval": "a-1", "question": "Book?", "within": TIMERS["approval.expired"], "default": "no"}
        await scene.starting("approval.expired", _do(hotels, session, "approval.request", **asked))
        pause = {"signal": "s-1", "kind": "pause", "target": "agent:late", "grace": TIMERS["signal.expired"]}
        await scene.starting("signal.expired", _do(hotels, session, "signal.raise", **pause))
        joins = _do(hotels, session, "presence.join", lease=TIMERS["presence.lost"])
        await scene.starting("presence.lost", joins)
        hotels.cut()
        return scene

    async def runs_out(self) -> None:
        """Everything falls due, in its time, and no event is dated before the one in front of it."""
        happened: dict[str, float] = {}
        while set(happened) < set(TIMERS):
            await self.watcher.step()
            new = [event["type"] for event in self.events if event["type"] in TIMERS.keys() - happened.keys()]
            happened |= dict.fromkeys(new, monotonic())
        for type, at in happened.items():
            sent, acknowledged = self.since[type]
            assert sent + TIMERS[type] - EARLY <= at <= acknowledged + TIMERS[type] + LATE, (type, at - acknowledged)
        times = [event["time"] for event in self.events]
        assert times == sorted(times)


async def _do(wire: Wire, session: str, do: str, **data: object) -> None:
    answer = await wire.command(session, do, data)
    assert answer["frame"] == "ack", answer


@pytest.mark.postgres
async def test_gateways_whose_clocks_are_wrong_keep_the_time_of_the_storage(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str], tmp_path: Path
) -> None:
    log, offsets = fresh_log(), (30, -45, 0)
    gateways = [
        await serve(log=log, views="none", heartbeat=60, env=FakeClock(tmp_path / f"clock{offset}", offset).env)
        for offset in offsets
    ]
    async with asyncio.timeout(120), asyncio.TaskGroup() as scenes:
        for url, watched in ((0, 1), (1, 2), (2, 0)):
            scene = await Scene.begin(http, gateways[url].url, gateways[watched].url)
            scenes.create_task(scene.runs_out())
    for offset, gateway in zip(offsets, gateways, strict=True):
        async with http.get(f"{gateway.url}/ready") as response:
            told = await response.json()
        async with http.get(f"{gateway.url}/metrics") as response:
            measured = re.search(r"^stenogram_clock_offset_seconds (\S+)", await response.text(), re.MULTILINE)
        assert measured
        assert [round(told["clock_offset"]), round(float(measured[1]))] == [offset, offset]
        warned = [told.get("warning", ""), gateway.stderr]
        words = {30: "30.0 seconds ahead of the log's time", -45: "45.0 seconds behind the log's time"}
        assert [words.get(offset, "clock is") in each for each in warned] == [bool(offset)] * 2, warned


async def test_a_clock_that_is_set_back_by_an_hour_switches_nothing_off(
    http: aiohttp.ClientSession, serve: Serve, tmp_path: Path
) -> None:
    clock = FakeClock(tmp_path / "clock")
    gateway = await serve(views="none", heartbeat=60, env=clock.env)
    before = await Scene.begin(http, gateway.url)
    clock.set(-HOUR)
    after = await Scene.begin(http, gateway.url)
    async with asyncio.timeout(120), asyncio.TaskGroup() as scenes:
        scenes.create_task(before.runs_out())
        scenes.create_task(after.runs_out())


async def test_a_gateway_that_starts_after_the_clock_was_set_back_switches_nothing_off(
    http: aiohttp.ClientSession, serve: Serve, tmp_path: Path
) -> None:
    clock = FakeClock(tmp_path / "clock")
    gateway = await serve(views="none", heartbeat=60, env=clock.env)
    scene = await Scene.begin(http, gateway.url)
    await gateway.kill()
    clock.set(-HOUR)
    second = await serve(views="none", heartbeat=60, env=clock.env)
    session = scene.events[0]["session"]
    scene.watcher = await Wire.open(http, second.url, participant="ada", kind="user")
    scene.events = (await scene.watcher.subscribe(session=session)).events
    # Some of their time has passed before the gateway ended; how much of it is in the log, depends.
    scene.since = dict.fromkeys(TIMERS, (monotonic() - HOUR, monotonic()))
    async with asyncio.timeout(120):
        await scene.runs_out()


@pytest.mark.postgres
async def test_a_storage_whose_clock_is_set_back_and_right_again_switches_nothing_off(
    http: aiohttp.ClientSession, serve: Serve, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(server.directory / "clock")
    server.stop()
    with monkeypatch.context() as patched:
        for name, value in clock.env.items():
            patched.setenv(name, value)
        server.start()
    log = new_log(server.url)
    gateways = [await serve(log=log, views="none", heartbeat=60) for _ in range(2)]
    for offset in (-HOUR, 0):
        before = await Scene.begin(http, gateways[0].url, gateways[1].url)
        clock.set(offset)
        gateways.append(await serve(log=log, views="none", heartbeat=60))  # it has only the storage to ask
        after = await Scene.begin(http, gateways[-1].url, gateways[0].url)
        async with asyncio.timeout(120), asyncio.TaskGroup() as scenes:
            scenes.create_task(before.runs_out())
            scenes.create_task(after.runs_out())
