"""A log that was opened for reading notices when it is not the same log any more."""

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stenogram.domain.errors import LogFailed, LogReplaced
from stenogram.domain.ids import Position
from stenogram.log import log as log_module
from stenogram.log import tail as tail_module
from stenogram.log.log import Log
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing import command


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks more often than every second."""
    monkeypatch.setattr(log_module, "POLL_S", 0.02)
    monkeypatch.setattr(tail_module, "CHECK_EVERY_S", 0.0)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A log of five events."""
    path = tmp_path / "log.db"
    async with Log(SqliteEngine(path)) as log:
        await log.submit(command("session.open", "s"))
        for number in range(4):
            await log.submit(command("message.post", "s", message=f"m{number}", text="Hello"))
    return path


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log SET epoch = 'another'",
        "UPDATE log SET position = 4",
        "UPDATE event SET key = 'another' WHERE position = 5",
    ],
    ids=["another epoch", "an earlier state", "another event in the same place"],
)
async def test_its_work_ends(path: Path, change: str) -> None:
    log = await Log(SqliteEngine(path, read_only=True)).__aenter__()
    await log.catch_up()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(change)
    async with asyncio.timeout(30):
        with pytest.raises(LogFailed):
            await log.hub.wait(Position(5))
    with pytest.raises(LogReplaced, match="restored"):
        await log.broken()
    with pytest.raises(LogReplaced):
        await log.__aexit__()


async def test_a_file_that_stands_in_its_place_is_not_read_instead(path: Path, tmp_path: Path) -> None:
    engine = SqliteEngine(path, read_only=True)
    await engine.open()
    os.replace(shutil.copy(path, tmp_path / "copy.db"), path)
    reads = [asyncio.create_task(engine.read_log(0, 10)) for _ in range(4)]
    await asyncio.wait(reads)
    assert {type(each.exception()) for each in reads} <= {type(None), LogReplaced}
    with pytest.raises(LogReplaced, match="another file"):
        await engine.head()
    os.remove(path)
    with pytest.raises(LogReplaced, match="another file"):
        await engine.head()
    await engine.close()


async def test_readings_that_are_asked_for_together_are_shared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "POLL_S", 10)
    monkeypatch.setattr(tail_module, "CHECK_EVERY_S", 10)
    async with Log(SqliteEngine(path, read_only=True)) as log:
        reads = 0
        read_log = log.engine.read_log

        async def counted(after: int, limit: int) -> list[object]:
            nonlocal reads
            reads += 1
            return [*await read_log(after, limit)]

        monkeypatch.setattr(log.engine, "read_log", counted)
        assert all(await asyncio.gather(*[log.catch_up() for _ in range(100)]))
        assert reads == 2
