"""What goes wrong in the demo, on purpose: an agent is killed while it works; with `--chaos`, any, at random."""

import random

from ...client.session import Session
from ...domain.concepts.tools import ToolCalled
from ..screen.stage import Stage
from .crew import Crew
from .pace import Pace

MOST = 5
"""Kills at random: enough to be seen, few enough to get done."""


async def kill_the_visa_agent(session: Session, crew: Crew, stage: Stage) -> None:
    """Kill it when it is in the middle of a message and waits for a tool; another one is hired."""
    async with session.events(types=["tool.called"]) as events:
        async for event in events:
            if isinstance(event.data, ToolCalled) and event.data.tool == "appointment":
                await _replace(crew, stage, event.actor)
                return


async def kill_at_random(crew: Crew, stage: Stage, pace: Pace, chance: random.Random) -> None:
    """Kill whoever it hits, every few seconds."""
    for _ in range(MOST):
        await pace.take(chance.uniform(2.0, 5.0))
        await _replace(crew, stage, chance.choice(crew.names))
    stage.note("")


async def _replace(crew: Crew, stage: Stage, name: str) -> None:
    if name in crew.names:
        stage.note(f"kill -9 {crew.pid(name)} ({name})")
        await crew.kill(name)
        await crew.hire(name.partition("-")[0])
