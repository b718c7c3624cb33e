"""The hub: hands what was committed to everyone in this process, in position order.

It keeps the newest batches in a bounded ring and hands each batch to its listeners. A listener is a plain function,
called on the loop right after the commit (or after the tail read another process's events); it must return quickly.
Who needs what has left the ring reads the storage.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection
from itertools import chain
from typing import NamedTuple
from weakref import WeakValueDictionary

from ..domain.errors import LogFailed
from ..domain.ids import Position, SessionId
from .records import Record

Listener = Callable[[list[Record]], None]

_logger = logging.getLogger(__name__)


class _Published(NamedTuple):
    """A batch, and the bytes of its records' data."""

    records: list[Record]
    bytes: int


class Hub:
    """The newest batches, at most `max_records` and `max_bytes` of them together, and those who want to hear of
    more."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._ring: deque[_Published] = deque()
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records = self._bytes = 0
        self._listeners: list[Listener] = []
        self._moved = asyncio.Event()
        self._moved_in = WeakValueDictionary[SessionId, asyncio.Event]()
        self._ended = False
        self.position = Position(0)

    def start_at(self, position: Position) -> None:
        """Say where the log stands, before anything is published."""
        self.position = position

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every batch from now on; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, records: list[Record]) -> None:
        """Take over committed records; they must follow directly on what was published before."""
        assert records[0].position == self.position + 1, "positions are published without a hole"
        self.position = records[-1].position  # before the listeners are called: they ask for it
        self._keep(_Published(records, sum([len(record.data) for record in records])))
        for listener in tuple(self._listeners):  # a copy: listeners come and go while they are called
            try:
                listener(records)
            except Exception:  # what is committed must be answered, whatever becomes of those who hear of it
                _logger.exception("a listener failed at positions %s to %s", records[0].position, self.position)
        self._wake({record.session for record in records} if self._moved_in else ())

    @property
    def ring(self) -> tuple[int, int]:
        """How many records the ring holds, and the bytes of their data."""
        return self._records, self._bytes

    def end(self) -> None:
        """Nothing more will be published."""
        self._ended = True
        self._wake(list(self._moved_in))

    def since(self, position: Position) -> list[Record] | None:
        """The records after `position`, or None when some of them have left the ring."""
        behind = self.position - position
        if behind > self._records:
            return None
        newest: list[list[Record]] = []
        for records, _ in reversed(self._ring):
            if behind <= 0:
                break
            newest.append(records[-behind:])
            behind -= len(records)
        return list(chain.from_iterable(reversed(newest)))

    def news(self, session: SessionId | None) -> asyncio.Event:
        """What is set once more of a session, or with None of any, is published, and when the log ends. Who asks for it
        before they look misses nothing; it is for one time. Raises LogFailed when the log has ended."""
        if self._ended:
            raise LogFailed("The log is closed, or its work has ended; open it again.")
        if session is None:
            return self._moved
        news = self._moved_in.get(session)
        if news is None:  # it is kept by those who wait for it
            news = self._moved_in[session] = asyncio.Event()
        return news

    async def wait(self, position: Position) -> None:
        """Wait until the log stands beyond `position`. Raises LogFailed when the log ends before."""
        while self.position <= position:  # each batch wakes all who wait, also those who wait for a later one
            await self.news(None).wait()

    def _keep(self, batch: _Published) -> None:
        self._ring.append(batch)
        self._records += len(batch.records)
        self._bytes += batch.bytes
        while self._records > self._max_records or self._bytes > self._max_bytes:
            oldest = self._ring.popleft()
            self._records -= len(oldest.records)
            self._bytes -= oldest.bytes

    def _wake(self, sessions: Collection[SessionId]) -> None:
        for session in sessions:
            if (news := self._moved_in.pop(session, None)) is not None:
                news.set()
        self._moved.set()
        # A new event for those who come later: this one stays set, and `wait` would spin on it.
        self._moved = asyncio.Event()
