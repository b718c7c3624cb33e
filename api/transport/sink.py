"""What WebSockets and server-sent event streams have in common: subscriptions over one transport."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from ...domain.ids import SessionId
from ..delivery.cursor import Cursor
from ..loop.lazy_event import LazyEvent
from ..tenants import Tenant
from ..views.document_follower import DocumentFollower
from .flow_control import FlowControl


class Subscription:
    """One subscription: a cursor for each session it follows (None: the whole log), or watchers of documents."""

    def __init__(self, cursors: dict[SessionId | None, Cursor], watchers: Sequence[DocumentFollower] = ()) -> None:
        self.cursors = cursors
        self.watchers = watchers

    def place(self) -> Any:
        """Where to resume: a version, a log cursor, a version for each of several sessions, or the documents known."""
        if self.watchers:
            return [watcher.place() for watcher in self.watchers]
        if len(self.cursors) == 1:
            (cursor,) = self.cursors.values()
            return cursor.topic.resume_place(cursor.place)
        return {session: cursor.place for session, cursor in self.cursors.items()}


def _to_nobody(_: bytes) -> None:
    """Where a closed sink writes."""


class TransportSink:
    """Cursors over one transport.

    `write` never waits, and writes nothing once the sink is closed. `open` is false while the transport is full or
    when the sink is closed: the cursors are left behind until it is true again.
    """

    def __init__(self, transport: asyncio.Transport, tenant: Tenant) -> None:
        self.feed = tenant.feed
        self.watching = tenant.views.watching
        self.open = True
        self.closed = False
        self.write: Callable[[bytes], None] = transport.write
        self.subscriptions: dict[str, Subscription] = {}
        self.drained = LazyEvent(is_set=True)
        self._transport = transport
        self._unsent = 0
        self._moved = time.monotonic()

    def attach(self, receive: Callable[[bytes], object] | None = None) -> None:
        """Take charge of the transport: from here on it says when it is full, and when it is lost, and gives what comes
        in to `receive`, or else to whoever was in charge before."""
        FlowControl(self._transport, self, receive)

    def stuck_for(self, now: float) -> float:
        """Seconds for which a full transport has made no progress; called regularly."""
        unsent = self._transport.get_write_buffer_size()
        if self.drained.is_set() or unsent < self._unsent:
            self._moved = now
        self._unsent = unsent
        return now - self._moved

    def resume_places(self) -> dict[str, Any]:
        """Where each subscription stands."""
        return {sub: each.place() for sub, each in self.subscriptions.items()}

    def begin(self, sub: str, subscription: Subscription) -> None:
        """Deliver to a subscription, under this name; what was followed under it before is ended."""
        self.end(sub)
        self.subscriptions[sub] = subscription
        for cursor in subscription.cursors.values():
            self.feed.resume(cursor)
        for watcher in subscription.watchers:
            self.watching.begin(watcher)

    def end(self, sub: str) -> bool:
        """End a subscription; False if there is none of that name."""
        subscription = self.subscriptions.pop(sub, None)
        if subscription is None:
            return False
        for cursor in subscription.cursors.values():
            self.feed.end(cursor)
        for watcher in subscription.watchers:
            self.watching.end(watcher)
        return True

    def end_all(self) -> None:
        """End every subscription and write nothing more."""
        self.closed = True
        self.open = False
        self.write = _to_nobody
        self.drained.set()
        for sub in tuple(self.subscriptions):
            self.end(sub)

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def paused(self) -> None:
        """The transport is full."""
        if not self.closed:
            self.open = False
            self.drained.clear()

    def resumed(self) -> None:
        """The transport takes more again."""
        self.drained.set()
        if not self.closed:
            self.open = True
            for subscription in self.subscriptions.values():
                for cursor in subscription.cursors.values():
                    self.feed.resume(cursor)
                for watcher in subscription.watchers:
                    self.watching.resume(watcher)

    def lost(self) -> None:
        """The connection is gone."""
        self.end_all()
