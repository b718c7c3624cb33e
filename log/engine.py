"""The port that every engine implements: the least that a log needs from its storage.

An engine stores and reads; it decides nothing. Ordering, expectations, repeats and delivery are the committer's and
the hub's work, the same over every engine. All methods are coroutines and never block the loop; each may be cancelled,
and a cancelled `write` may still have been committed.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from ..domain.ids import Position, SessionId, Version
from .records import Batch, GatewayHeartbeat, ProducerState, Record, Snapshot

PAGE_BYTES = 16 * 2**20
"""Where a page ends: a thousand large events at once would take more memory than a process has."""


class LogHead(NamedTuple):
    """Where a log stands: its last position, and the epoch that tells it from a restored or recreated one."""

    position: Position
    epoch: str


class KeyTaken(Exception):
    """A record's (session, key) or (session, version) is in the log already; nothing of the batch was written."""


class TrackingTaken(Exception):
    """A tracking of the batch stands at its new position or beyond already; nothing of the batch was written."""


class LogMoved(Exception):
    """The log is not at the batch's `after`: another process has written; nothing of the batch was written."""


class Engine(Protocol):
    """Storage of one log. Errors: the `LogError` tree of `domain.errors`, and the three exceptions above.

    A *page* is at most `limit` events, and ends with the event with which their data comes to `PAGE_BYTES`.
    `paging` reads on after it.
    """

    name: str
    writable: bool
    shared: bool
    """Whether other processes may write this log while it is open here."""

    async def open(self) -> LogHead:
        """Make ready, creating the schema where there is none (writers only). Raises LogInUse, LogUnreadable."""

    async def close(self) -> None:
        """Release everything; waits for a write in progress. Safe to call twice."""

    async def head(self) -> LogHead:
        """The last committed position, also of other processes."""

    async def time(self) -> float:
        """The storage's time of day in seconds since 1970 (UTC): the same for all who share the log, however their own
        clocks differ."""

    async def write(self, batch: Batch) -> None:
        """Commit durably, all or nothing. Nothing is written when it raises
        KeyTaken, TrackingTaken, LogMoved, LogReadOnly or LogFailed."""

    def hold_writers(self) -> AbstractAsyncContextManager[None]:
        """Keep other processes from writing until the next `write`, or the end of the block, so that one that always
        comes second to a quicker one gets to write. Raises LogFailed when it cannot be had. No guarantee: `write` still
        checks the position."""

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        """A page of the session's events with version > after, in order."""

    async def read_wires(self, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
        """The versions and wire forms of what `read_session` finds, for readers who need no more: it is quicker."""

    async def read_log(self, after: int, limit: int) -> list[Record]:
        """A page of the log's events with position > after, in order."""

    async def read_keys(self, keys: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Record]:
        """The records that carry these keys."""

    async def read_heads(self, subjects: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Version]:
        """The heads of these (session, subject) pairs; a subject that no event was about is left out."""

    async def read_producers(
        self, producers: Collection[tuple[SessionId, str]]
    ) -> dict[tuple[SessionId, str], ProducerState]:
        """What the log knows of these (session, producer id) pairs."""

    async def list_sessions(self, after: str, limit: int, prefix: str = "") -> list[tuple[SessionId, Version]]:
        """Sessions with id > after that begin with `prefix`, by id, each with its version."""

    async def read_subject(self, sessions: Sequence[SessionId], subject: str) -> list[Record]:
        """Every event about `subject` in these sessions, in position order. Cheap for the subject `session` only."""

    async def lags(self) -> bool:
        """Whether others may have committed what cannot be read here yet: whether it is a standby."""

    async def changed(self, after: Position, timeout: float) -> bool:
        """Wait until another process may have committed past `after`, or for `timeout` seconds. A hint, no proof."""

    async def read_tracking(self, name: str) -> Position:
        """The position that the tracking `name` has recorded; 0 if there is none."""

    async def read_live(self, after: str, limit: int) -> list[SessionId]:
        """Sessions with id > after that were last said to be live, by id."""

    async def read_snapshot(self, session: SessionId, code: str) -> Snapshot | None:
        """The snapshot of the session that this code has made, if there is one."""

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of another one of the session, unless that is of a later version and by the same
        code. Writers only. It is no commit of the log, and may be lost."""

    async def exchange_heartbeats(self, own: GatewayHeartbeat, gone: Collection[str]) -> list[GatewayHeartbeat]:
        """Where the log is shared: record who was heard through this process, remove the gateways that are gone,
        and return what the others have recorded. Not durable, and no commit of the log."""
