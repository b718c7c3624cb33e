"""Presence is of a process: one that is gone is lost, however lively another one of the same participant is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support.wire import Wire

from stenogram.client import Client, Session
from stenogram.domain.ids import new_id

if TYPE_CHECKING:
    from live.conftest import Process

    from stenogram.api.server import Gateway

    Serve = Callable[..., Awaitable[Process]]

LEASE = 3
pytestmark = pytest.mark.thorough
Open = Callable[..., Awaitable[Wire]]


async def page(http: aiohttp.ClientSession, gateway: Gateway, session: str, run: str | None = None) -> dict[str, Any]:
    """The session as `hotels` reads it, in that process."""
    headers = {} if run is None else {"Stenogram-Run": run}
    who = {"participant": "hotels", "kind": "agent"}
    async with http.get(f"{gateway.url}/v1/sessions/{session}", params=who, headers=headers) as response:
        assert response.status == 200
        return dict(await response.json())


async def call(http: aiohttp.ClientSession, gateway: Gateway, do: str, run: str | None, **data: Any) -> None:
    """Carry out a command over HTTP, in that process."""
    headers = {} if run is None else {"Stenogram-Run": run}
    who = {"participant": "hotels", "kind": "agent"}
    body = {"id": new_id(), "do": do, "data": data}
    async with http.post(f"{gateway.url}/v1/sessions/s/commands", params=who, headers=headers, json=body) as response:
        assert response.status in (200, 422), await response.text()


async def test_a_process_that_is_gone_is_lost_though_another_one_of_the_participant_lives(
    connect: Open, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    processes = {"a": await connect(run="r1"), "b": await connect(run="r2")}
    for session, process in processes.items():
        await process.command(session, "session.open", {})
        await process.command(session, "presence.join", {"new_run": True, "lease": LEASE})
        await process.command(session, "task.create", {"task": "t", "title": "T"})
        await process.command(session, "task.claim", {"task": "t", "lease": 600})
        await process.command(session, "message.start", {"message": "m"})
    await processes["b"].ws.close()
    async with asyncio.timeout(30):
        while (now := await page(http, gateway, "b", "watcher"))["participants"][0]["present"]:
            await processes["a"].send({"frame": "heartbeat"})
            await asyncio.sleep(0.1)
    assert (now["tasks"][0]["status"], now["open_messages"]) == ("open", [])
    now = await page(http, gateway, "a", "watcher")
    assert (now["participants"][0]["present"], now["tasks"][0]["run"], len(now["open_messages"])) == (True, "r1", 1)


async def test_two_processes_work_in_one_session_and_hold_their_own_tasks(gateway: Gateway) -> None:
    async with (
        Client(gateway.url, participant="ann", kind="user") as ann,
        ann.session("trip") as trip,
        Client(gateway.url, participant="hotels") as first,
        Client(gateway.url, participant="hotels") as second,
        first.agent(session="trip", beside=True) as one,
    ):
        for title in ("Find a hotel", "Find another"):
            await trip.tasks.create(title)
        mine = await anext(one.tasks())
        async with mine:
            async with second.agent(session="trip", beside=True) as two:
                theirs = await anext(two.tasks())
                async with theirs:
                    held = {each.run: each.id for each in trip.live.state.tasks.known.values()}
                    assert held == {one.session.run: mine.id, two.session.run: theirs.id}
                    assert set(trip.present["hotels"].instances) == set(held)
                    await theirs.complete()
            await until(trip, lambda: set(trip.present["hotels"].instances) == {one.session.run})
            assert mine.held, "the other one has left, and it goes on"
            await mine.complete()


async def until(session: Session, test: Callable[[], object]) -> None:
    """Wait until something is so in the session."""
    async with asyncio.timeout(30):
        await session.live.until(test)


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "calling"])
async def test_what_comes_over_http_renews_the_process_that_it_comes_from(
    reads: bool, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    await call(http, gateway, "session.open", None)
    for run in ("r1", "r2"):
        await call(http, gateway, "presence.join", run, lease=LEASE)
    here = {"r1", "r2"}
    async with asyncio.timeout(30):
        while here == {"r1", "r2"}:
            if reads:
                await page(http, gateway, "s", "r1")
            else:
                await call(http, gateway, "message.post", "r1", message=new_id(), text="Here.")
            await asyncio.sleep(0.1)
            (participant,) = (await page(http, gateway, "s", "watcher"))["participants"]
            here = {each["run"] for each in participant["instances"]}
    assert here == {"r1"}


async def test_a_run_over_http_must_be_a_name(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/sessions?participant=hotels&kind=agent"
    async with http.get(url, headers={"Stenogram-Run": "a/b"}) as response:
        assert (response.status, (await response.json())["code"]) == (400, "invalid")


@pytest.mark.postgres
async def test_gateways_tell_each_other_of_processes(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str]
) -> None:
    log = fresh_log()
    urls = [(await serve(log=log)).url for _ in range(2)]
    processes = {}
    for session, url, run in (("a", urls[0], "r1"), ("b", urls[1], "r2")):
        processes[session] = process = await Wire.open(http, url, participant="hotels", kind="agent", run=run)
        await process.command(session, "session.open", {})
        await process.command(session, "presence.join", {"new_run": True, "lease": LEASE})
    watcher = await Wire.open(http, urls[0], participant="ann", kind="user")
    follower = await watcher.subscribe(session="b")
    await processes["b"].ws.close()

    async def beat() -> None:
        while True:
            await processes["a"].send({"frame": "heartbeat"})
            await asyncio.sleep(0.2)

    beating = asyncio.create_task(beat())
    try:
        async with asyncio.timeout(LEASE + 15):
            await watcher.until(lambda: any(each["type"] == "presence.lost" for each in follower.events))
    finally:
        beating.cancel()
    here = await watcher.subscribe(session="a")
    await watcher.catch_up("a")
    assert not [each for each in here.events if each["type"] == "presence.lost"]
