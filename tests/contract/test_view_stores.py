"""Every store of views keeps the contract."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from stenogram.projections.store import ViewStore, memory_views, sqlite_views
from stenogram.projections.store.postgres import postgres_views
from stenogram.testing.contract.views.scene import LAPSE, Sentence
from stenogram.testing.contract.views.store import ALL, SHARED


class Memory:
    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[ViewStore]:
        async with memory_views(lapse=LAPSE) as store:
            yield store

    def beside(self, store: ViewStore) -> ViewStore:
        raise NotImplementedError


class Sqlite:
    def __init__(self, directory: Path) -> None:
        self._paths = (directory / f"{number}.views.db" for number in count())
        self._path = Path()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[ViewStore]:
        self._path = next(self._paths)
        async with sqlite_views(self._path, lapse=LAPSE) as store:
            yield store

    def beside(self, store: ViewStore) -> ViewStore:
        return sqlite_views(self._path, lapse=LAPSE)


class Postgres:
    def __init__(self, fresh_log: Callable[[], str]) -> None:
        self._fresh_log = fresh_log
        self._url = ""

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[ViewStore]:
        self._url = self._fresh_log()
        async with postgres_views(self._url, lapse=LAPSE) as store:
            yield store

    def beside(self, store: ViewStore) -> ViewStore:
        return postgres_views(self._url, lapse=LAPSE)


def _name(sentence: Sentence) -> str:
    return sentence.__name__


@pytest.mark.parametrize("sentence", ALL, ids=_name)
async def test_memory(sentence: Sentence) -> None:
    await sentence(Memory())


@pytest.mark.parametrize("sentence", ALL + SHARED, ids=_name)
async def test_sqlite(sentence: Sentence, tmp_path: Path) -> None:
    await sentence(Sqlite(tmp_path))


@pytest.mark.postgres
@pytest.mark.parametrize("sentence", ALL + SHARED, ids=_name)
async def test_postgres(sentence: Sentence, fresh_log: Callable[[], str]) -> None:
    await sentence(Postgres(fresh_log))
