"""What SQLite fails at, as errors of ours."""

import sqlite3

from ...domain.errors import LogFailed, LogUnreadable

# What SQLite says of a file that is damaged or was never a database.
_UNREADABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def explain(error: Exception) -> Exception:
    """SQLite's error as one of ours, any other as it is."""
    return explain_sqlite(error) if isinstance(error, sqlite3.Error) else error


def explain_sqlite(error: sqlite3.Error) -> LogFailed | LogUnreadable:
    """SQLite's error as one of ours. The low byte of its code is the kind, the rest only detail."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _UNREADABLE:
        return LogUnreadable(f"The log's file is damaged, or not a log: {error}. Restore it from a copy.")
    if code == sqlite3.SQLITE_FULL:
        return LogFailed(f"The log's disk is full ({error}); make room, then try again.")
    if code == sqlite3.SQLITE_BUSY:
        return LogFailed(f"Another program holds the log's file ({error}); stop it, then try again.")
    return LogFailed(f"The log's file failed: {error}. Look at the disk and the file's permissions, then try again.")
