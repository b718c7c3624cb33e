"""What goes wrong in the demo, on purpose: an agent is killed while it works; with `--chaos`, any, at random."""

import random

from ...client.session import Session
from ...domain.concepts.tools import ToolCalled
from ..screen.display import Display
from .agent_processes import AgentProcesses
from .pace import Pace

KILLS = 5
"""Kills at random: enough to be seen, few enough to get done."""


async def kill_the_visa_agent(session: Session, agents: AgentProcesses, display: Display) -> None:
    """Kill it when it is in the middle of a message and waits for a tool; another one is started."""
    async with session.events(types=["tool.called"]) as events:
        async for event in events:
            if isinstance(event.data, ToolCalled) and event.data.tool == "appointment":
                await _replace(agents, display, event.actor)
                return


async def kill_at_random(agents: AgentProcesses, display: Display, pace: Pace, chance: random.Random) -> None:
    """Kill an agent at random, every few seconds."""
    for _ in range(KILLS):
        await pace.sleep(chance.uniform(2.0, 5.0))
        await _replace(agents, display, chance.choice(agents.names))
    display.note("")


async def _replace(agents: AgentProcesses, display: Display, name: str) -> None:
    if name in agents.names:
        display.note(f"kill -9 {agents.pid(name)} ({name})")
        await agents.kill(name)
        await agents.start(name.partition("-")[0])
