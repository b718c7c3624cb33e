"""An engine whose reads and writes can be held open, or made to fail: what a race needs to be pinned."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from ...domain.ids import SessionId
from ...log.engine import Engine
from ...log.log import Log
from ...log.records import Batch, Record


class FaultyEngine:
    """Stands before an engine, and passes everything on but what it is told to hold or to fail."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.batches: list[Batch] = []
        """The batches that were to be written, also those that failed."""
        self.failures: deque[Exception] = deque()
        """What the next writes fail with, before they reach the storage."""
        self.afterwards: deque[Exception] = deque()
        """What the next writes fail with, after they have been carried out."""
        self.reading_failures: deque[Exception] = deque()
        """What the next lookups of keys fail with."""
        self._writing = _Gate()
        self._reading = _Gate()
        self._looking_up = _Gate()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def write(self, batch: Batch) -> None:
        self.batches.append(batch)
        await self._writing.passing()
        if self.failures:
            raise self.failures.popleft()
        await self.engine.write(batch)
        if self.afterwards:
            raise self.afterwards.popleft()

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        records = await self.engine.read_session(session, after, limit)
        await self._reading.passing()
        return records

    async def read_wires(self, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
        found = await self.engine.read_wires(session, after, limit)
        await self._reading.passing()
        return found

    async def read_keys(self, keys: Any) -> Any:
        if self.reading_failures:
            raise self.reading_failures.popleft()
        found = await self.engine.read_keys(keys)
        await self._looking_up.passing()
        return found

    @asynccontextmanager
    async def writes_held(self) -> AsyncIterator["_Gate"]:
        """Writes begin and do not go on before the end. `async with … as gate: await gate.reached()`."""
        with self._writing:
            yield self._writing

    @asynccontextmanager
    async def reads_held(self) -> AsyncIterator["_Gate"]:
        """What is read of sessions has been read and is not handed out before the end."""
        with self._reading:
            yield self._reading

    @asynccontextmanager
    async def lookups_held(self) -> AsyncIterator["_Gate"]:
        """Keys have been looked up and what was found is not handed out before the end."""
        with self._looking_up:
            yield self._looking_up


class _Gate:
    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._reached = asyncio.Event()

    def __enter__(self) -> None:
        self._open.clear()
        self._reached.clear()

    def __exit__(self, *exc: object) -> None:
        self._open.set()

    async def passing(self) -> None:
        self._reached.set()
        await self._open.wait()

    async def reached(self) -> None:
        """Wait until somebody stands at the gate."""
        await self._reached.wait()


def faulty(engine: Engine) -> Engine:
    """The engine with a `FaultyEngine` before it."""
    return cast(Engine, FaultyEngine(engine))


def faults(log: Log) -> FaultyEngine:
    """What stands before the log's engine."""
    engine: object = log.engine
    assert isinstance(engine, FaultyEngine)
    return engine


def plain(engine: Engine) -> Engine:
    """The engine as it is."""
    return engine
