"""The log's file: opened, recognised, and made where there is none.

A file is ours by the application id in its header, and readable by the schema version beside it. An older schema is
brought forward by the writer that opens it. Anything else is left exactly as it was found.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ...domain.errors import LogUnreadable
from . import sql
from .connection import Connection
from .failures import reason_of


def make_private(path: Path) -> None:
    """Make a file that only its owner reads, unless there is one. SQLite gives the files that it keeps beside one the
    same mode. Where it cannot be made, opening it says why."""
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def open_writer(
    path: Path, lock: Callable[[], None], check: Callable[[Connection], None], *, create: bool = True
) -> Connection:
    """Open for writing, making the log where there is none, unless it must not be created. `lock` is called once the
    file is known to be free or ours, and before anything is written; `check` then, if it is a log, before it is
    changed."""
    if not create and not path.exists():
        raise LogUnreadable(f"There is no log at {path} any more; restore it, or restart what uses it to make it new.")
    if create:
        make_private(path)
    connection = _connect(path, "rwc" if create else "rw")
    try:
        _recognise(connection, path)
        lock()
        connection.execute(sql.SYNC_EACH_COMMIT)
        if _recognise(connection, path):
            check(connection)
            upgrade(connection)
        elif create:
            _create(connection)
        else:
            raise LogUnreadable(f"{path} is empty; restore it, or restart what uses it to make it new.")
        connection.execute(sql.WRITE_AHEAD)
        connection.execute(sql.CUT_WRITE_AHEAD)
        connection.execute(sql.KEEP_TEMPORARY_IN_MEMORY)
        connection.execute(sql.CREATE_BATCH)
        connection.execute(sql.CREATE_BATCH_WRITER)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> Connection:
    """Open for reading; needs no lock and changes nothing, and a writer may live beside it."""
    if not path.exists():
        raise LogUnreadable(f"There is no log at {path}; check the path, or start a gateway, which makes it.")
    connection = _connect(path, "ro")
    try:
        if not _recognise(connection, path):
            raise LogUnreadable(f"{path} is empty; a gateway makes it a log when it starts.")
    except BaseException:
        connection.close()
        raise
    return connection


def file_id(path: Path) -> tuple[int, int] | None:
    """Tells the file at this path from any other that may stand there later; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: Path, mode: str) -> Connection:
    """Transactions are begun and ended by our own statements only (isolation_level None). The
    connection is handed from thread to thread, one at a time, so the module's own check is off."""
    try:
        return sqlite3.connect(
            f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, factory=Connection
        )
    except sqlite3.OperationalError as error:
        raise _closed(path, error) from error


def _recognise(connection: Connection, path: Path) -> bool:
    """Whether the file holds a log; False if it is empty. Raises LogUnreadable for anything else."""
    try:
        ((application,),) = connection.execute(sql.READ_APPLICATION_ID).fetchall()
        ((version,),) = connection.execute(sql.READ_SCHEMA_VERSION).fetchall()
        ((tables,),) = connection.execute(sql.COUNT_TABLES).fetchall()
    except sqlite3.OperationalError as error:
        raise _closed(path, error) from error
    except sqlite3.DatabaseError as error:
        raise LogUnreadable(f"{path} is damaged, or not a log. Check the path, or restore it from a copy.") from error
    if application == sql.APPLICATION_ID:
        if version > sql.SCHEMA_VERSION:
            raise LogUnreadable(
                f"{path} has schema {version}, and this Stenogram knows none after {sql.SCHEMA_VERSION}; upgrade it."
            )
        return True
    if tables or application:
        raise LogUnreadable(f"{path} is a database of another program; name a file of its own for the log.")
    return False


def _create(connection: Connection) -> None:
    connection.execute(sql.BEGIN)
    for statement in sql.SCHEMA:
        connection.execute(statement)
    connection.execute(sql.CREATE_LOG, (secrets.token_hex(8),))
    connection.execute(sql.COMMIT)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring an older file to the newest schema, whole or not at all. Readers of this version read either."""
    ((version,),) = connection.execute(sql.READ_SCHEMA_VERSION).fetchall()
    if version < sql.SCHEMA_VERSION:
        connection.execute(sql.BEGIN)
        for older in range(version, sql.SCHEMA_VERSION):
            for statement in sql.UPGRADES[older]:
                connection.execute(statement)
        connection.execute(sql.COMMIT)


def _closed(path: Path, error: sqlite3.OperationalError) -> LogUnreadable:
    """SQLite keeps files beside the log even to read it, so the directory matters as much as the file."""
    if path.is_dir():
        return LogUnreadable(f"{path} is a directory; name the log's file in it.")
    if not path.parent.is_dir():
        return LogUnreadable(f"The directory {path.parent} does not exist; create it, or check the path.")
    return LogUnreadable(
        f"{path} cannot be opened: {reason_of(error)}. This process must be allowed to write the directory, even only "
        "to read the log; a copy elsewhere will do for that."
    )
