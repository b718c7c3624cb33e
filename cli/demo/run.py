"""One run of the demo: a gateway, the team, and someone who watches."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ...api.server import running
from ...api.settings import Settings
from ...client.client import Client
from ...domain.model import Kind
from ..screen.stage import Stage
from . import team
from .member import Member, Pace, joined
from .script import TITLE

Part = Callable[[Member, team.Cues], Awaitable[None]]

CAST: tuple[tuple[str, Kind, Part], ...] = (
    ("maya", "user", team.maya),
    ("planner", "agent", team.planner),
    ("flights", "agent", team.flights),
    ("hotels", "agent", team.hotels),
    ("visas", "agent", team.visas),
)
WATCHER = "watcher"
LAST_EVENTS = 10.0
"""Seconds that the watcher gets to see the end."""


async def run(log: str, session: str, speed: float, stage: Stage) -> None:
    """Play the demo once into the log at `log`, shown on `stage`.

    The stage is fed by a client that subscribes like any other; it knows nothing of the script. Raises LogInUse when
    another process writes the log. Cancelled, it ends the gateway in good order: what was said stays in the log.
    """
    settings = Settings(log=log, host="127.0.0.1", port=0, jwt_secret=None, jwt_public_key=None, drain=1.0)
    async with running(settings) as gateway:
        await _open(gateway.url, session)
        cues, pace = team.Cues(), Pace(speed)
        watching = asyncio.create_task(_watch(gateway.url, session, stage))
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, (id, kind, part) in enumerate(CAST):
                    tasks.create_task(_play(gateway.url, session, id, kind, part, cues, pace, number * 0.25))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watching), LAST_EVENTS)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


async def _open(url: str, session: str) -> None:
    """Open the session as Maya, who wants something. Raises Conflict when there is one of that id."""
    async with Client(url, participant=CAST[0][0], kind=CAST[0][1]) as client:
        await client.do(session, "session.open", {"title": TITLE, "labels": {"demo": "trip"}})


async def _play(
    url: str, session: str, id: str, kind: Kind, part: Part, cues: team.Cues, pace: Pace, after: float
) -> None:
    await pace.take(after)
    async with joined(url, session, id, kind, pace) as member:
        await part(member, cues)


async def _watch(url: str, session: str, stage: Stage) -> None:
    """Show every event as the subscription brings it, until everyone who came has left."""
    async with (
        Client(url, participant=WATCHER, kind="service") as client,
        client.watch(session).events(after=0) as events,
    ):
        async for event in events:
            stage.see([event])
            if event.type == "presence.left" and _all_have_left(stage):
                return


def _all_have_left(stage: Stage) -> bool:
    presence = stage.scene.picture.state.presence
    return len(presence) == len(CAST) and not any(each.present for each in presence.values())
