"""What SQLite fails at, as errors of ours."""

import sqlite3

from ...domain.errors import LogFailed, LogUnreadable

# What SQLite says of a file that is damaged or was never a database.
_UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REASONS = {
    sqlite3.SQLITE_BUSY: "another program keeps it locked",
    sqlite3.SQLITE_CANTOPEN: "it is not there, or this process may not open it",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written",
    sqlite3.SQLITE_NOTADB: "it is no database",
    sqlite3.SQLITE_PERM: "this process may not open it",
    sqlite3.SQLITE_READONLY: "this process may not write it",
}


def reason_of(error: sqlite3.Error) -> str:
    """What is wrong with a file, and the name that SQLite has for it, where we have no words."""
    return _REASONS.get(kind_of(error), getattr(error, "sqlite_errorname", None) or str(error))


def kind_of(error: sqlite3.Error) -> int:
    """Which of SQLite's codes it has: the low byte is the kind, the rest only detail."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def explain(error: Exception) -> Exception:
    """SQLite's error as one of ours, any other as it is."""
    return explain_sqlite(error) if isinstance(error, sqlite3.Error) else error


def explain_sqlite(error: sqlite3.Error) -> LogFailed | LogUnreadable:
    """SQLite's error as one of ours."""
    code = kind_of(error)
    if code in _UNREADABLE:
        return LogUnreadable("The log's file is damaged, or not a log. Restore it from a copy.")
    if code == sqlite3.SQLITE_FULL:
        return LogFailed("The log's disk is full; make room, then try again.")
    if code == sqlite3.SQLITE_BUSY:
        return LogFailed("Another program holds the log's file; stop it, then try again.")
    said = reason_of(error)
    return LogFailed(f"The log's file failed: {said}. Look at the disk and the file's permissions, then try again.")
