"""All subscriptions of a client, by the names under which the gateway knows them now."""

import asyncio
from typing import Protocol

from ...domain.errors import StenogramError
from .outbox import Outbox, Outgoing, encode
from .subscription import Wire

REMEMBERED_NAMES = 10_000


class Followed(Protocol):
    """What is subscribed to: the events of a session or of the log, or a document."""

    label: str
    name: str

    def frame(self) -> Outgoing:
        """Subscribe, from what is known."""

    def on_frame(self, frame: Wire, cost: int) -> None:
        """A frame of about `cost` bytes came for it."""

    def end(self, error: StenogramError | None) -> None:
        """Nothing more will come."""


class SubscriptionRegistry:
    """Routes frames to subscriptions and keeps them alive over connections.

    A name is not used twice on one connection, as long as batches of its first use may be on their way.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.epoch: str | None = None
        self._outbox = outbox
        self._live: dict[str, Followed] = {}
        self._resting: set[Followed] = set()
        self._released: dict[str, None] = {}
        self._numbers = 1
        self._error: StenogramError | None = None
        self._closed = False

    def add(self, subscription: Followed) -> None:
        """Subscribe: at once, or as soon as there is a connection. Raises when the client is closed for an error."""
        if self._closed:
            subscription.end(self._error)
            return
        self._start(subscription)

    def resubscribe(self) -> list[Outgoing]:
        """What to send at the beginning of a connection."""
        self._released.clear()
        subscriptions = list(self._live.values())
        self._live = {}
        for subscription in subscriptions:
            subscription.name = self._unused(subscription.label)
            self._live[subscription.name] = subscription
        return [subscription.frame() for subscription in subscriptions]

    def on_frame(self, frame: Wire, cost: int) -> None:
        """A frame came that names a subscription; one that is not known any more is passed over."""
        subscription = self._live.get(frame["sub"])
        if subscription is not None:
            subscription.on_frame(frame, cost)

    def pause(self, subscription: Followed) -> None:
        """Rest until `resume`."""
        self.drop(subscription, tell=True)
        self._resting.add(subscription)

    def resume(self, subscription: Followed) -> None:
        """Go on after the place reached, if it was resting."""
        if subscription in self._resting and not self._closed:
            self._resting.discard(subscription)
            self._start(subscription)

    def renew(self, subscription: Followed, delay: float) -> None:
        """Subscribe anew, from the place reached, in `delay` seconds."""
        self.pause(subscription)
        asyncio.get_running_loop().call_later(delay, self.resume, subscription)

    def drop(self, subscription: Followed, tell: bool = False) -> None:
        """Forget a subscription, and tell the gateway to do so."""
        self._resting.discard(subscription)
        if self._live.get(subscription.name) is subscription:
            del self._live[subscription.name]
            self._release(subscription.name)
            if tell:
                self._outbox.put(Outgoing(encode({"frame": "unsubscribe", "sub": subscription.name})))

    def end(self, error: StenogramError | None) -> None:
        """The client is closed."""
        self._closed, self._error = True, error
        for subscription in [*self._live.values(), *self._resting]:
            subscription.end(error)
        self._live.clear()
        self._resting.clear()

    def _start(self, subscription: Followed) -> None:
        subscription.name = self._unused(subscription.label)
        self._live[subscription.name] = subscription
        self._outbox.put(subscription.frame())

    def _unused(self, label: str) -> str:
        name = label
        while name in self._live or name in self._released:
            self._numbers += 1
            name = f"{label}.{self._numbers}"
        return name

    def _release(self, name: str) -> None:
        self._released[name] = None
        if len(self._released) > REMEMBERED_NAMES:
            del self._released[next(iter(self._released))]
