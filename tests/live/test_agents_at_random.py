"""Agents, and people who cancel, reroute, pause, steer and take away at random: all work comes to an end, once."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Agent, ClaimedTask, Client, Session
from stenogram.domain.concepts.tasks import TaskCompleted
from stenogram.domain.errors import StenogramError

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

AGENTS = ("a", "b", "c")
TASKS = 25


@pytest.fixture(autouse=True)
def quiet() -> None:
    """A message that was ended by somebody else cannot be aborted, and that is told."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
async def test_all_work_comes_to_an_end(gateway: Gateway, seed: int) -> None:
    chance = random.Random(seed)
    async with Client(gateway.url, participant="ann", kind="user") as client, client.session("s") as ann:
        working = [asyncio.create_task(work(gateway, name, chance)) for name in AGENTS]
        async with asyncio.timeout(200):
            for number in range(TASKS):
                await ann.tasks.create(f"Task {number}")
                await wish(ann, chance)
                await asyncio.sleep(chance.random() * 0.02)
            for target in {signal.target for signal in ann.live.state.signals.known.values()}:
                await quietly(ann.signals.resume(target))
            await ann.live.until(lambda: all(task.status in ENDS for task in ann.tasks.known.values()))
            await ann.live.until(lambda: not [each for each in ann.signals.open if each.kind != "steer"])
            completed = [event async for event in ann.events(types=["task.completed"], follow=False)]
            await ann.close()
            outcomes = sum(await asyncio.gather(*working), Counter[str]())
    assert outcomes["completed"] == len(completed)
    assert len({event.data.task for event in completed if isinstance(event.data, TaskCompleted)}) == len(completed)
    assert not ann.live.state.tasks.claimed


ENDS = ("completed", "cancelled", "failed")


async def wish(ann: Session, chance: random.Random) -> None:
    """Something that a person might want now; that it makes no sense any more is no error."""
    task = chance.choice([*ann.tasks.known])
    target = chance.choice([f"task:{task}", f"agent:{chance.choice(AGENTS)}"])
    wishes: dict[str, Any] = {
        "nothing": lambda: asyncio.sleep(0),
        "cancel": lambda: ann.signals.cancel(target),
        "reroute": lambda: ann.signals.reroute(target),
        "pause": lambda: ann.signals.pause(target),
        "resume": lambda: ann.signals.resume(target),
        "steer": lambda: ann.signals.steer(target, "faster"),
        "take": lambda: ann.tasks.reroute(task),
        "end": lambda: ann.tasks.cancel(task),
    }
    await quietly(wishes[chance.choice([*wishes])]())


async def quietly(wished: Any) -> None:
    with contextlib.suppress(StenogramError):
        await wished


async def work(gateway: Gateway, name: str, chance: random.Random) -> Counter[str]:
    """An agent that works on two tasks at a time, and how they ended."""
    outcomes: Counter[str] = Counter()

    async def one(agent: Agent, task: ClaimedTask) -> None:
        try:
            async with task:
                await act(agent, task, chance)
        except ValueError:
            pass
        assert task.outcome is not None
        outcomes[task.outcome.kind] += 1

    async with (
        Client(gateway.url, participant=name) as client,
        client.agent(session="s") as agent,
        asyncio.TaskGroup() as group,
    ):
        async for task in agent.tasks(limit=2):
            group.create_task(one(agent, task))
    return outcomes


async def act(agent: Agent, task: ClaimedTask, chance: random.Random) -> None:
    """Speak for a while, then complete; or fail, or give up, or break."""
    async with agent.say() as message:
        for number in range(chance.randrange(1, 10)):
            await message.write(f"{task.steer.next_nowait() or number} ")
            await asyncio.sleep(chance.random() * 0.01)
    match chance.randrange(10):
        case 0:
            raise ValueError("it broke")
        case 1:
            await task.fail("not now", retryable=True)
        case 2:
            return
        case _:
            await task.complete()
