"""All subscriptions of a client, by the names under which the gateway knows them now.

One that is paused has no name at the gateway; it gets a new one when it resumes.
"""

import asyncio
from typing import Protocol

from ...domain.errors import StenogramError
from .outbox import Outbox, Outgoing, Wire, encode

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
        self._active: dict[str, Followed] = {}
        self._paused: set[Followed] = set()
        self._released: dict[str, None] = {}
        self._numbers = 1
        self._error: StenogramError | None = None
        self._closed = False

    def add(self, subscription: Followed) -> None:
        """Subscribe: at once, or as soon as there is a connection. When the client is closed, it is ended at once."""
        if self._closed:
            subscription.end(self._error)
            return
        self._start(subscription)

    def resubscribe(self) -> list[Outgoing]:
        """What to send at the beginning of a connection."""
        self._released.clear()  # nothing of the old connection is on its way any more
        subscriptions = list(self._active.values())
        self._active = {}
        for subscription in subscriptions:
            subscription.name = self._unused(subscription.label)
            self._active[subscription.name] = subscription
        return [subscription.frame() for subscription in subscriptions]

    def on_frame(self, frame: Wire, cost: int) -> None:
        """A frame came that names a subscription; one that was dropped meanwhile is passed over."""
        subscription = self._active.get(frame["sub"])
        if subscription is not None:
            subscription.on_frame(frame, cost)

    def pause(self, subscription: Followed) -> None:
        """Unsubscribe, until `resume`."""
        self.drop(subscription, unsubscribe=True)
        self._paused.add(subscription)

    def resume(self, subscription: Followed) -> None:
        """Subscribe again after the place reached, if it was paused."""
        if subscription in self._paused and not self._closed:
            self._paused.discard(subscription)
            self._start(subscription)

    def renew(self, subscription: Followed, delay: float) -> None:
        """Subscribe again, from the place reached, in `delay` seconds."""
        self.pause(subscription)
        asyncio.get_running_loop().call_later(delay, self.resume, subscription)

    def drop(self, subscription: Followed, unsubscribe: bool = False) -> None:
        """Forget a subscription; with `unsubscribe`, the gateway is asked to do so, too."""
        self._paused.discard(subscription)
        if self._active.get(subscription.name) is subscription:
            del self._active[subscription.name]
            self._release(subscription.name)
            if unsubscribe:
                self._outbox.put(Outgoing(encode({"frame": "unsubscribe", "sub": subscription.name})))

    def end(self, error: StenogramError | None) -> None:
        """The client is closed."""
        self._closed, self._error = True, error  # first: a sink that is ended may try to subscribe or resume
        for subscription in [*self._active.values(), *self._paused]:
            subscription.end(error)
        self._active.clear()
        self._paused.clear()

    def _start(self, subscription: Followed) -> None:
        subscription.name = self._unused(subscription.label)
        self._active[subscription.name] = subscription
        self._outbox.put(subscription.frame())

    def _unused(self, label: str) -> str:
        name = label
        while name in self._active or name in self._released:
            self._numbers += 1
            name = f"{label}.{self._numbers}"
        return name

    def _release(self, name: str) -> None:
        self._released[name] = None
        if len(self._released) > REMEMBERED_NAMES:
            del self._released[next(iter(self._released))]
