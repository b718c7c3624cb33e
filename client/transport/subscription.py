"""Subscriptions: what makes a stream of events survive the loss of its connection without a gap or a duplicate.

A subscription remembers its place: the `to` of the last batch that its sink accepted. At a new connection it subscribes
`after` that place, naming the epoch in which it was learned, so that the gateway refuses (`bad_cursor`) rather than
answer from another log. A place in the whole log is a cursor, which only the gateway can read: it is handed back as it
came. What comes is checked by versions, which rise within a session in either kind of stream: an event that is not
newer than the last of its session is a repeat and dropped; an event beyond its batch's `to` is a fault, upon which the
subscription is made again from its place.

A sink never blocks the reader. One that has no room refuses the batch; the subscription then unsubscribes, and
subscribes again from its place when the sink has room (`resume`). So a slow consumer costs the memory of its buffer,
slows no other subscription down, and the gateway reads for it from the log again. Each time on one connection it has a
new name, so that batches of the old one, still on their way, cannot be mistaken for the new one's.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from ...domain.errors import StenogramError
from ..errors import HistoryGone, from_problem
from .outbox import Outgoing, Wire, encode
from .subscription_registry import SubscriptionRegistry

Reading = Literal["raw", "folded"]
Place = int | str
"""A version, a cursor, or `end`."""
REMEMBERED_SESSIONS = 1_000
"""How many sessions of a log's stream are checked for repeats: those heard of last. `to` alone prevents them."""


class Sink(Protocol):
    """Where the events of a subscription go."""

    def events(self, events: Sequence[Wire], to: Place, cost: int) -> bool:
        """Accept a batch of about `cost` bytes, whole; or, having no room, return false."""

    def caught_up(self, frame: Wire) -> None:
        """History has been delivered."""

    def gap(self, gone: HistoryGone) -> None:
        """Some of the history does not exist any more."""

    def ended(self, error: StenogramError | None) -> None:
        """Nothing more will come: the gateway refused, or the client is closed (None: on purpose)."""


class Subscription:
    """One subscription over all connections. `place` only grows and covers exactly what the sink accepted."""

    def __init__(
        self,
        registry: SubscriptionRegistry,
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
        self._registry = registry
        self._session = session
        self._target: Wire = {"all": True} if session is None else {"session": session}
        self._filter: Wire = {"reading": reading, **({} if types is None else {"types": list(types)})}
        self._epoch = epoch
        self._versions: dict[str, int] = {session: after} if session and isinstance(after, int) else {}

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
        if self._session is None:
            for event, cursor in zip(frame["events"], frame["cursors"], strict=True):
                event["cursor"] = cursor
        fresh, versions = self._fresh(frame["events"])
        if fresh and isinstance(to, int) and fresh[-1]["version"] > to:
            # Dropped whole: what a faulty batch says cannot be told from what is missing in it.
            self._registry.renew(self, 0.1)
        elif not self.sink.events(fresh, to, cost):
            # Without moving the place: the batch comes again after `resume`.
            self._registry.pause(self)
        else:
            for session, version in versions.items():
                self._passed(session, version)
            self._advance(to)

    def on_caught_up(self, frame: Wire) -> None:
        """History has been delivered up to the version named; for `after: "end"` this is the first place known."""
        self._advance(frame["to"] if self._session is None else frame["version"])
        self.sink.caught_up(frame)

    def on_gap(self, frame: Wire) -> None:
        """Some of what was asked for is gone."""
        self.sink.gap(HistoryGone(frame["from"], frame["to"]))

    def on_refused(self, frame: Wire) -> None:
        """The gateway does not carry the subscription out; try again later if it says when."""
        error = from_problem(frame["error"])
        self._registry.drop(self)  # without unsubscribing: the gateway has none of this name
        if "retry_after" in error.extra:
            self._registry.renew(self, error.extra["retry_after"])
        else:
            self.end(error)

    def resume(self) -> None:
        """The sink has room again."""
        self._registry.resume(self)

    def close(self) -> None:
        """Unsubscribe; nothing more goes to the sink. Idempotent."""
        self.open = False
        self._registry.drop(self, unsubscribe=True)

    def end(self, error: StenogramError | None) -> None:
        """Tell the sink that this was all."""
        if self.open:
            self.open = False
            self.sink.ended(error)

    def _fresh(self, events: Sequence[Wire]) -> tuple[list[Wire], dict[str, int]]:
        """The events that are not repeats, and the last version of each of their sessions."""
        fresh, versions = [], dict[str, int]()
        for event in events:
            session = self._session or event["session"]
            if event["version"] > versions.get(session, self._versions.get(session, 0)):
                fresh.append(event)
                versions[session] = event["version"]
        return fresh, versions

    def _passed(self, session: str, version: int) -> None:
        """A version was taken. The session becomes the one heard of last."""
        self._versions[session] = max(version, self._versions.pop(session, 0))
        if len(self._versions) > REMEMBERED_SESSIONS:
            del self._versions[next(iter(self._versions))]

    def _advance(self, to: Place) -> None:
        if self._session is not None and isinstance(to, int):
            self._passed(self._session, to)
            to = self._versions[self._session]
        self.place = to
        self._epoch = self._registry.epoch if isinstance(to, int) else None
