"""A refusal that is put on record is written like any fact, once, and never takes a repeat for a trespass."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from stenogram.domain.commands import parse_command
from stenogram.domain.errors import Fenced
from stenogram.domain.model import Actor, Command
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.records import Appended


class Team:
    """Sends commands to one session of a log."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def do(self, id: str, actor: str, do: str, **data: Any) -> Appended:
        """Carry out a command under this id."""
        now = datetime.now(UTC)
        return await self.log.submit(Command(id, "s", Actor(actor, "agent"), now, parse_command(do, data)))

    async def types(self) -> list[str]:
        """What has happened."""
        return [record.type for record in await self.log.engine.read_session("s", 0, 100)]


@pytest.fixture
async def team() -> AsyncIterator[Team]:
    """A task that hotels has completed, and one that was taken from it."""
    async with Log(MemoryEngine()) as log:
        team = Team(log)
        await team.do("1", "planner", "session.open")
        for task in ("t-1", "t-2"):
            await team.do(f"create-{task}", "planner", "task.create", task=task, title="T")
            await team.do(f"claim-{task}", "hotels", "task.claim", task=task)
        await team.do("complete", "hotels", "task.complete", task="t-1", attempt=1)
        await team.do("reroute", "planner", "task.reroute", task="t-2")
        yield team


async def test_a_repeated_command_gets_its_first_result_though_the_attempt_is_over(team: Team) -> None:
    before = await team.types()
    again = await team.do("complete", "hotels", "task.complete", task="t-1", attempt=1)
    assert (again.versions, again.repeated) == ((6,), True)
    assert await team.types() == before


async def test_a_stale_attempt_is_on_record_before_it_is_refused_and_once(team: Team) -> None:
    for id in ("late-1", "late-1", "late-2"):
        with pytest.raises(Fenced):
            await team.do(id, "hotels", "task.complete", task="t-2", attempt=1)
        assert (await team.types()).count("task.fenced") == 1
    (fenced,) = await team.log.engine.read_session("s", 7, 10)
    assert (fenced.key, fenced.subject) == (None, "fence:t-2")


async def test_two_at_once_leave_one_record(team: Team) -> None:
    tries = [team.do(f"late-{n}", "hotels", "task.complete", task="t-2", attempt=1) for n in range(10)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(result, Fenced) for result in results)
    assert (await team.types()).count("task.fenced") == 1


async def test_a_command_with_many_consequences_is_answered_with_all_of_them_again(team: Team) -> None:
    for number in range(40):
        await team.do(f"start-{number}", "hotels", "message.start", message=f"m{number}")
    await team.do("join", "hotels", "presence.join")
    first = await team.do("leave", "hotels", "presence.leave")
    assert len(first.versions) == 41
    again = await team.do("leave", "hotels", "presence.leave")
    assert (again.versions, again.positions, again.repeated) == (first.versions, first.positions, True)


async def test_a_log_that_closes_answers_what_it_looks_up(team: Team) -> None:
    late = asyncio.ensure_future(team.do("late", "hotels", "task.complete", task="t-2", attempt=1))
    await asyncio.sleep(0)
    await team.log.__aexit__(None, None, None)
    with pytest.raises(Fenced):
        await late
    await team.log.__aenter__()
