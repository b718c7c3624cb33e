"""The planner: takes the wish apart into tasks, hears when it changes, and puts the parts together."""

import asyncio
from typing import Any

from ...client.agent.agent import Agent
from ...client.agent.claimed_task import ClaimedTask
from ...client.agent.claims import Claims
from ...client.session import Session
from ...domain.concepts.messages import MessagePosted
from ...domain.parts import text_of
from . import script
from .pace import Pace
from .people import MAYA, has_word, said_by_maya

PARTS = {
    "flights": "Find two seats",
    "hotels": "Find a quiet room",
    "visas": "See to the visa",
}


async def planner(agent: Agent, pace: Pace) -> None:
    """Works while the session needs it."""
    await said_by_maya(agent.session, "")
    await agent.status("thinking", "takes the wish apart")
    await pace.sleep(0.8)
    async with agent.say() as message:
        await pace.speak(message, script.PLANNER_THINKS, part="reasoning", tempo=2.2)
        await pace.speak(message, script.PLANNER_ANSWERS, tempo=2.0)
    await agent.state.merge({"trip": script.TRIP, "budget": {"limit": script.BUDGET, "spent": 0}})
    for kind, title in PARTS.items():
        await agent.session.tasks.create(title, _input(kind, str(script.TRIP["to"])), task=kind)
    await agent.status("idle")
    plan = {"kind": "plan"}
    await agent.session.tasks.create("Write the plan", plan, task="plan", needs=list(PARTS), assignee=agent.id)
    async with asyncio.TaskGroup() as group:
        group.create_task(_listen(agent, pace))
        group.create_task(_write_the_plan(agent, pace))
        group.create_task(_answer_the_rest(agent.session))


async def _listen(agent: Agent, pace: Pace) -> None:
    """When Maya wants to go elsewhere, what depends on the place starts over, and nothing else."""
    await said_by_maya(agent.session, script.CITY)
    await pace.sleep(0.5)
    await agent.state.merge({"trip": {"to": "Lisbon"}})
    for kind in ("flights", "hotels"):
        await agent.session.signals.reroute(f"task:{kind}", input=_input(kind, "Lisbon"))
    async with agent.say() as message:
        await pace.speak(message, script.PLANNER_REROUTES, tempo=1.4)
    await agent.session.post(script.PLANNER_BRIEFS, to="agents")


async def _answer_the_rest(session: Session) -> None:
    """Say once that nobody here understands what is not in the script."""
    scripted = {script.WISH, script.ELSEWHERE, script.CHANGE_OF_MIND, script.THANKS}
    async with session.events(types=["message.posted"]) as events:
        async for event in events:
            if event.actor != MAYA or not isinstance(event.data, MessagePosted):
                continue
            if text_of(event.data.parts) not in scripted and not has_word(event.data, script.CITY):
                await session.post(script.PLANNER_DEAF, reply_to=event.data.message)
                return


async def _write_the_plan(agent: Agent, pace: Pace) -> None:
    async with agent.waiting_for_tool("waits for flights, hotel and visa"):
        task = await _next(agent.tasks(accepts="plan"))
    if task is None:
        return
    async with task:
        await pace.sleep(0.6)
        async with agent.say() as message:
            await pace.speak(message, script.PLANNER_ENDS, tempo=1.7)
        await agent.state.merge({"plan": "ready"})
        await task.complete({"message": message.id})


async def _next(tasks: Claims) -> ClaimedTask | None:
    """The next task; None when the session is closed first."""
    async for task in tasks:
        return task
    return None


def _input(kind: str, city: str) -> dict[str, Any]:
    return {"kind": kind, "city": city} if kind != "visas" else {"kind": kind, "passports": script.PASSPORTS}
