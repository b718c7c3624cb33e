"""The SQLite engine's threads and transactions: what holds when a commit, a task or another program fails it."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from stenogram.domain.errors import LogFailed
from stenogram.domain.ids import Position
from stenogram.log.records import Batch
from stenogram.log.sqlite import SqliteEngine, sql
from stenogram.log.sqlite.connection import Connection
from stenogram.log.sqlite.failures import explain_sqlite, reason_of
from stenogram.log.sqlite.writing import write_batch
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[SqliteEngine]:
    engine = SqliteEngine(path)
    await engine.open()
    yield engine
    await engine.close()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the file's write transaction open: whoever writes must wait."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


async def test_the_loop_and_the_readers_go_on_while_a_write_waits(engine: SqliteEngine, path: Path) -> None:
    with held(path):
        writing = asyncio.create_task(engine.write(BatchWriter(engine).batch(BatchEvent())))
        for _ in range(20):
            assert await engine.read_log(0, 10) == []
        assert not writing.done()
    await writing
    assert len(await engine.read_log(0, 10)) == 1


async def test_closing_waits_for_a_write_whose_task_was_cancelled(
    engine: SqliteEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def write_slowly(connection: Connection, batch: Batch) -> None:
        begun.set()
        assert go_on.wait(30)
        write_batch(connection, batch)

    monkeypatch.setattr("stenogram.log.sqlite.engine.write_batch", write_slowly)
    writing = asyncio.create_task(engine.write(BatchWriter(engine).batch(BatchEvent())))
    assert await asyncio.to_thread(begun.wait, 30)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    closed = asyncio.create_task(engine.close())
    await asyncio.sleep(0.02)
    assert not closed.done()
    go_on.set()
    await closed
    reader = SqliteEngine(path, read_only=True)
    assert (await reader.open()).position == 1
    await reader.close()


async def test_a_cancelled_opening_leaves_the_log_free(path: Path) -> None:
    opening = asyncio.create_task(SqliteEngine(path).open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    engine = SqliteEngine(path)
    await engine.open()
    await engine.close()


async def test_an_idle_reader_does_not_keep_the_write_ahead_file(engine: SqliteEngine, path: Path) -> None:
    reader = SqliteEngine(path, read_only=True)
    await reader.open()
    writer = BatchWriter(engine)
    for _ in range(10):
        await writer.write(*[BatchEvent()] * 100)
        await asyncio.gather(*[reader.read_log(0, 7) for _ in range(4)], reader.read_heads(writer.heads))
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    assert path.with_name("log.db-wal").stat().st_size == 0
    await reader.close()


class Unanswered(Connection):
    """Fails at every write, after having done it or instead."""

    writes = True

    def execute(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if statement != sql.WRITE_BATCH:
            return super().execute(statement, parameters)
        if self.writes:
            super().execute(statement, parameters)
        raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def unanswered(engine: SqliteEngine) -> Iterator[Unanswered]:
    with closing(sqlite3.connect(engine.path, isolation_level=None, factory=Unanswered)) as connection:
        connection.execute(sql.CREATE_BATCH)
        connection.execute(sql.CREATE_BATCH_WRITER)
        yield connection


BATCHES = pytest.mark.parametrize("which", [0, 1], ids=["events", "tracking"])


def batches(engine: SqliteEngine) -> list[Batch]:
    return [
        BatchWriter(engine).batch(BatchEvent(), BatchEvent("s-2")),
        Batch(Position(0), [], {}, {}, {"t-1": Position(5)}, {}),
    ]


@BATCHES
async def test_a_failure_after_the_commit_is_a_success(
    engine: SqliteEngine, unanswered: Unanswered, which: int
) -> None:
    batch = batches(engine)[which]
    write_batch(unanswered, batch)
    assert (await engine.head()).position == len(batch.records)


@BATCHES
async def test_a_failure_before_the_commit_is_a_failure(
    engine: SqliteEngine, unanswered: Unanswered, which: int
) -> None:
    unanswered.writes = False
    batch = batches(engine)[which]
    with pytest.raises(sqlite3.OperationalError):
        write_batch(unanswered, batch)
    await engine.write(batch)


def test_what_sqlite_fails_at_is_explained(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
        with held(path), pytest.raises(sqlite3.OperationalError) as busy:
            connection.execute("BEGIN IMMEDIATE")
    assert isinstance(explain_sqlite(full.value), LogFailed)
    assert "make room" in explain_sqlite(full.value).detail
    assert "Another program" in explain_sqlite(busy.value).detail
    assert (reason_of(full.value), reason_of(busy.value)) == ("the disk is full", "another program keeps it locked")
    assert reason_of(sqlite3.OperationalError("it has no code")) == "it has no code"


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sql.READ_SESSION, "event_version"),
        (sql.READ_KEYS, "event_key"),
        (sql.READ_SUBJECT_SESSION, "event_of_session"),
        (sql.READ_SUBJECT, "event_version"),
        (sql.LIST_SESSIONS, "head_of_session"),
        (sql.READ_HEADS, "PRIMARY KEY"),
        (sql.READ_PRODUCERS, "PRIMARY KEY"),
        (sql.READ_LOG, "INTEGER PRIMARY KEY"),
    ],
)
def test_reads_go_by_an_index(engine: SqliteEngine, statement: str, index: str) -> None:
    values: Any = dict.fromkeys(("after", "prefix", "end", "limit"), "") if ":after" in statement else None
    with closing(sqlite3.connect(engine.path)) as connection:
        values = values or ["[]"] * statement.count("?")
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(step.startswith("SEARCH") and index in step for step in plan), plan
    assert not any(step.startswith(("SCAN event", "SCAN head", "SCAN producer")) for step in plan), plan
