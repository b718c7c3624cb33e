"""What an operator does to logs in files: back them up while they are written, put them back, give them a new epoch.

A backup is a file like the log itself, and of one moment. Whatever is put back gets a new epoch, so that no cursor from
before leads to an event that has taken the place of a lost one.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ...domain.errors import ConfigurationError, LogUnreadable
from ..engine import LogHead
from . import sql
from .admin import find_tenants
from .connection import Connection
from .failures import explain_sqlite
from .file import open_reader, open_writer, upgrade
from .lock import WriterLock
from .reading import read_head

PAGES_A_STEP = 2_000
"""Pages of the file, 8 MB, that are copied between two calls of `Progress`."""
Progress = Callable[[int, int], None]
"""Told how many pages of how many are copied."""

_APPLICATION_ID_AT = 68  # in the header of every SQLite file


class Migrated(NamedTuple):
    """A log's file, and from which schema it came."""

    log: Path
    schema: int


def find_logs(main: Path) -> list[Path]:
    """The log and those of its tenants, `stenogram@acme.db` beside `stenogram.db`; files with other things left out."""
    beside = [main.with_name(f"{main.stem}@{tenant}{main.suffix}") for tenant in find_tenants(main)]
    return [path for path in (main, *beside) if path.is_file() and _is_log(path)]


def backup(log: Path, to: Path, progress: Progress = lambda _, __: None) -> LogHead:
    """Copy a log to a new file, as it is at one moment; it may be written meanwhile. The file is whole or not there.

    Raises LogUnreadable, LogFailed, and ConfigurationError if the file is there already."""
    if to.exists():
        raise ConfigurationError(f"{to} is there already; name a place that is not.")
    with _explained(log), closing(open_reader(log.resolve())) as source, _new_file(to) as target:
        _copy(source, target, progress)
        return read_head(target)


def restore(copy: Path, log: Path, *, replace: bool = False, progress: Progress = lambda _, __: None) -> LogHead:
    """Put a copy in the place of a log, under a new epoch and in the newest schema. What is there is replaced only if
    it is said so, and at one stroke. Raises LogInUse while a gateway writes the log, and what `backup` raises."""
    log = log.resolve()
    lock = WriterLock(log)
    with _explained(copy), closing(open_reader(copy.resolve())) as source:
        lock.acquire()
        try:
            if log.exists() and not replace:
                raise ConfigurationError(
                    f"There is a log at {log}; move it away with what is beside it, or say --replace to lose it."
                )
            with _new_file(log, before=lambda: _remove_write_ahead(log)) as target:
                _copy(source, target, progress)
                upgrade(target)
                _renew_epoch(target)
                return read_head(target)
        finally:
            lock.release()


def migrate(log: Path, *, new_epoch: bool = False) -> Migrated:
    """Bring a file to the newest schema, and give it a new epoch if that is asked for, which makes every cursor of the
    whole log invalid that was handed out before. Raises the LogError tree."""
    log = log.resolve()
    with closing(open_reader(log)) as connection:
        ((schema,),) = connection.execute(sql.READ_SCHEMA_VERSION).fetchall()
    lock = WriterLock(log)
    try:
        with _explained(log), closing(open_writer(log, lock.acquire, lambda _: None)) as connection:
            if new_epoch:
                _renew_epoch(connection)
    finally:
        lock.release()
    return Migrated(log, schema)


def _copy(source: Connection, target: Connection, progress: Progress) -> None:
    source.execute(sql.BEGIN_READING)
    read_head(source)  # from here on it sees nothing that others commit, so the copy never starts again
    source.backup(target, pages=PAGES_A_STEP, progress=lambda _, left, pages: progress(pages - left, pages))
    target.execute(sql.ONE_FILE)
    ((found,),) = target.execute(sql.CHECK_FILE).fetchall()
    if found != "ok":
        raise LogUnreadable(f"The log that is copied is damaged ({found}); use an earlier backup.")


def _renew_epoch(connection: Connection) -> None:
    connection.execute(sql.RENEW_EPOCH, (secrets.token_hex(8),))


@contextmanager
def _new_file(path: Path, before: Callable[[], None] = lambda: None) -> Iterator[Connection]:
    """A database that becomes the file when the block is done; `before` is called at the last moment."""
    part = path.with_name(f"{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()
    try:
        with closing(sqlite3.connect(part, isolation_level=None, factory=Connection)) as connection:
            yield connection
        _sync(part)
        before()
        os.replace(part, path)
        _sync(path.parent)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _remove_write_ahead(log: Path) -> None:
    """What a killed gateway left beside the log would be taken for a part of the new one. So it goes first."""
    for end in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{log}{end}").unlink()


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def _explained(log: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain_sqlite(error) from error
    except OSError as error:
        raise LogUnreadable(f"{log} cannot be copied: {error.strerror or error}.") from error


def _is_log(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(100)
    return header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4] == sql.APPLICATION_ID.to_bytes(4)
