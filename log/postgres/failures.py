"""PostgreSQL's errors as ours."""

import re
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors

from ...domain.errors import LogError, LogFailed, LogUnreadable
from ..engine import KeyTaken, TrackingTaken

RETRY_AFTER_S = 1.0
"""Seconds after which it makes sense to ask again."""

CHECK_ADDRESS = "Check the address, and that the server runs and lets this role in."
_FRAME = re.compile(
    r"connection (failed|is bad): |consuming input failed: |connection to server .*? failed: |FATAL: +|\[Errno .*?\] "
)
"""What the driver and PostgreSQL's library put around what went wrong."""
_LOST = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.DatabaseDropped,
    errors.IdleInTransactionSessionTimeout,
    # The server that was the primary is a standby now: a new connection may lead to the new primary.
    errors.ReadOnlySqlTransaction,
)


class Lost(Exception):
    """The connection was lost, or there is none; what was under way may have been carried out, or not."""

    def failure(self) -> LogFailed:
        """What to tell when it is given up."""
        return LogFailed(
            f"The database cannot be reached ({self}). Nothing was acknowledged; try again.", retry_after=RETRY_AFTER_S
        )


def reason_of(error: psycopg.Error) -> str:
    """What PostgreSQL says, in one line: `password authentication failed for user "x"`, without what the driver puts
    around it."""
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    return _FRAME.sub("", said.splitlines()[0]).strip()


def is_lost(connection: "AsyncConnection[Any]", error: psycopg.Error) -> bool:
    """Whether this says that the connection is gone, not that the statement failed."""
    return connection.closed or isinstance(error, _LOST)


def explain(error: psycopg.Error) -> LogError | KeyTaken | TrackingTaken:
    """The failure of a statement, after which nothing of it is in the log."""
    said = reason_of(error)
    match error:
        case errors.UniqueViolation():
            return KeyTaken(said)
        case errors.NotNullViolation() if error.diag.table_name == "tracking":
            return TrackingTaken(said)
        case errors.UndefinedTable() | errors.InvalidSchemaName() | errors.UndefinedColumn():
            return LogUnreadable(f"The log's tables are not there ({said}); run `stenogram migrate`.")
        case errors.InsufficientPrivilege():
            return LogUnreadable(
                f"The database does not let this role do that ({said}). `stenogram doctor` says what to grant; or use "
                "the role that owns the log."
            )
        case errors.DiskFull():
            return LogFailed(
                f"The database's disk is full ({said}); make room, then try again.", retry_after=RETRY_AFTER_S
            )
        case errors.LockNotAvailable():
            return LogFailed(f"Another transaction holds the log ({said}); try again.", retry_after=RETRY_AFTER_S)
    return LogFailed(f"The database failed: {said}. Nothing was written; try again.", retry_after=RETRY_AFTER_S)
