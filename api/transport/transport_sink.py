"""What WebSockets and server-sent event streams have in common: subscriptions over one transport."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..loop.lazy_event import LazyEvent
from ..protocol.close_codes import CloseCode
from .flow_control import FlowControl
from .subscription import ConnectionSubscription


def _discard(_: bytes) -> None:
    """Where a closed sink writes."""


class TransportSink:
    """Subscriptions over one transport.

    `write` never waits, and writes nothing once the sink is closed. `open` is false while the transport is full or
    when the sink is closed: the subscriptions are left behind until it is true again.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.open = True
        self.closed = False
        self.write: Callable[[bytes], None] = transport.write
        self.subscriptions: dict[str, ConnectionSubscription] = {}
        self.drained = LazyEvent(is_set=True)
        self._transport = transport
        self._unsent_bytes = 0
        self._progress_at = time.monotonic()

    def attach(self, receive: Callable[[bytes], object] | None = None) -> None:
        """Control the transport: it reports here when it is full and when it is lost, and gives what comes in to
        `receive`, or else to the protocol that it had before."""
        FlowControl(self._transport, self, receive)

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """Say why the connection ends and where to resume, and write nothing more."""
        raise NotImplementedError

    def stuck_for(self, now: float) -> float:
        """Seconds for which a full transport has made no progress; called regularly."""
        unsent = self._transport.get_write_buffer_size()
        # Any byte that leaves counts: a slow client that keeps reading is not a stuck one.
        if self.drained.is_set() or unsent < self._unsent_bytes:
            self._progress_at = now
        self._unsent_bytes = unsent
        return now - self._progress_at

    def resume_places(self) -> dict[str, Any]:
        """Where each subscription has come to."""
        return {sub: each.place() for sub, each in self.subscriptions.items()}

    def begin(self, sub: str, subscription: ConnectionSubscription) -> None:
        """Deliver to a subscription, under this name; one that had the name before is ended."""
        self.end(sub)
        # Known here before anything is written: what fills the transport at once must find it when it is resumed.
        self.subscriptions[sub] = subscription
        subscription.begin()

    def end(self, sub: str) -> bool:
        """End a subscription; False if there is none of that name."""
        subscription = self.subscriptions.pop(sub, None)
        if subscription is None:
            return False
        subscription.end()
        return True

    def end_all(self) -> None:
        """End every subscription and write nothing more."""
        self.closed = True
        self.open = False
        # Nothing may be written behind a close frame: what still holds the sink (a cursor in the midst of a slice,
        # an ack of this turn) writes here.
        self.write = _discard
        # A task that waits for room would never go on otherwise: a closed transport does not report any.
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
            # Open before subscriptions are resumed: each looks at it, and would stay behind with nobody to wake it.
            self.open = True
            for subscription in self.subscriptions.values():
                subscription.resume()

    def lost(self) -> None:
        """The connection is gone."""
        self.end_all()
