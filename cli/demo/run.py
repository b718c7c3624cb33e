"""One run of the demo: a gateway, a person, the team, and someone who watches."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, NamedTuple

from ...api.server import Gateway, running
from ...api.settings import Settings
from ...client.client import Client
from ...domain.errors import Fenced, SessionClosed
from ..screen.display import Display
from . import people
from .agent_processes import LEASE_S, AgentProcesses, agent_processes
from .kills import kill_at_random, kill_the_visa_agent
from .pace import Pace
from .planner import PARTS, planner
from .script import TITLE
from .team import work
from .turns import Turns, Visitor

WATCHER = "guide"
"""Looks on, and says at the console whose turn it is."""
LAST_EVENTS_S = 10.0
"""Seconds that the watcher gets to see the end."""


class Wishes(NamedTuple):
    """How the demo is to be run: how fast, with kills at random or without, how long each turn of somebody at the
    console lasts at most, and how long the console is waited for at the beginning (seconds)."""

    speed: float
    chaos: bool
    patience: float
    entrance: float


async def run(
    log: str, session: str, display: Display, wishes: Wishes, started: Callable[[Gateway], None] = lambda _: None
) -> None:
    """Play the demo once into the log at `log`, shown on `display`; `started` gets the gateway.

    The display is fed by a client that subscribes like any other; it knows nothing of the script. At the end the
    gateway stays for as long as somebody has the console open. Raises LogInUse when another process writes the log.
    Cancelled, it ends the gateway in good order: what was said stays in the log.
    """
    settings = Settings(log=log, host="127.0.0.1", port=0, jwt_secret=None, jwt_public_key=None, drain=1.0)
    async with running(settings) as gateway:
        await _open(gateway.url, session)
        started(gateway)
        watching = asyncio.create_task(_watch(gateway.url, session, display))
        try:
            visitor = Visitor(lambda: gateway.websocket_server.connected(people.MAYA))
            with suppress(TimeoutError):  # so that they see the beginning
                await asyncio.wait_for(visitor.come(), wishes.entrance)
            async with agent_processes(gateway.url, session, wishes.speed) as agents:
                await _play(gateway, session, display, agents, wishes)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watching), LAST_EVENTS_S)
            if visitor.here:
                display.note("That was the demo. Look around: it ends when you close the page, or with Ctrl-C.")
                await visitor.gone()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


async def _open(url: str, session: str) -> None:
    """Open the session as Maya, who wants something. Raises Conflict when there is one of that id."""
    async with Client(url, participant=people.MAYA, kind="user") as client:
        await client.do(session, "session.open", {"title": TITLE, "labels": {"demo": "trip"}})


async def _play(gateway: Gateway, session: str, display: Display, agents: AgentProcesses, wishes: Wishes) -> None:
    """Let everyone work until Maya has what she wants."""
    url, chaos, pace = gateway.url, wishes.chaos, Pace(wishes.speed)
    in_processes = list(PARTS) if chaos else ["visas"]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as others:
        for kind in in_processes:
            await agents.start(kind)
        watched = await stack.enter_async_context(Client(url, participant=WATCHER, kind="service"))
        visitor = Visitor(lambda: gateway.websocket_server.connected(people.MAYA) - people.DEVICES)
        turns = Turns(pace, visitor, watched.watch(session), wishes.patience)
        beside = [others.create_task(agents.watch())]
        beside.append(others.create_task(kill_the_visa_agent(watched.watch(session), agents, display)))
        if chaos:
            beside.append(others.create_task(kill_at_random(agents, display, pace, random.Random())))
        team = [_agent(url, session, kind, pace) for kind in PARTS if kind not in in_processes]
        beside += [others.create_task(_until_stopped(each)) for each in (*team, _planner(url, session, pace))]
        beside.append(others.create_task(people.phone(url, session, turns)))
        await people.laptop(url, session, turns)
        for task in beside:
            task.cancel()


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Let somebody work until Maya stops them, or closes the session: then nothing more of theirs is written."""
    try:
        await work
    except* (Fenced, SessionClosed):
        pass


async def _agent(url: str, session: str, kind: str, pace: Pace) -> None:
    async with (
        Client(url, participant=kind) as client,
        client.agent(kind.capitalize(), session=session, lease=LEASE_S) as agent,
    ):
        await work(agent, kind, pace)


async def _planner(url: str, session: str, pace: Pace) -> None:
    async with Client(url, participant="planner") as client, client.agent("Planner", session=session) as agent:
        await planner(agent, pace)
        await asyncio.Event().wait()


async def _watch(url: str, session: str, display: Display) -> None:
    """Show every event as the subscription brings it, until everyone has gone."""
    async with (
        Client(url, participant=WATCHER, kind="service") as client,
        client.watch(session).events(after=0) as events,
    ):
        async for event in events:
            display.show([event])
            if event.type in ("presence.left", "presence.lost") and _all_is_over(display):
                return


def _all_is_over(display: Display) -> bool:
    agents = display.model.views.agents
    return people.MAYA in agents and not any(each.present for each in agents.values())
