"""What a contract of a log is asked with: a factory of logs, and words to say things to one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any, Protocol

from ....domain.errors import StenogramError
from ....domain.ids import Position, SessionId, Version
from ....domain.model import Command
from ....domain.state import State
from ....log.commit.folding import fold_records
from ....log.engine import Engine
from ....log.log import Log
from ....log.records import Append, Appended, Draft, Record
from ...command import command
from ..faults import plain

_numbers = count(1)


class LogFactory(Protocol):
    """Makes the logs under test."""

    shared: bool
    """Whether several may write one log."""

    def __call__(self, wrap: Callable[[Engine], Engine] = plain, **options: Any) -> AbstractAsyncContextManager[Log]:
        """A new log, open; closed, and removed, at the end. `options` are those of `Log`."""

    def again(self, log: Log, **options: Any) -> Log:
        """The same log, not opened yet: opened after the first was closed, it is a restart."""

    def reader(self, log: Log) -> Log:
        """The same log for reading only, not opened yet; opened beside the first."""

    def rival(self, log: Log) -> Log:
        """The same log for writing, not opened yet; opened beside the first. Asked of shared logs only."""


Sentence = Callable[[LogFactory], Awaitable[None]]


@asynccontextmanager
async def restarted(factory: LogFactory, log: Log, **options: Any) -> AsyncIterator[Log]:
    """The log after it was closed and opened again."""
    await log.__aexit__()
    async with factory.again(log, **options) as later:
        yield later


def post(message: str, session: SessionId = "s-1", id: str | None = None) -> Command:
    """A message."""
    return command("message.post", session, id=id, message=message, text="Three hotels have rooms.")


def delta(index: int, session: SessionId = "s-1", message: str = "m") -> Command:
    """A piece of a message that was started."""
    return command("message.delta", session, message=message, index=index, text=f"{index} ")


async def opened(log: Log, *sessions: SessionId) -> None:
    """Open sessions; `s-1` when none is named."""
    await asyncio.gather(*[log.submit(command("session.open", session)) for session in sessions or ("s-1",)])


def draft(subject: str = "custom", key: str | None = None, type: str = "x.noted") -> Draft:
    """An event as its envelope."""
    data = b'{"id":"e-%d","type":"%s","time":"2026-01-01T00:00:00.000000Z","actor":"importer","data":{}}'
    return Draft(type, subject, data % (next(_numbers), type.encode()), 1_767_225_600_000_000, key)


def heads(expected: Mapping[str, int]) -> dict[str, Version]:
    """What a request expects."""
    return {subject: Version(version) for subject, version in expected.items()}


def drafts(session: SessionId, *drafts: Draft, expect: Mapping[str, int] = {}, **more: Any) -> Append:
    """An append of these drafts, or of one."""
    return Append(session, drafts or (draft(),), heads(expect), **more)


async def refusal(answer: Awaitable[object]) -> StenogramError:
    """What was answered instead of a result."""
    try:
        result = await answer
    except StenogramError as error:
        return error
    raise AssertionError(f"it was accepted: {result}")


async def outcome(answer: Awaitable[Appended]) -> Appended | StenogramError:
    """The answer, whichever it is."""
    try:
        return await answer
    except StenogramError as error:
        return error


async def everything(log: Log) -> list[Record]:
    """All that is in the log, by the engine."""
    return await log.engine.read_log(0, 100_000)


async def check(log: Log) -> list[Record]:
    """Check what holds of any log at any time, and return all that is in it.

    Positions are contiguous, versions dense, sessions are the same from both sides, the state is what a fresh fold of
    the stored bytes comes to.
    """
    records = await everything(log)
    assert [record.position for record in records] == [*range(1, len(records) + 1)]
    sessions: dict[SessionId, list[Record]] = {}
    for record in records:
        sessions.setdefault(record.session, []).append(record)
    for session, own in sessions.items():
        assert [record.version for record in own] == [*range(1, len(own) + 1)]
        assert await log.engine.read_session(session, 0, 100_000) == own
        assert await log.state(session) == fold_records(State(session), own)
    return records


def places(first_version: int, first_position: int, number: int = 1) -> Appended:
    """Places that follow one another."""
    return Appended(
        tuple(Version(first_version + each) for each in range(number)),
        tuple(Position(first_position + each) for each in range(number)),
    )
