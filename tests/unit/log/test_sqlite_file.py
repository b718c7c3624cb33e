"""The SQLite engine and its file: what it takes for a log, and what it says of anything else."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stenogram.domain.errors import LogReadOnly, LogUnreadable
from stenogram.log.sqlite import SqliteEngine, sql
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter

EITHER = pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> Path:
    """A log of one event, closed."""
    engine = SqliteEngine(path)
    await engine.open()
    await BatchWriter(engine).write(BatchEvent())
    await engine.close()
    return path


async def test_a_closed_log_is_one_file_with_its_lock_and_its_identity(log: Path) -> None:
    assert sorted(os.listdir(log.parent)) == [".log.db.identity", "log.db", "log.db.lock"]


async def test_a_name_with_signs_that_mean_something_in_an_address(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "a?mode=ro&b#c%20.db")
    await engine.open()
    await engine.close()
    assert "a?mode=ro&b#c%20.db" in os.listdir(tmp_path)


async def test_a_reader_creates_nothing(path: Path) -> None:
    with pytest.raises(LogUnreadable, match="There is no log at"):
        await SqliteEngine(path, read_only=True).open()
    assert os.listdir(path.parent) == []


async def test_a_reader_refuses_to_write(log: Path) -> None:
    engine = SqliteEngine(log, read_only=True)
    head = await engine.open()
    with pytest.raises(LogReadOnly, match="opened for reading"):
        await engine.write(BatchWriter(engine, head.position).batch(BatchEvent()))
    await engine.close()


async def test_an_empty_file_becomes_a_log(path: Path) -> None:
    _fill(path, b"")
    with pytest.raises(LogUnreadable, match="is empty"):
        await SqliteEngine(path, read_only=True).open()
    engine = SqliteEngine(path)
    assert (await engine.open()).position == 0
    await engine.close()


@EITHER
async def test_a_database_of_another_program_is_left_alone(path: Path, read_only: bool) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE users (name TEXT)")
    before = _content(path)
    with pytest.raises(LogUnreadable, match="of another program"):
        await SqliteEngine(path, read_only=read_only).open()
    assert _content(path) == before
    assert os.listdir(path.parent) == ["log.db"]


@EITHER
async def test_a_file_that_is_no_database_is_left_alone(path: Path, read_only: bool) -> None:
    _fill(path, b"Dear diary, " * 1000)
    with pytest.raises(LogUnreadable, match="damaged, or not a log"):
        await SqliteEngine(path, read_only=read_only).open()
    assert _content(path) == b"Dear diary, " * 1000


@EITHER
async def test_a_newer_schema_asks_for_an_upgrade(log: Path, read_only: bool) -> None:
    with closing(sqlite3.connect(log)) as newer:
        newer.execute(f"PRAGMA user_version = {sql.SCHEMA_VERSION + 1}")
    with pytest.raises(LogUnreadable, match=f"has schema {sql.SCHEMA_VERSION + 1}.*upgrade"):
        await SqliteEngine(log, read_only=read_only).open()


@EITHER
async def test_a_damaged_log_says_so(log: Path, read_only: bool) -> None:
    content = _content(log)
    _fill(log, content[:4096] + b"\xff" * len(content[4096:]))
    with pytest.raises(LogUnreadable, match="damaged"):
        await SqliteEngine(log, read_only=read_only).open()


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match=r"The directory .*/nowhere does not exist"):
        await SqliteEngine(tmp_path / "nowhere" / "log.db").open()


@EITHER
async def test_a_directory_is_no_log(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(LogUnreadable):
        await SqliteEngine(tmp_path, read_only=read_only).open()


@EITHER
async def test_a_read_only_directory_is_explained(read_only_directory: Path, read_only: bool) -> None:
    with pytest.raises(LogUnreadable, match="must be allowed to write the directory"):
        await SqliteEngine(read_only_directory / "log.db", read_only=read_only).open()


@pytest.fixture
def read_only_directory() -> Iterator[Path]:
    """A directory with a log that this process may read only; root gives up its rights for the while."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with closing(sqlite3.connect(directory / "log.db")) as connection:
            connection.execute(sql.WRITE_AHEAD)
        (directory / "log.db").chmod(0o444)
        directory.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield directory
        finally:
            if root:
                os.seteuid(0)
            directory.chmod(0o755)


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _fill(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def test_an_older_file_is_brought_forward_by_the_writer_that_opens_it(log: Path) -> None:
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute("DROP TABLE live")
        connection.execute("DROP TABLE snapshot")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO head VALUES ('s-2', 'presence:hotels', 3)")
        connection.execute("INSERT INTO head VALUES ('s-3', 'presence', 3)")
    reader = SqliteEngine(log, read_only=True)
    before = await reader.open()
    assert len(await reader.read_log(0, 10)) == 1
    engine = SqliteEngine(log)
    assert await engine.open() == before
    assert await engine.read_live("", 10) == ["s-2"]
    assert len(await reader.read_log(0, 10)) == 1
    await reader.close()
    await BatchWriter(engine, before.position).write(BatchEvent("s-9"))
    await engine.close()
    again = SqliteEngine(log)
    assert (await again.open()).position == before.position + 1
    assert await again.read_live("", 10) == ["s-2"]
    await again.close()
