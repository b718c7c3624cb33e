"""Subscriptions: what makes a stream of events survive the loss of its connection without a gap or a duplicate.

A subscription remembers its place: the `to` of the last batch that its sink took. At a new connection it subscribes
`after` that place, naming the epoch in which it was learned, so that the gateway refuses (`bad_cursor`) rather than
answer from another log. What comes is checked: an event at or before the place is a repeat and dropped; an event
beyond its batch's `to` is a fault, upon which the subscription is made anew from its place.

A sink never blocks the reader. One that has no room refuses the batch; the subscription then ends itself at the gateway
and begins anew, from its place, when the sink has room again (`resume`). So a slow consumer costs the memory of its
buffer, slows no other subscription down, and the gateway reads for it from the log again. Each new beginning on one
connection has a new name, so that batches of the old one, still on their way, cannot be mistaken for the new one's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ...domain.errors import StenogramError
from ..errors import HistoryGone, from_problem
from .outbox import Outgoing, encode

if TYPE_CHECKING:
    from .subscription_registry import SubscriptionRegistry

Reading = Literal["raw", "folded"]
Place = int | str
"""A version, a cursor, or `end`."""
Wire = dict[str, Any]


class Sink(Protocol):
    """Who takes the events of a subscription."""

    def events(self, events: Sequence[Wire], to: Place, cost: int) -> bool:
        """Take a batch of about `cost` bytes, whole; or, having no room, answer false."""

    def caught_up(self, frame: Wire) -> None:
        """History has been delivered."""

    def gap(self, gone: HistoryGone) -> None:
        """Some of the history does not exist any more."""

    def ended(self, error: StenogramError | None) -> None:
        """Nothing more will come: the gateway refused, or the client is closed (None: on purpose)."""


class Subscription:
    """One subscription over all connections. `place` only grows and covers exactly what the sink took."""

    def __init__(
        self,
        owner: "SubscriptionRegistry",
        sink: Sink,
        session: str | None,
        after: Place,
        *,
        types: Sequence[str] | None = None,
        reading: Reading = "raw",
        epoch: str | None = None,
        label: str | None = None,
    ) -> None:
        self.label = label or session or "*"
        self.name = self.label
        self.sink = sink
        self.place = after
        self.open = True
        self._owner = owner
        self._ordinal = "position" if session is None else "version"
        self._target: Wire = {"all": True} if session is None else {"session": session}
        self._filter: Wire = {"reading": reading, **({} if types is None else {"types": list(types)})}
        self._epoch = epoch
        self._last = after if isinstance(after, int) else 0

    def frame(self) -> Outgoing:
        """Subscribe from the place on."""
        epoch = {} if self._epoch is None else {"epoch": self._epoch}
        frame = {"frame": "subscribe", "sub": self.name, **self._target, "after": self.place, **self._filter, **epoch}
        return Outgoing(encode(frame))

    def on_frame(self, frame: Wire, cost: int) -> None:
        """A frame came for it."""
        match frame["frame"]:
            case "events":
                self.on_events(frame, cost)
            case "caught_up":
                self.on_caught_up(frame)
            case "gap":
                self.on_gap(frame)
            case "refused":
                self.on_refused(frame)

    def on_events(self, frame: Wire, cost: int) -> None:
        """A batch came."""
        to: Place = frame["to"]
        fresh = self._fresh(frame["events"])
        if fresh and isinstance(to, int) and fresh[-1]["version"] > to:
            self._owner.renew(self, 0.1)
        elif not self.sink.events(fresh, to, cost):
            self._owner.pause(self)
        else:
            self._advance(to, fresh[-1][self._ordinal] if fresh else 0)

    def on_caught_up(self, frame: Wire) -> None:
        """History has been delivered up to the version named; for `after: "end"` this is the first place known."""
        if "session" in self._target:
            self._advance(frame["version"], 0)
        elif self.place == "end":
            self._advance(f"{self._owner.epoch}.{frame['position']}", frame["position"])
        self.sink.caught_up(frame)

    def on_gap(self, frame: Wire) -> None:
        """Retention has removed some of what was asked for."""
        self.sink.gap(HistoryGone(frame["from"], frame["to"]))

    def on_refused(self, frame: Wire) -> None:
        """The gateway does not carry the subscription out; try again later if it says when."""
        error = from_problem(frame["error"])
        self._owner.drop(self)
        if "retry_after" in error.extra:
            self._owner.renew(self, error.extra["retry_after"])
        else:
            self.end(error)

    def resume(self) -> None:
        """The sink has room again."""
        self._owner.resume(self)

    def close(self) -> None:
        """Unsubscribe; the sink hears nothing more. Idempotent."""
        self.open = False
        self._owner.drop(self, tell=True)

    def end(self, error: StenogramError | None) -> None:
        """Tell the sink that this was all."""
        if self.open:
            self.open = False
            self.sink.ended(error)

    def _fresh(self, events: Sequence[Wire]) -> list[Wire]:
        """The events that are not repeats, each place once and ascending."""
        fresh, last = [], self._last
        for event in events:
            if event[self._ordinal] > last:
                fresh.append(event)
                last = event[self._ordinal]
        return fresh

    def _advance(self, to: Place, last: int) -> None:
        if isinstance(to, int):
            to = last = max(to, self._last)
        self.place = to
        self._last = max(last, self._last)
        self._epoch = self._owner.epoch if isinstance(to, int) else None
