"""The SQLite engine among processes: one writes, any number read, and a killed one leaves nothing behind."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stenogram.domain.errors import LogInUse
from stenogram.domain.ids import Position
from stenogram.log.records import ANYTHING, Record
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter

PROGRAM = Path(__file__).with_name("sqlite_process.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@contextmanager
def writer(path: Path, batches: int = 1_000_000) -> Iterator[subprocess.Popen[str]]:
    """A writing process; killed at the end if it still runs."""
    command = [sys.executable, str(PROGRAM), "write", str(path), str(batches)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert _next(process) >= 0, "it has opened the log"
        try:
            yield process
        finally:
            process.kill()


async def test_a_second_process_is_refused_and_told_the_first(path: Path) -> None:
    with writer(path) as process, pytest.raises(LogInUse, match=f"process {process.pid} writes this log; stop it"):
        await SqliteEngine(path).open()


async def test_a_second_engine_of_this_process_is_refused(path: Path) -> None:
    engine = SqliteEngine(path)
    await engine.open()
    link = path.with_name("link.db")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(LogInUse, match="this process"):
            await SqliteEngine(name).open()
    await BatchWriter(engine).write(BatchEvent())
    await engine.close()


async def test_a_killed_writer_loses_nothing_that_it_acknowledged(path: Path) -> None:
    with writer(path) as process:
        while (acknowledged := _next(process)) < 2000:
            pass
        process.kill()
        acknowledged = max([acknowledged, *map(int, process.communicate()[0].split("\n")[:-1])])
    engine = SqliteEngine(path)
    head = await engine.open()
    records = await engine.read_log(0, 1_000_000)
    assert head.position >= acknowledged
    assert [record.position for record in records] == [*range(1, head.position + 1)]
    assert head.position % 20 == 0, "batches are there whole or not at all"
    await _check_heads(engine, records)
    await BatchWriter(engine, head.position).write(BatchEvent("after"))
    await engine.close()


async def test_a_reader_sees_what_a_killed_writer_left_in_the_write_ahead_file(path: Path) -> None:
    with writer(path) as process:
        while (acknowledged := _next(process)) < 200:
            pass
        process.kill()
    assert path.with_name("log.db-wal").stat().st_size > 0
    engine = SqliteEngine(path, read_only=True)
    head = await engine.open()
    assert head.position >= acknowledged
    assert len(await engine.read_log(0, 1_000_000)) == head.position
    await engine.close()


async def test_a_reader_follows_the_writer_and_sees_each_event_once(path: Path) -> None:
    with writer(path, batches=500) as process:
        engine = SqliteEngine(path, read_only=True)
        started_at = (await engine.open()).position
        seen: list[Record] = []
        while len(seen) < 10_000:
            if page := await engine.read_log(len(seen), 100):
                seen += page
            else:
                await engine.changed(Position(len(seen)), timeout=30)
        process.wait()
    assert started_at < 10_000, "the reader was there before the end"
    assert [record.position for record in seen] == [*range(1, 10_001)]
    await _check_heads(engine, seen)
    await engine.close()


async def test_a_reader_outlives_its_writers(path: Path) -> None:
    """The last writer to close folds the write-ahead file in; a reader that stays must notice the next writer."""
    with writer(path, batches=1) as process:
        process.wait()
    reader = SqliteEngine(path, read_only=True)
    assert (await reader.open()).position == 20
    with writer(path, batches=2) as process:
        process.wait()
    assert await reader.changed(Position(20), timeout=30)
    assert (await reader.head()).position == 60
    await reader.close()


def test_a_full_disk_fails_the_batch_and_not_the_log(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "fill", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "The log's" in done.stdout


def _next(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


async def _check_heads(engine: SqliteEngine, records: list[Record]) -> None:
    """The heads say what the events say."""
    versions = Counter(record.session for record in records)
    assert await engine.list_sessions("", 100) == sorted(versions.items())
    heads = {(record.session, subject): record.version for record in records for subject in (record.subject, ANYTHING)}
    assert await engine.read_heads(heads) == heads
