"""What happens of itself, happens: leases, graces and deadlines run out, over restarts and over two gateways, once."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import pytest
from support.wire import Frame, Wire

from stenogram.api.server import Gateway

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

Start = Callable[..., Awaitable[Gateway]]
Serve = Callable[..., Awaitable[Any]]


async def agent(http: aiohttp.ClientSession, url: str, name: str, kind: str = "agent") -> Wire:
    """A connection of one participant."""
    return await Wire.open(http, url, participant=name, kind=kind)


class Team:
    """Ada watches a session; hotels joined it, and streams a message under its task."""

    def __init__(self, http: aiohttp.ClientSession, session: str, ada: Wire, hotels: Wire) -> None:
        self.http = http
        self.session = session
        self.ada = ada
        self.hotels = hotels

    @classmethod
    async def begin(cls, http: aiohttp.ClientSession, url: str, lease: float, session: str = "s") -> Self:
        """Open the session and begin to work."""
        team = cls(http, session, await agent(http, url, "ada", "user"), await agent(http, url, f"hotels-{session}"))
        await team.do(team.ada, "session.open", {})
        await team.do(team.ada, "task.create", {"task": "t-1", "title": "Find a hotel"})
        await team.do(team.hotels, "presence.join", {"lease": lease})
        await team.do(team.hotels, "task.claim", {"task": "t-1"})
        await team.do(team.hotels, "message.start", {"message": "m1"}, under={"task": "t-1", "attempt": 1})
        await team.do(team.hotels, "message.delta", {"message": "m1", "index": 0, "text": "The Tiv"})
        await team.watch(url)
        return team

    async def watch(self, url: str) -> None:
        """Ada looks on, through this gateway."""
        self.ada = await agent(self.http, url, "ada", "user")
        await self.ada.subscribe(self.session, session=self.session)

    async def do(self, wire: Wire, do: str, data: Any, **more: Any) -> Frame:
        """Carry out a command, which must be accepted."""
        answer = await wire.command(self.session, do, data, **more)
        assert answer["frame"] == "ack", answer
        return answer

    @property
    def events(self) -> list[Frame]:
        """What ada has heard."""
        return self.ada.followers[self.session, self.session].events

    def count(self, type: str) -> int:
        """How often this has happened."""
        return [event["type"] for event in self.events].count(type)

    async def happens(self, *types: str, within: float = 30.0) -> None:
        """Wait until these have happened."""
        await self.ada.until(lambda: all(self.count(type) for type in types), within)

    async def goes_on(self, *, wires: tuple[Wire, ...] = (), seconds: float = 0.0) -> None:
        """Nobody is lost while these send heartbeats."""
        async with living(*wires):
            await asyncio.sleep(seconds)
        now = await self.do(self.ada, "state.increment", {"path": "/n"})
        await self.ada.reach(self.session, now["versions"][0])
        assert not self.count("presence.lost")


@asynccontextmanager
async def living(*wires: Wire) -> AsyncIterator[None]:
    """Heartbeats, for as long as the block lasts."""

    async def beat() -> None:
        while True:
            for wire in wires:
                with contextlib.suppress(ConnectionError):
                    await wire.send({"frame": "heartbeat"})
            await asyncio.sleep(0.3)

    task = asyncio.create_task(beat())
    yield
    task.cancel()
    await asyncio.wait([task])


LOSS = ["presence.lost", "task.released", "message.aborted"]


# -- one gateway; what takes its time happens side by side


async def who_goes_silent_is_lost_and_its_work_is_taken_back(http: aiohttp.ClientSession, url: str) -> None:
    team = await Team.begin(http, url, 2, "silent")
    await team.happens(*LOSS)
    assert [event["type"] for event in team.events[-3:]] == LOSS
    assert team.events[-1]["data"]["parts"] == [{"kind": "text", "text": "The Tiv"}]
    assert {event["actor"] for event in team.events[-3:]} == {"stenogram"}
    await team.do(await agent(http, url, "suites"), "task.claim", {"task": "t-1"})
    late = await team.hotels.command("silent", "message.delta", {"message": "m1", "index": 1, "text": "oli"})
    assert late["error"]["code"] == "fenced"


async def who_sends_heartbeats_is_not_lost(http: aiohttp.ClientSession, url: str) -> None:
    team = await Team.begin(http, url, 3, "beats")
    await team.goes_on(wires=(team.hotels,), seconds=5)


async def a_lost_connection_is_no_loss_while_the_lease_lasts(http: aiohttp.ClientSession, url: str) -> None:
    team = await Team.begin(http, url, 4, "cut")
    for _ in range(3):
        team.hotels.cut()
        await asyncio.sleep(1.6)
        team.hotels = await agent(http, url, "hotels-cut")
    await team.goes_on()
    team.hotels.cut()
    await team.happens("presence.lost")


async def requests_over_http_count_as_well(http: aiohttp.ClientSession, url: str) -> None:
    team = await Team.begin(http, url, 4, "http")
    team.hotels.cut()
    for number in range(5):
        await asyncio.sleep(1)
        body = {"id": f"c-{number}", "do": "state.increment", "data": {"path": "/n"}}
        path = f"{url}/v1/sessions/http/commands?participant=hotels-http&kind=agent"
        async with http.post(path, json=body) as response:
            assert response.status == 200
    await team.goes_on()


async def graces_deadlines_and_stalls_run_out(http: aiohttp.ClientSession, url: str) -> None:
    team = await Team.begin(http, url, 600, "graces")
    await team.do(team.ada, "task.create", {"task": "t-2", "title": "Slow", "stall_after": 2})
    await team.do(team.hotels, "task.claim", {"task": "t-2"})
    await team.do(team.ada, "signal.raise", {"signal": "s1", "kind": "cancel", "target": "task:t-1", "grace": 1})
    await team.do(team.ada, "approval.configure", {"default_after": 1})
    await team.do(
        team.hotels, "approval.request", {"approval": "a1", "question": "Book?", "within": 1, "default": "no"}
    )
    await team.happens("signal.expired", "task.cancelled", "message.aborted", "approval.expired", "presence.stalled")
    for _ in range(10):  # says that it goes on: it recovers, and does not stall
        await team.hotels.send({"frame": "heartbeat", "progress": {"graces": ["t-2"]}})
        await asyncio.sleep(0.4)
    await team.happens("presence.recovered")
    assert team.count("presence.stalled") == 1
    await team.ada.until(lambda: team.count("presence.stalled") == 2)


async def test_time_passes(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with asyncio.TaskGroup() as scenes:
        for scene in (
            who_goes_silent_is_lost_and_its_work_is_taken_back,
            who_sends_heartbeats_is_not_lost,
            a_lost_connection_is_no_loss_while_the_lease_lasts,
            requests_over_http_count_as_well,
            graces_deadlines_and_stalls_run_out,
        ):
            scenes.create_task(scene(http, gateway.url), name=scene.__name__)


async def test_heartbeats_write_nothing(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = await Team.begin(http, gateway.url, 3)
    engine = gateway.tenants.open[""].log.engine
    written: list[Any] = []
    write = engine.write

    async def counted(batch: Any) -> None:
        written.append(batch)
        await write(batch)

    monkeypatch.setattr(engine, "write", counted)
    before = await engine.head()
    async with living(team.hotels, team.ada):
        await asyncio.sleep(4)
        assert (written, await engine.head()) == ([], before)


# -- over restarts


async def test_time_goes_on_over_a_restart(http: aiohttp.ClientSession, serve: Serve) -> None:
    first = await serve(views="none")
    gone, back = await Team.begin(http, first.url, 7, "gone"), await Team.begin(http, first.url, 7, "back")
    await gone.do(gone.ada, "approval.request", {"approval": "a1", "question": "Book it?", "within": 1})
    await gone.do(gone.ada, "signal.raise", {"signal": "s1", "kind": "pause", "target": "agent:late", "grace": 600})
    await first.kill()
    second = await serve(views="none")
    await gone.watch(second.url)
    await back.watch(second.url)
    hotels = await agent(http, second.url, "hotels-back")
    async with living(hotels):
        await gone.happens(*LOSS, "approval.expired")
        await back.goes_on(wires=(hotels,), seconds=1)
    assert all(gone.count(each) == 1 for each in [*LOSS, "approval.expired"])
    assert gone.count("signal.expired") == 0


async def test_a_gateway_that_stood_still_does_not_blame_the_others(http: aiohttp.ClientSession, serve: Serve) -> None:
    gateway = await serve(views="none")
    team = await Team.begin(http, gateway.url, 5)
    async with living(team.hotels):
        gateway.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(6)
        gateway.process.send_signal(signal.SIGCONT)
        await team.goes_on(seconds=1)


# -- two gateways over one log


@pytest.mark.slow
@pytest.mark.postgres
async def test_gateways_rely_on_each_other_while_they_live(
    http: aiohttp.ClientSession, start: Start, serve: Serve, fresh_log: Callable[[], str]
) -> None:
    """Hotels, and the one who stays, are heard by one gateway; the other one sees to them when that is killed."""
    where = fresh_log()
    survivor, dying = await start(log=where), await serve(log=where, views="none")
    team, stays = await Team.begin(http, dying.url, 6, "lost"), await Team.begin(http, dying.url, 6, "stays")
    for each in (team, stays):
        await each.watch(survivor.url)
    async with living(team.hotels, stays.hotels):
        await team.goes_on(seconds=8)
        await stays.goes_on()
    await dying.kill()
    back = await agent(http, survivor.url, "hotels-stays")
    async with living(back):
        await team.happens(*LOSS)
        assert [event["type"] for event in team.events[-3:]] == LOSS
        await team.do(back, "task.claim", {"task": "t-1"})
        await stays.goes_on(seconds=1)
    await stays.happens("presence.lost")
    assert (team.count("presence.lost"), stays.count("presence.lost")) == (1, 1)
