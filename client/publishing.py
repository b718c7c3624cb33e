"""Publishing what a framework that speaks AG-UI tells of a run: it is written into a session as it comes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import Any, NamedTuple

from ..domain.errors import Refused, StenogramError
from ..domain.foreign import AgUiWriter, Step, TakenIds, ag_ui_members
from ..domain.ids import new_id
from .session_port import SessionPort
from .transport.command_queue import Answer, unawaited

MAX_PENDING = 256
"""Pieces of text that are on their way before their commits are waited for."""


END_TIMEOUT_S = 5.0


class Published(NamedTuple):
    """What was published: the ids of the run's messages, its result, why it failed if it did, and the ids of the
    questions (approvals) with which it ended."""

    messages: tuple[str, ...]
    result: Any
    error: str | None
    interrupts: tuple[str, ...]


async def publish_ag_ui(session: SessionPort, events: AsyncIterable[Any] | Iterable[Any]) -> Published:
    """Write a run's events. Raises Invalid for what is no AG-UI, what the commands are refused with, and what the
    events raise; then, as when it is cancelled, what is open is aborted, and what makes the events is closed."""
    run, task = _Run(session), asyncio.current_task()
    asked = task.cancelling() if task else 0
    async with contextlib.aclosing(_all(events)) as told:  # closed last: a framework may take its time
        try:
            async for event in told:
                if task and task.cancelling() > asked:  # Python 3.11 loses some in `wait_for`
                    raise asyncio.CancelledError
                await run.read(event)
            await run.end()
        except BaseException as error:
            with contextlib.suppress(StenogramError):  # the error that ends it is the one that matters
                ends = run.give_up(str(error) or type(error).__name__)
                if ends and isinstance(error, Exception):  # who is cancelled does not wait
                    await asyncio.wait(ends, timeout=END_TIMEOUT_S)
            raise
    return run.published()


async def _all(events: AsyncIterable[Any] | Iterable[Any]) -> AsyncGenerator[Any, None]:
    if isinstance(events, AsyncGenerator):
        async with contextlib.aclosing(events):
            async for event in events:
                yield event
    elif isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for event in events:
            yield event


class _Run:
    """A run that is being written."""

    def __init__(self, session: SessionPort) -> None:
        self._session = session
        self._writer = AgUiWriter(new_id())
        self._ids = TakenIds()
        self._pieces: list[Answer] = []

    async def read(self, event: Any) -> None:
        """Write the next event."""
        for step in self._writer.read(ag_ui_members(event)):
            await self._carry_out(self._ids.renamed(step))

    async def end(self) -> None:
        """Complete what is open, and wait until all is written."""
        for step in self._writer.end():
            await self._carry_out(self._ids.renamed(step))
        await self._settled()

    def give_up(self, reason: str) -> list[Answer]:
        """Abort what is open; the answers."""
        steps, session = map(self._ids.renamed, self._writer.end(reason)), self._session
        return [unawaited(session.commands.submit(session.id, each.do, each.data)) for each in steps]

    def published(self) -> Published:
        """What has come of it."""
        writer = self._writer
        messages = tuple(map(self._ids.name, writer.messages))
        return Published(messages, writer.result, writer.error, tuple(writer.interrupts))

    async def _carry_out(self, step: Step) -> None:
        """Pieces of text are not waited for one by one; what comes behind them waits for all of them."""
        if step.do != "message.delta":
            await self._settled()
            await self._do(step)
            return
        commands = self._session.commands
        await commands.wait_for_room()
        self._pieces.append(unawaited(commands.submit(self._session.id, step.do, step.data, id=step.id)))
        if len(self._pieces) >= MAX_PENDING:
            await self._settled()

    async def _settled(self) -> None:
        pieces, self._pieces = self._pieces, []
        await asyncio.gather(*pieces)

    async def _do(self, step: Step) -> None:
        try:
            await self._session.do(step.do, step.data, id=step.id)
        except Refused as refusal:
            for each in self._ids.instead(step, refusal):
                await self._session.do(each.do, each.data, id=each.id)
