"""Publishing what a framework that speaks AG-UI tells of a run: it is written into a session as it comes."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, NamedTuple

from ..domain.errors import NoChange, StenogramError
from ..domain.foreign import AgUiWriter, Step, ag_ui_members
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
    """Write a run's events. Raises Invalid for what is no AG-UI, and what the commands are refused with; then, as when
    it is cancelled, what is open is aborted."""
    writer, pieces = AgUiWriter(new_id()), list[Answer]()
    try:
        async for event in _all(events):
            for step in writer.read(ag_ui_members(event)):
                await _carry_out(session, step, pieces)
        for step in writer.end():
            await _carry_out(session, step, pieces)
    except BaseException as error:
        with contextlib.suppress(StenogramError):  # the error that ends it is the one that matters
            steps = writer.end(str(error) or type(error).__name__)
            ends = [unawaited(session.commands.submit(session.id, each.do, each.data)) for each in steps]
            if ends and isinstance(error, Exception):  # who is cancelled does not wait
                await asyncio.wait(ends, timeout=END_TIMEOUT_S)
        raise
    await asyncio.gather(*pieces)
    return Published(tuple(writer.messages), writer.result, writer.error, tuple(writer.interrupts))


async def _all(events: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    if isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for event in events:
            yield event


async def _carry_out(session: SessionPort, step: Step, pieces: list[Answer]) -> None:
    """Pieces of text are not waited for one by one; what comes behind them waits for all of them."""
    if step.do == "message.delta":
        await session.commands.wait_for_room()
        pieces.append(unawaited(session.commands.submit(session.id, step.do, step.data, id=step.id)))
        if len(pieces) < MAX_PENDING:
            return
    waiting = pieces[:]
    pieces.clear()
    await asyncio.gather(*waiting)
    if step.do != "message.delta":
        with contextlib.suppress(NoChange):
            await session.do(step.do, step.data, id=step.id)
