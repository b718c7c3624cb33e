"""A log keeps its contract over every engine."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from stenogram.log.engine import Engine
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.log.postgres import Database, PostgresEngine
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing.contract.faults import FaultyEngine, plain
from stenogram.testing.contract.log import ALL, SHARED, Sentence, following


def _engine(log: Log) -> object:
    engine: object = log.engine
    return engine.engine if isinstance(engine, FaultyEngine) else engine


class Memory:
    shared = True

    @asynccontextmanager
    async def __call__(self, wrap: Callable[[Engine], Engine] = plain, **options: Any) -> AsyncIterator[Log]:
        async with Log(wrap(MemoryEngine()), **options) as log:
            yield log

    def again(self, log: Log, **options: Any) -> Log:
        return Log(self._beside(log), **options)

    def reader(self, log: Log) -> Log:
        return Log(self._beside(log, read_only=True))

    def rival(self, log: Log) -> Log:
        return Log(self._beside(log))

    def _beside(self, log: Log, read_only: bool = False) -> MemoryEngine:
        engine = _engine(log)
        assert isinstance(engine, MemoryEngine)
        return engine.beside(read_only=read_only)


class Sqlite:
    shared = False

    def __init__(self, directory: Path) -> None:
        self._paths = (directory / f"{number}.db" for number in count())

    def __call__(self, wrap: Callable[[Engine], Engine] = plain, **options: Any) -> AbstractAsyncContextManager[Log]:
        return Log(wrap(SqliteEngine(next(self._paths))), **options)

    def again(self, log: Log, **options: Any) -> Log:
        return Log(SqliteEngine(self._path(log)), **options)

    def reader(self, log: Log) -> Log:
        return Log(SqliteEngine(self._path(log), read_only=True))

    def rival(self, log: Log) -> Log:
        raise NotImplementedError

    def _path(self, log: Log) -> Path:
        engine = _engine(log)
        assert isinstance(engine, SqliteEngine)
        return engine.path


class Postgres:
    """Each log has connections of its own, as in another process."""

    shared = True

    def __init__(self, fresh_log: Callable[[], str]) -> None:
        self._fresh_log = fresh_log
        self._urls: dict[Log, str] = {}

    def __call__(self, wrap: Callable[[Engine], Engine] = plain, **options: Any) -> AbstractAsyncContextManager[Log]:
        return self._log(self._fresh_log(), wrap, **options)

    def again(self, log: Log, **options: Any) -> Log:
        return self._log(self._urls[log], **options)

    def reader(self, log: Log) -> Log:
        return self._log(self._urls[log], read_only=True)

    def rival(self, log: Log) -> Log:
        return self._log(self._urls[log])

    def _log(self, url: str, wrap: Callable[[Engine], Engine] = plain, read_only: bool = False, **options: Any) -> Log:
        log = Log(wrap(PostgresEngine(Database(url), read_only=read_only)), **options)
        self._urls[log] = url
        return log


def _name(sentence: Sentence) -> str:
    return sentence.__name__


@pytest.mark.parametrize("sentence", ALL + SHARED, ids=_name)
async def test_memory(sentence: Sentence) -> None:
    await sentence(Memory())


@pytest.mark.parametrize("sentence", ALL, ids=_name)
async def test_sqlite(sentence: Sentence, tmp_path: Path) -> None:
    await sentence(Sqlite(tmp_path))


@pytest.mark.postgres
@pytest.mark.parametrize("sentence", ALL + SHARED, ids=_name)
async def test_postgres(sentence: Sentence, fresh_log: Callable[[], str]) -> None:
    await sentence(Postgres(fresh_log))


@pytest.mark.postgres
@pytest.mark.parametrize("sentence", following.ALL + SHARED, ids=_name)
async def test_postgres_behind_a_pooler(sentence: Sentence, pooled_log: Callable[[], str]) -> None:
    """In transaction mode: others' events are found by asking alone."""
    await sentence(Postgres(pooled_log))
