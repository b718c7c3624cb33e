"""What WebSockets and server-sent event streams have in common: subscriptions over one transport."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from ..domain.ids import SessionId
from .delivery.cursor import Cursor
from .delivery.feed import Feed
from .flow import Flow


class Subscription:
    """One subscription: a cursor for each session it follows (None: the whole log)."""

    def __init__(self, cursors: dict[SessionId | None, Cursor]) -> None:
        self.cursors = cursors

    def place(self) -> Any:
        """Where to resume: a version, a log cursor, or a version for each of several sessions."""
        if len(self.cursors) == 1:
            ((session, cursor),) = self.cursors.items()
            place = cursor.topic.cursor(cursor.place)
            return cursor.place if session is not None else place.decode().strip('"')
        return {session: cursor.place for session, cursor in self.cursors.items()}


class TransportSink:
    """Cursors over one transport. `write` never waits; a full transport leaves the cursors behind until it drains."""

    def __init__(self, transport: asyncio.Transport, feed: Feed) -> None:
        self.feed = feed
        self.closed = False
        self.subscriptions: dict[str, Subscription] = {}
        self.drained = asyncio.Event()
        self.drained.set()
        self._transport = transport
        self._flow = Flow(transport, self._resumed, self.end_all)
        self._unsent = 0
        self._moved = time.monotonic()

    @property
    def full(self) -> bool:
        """Whether the transport wants no more."""
        return self._flow.full

    def write(self, data: bytes) -> None:
        """Hand over bytes."""
        if not self.closed:
            self._transport.write(data)
            if self._flow.full:
                self.drained.clear()

    def stuck_for(self, now: float) -> float:
        """Seconds for which a full transport has made no progress; called regularly."""
        unsent = self._transport.get_write_buffer_size()
        if not self._flow.full or unsent != self._unsent:
            self._moved = now
        self._unsent = unsent
        return now - self._moved

    def resume_places(self) -> dict[str, Any]:
        """Where each subscription stands."""
        return {sub: each.place() for sub, each in self.subscriptions.items()}

    def end(self, sub: str) -> bool:
        """End a subscription; False if there is none of that name."""
        subscription = self.subscriptions.pop(sub, None)
        for cursor in subscription.cursors.values() if subscription else ():
            self.feed.end(cursor)
        return subscription is not None

    def end_all(self) -> None:
        """End every subscription and write nothing more."""
        self.closed = True
        self.drained.set()
        for sub in tuple(self.subscriptions):
            self.end(sub)

    def _cursors(self) -> Iterator[Cursor]:
        for subscription in self.subscriptions.values():
            yield from subscription.cursors.values()

    def begin(self, sub: str, cursors: dict[SessionId | None, Cursor]) -> None:
        """Deliver to these cursors, under this name; what was followed under it before is ended."""
        self.end(sub)
        self.subscriptions[sub] = Subscription(cursors)
        for cursor in cursors.values():
            self.feed.resume(cursor)

    def _resumed(self) -> None:
        self.drained.set()
        for cursor in self._cursors():
            self.feed.resume(cursor)
