"""The timekeeper does not read what is due in a large session again and again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from stenogram.api.liveness import timekeeper
from stenogram.api.liveness.last_seen import LastSeen
from stenogram.api.liveness.timekeeper import TICK_S, Timekeeper
from stenogram.domain.commands import parse_command
from stenogram.domain.model import Actor, Command, Deadline
from stenogram.domain.session import deadlines
from stenogram.domain.state import State
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "reads"), [(0.0, 10), (0.004, 1)])
async def test_a_session_that_takes_long_to_read_is_left_alone_for_a_while(
    seconds: float, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, read = Clock(), []

    def reading(state: State) -> list[Deadline]:
        read.append(state.version)
        clock.now += seconds
        return deadlines(state)

    monkeypatch.setattr(timekeeper, "deadlines", reading)
    async with Log(MemoryEngine()) as log:
        keeper = Timekeeper(log, LastSeen(clock))

        async def do(do: str, id: str, **data: Any) -> None:
            actor = Actor("hotels", "agent")
            await log.submit(Command(id, "s", actor, datetime.now(UTC), parse_command(do, data)))

        await do("session.open", "c-open")
        await do("presence.join", "c-join")
        await keeper.run_once()
        read.clear()
        clock.now += TICK_S
        for number in range(10):
            await do("presence.status", f"c-{number}", status="working", activity=f"Step {number}")
            await keeper.run_once()
        assert len(read) == reads
        clock.now += TICK_S
        await keeper.run_once()
        assert read[-1] == (await log.state("s")).version
