"""Every engine keeps the engine's contract."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from stenogram.log.engine import Engine
from stenogram.log.memory import MemoryEngine
from stenogram.log.postgres import Database, PostgresEngine
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing.contract.engine import ALL, DURABLE, Sentence, a_page_ends_with_the_event_that_fills_it

LARGE = (a_page_ends_with_the_event_that_fills_it,)
"""What takes time and asks nothing of a pooler."""


class Memory:
    durable = False

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Engine]:
        engine = MemoryEngine()
        await engine.open()
        yield engine
        await engine.close()

    async def reopen(self, engine: Engine) -> Engine:
        raise NotImplementedError


class Sqlite:
    durable = True

    def __init__(self, directory: Path) -> None:
        self._paths = (directory / f"{number}.db" for number in count())
        self._opened: list[SqliteEngine] = []

    def __call__(self) -> AbstractAsyncContextManager[Engine]:
        return self._log()

    async def reopen(self, engine: Engine) -> Engine:
        assert isinstance(engine, SqliteEngine)
        await engine.close()
        return await self._open(engine.path)

    @asynccontextmanager
    async def _log(self) -> AsyncIterator[Engine]:
        try:
            yield await self._open(next(self._paths))
        finally:
            for engine in self._opened:
                await engine.close()

    async def _open(self, path: Path) -> SqliteEngine:
        engine = SqliteEngine(path)
        await engine.open()
        self._opened.append(engine)
        return engine


class Postgres:
    durable = True

    def __init__(self, fresh_log: Callable[[], str]) -> None:
        self._fresh_log = fresh_log
        self._opened: list[PostgresEngine] = []

    def __call__(self) -> AbstractAsyncContextManager[Engine]:
        return self._log()

    async def reopen(self, engine: Engine) -> Engine:
        assert isinstance(engine, PostgresEngine)
        await engine.close()
        return await self._open(engine.database)

    @asynccontextmanager
    async def _log(self) -> AsyncIterator[Engine]:
        try:
            yield await self._open(Database(self._fresh_log()))
        finally:
            for engine in self._opened:
                await engine.close()

    async def _open(self, database: Database) -> PostgresEngine:
        engine = PostgresEngine(database)
        await engine.open()
        self._opened.append(engine)
        return engine


def _name(sentence: Sentence) -> str:
    return sentence.__name__


@pytest.mark.parametrize("sentence", ALL, ids=_name)
async def test_memory(sentence: Sentence) -> None:
    await sentence(Memory())


@pytest.mark.parametrize("sentence", ALL + DURABLE, ids=_name)
async def test_sqlite(sentence: Sentence, tmp_path: Path) -> None:
    await sentence(Sqlite(tmp_path))


@pytest.mark.postgres
@pytest.mark.parametrize("sentence", ALL + DURABLE, ids=_name)
async def test_postgres(sentence: Sentence, fresh_log: Callable[[], str]) -> None:
    await sentence(Postgres(fresh_log))


@pytest.mark.postgres
@pytest.mark.parametrize("sentence", [each for each in ALL if each not in LARGE], ids=_name)
async def test_postgres_behind_a_pooler(sentence: Sentence, pooled_log: Callable[[], str]) -> None:
    await sentence(Postgres(pooled_log))
