"""The log knows in which sessions something may happen of itself, over every change of their state."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from stenogram.domain.commands import parse_command
from stenogram.domain.model import Actor, Command
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.records import Append, Draft

ADA = Actor("ada", "user")


class Team:
    """Sends commands to a log."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._number = 0

    async def do(self, do: str, session: str = "s", **data: Any) -> None:
        """Carry out a command."""
        self._number += 1
        command = Command(f"c-{self._number}", session, ADA, datetime.now(UTC), parse_command(do, data))
        await self.log.submit(command)

    async def live(self) -> list[str]:
        """The sessions that live."""
        return await self.log.engine.read_live("", 100)


@pytest.fixture
async def team() -> AsyncIterator[Team]:
    """An open session."""
    async with Log(MemoryEngine()) as log:
        team = Team(log)
        await team.do("session.open")
        yield team


async def test_a_session_lives_while_somebody_is_there(team: Team) -> None:
    assert await team.live() == []
    await team.do("presence.join")
    await team.do("message.post", message="m1", text="Hello.")
    assert await team.live() == ["s"]
    await team.do("presence.leave")
    assert await team.live() == []


@pytest.mark.parametrize(
    "steps",
    [
        [("task.create", {"task": "t", "title": "T"}), ("task.claim", {"task": "t"}), ("task.cancel", {"task": "t"})],
        [
            ("signal.raise", {"signal": "s", "kind": "cancel", "target": "agent:x"}),
            ("signal.raise", {"signal": "z", "kind": "pause", "target": "agent:x"}),
            ("session.close", {}),
        ],
        [
            ("approval.request", {"approval": "a", "question": "Q?", "within": 60}),
            ("approval.answer", {"approval": "a", "option": "yes"}),
        ],
    ],
    ids=["task", "signal", "approval"],
)
async def test_a_session_lives_until_nothing_is_due(team: Team, steps: list[tuple[str, dict[str, Any]]]) -> None:
    for do, data in steps[:-1]:
        await team.do(do, **data)
    assert await team.live() == ["s"]
    do, data = steps[-1]
    await team.do(do, **data)
    assert await team.live() == []


async def test_a_session_that_is_opened_again_goes_on_living(team: Team) -> None:
    await team.do("presence.join")
    await team.do("session.close")
    assert await team.live() == []
    await team.do("session.reopen")
    assert await team.live() == []
    await team.do("presence.join")
    assert await team.live() == ["s"]


async def test_what_is_appended_as_it_is_may_live_until_it_is_reviewed(team: Team) -> None:
    data = (
        b'{"id":"e","type":"task.created","time":"2026-01-01T00:00:00Z","actor":"ada","data":{"task":"t","title":"T"}}'
    )
    await team.log.append(Append("s", (Draft("task.created", "task:t", data, 0),)))
    await team.log.append(Append("other", (Draft("bank.opened", "custom", b"{}", 0),)))
    assert await team.live() == ["s"]
    before = team.log.position
    await team.log.review("s")
    assert (await team.live(), team.log.position) == ([], before)
