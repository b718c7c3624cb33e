"""Leases are kept whole: whichever gateway heard an agent last, nobody takes back what it holds before its lease is
over, and somebody does soon after."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support.wire import Closed, Wire

from stenogram.domain.ids import new_id

if TYPE_CHECKING:
    from live.conftest import Process

    from stenogram.api.server import Gateway

    Serve = Callable[..., Awaitable[Process]]
    Start = Callable[..., Awaitable[Gateway]]

LEASE = 17
"""Seconds: more than those for which a gateway used to name somebody who had lost its connection."""
OPEN = 6
"""Seconds that a request is open."""
LATE = 60
"""Seconds that a loss may be recorded after the lease."""


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_who_loses_its_connection_keeps_its_whole_lease_at_every_gateway(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str]
) -> None:
    log = fresh_log()
    gateways = [await serve(log=log, views="none", heartbeat=60) for _ in range(3)]
    urls = [each.url for each in gateways]
    agents = {"stays": await _begin(http, urls[0], "stays", LEASE), "ends": await _begin(http, urls[2], "ends", LEASE)}
    watcher = await Wire.open(http, urls[1], participant="ada")
    followers = [await watcher.subscribe(session, session=session) for session in agents]
    for _ in range(18):
        for agent in agents.values():
            await agent.send({"frame": "heartbeat"})
        await asyncio.sleep(0.5)
    cut_at = monotonic()  # or later, by their last heartbeats
    for agent in agents.values():
        await agent.send({"frame": "heartbeat"})
        agent.cut()
    assert await gateways[2].terminate() == 0
    lost_at: dict[str, float] = {}
    while len(lost_at) < len(agents) and monotonic() < cut_at + LEASE + LATE:
        await asyncio.sleep(0.5)
        for session, follower in zip(agents, followers, strict=True):
            # What happens in a session has every gateway look at its deadlines again.
            await watcher.command(session, "task.create", {"task": new_id(), "title": "Another"})
            types = [each["type"] for each in follower.events]
            if "presence.lost" in types and session not in lost_at:
                lost_at[session] = monotonic() - cut_at
                assert types[types.index("presence.lost") + 1] == "task.released"
    assert {name: after >= LEASE - 0.5 for name, after in lost_at.items()} == {"stays": True, "ends": True}, lost_at


@pytest.mark.parametrize("way", ["stream", "page", "view"])
@pytest.mark.thorough
async def test_who_follows_or_waits_over_http_is_heard_until_the_request_ends(
    way: str, http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def arrive(*_: object) -> None:
        await asyncio.sleep(OPEN)

    monkeypatch.setattr("stenogram.api.http.view_routes._arrive", arrive)
    gateway = await start(views="")
    agent = await _begin(http, gateway.url, "s", 2)
    watcher = await Wire.open(http, gateway.url, participant="ada")
    follower = await watcher.subscribe(session="s")
    agent.cut()
    path = "views/usage/s?" if way == "view" else f"sessions/s/events?after=end&wait={OPEN}&"
    headers = {"Accept": "text/event-stream"} if way == "stream" else {}
    async with http.get(f"{gateway.url}/v1/{path}participant=hotels&kind=agent", headers=headers) as response:
        assert response.status == 200
        if way == "stream":
            await asyncio.sleep(OPEN)
    answer = await watcher.command("s", "task.create", {"task": "t-2", "title": "Another"})
    assert answer["versions"] == [5], "nothing has happened of itself meanwhile"
    await watcher.until(lambda: "presence.lost" in [each["type"] for each in follower.events])


@pytest.mark.thorough
async def test_a_gateway_that_stood_still_dismisses_nobody(http: aiohttp.ClientSession, serve: Serve) -> None:
    """Neither those who spoke meanwhile, nor those who speak as soon as they can be heard; those who never do again."""
    gateway = await serve(views="none", heartbeat=2)
    talks, waits, silent = [await Wire.open(http, gateway.url, participant=name) for name in ("a", "b", "c")]
    async with http.get(f"{gateway.url}/v1/events", headers={"Accept": "text/event-stream"}) as stream:
        for wire in (talks, waits, silent):
            await _beat(wire)
        gateway.process.send_signal(signal.SIGSTOP)
        for _ in range(16):
            await talks.send({"frame": "heartbeat"})
            await asyncio.sleep(0.5)
        gateway.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(1.5)
        for _ in range(4):
            for wire in (talks, waits):
                await _beat(wire)
            await asyncio.sleep(0.5)
        assert not stream.content.at_eof()
    with pytest.raises(Closed) as closed:
        await silent.until(lambda: False)
    assert closed.value.reason == "silent"


async def _beat(wire: Wire) -> None:
    """A heartbeat, which is answered."""
    answered = len(wire.frames)
    await wire.send({"frame": "heartbeat"})
    await wire.until(lambda: len(wire.frames) > answered)


async def _begin(http: aiohttp.ClientSession, url: str, session: str, lease: float) -> Wire:
    """An agent that holds a task in a session."""
    agent = await Wire.open(http, url, participant="hotels", kind="agent")
    for do, data in (
        ("session.open", {}),
        ("presence.join", {"lease": lease}),
        ("task.create", {"task": "t-1", "title": "Find a hotel"}),
        ("task.claim", {"task": "t-1", "lease": 2 * lease}),
    ):
        assert (await agent.command(session, do, data))["frame"] == "ack"
    return agent
