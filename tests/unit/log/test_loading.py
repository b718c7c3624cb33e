"""A session that is read by several at once, while it is written, is complete for each of them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from stenogram.domain.commands import parse_command
from stenogram.domain.model import Actor, Command
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.records import Record


async def do(log: Log, id: str, do: str) -> None:
    """Carry out a command."""
    await log.submit(Command(id, "s", Actor("planner", "agent"), datetime.now(UTC), parse_command(do, {})))


async def test_who_began_to_read_first_and_ends_last_has_what_came_between(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Log(MemoryEngine()) as log:
        await do(log, "1", "session.open")
        log._sessions.forget("s")
        read, reading, gate = log.engine.read_session, asyncio.Event(), asyncio.Event()

        async def slow(*place: Any) -> list[Record]:
            found = await read(*place)
            if not reading.is_set():
                reading.set()
                await gate.wait()
            return found

        monkeypatch.setattr(log.engine, "read_session", slow)
        first = asyncio.create_task(log.state("s"))
        await reading.wait()
        assert (await log.state("s")).version == 1
        log._sessions._states.pop("s")  # forgotten to make room, and so not brought forward
        await do(log, "2", "presence.join")
        log._sessions._states.pop("s")
        gate.set()
        assert (await first).version == 2
