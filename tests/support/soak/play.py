"""A recorded session that a team plays again: in the order of the recording, streamed, at an even pace."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from support.soak.figures import Acks
from support.soak.speaker import LEASE_S, Speaker

if TYPE_CHECKING:  # the package is also imported where examples are not on the path
    from who_and_when import Recording, Step

PIECE = 40
"""Characters of a delta."""


class Play:
    """A session that is opened, played and closed. Each player has a connection of their own; what one assigns to
    another is a task, which the other claims when it speaks next, and completes."""

    def __init__(
        self, recording: Recording, session: str, http: aiohttp.ClientSession, gateway: Callable[[], str], acks: Acks
    ) -> None:
        self.session = session
        self.opened = asyncio.Event()
        self.version = 0
        self._recording = recording
        self._acks = acks
        self._chance = chance = random.Random(session)
        self._speakers = {
            player.id: Speaker(http, gateway, {"participant": player.id, "kind": player.kind}, acks, chance)
            for player in recording.players
        }
        self._tasks: dict[str, str] = {}
        self._due = 0.0

    async def perform(self, each: float, over: asyncio.Event) -> None:
        """Say all of it, a command every `each` seconds; once it is `over`, break off."""
        self._due = time.monotonic() + each * self._chance.random()
        first = self._recording.players[0].id
        async with self._gone_afterwards():
            await self._tell(each, first, "session.open", {"title": self._recording.question[:500]})
            self.opened.set()
            for player in dict.fromkeys(step.actor for step in self._recording.steps):
                await self._tell(each, player, "presence.join", {"lease": LEASE_S})
            for step in self._recording.steps:
                async for do, data in self._commands(step):
                    if over.is_set():
                        break
                    await self._tell(each, step.actor, do, data)
            await self._tell(each, first, "session.close", {})

    async def _tell(self, each: float, actor: str, do: str, data: dict[str, Any]) -> None:
        now = time.monotonic()
        self._due = max(self._due + each, now - each)  # whoever has fallen behind does not hurry
        await asyncio.sleep(self._due - now)
        answer = await self._speakers[actor].tell(self.session, do, data, self._due)
        if answer["frame"] == "ack":
            self.version = max(self.version, *answer["versions"])

    async def _commands(self, step: Step) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        task = self._tasks.pop(step.actor, None)
        if task is not None:
            yield "task.claim", {"task": task}
        yield "presence.status", {"status": "working", "activity": f"step {step.index}"}
        yield "message.start", {"message": step.message, "audience": step.audience and list(step.audience)}
        pieces = [step.text[start : start + PIECE] for start in range(0, len(step.text), PIECE)]
        for index, piece in enumerate(pieces):
            yield "message.delta", {"message": step.message, "index": index, "text": piece}
        yield "message.complete", {"message": step.message, "deltas": len(pieces)}
        yield "state.increment", {"path": f"/steps/{step.actor}"}
        if task is not None:
            yield "task.complete", {"task": task, "attempt": 1}
        if step.assignee is not None and step.assignee not in self._tasks:
            self._tasks[step.assignee] = f"task-{step.index}"
            yield "task.create", {"task": f"task-{step.index}", "title": "As it was said", "assignee": step.assignee}

    @asynccontextmanager
    async def _gone_afterwards(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            for speaker in self._speakers.values():
                speaker.cut()
