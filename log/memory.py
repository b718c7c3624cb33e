"""The memory engine: a log for tests and trials, with every guarantee of the others but durability.

It is used from one event loop; nothing in it waits in the midst of a change, so each call is atomic.
"""

import asyncio
import copy
import secrets
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from operator import attrgetter

from ..domain.errors import LogFailed, LogReadOnly
from ..domain.ids import Position, SessionId, Version
from .engine import PAGE_BYTES, KeyTaken, LogHead, LogMoved, TrackingTaken
from .records import ANYTHING, Batch, GatewayHeartbeat, ProducerState, Record, Snapshot

_version = attrgetter("version")


class MemoryEngine:
    """Keeps the log as long as it lives itself; closing and opening it again loses nothing."""

    name = "memory"
    writable = True
    shared = True

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(8)
        self._log: list[Record] = []
        self._sessions: dict[SessionId, list[Record]] = {}
        self._versions: set[tuple[SessionId, Version]] = set()
        self._keys: dict[tuple[SessionId, str], Record] = {}
        self._heads: dict[tuple[SessionId, str], Version] = {}
        self._producers: dict[tuple[SessionId, str], ProducerState] = {}
        self._tracking: dict[str, Position] = {}
        self._live: dict[SessionId, None] = {}
        self._heartbeats: dict[str, GatewayHeartbeat] = {}
        self._snapshots: dict[SessionId, Snapshot] = {}
        self._open = False
        self._waiting: set[asyncio.Event] = set()

    def beside(self, *, read_only: bool = False) -> "MemoryEngine":
        """Another engine over the same log, not opened yet, as another process would have one over a database."""
        engine = copy.copy(self)
        engine.writable = not read_only
        engine._open = False
        return engine

    async def open(self) -> LogHead:
        self._open = True
        return self._head()

    async def close(self) -> None:
        self._open = False

    async def head(self) -> LogHead:
        self._check_open()
        return self._head()

    async def time(self) -> float:
        return time.time()

    async def write(self, batch: Batch) -> None:
        self._check_open()
        if not self.writable:
            raise LogReadOnly("This log was opened for reading; write where it was opened to write.")
        if batch.after != len(self._log):
            raise LogMoved(f"the log is at {len(self._log)}, not at {batch.after}")
        self._check_unique(batch.records)
        if any(self._tracking.get(name, -1) >= position for name, position in batch.tracking.items()):
            raise TrackingTaken(", ".join(batch.tracking))
        self._apply(batch)

    def hold_writers(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        self._check_open()
        records = self._sessions.get(session, [])
        first = bisect_right(records, after, key=_version)
        return _page(records[first : first + limit])

    async def read_wires(self, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
        records = await self.read_session(session, after, limit)
        return [record.version for record in records], [record.wire() for record in records]

    async def read_log(self, after: int, limit: int) -> list[Record]:
        self._check_open()
        first = max(after, 0)
        return _page(self._log[first : first + limit])

    async def read_keys(self, keys: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Record]:
        self._check_open()
        return {key: self._keys[key] for key in keys if key in self._keys}

    async def read_heads(self, subjects: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Version]:
        self._check_open()
        return {subject: self._heads[subject] for subject in subjects if subject in self._heads}

    async def read_producers(
        self, producers: Collection[tuple[SessionId, str]]
    ) -> dict[tuple[SessionId, str], ProducerState]:
        self._check_open()
        return {producer: self._producers[producer] for producer in producers if producer in self._producers}

    async def list_sessions(self, after: str, limit: int, prefix: str = "") -> list[tuple[SessionId, Version]]:
        self._check_open()
        sessions = sorted(session for session, subject in self._heads if subject == ANYTHING)
        first = max(bisect_right(sessions, after), bisect_left(sessions, prefix))
        page = [session for session in sessions[first : first + limit] if session.startswith(prefix)]
        return [(session, self._heads[session, ANYTHING]) for session in page]

    async def read_subject(self, sessions: Sequence[SessionId], subject: str) -> list[Record]:
        self._check_open()
        found = [record for session in set(sessions) for record in self._sessions.get(session, [])]
        return sorted(record for record in found if record.subject == subject)

    async def read_tracking(self, name: str) -> Position:
        self._check_open()
        return self._tracking.get(name, Position(0))

    async def read_live(self, after: str, limit: int) -> list[SessionId]:
        self._check_open()
        return sorted(session for session in self._live if session > after)[:limit]

    async def read_snapshot(self, session: SessionId, code: str) -> Snapshot | None:
        self._check_open()
        found = self._snapshots.get(session)
        return found if found is not None and found.code == code else None

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        self._check_open()
        known = self._snapshots.get(snapshot.session)
        if known is None or known.code != snapshot.code or known.version < snapshot.version:
            self._snapshots[snapshot.session] = snapshot

    async def exchange_heartbeats(self, own: GatewayHeartbeat, gone: Collection[str]) -> list[GatewayHeartbeat]:
        self._check_open()
        self._heartbeats[own.gateway] = own
        for gateway in gone:
            self._heartbeats.pop(gateway, None)
        return [each for each in self._heartbeats.values() if each.gateway != own.gateway]

    async def lags(self) -> bool:
        return False

    async def changed(self, after: Position, timeout: float) -> bool:
        """Returns as soon as anyone who shares this log has written past `after`."""
        self._check_open()
        moved = asyncio.Event()
        self._waiting.add(moved)
        try:
            async with asyncio.timeout(timeout):
                while len(self._log) <= after:
                    moved.clear()
                    await moved.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(moved)
        return True

    def _head(self) -> LogHead:
        return LogHead(Position(len(self._log)), self._epoch)

    def _check_open(self) -> None:
        if not self._open:
            raise LogFailed("The log is closed; open it again.")

    def _check_unique(self, records: list[Record]) -> None:
        versions = {(record.session, record.version) for record in records}
        if len(versions) < len(records) or not versions.isdisjoint(self._versions):
            raise KeyTaken("a version is taken")
        keys = [(record.session, record.key) for record in records if record.key is not None]
        if len(set(keys)) < len(keys) or not self._keys.keys().isdisjoint(keys):
            raise KeyTaken("a key is taken")

    def _apply(self, batch: Batch) -> None:
        self._log += batch.records
        for record in batch.records:
            insort(self._sessions.setdefault(record.session, []), record, key=_version)
            self._versions.add((record.session, record.version))
            if record.key is not None:
                self._keys[record.session, record.key] = record
        self._heads |= batch.heads
        self._producers |= batch.producers
        self._tracking |= batch.tracking
        for session, live in batch.live.items():
            if live:
                self._live[session] = None
            else:
                self._live.pop(session, None)
        for moved in self._waiting:
            moved.set()


def _page(records: list[Record]) -> list[Record]:
    """Those of these that a page holds."""
    total = 0
    for number, record in enumerate(records):
        total += len(record.data)
        if total >= PAGE_BYTES:
            return records[: number + 1]
    return records
