"""One run of the demo: a gateway, a person, the team, and someone who watches."""

import asyncio
import random
from contextlib import AsyncExitStack, suppress

from ...api.server import running
from ...api.settings import Settings
from ...client.client import Client
from ..screen.display import Display
from . import people
from .agent_processes import LEASE_S, AgentProcesses, agent_processes
from .kills import kill_at_random, kill_the_visa_agent
from .pace import Pace
from .planner import PARTS, planner
from .script import TITLE
from .team import work

WATCHER = "watcher"
LAST_EVENTS_S = 10.0
"""Seconds that the watcher gets to see the end."""


async def run(log: str, session: str, speed: float, display: Display, chaos: bool = False) -> None:
    """Play the demo once into the log at `log`, shown on `display`.

    The display is fed by a client that subscribes like any other; it knows nothing of the script. Raises LogInUse when
    another process writes the log. Cancelled, it ends the gateway in good order: what was said stays in the log.
    """
    settings = Settings(log=log, host="127.0.0.1", port=0, jwt_secret=None, jwt_public_key=None, drain=1.0)
    async with running(settings) as gateway:
        await _open(gateway.url, session)
        watching = asyncio.create_task(_watch(gateway.url, session, display))
        try:
            async with agent_processes(gateway.url, session, speed) as agents:
                await _play(gateway.url, session, Pace(speed), display, agents, chaos)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watching), LAST_EVENTS_S)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


async def _open(url: str, session: str) -> None:
    """Open the session as Maya, who wants something. Raises Conflict when there is one of that id."""
    async with Client(url, participant=people.MAYA, kind="user") as client:
        await client.do(session, "session.open", {"title": TITLE, "labels": {"demo": "trip"}})


async def _play(url: str, session: str, pace: Pace, display: Display, agents: AgentProcesses, chaos: bool) -> None:
    """Let everyone work until Maya has what she wants."""
    in_processes = list(PARTS) if chaos else ["visas"]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as others:
        for kind in in_processes:
            await agents.start(kind)
        watched = await stack.enter_async_context(Client(url, participant=WATCHER, kind="service"))
        beside = [others.create_task(agents.watch())]
        beside.append(others.create_task(kill_the_visa_agent(watched.watch(session), agents, display)))
        if chaos:
            beside.append(others.create_task(kill_at_random(agents, display, pace, random.Random())))
        beside += [others.create_task(_agent(url, session, kind, pace)) for kind in PARTS if kind not in in_processes]
        beside.append(others.create_task(_planner(url, session, pace)))
        beside.append(others.create_task(people.phone(url, session, pace)))
        await people.laptop(url, session, pace)
        for task in beside:
            task.cancel()


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
    """Show every event as the subscription brings it, until the plan is ready and everyone has gone."""
    async with (
        Client(url, participant=WATCHER, kind="service") as client,
        client.watch(session).events(after=0) as events,
    ):
        async for event in events:
            display.show([event])
            if event.type in ("presence.left", "presence.lost") and _all_is_over(display):
                return


def _all_is_over(display: Display) -> bool:
    views = display.model.views
    return "plan" in views.state.value and not any(each.present for each in views.agents.values())
