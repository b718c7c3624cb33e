"""A file that is an older copy of the log that was there is recognised, whichever way it came there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stenogram.domain.errors import LogReplaced, LogUnreadable
from stenogram.log.sqlite import SqliteEngine, backups, identity
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter

EITHER = pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


async def write(path: Path, events: int, word: str = "") -> None:
    """Open the log, write so many events, close it."""
    engine = SqliteEngine(path)
    head = await engine.open()
    writer = BatchWriter(engine, head.position)
    writer.heads = dict(await engine.read_heads([("s-1", ""), ("s-1", "message:m1")]))
    for number in range(events):
        await writer.write(BatchEvent(data=b'{"id":"e-%d%b"}' % (head.position + number, word.encode())))
    await engine.close()


async def opened(path: Path, read_only: bool = False) -> tuple[int, str]:
    """Open the log and close it; where it ended."""
    engine = SqliteEngine(path, read_only=read_only)
    head = await engine.open()
    await engine.close()
    return head


def copied(path: Path, name: str) -> Path:
    return Path(shutil.copy(path, path.with_name(name)))


def notes_of(path: Path) -> Path:
    """The file that knows the last event."""
    return path.with_name(f".{path.name}.identity")


def put_back(copy: Path, path: Path) -> None:
    """As an operator would, who does it rightly."""
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        each.unlink(missing_ok=True)
    shutil.copy(copy, path)


@EITHER
async def test_an_older_copy_is_refused_and_says_what_to_do(path: Path, read_only: bool) -> None:
    await write(path, 3)
    copy = copied(path, "copy.db")
    await write(path, 5)
    put_back(copy, path)
    before = content(path)
    with pytest.raises(LogReplaced, match=r"ends at position 3 and lacks event 8.*migrate --new-epoch --log .*log\.db"):
        await opened(path, read_only)
    assert content(path) == before, "it is left as it was found"


async def test_a_copy_that_lacks_one_event_is_refused(path: Path) -> None:
    await write(path, 3)
    copy = copied(path, "copy.db")
    await write(path, 1)
    put_back(copy, path)
    with pytest.raises(LogReplaced):
        await opened(path)


@EITHER
async def test_a_copy_that_was_written_elsewhere_is_refused_although_it_is_longer(path: Path, read_only: bool) -> None:
    await write(path, 3)
    copy = copied(path, "copy.db")
    await write(path, 2, "here")
    await write(copy, 9, "there")
    put_back(copy, path)
    with pytest.raises(LogReplaced, match="lacks event 5"):
        await opened(path, read_only)


async def test_a_copy_from_before_the_first_event_is_refused(path: Path) -> None:
    await write(path, 0)
    copy = copied(path, "copy.db")
    await write(path, 1)
    put_back(copy, path)
    with pytest.raises(LogReplaced):
        await opened(path)


@EITHER
async def test_a_copy_that_lacks_nothing_is_the_log(path: Path, read_only: bool) -> None:
    await write(path, 3)
    head = await opened(path)
    put_back(copied(path, "copy.db"), path)
    assert await opened(path, read_only) == head


async def test_what_was_written_last_is_known_although_the_writer_was_killed(path: Path) -> None:
    """What a process has noted stays when it does not get to close anything: the file is looked at beside it."""
    await write(path, 2)
    copy = copied(path, "copy.db")
    engine = SqliteEngine(path)
    writer = BatchWriter(engine, (await engine.open()).position)
    writer.heads = dict(await engine.read_heads([("s-1", "")]))
    await writer.write(BatchEvent())
    known = content(notes_of(path))
    await engine.close()
    fill(notes_of(path), known)
    put_back(copy, path)
    with pytest.raises(LogReplaced, match="lacks event 3"):
        await opened(path)


@pytest.mark.parametrize("torn", [0, 1])
async def test_a_note_that_was_torn_leaves_the_one_before(path: Path, torn: int) -> None:
    await write(path, 2)
    copy = copied(path, "copy.db")
    await write(path, 4)
    notes = bytearray(content(notes_of(path)))
    notes[torn * identity.SLOT_BYTES + 30] ^= 0xFF
    fill(notes_of(path), bytes(notes))
    put_back(copy, path)
    with pytest.raises(LogReplaced, match=r"lacks event [56]"):
        await opened(path)


@pytest.mark.parametrize("notes", [b"", b"nonsense", b"\x00" * 4096, b"\xff" * 5000])
async def test_notes_that_cannot_be_read_say_nothing(path: Path, notes: bytes) -> None:
    await write(path, 2)
    fill(notes_of(path), notes)
    assert (await opened(path))[0] == 2


async def test_a_new_log_in_the_place_of_another_is_welcome_and_the_other_still_known(path: Path) -> None:
    await write(path, 3)
    copy = copied(path, "copy.db")
    await write(path, 3)
    os.unlink(path)
    await write(path, 1)
    put_back(copy, path)
    with pytest.raises(LogReplaced, match="lacks event 6"):
        await opened(path)


async def test_a_copy_with_a_new_epoch_is_another_log(path: Path) -> None:
    await write(path, 3)
    epoch = (await opened(path))[1]
    copy = copied(path, "copy.db")
    await write(path, 3)
    put_back(copy, path)
    backups.migrate(path, new_epoch=True)
    position, renewed = await opened(path)
    assert (position, renewed == epoch) == (3, False)
    await write(path, 1)
    put_back(copy, path)
    with pytest.raises(LogReplaced, match="lacks event 6"):
        await opened(path)


async def test_the_notes_do_not_grow(path: Path) -> None:
    for _ in range(identity.SLOTS + 8):
        await write(path, 1)
        os.unlink(path)
    await write(path, 1)
    assert len(content(notes_of(path))) == identity.SLOTS * identity.SLOT_BYTES


async def test_a_copy_in_another_place_is_a_log_there(path: Path, tmp_path: Path) -> None:
    await write(path, 3)
    copy = copied(path, "copy.db")
    await write(path, 3)
    assert (await opened(copy))[0] == 3


# -- Backups -----------------------------------------------------------------------------------------------------------


async def test_a_backup_is_of_one_moment_while_the_log_is_written(path: Path, tmp_path: Path) -> None:
    """Each step of the copy lets the writer commit; what it commits is not in the copy, which never starts again."""
    engine = SqliteEngine(path)
    await engine.open()
    writer = BatchWriter(engine)
    for _ in range(20):
        await writer.write(*[BatchEvent(data=b'{"id":"%b"}' % (b"x" * 20_000)) for _ in range(50)])
    steps = 0

    def write_more(_: int, __: int) -> None:
        nonlocal steps
        steps += 1
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("UPDATE log SET position = position + 1")

    head = backups.backup(path, tmp_path / "copy.db", write_more)
    assert (steps > 2, head.position) == (True, 1_000)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*), max(position) FROM event").fetchall() == [(1_000, 1_000)]
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert sorted(os.listdir(tmp_path)) == [
        ".log.db.identity",
        "copy.db",
        "log.db",
        "log.db-shm",
        "log.db-wal",
        "log.db.lock",
    ]
    await engine.close()


async def test_a_backup_holds_what_is_not_in_the_main_file_yet(path: Path, tmp_path: Path) -> None:
    engine = SqliteEngine(path)
    await engine.open()
    await BatchWriter(engine).write(BatchEvent(), BatchEvent())
    assert backups.backup(path, tmp_path / "copy.db").position == 2
    await engine.close()


async def test_what_a_killed_gateway_left_does_not_get_into_what_is_restored(path: Path, tmp_path: Path) -> None:
    await write(path, 2)
    backups.backup(path, tmp_path / "copy.db")
    engine = SqliteEngine(path)
    writer = BatchWriter(engine, (await engine.open()).position)
    writer.heads = dict(await engine.read_heads([("s-1", "")]))
    await writer.write(*[BatchEvent(data=b'{"id":"%b"}' % (b"y" * 9_000)) for _ in range(30)])
    left = {end: content(Path(f"{path}{end}")) for end in ("", "-wal")}
    await engine.close()
    for end, bytes_left in left.items():
        fill(Path(f"{path}{end}"), bytes_left)
    head = backups.restore(tmp_path / "copy.db", path, replace=True)
    assert (await opened(path), head.position) == (tuple(head), 2)
    with closing(sqlite3.connect(path)) as log:
        assert log.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_an_older_copy_is_restored_in_the_newest_schema(path: Path, tmp_path: Path) -> None:
    await write(path, 2)
    copy = copied(path, "copy.db")
    with closing(sqlite3.connect(copy)) as older, older:
        older.execute("DROP TABLE live")
        older.execute("DROP TABLE snapshot")
        older.execute("PRAGMA user_version = 1")
    backups.restore(copy, tmp_path / "new.db")
    assert (await opened(tmp_path / "new.db"))[0] == 2


async def test_a_damaged_copy_is_not_restored(path: Path, tmp_path: Path) -> None:
    await write(path, 400)
    copy = copied(path, "copy.db")
    damaged = bytearray(content(copy))
    damaged[8_192:20_480] = os.urandom(12_288)
    fill(copy, bytes(damaged))
    before = content(path)
    with pytest.raises(LogUnreadable, match="damaged"):
        backups.restore(copy, path, replace=True)
    assert content(path) == before
    assert not [name for name in os.listdir(tmp_path) if ".part" in name]


def content(path: Path) -> bytes:
    return path.read_bytes()


def fill(path: Path, bytes_: bytes) -> None:
    path.write_bytes(bytes_)
