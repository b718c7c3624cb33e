"""Flights, hotels and visas: each takes one kind of task, and works on it as a real agent would.

They meet in the session only, and each looks at what is there before it writes: so it does not matter which of them
does a task, at which attempt, or in which process.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from ...client.agent.agent import Agent
from ...client.agent.claimed_task import ClaimedTask
from ...domain.errors import Conflict
from . import script
from .pace import Pace, until_interrupted

Job = Callable[[Agent, ClaimedTask, Pace], Awaitable[None]]


async def work(agent: Agent, kind: str, pace: Pace) -> None:
    """Take tasks of one kind until cancelled."""
    async for task in agent.tasks(accepts=kind):
        async with task:
            await JOBS[kind](agent, task, pace)


async def flights(agent: Agent, task: ClaimedTask, pace: Pace) -> None:
    """Finds and books two seats."""
    city = task.input["city"]
    async with agent.say() as message:
        await pace.speak(message, script.FLIGHTS_BEGINS[city])
        await _until_elsewhere(city)
        await _use(agent, pace, "search_flights", {"to": city, "seats": 2}, {"found": 31, "best": 412}, 1.2)
        await pace.speak(message, script.FLIGHTS_SAYS, tempo=1.3)
    async with agent.waiting_for_tool("the airline confirms", until=10):
        await _use(agent, pace, "book_seats", {"seats": ["11A", "11B"]}, {"ticket": "K7R2QX"}, 1.2)
    await agent.state.merge({"flight": script.FLIGHT})
    await _spend(agent, script.FLIGHT["price"])
    await task.complete(script.FLIGHT)


async def hotels(agent: Agent, task: ClaimedTask, pace: Pace) -> None:
    """Proposes a room; when Maya chooses another one meanwhile, finds that out; asks her, and books."""
    city = task.input["city"]
    async with agent.say() as message:
        await pace.speak(message, script.HOTELS_BEGINS[city])
        await _until_elsewhere(city)
        await _use(agent, pace, "search_rooms", {"city": city, "quiet": True}, {"found": 9, "quiet": 3}, 0.8)
        since: int | None = await _propose(agent)
        await pace.speak(message, script.HOTELS_SAYS, tempo=1.4)
    async with (
        agent.waiting_for_tool(f"the {script.LIS['name']} holds the room", until=20),
        agent.tool("hold_room", {"hotel": script.LIS["name"], "nights": 5}) as hold,
    ):
        # Stands for the time that a hotel takes to answer: longer than Maya takes to change her mind.
        await agent.state.wait(lambda state: state.get("hotel") != script.LIS)
        await pace.sleep(1.0)
        hold.result = {"held": True}
    while since is not None:
        try:
            await agent.state.merge({"hotel": {"status": "booked"}}, if_unchanged={"/hotel": since})
            await _booked(agent, task, pace)
            return
        except Conflict as conflict:
            since = await _adapt(agent, task, pace, conflict)


async def _propose(agent: Agent) -> int:
    """Write the proposal, unless there is a hotel already; the version in which it stood so."""
    if "hotel" in agent.state.value:
        return 1
    await agent.state.merge({"hotel": script.LIS})
    return agent.state.version


async def _adapt(agent: Agent, task: ClaimedTask, pace: Pace, conflict: Conflict) -> int | None:
    """The hotel is no longer the one that was looked at: ask for the one that is there now. The version in which it is
    to be booked; None if it is not to be."""
    name, price = _hotel(conflict.extra["value"])
    await agent.session.post(f"{script.HOTELS_NOTICES} ({conflict.detail})", kind="progress")
    await agent.status("thinking", f"{name} instead?")
    await pace.sleep(0.8)
    question = script.HOTELS_ASKS.format(name=name, price=price)
    if await agent.ask(question, ("book", "wait"), deadline=60, default="wait") == "wait":
        await agent.session.post(script.HOTELS_STOPS)
        await task.fail("Maya wants to wait.", retryable=True)
        return None
    await _use(agent, pace, "book_room", {"hotel": name, "nights": 5}, {"confirmation": "CG-2207"}, 0.8)
    version: int = conflict.extra["version"]
    return version


async def _booked(agent: Agent, task: ClaimedTask, pace: Pace) -> None:
    """Pay, say so, and be done."""
    chosen = agent.state.value["hotel"]
    name, price = _hotel(chosen)
    if price:
        await _spend(agent, price)
    async with agent.say() as message:
        await pace.speak(message, script.HOTELS_ADAPTS.format(name=name, price=price), tempo=1.5)
    await task.complete(chosen)


def _hotel(value: Any) -> tuple[str, int | float]:
    """Its name and its price, whatever somebody at the console has made of it."""
    known: dict[str, Any] = value if isinstance(value, dict) else {"name": value}
    price = known.get("price")
    return str(known.get("name") or "that one")[:80], price if isinstance(price, int | float) else 0


async def visas(agent: Agent, task: ClaimedTask, pace: Pace) -> None:
    """Finds out who needs one. The first who tries waits for a consulate that does not answer."""
    await agent.session.post("Reading the entry rules for both passports.", kind="progress")
    await _use(agent, pace, "entry_rules", {"passports": task.input["passports"]}, {"DE": "none", "IN": "visa"}, 0.8)
    async with agent.say() as message:
        if task.attempt == 1:
            await pace.speak(message, script.VISAS_BEGINS)
            async with agent.tool("appointment", {"at": "consulate"}):
                await until_interrupted()
        await pace.speak(message, script.VISAS_SAYS, tempo=1.2)
    await agent.state.merge({"visas": {"Maya": "none needed", "Arun": "Thursday at ten"}})
    await _spend(agent, script.VISA_FEE)
    await task.complete({"Arun": "Thursday at ten"})


JOBS: dict[str, Job] = {"flights": flights, "hotels": hotels, "visas": visas}


async def _until_elsewhere(city: str) -> None:
    """Stands for a model that still writes when Maya changes her mind."""
    if city == script.TRIP["to"]:
        await until_interrupted()


async def _use(agent: Agent, pace: Pace, tool: str, arguments: Any, result: Any, seconds: float) -> None:
    """Call a tool, wait for it, and record what it said."""
    async with agent.tool(tool, arguments) as call:
        await pace.sleep(seconds)
        call.result = result


async def _spend(agent: Agent, amount: Any) -> None:
    await agent.state.increment("/budget/spent", amount)
