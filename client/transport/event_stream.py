"""Streams of events: what `events()` returns."""

import asyncio
import contextlib
import weakref
from abc import abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from ...domain.envelope import parse
from ...domain.model import Event
from .event_buffer import EventBuffer
from .outbox import Wire
from .subscription import Place, Reading, Subscription
from .subscription_registry import SubscriptionRegistry


class LogEntry(NamedTuple):
    """An event of the whole log, and the cursor, which is opaque, from which to go on after it."""

    event: Event
    cursor: str


T_co = TypeVar("T_co", covariant=True)


class Stream(Generic[T_co]):
    """Events in order, each exactly once, across as many connections as it takes.

    The subscription begins when the stream is made: what a later command of the same client writes is in it. A
    consumer that is slower than the gateway has at most a buffer of 4,096 events or 4 MiB waiting; past that, the
    stream unsubscribes and takes the rest from the log later, so that nothing is lost and nobody else is slowed down.

    Iteration raises the refusal of the gateway (`NotFound`, `Forbidden`, `BadCursor` when the log is another one than
    that of `epoch`); `HistoryGone` where events are gone, after which one may iterate on; `Invalid` for an
    event that this version of the models cannot read, after which one may iterate on. It ends when the client is
    closed, or, made with `follow=False`, at the end of history. Cancelling the consumer loses nothing.

    Leave the subscription with `aclose`, with `async with`, or by letting go of the object.
    """

    def __init__(self, buffer: EventBuffer, subscription: Subscription, follow: bool) -> None:
        self._buffer = buffer
        self._follow = follow
        self._subscription = subscription
        self._finalizer = weakref.finalize(self, _let_go, asyncio.get_running_loop(), subscription)
        self._finalizer.atexit = False

    @classmethod
    def begin(
        cls,
        subscriptions: SubscriptionRegistry,
        session: str | None,
        after: Place,
        *,
        types: Sequence[str] | None = None,
        reading: Reading = "raw",
        follow: bool = True,
        epoch: str | None = None,
    ) -> Self:
        """Subscribe: to one session, or to all (None)."""
        buffer = EventBuffer()
        buffer.place = after
        buffer.subscription = Subscription(
            subscriptions, buffer, session, after, types=types, reading=reading, epoch=epoch
        )
        subscriptions.add(buffer.subscription)
        return cls(buffer, buffer.subscription, follow)

    @property
    def caught_up(self) -> bool:
        """Whether iteration has passed the end of history as it was at some time, and live events followed."""
        return self._buffer.has_caught_up

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        if self._finalizer.alive:
            return self._entry_of(await self._buffer.next_event(not self._follow))
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Unsubscribe; iteration ends. Idempotent."""
        if self._finalizer.detach() is not None:
            self._subscription.close()
            self._buffer.ended(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @abstractmethod
    def _entry_of(self, wire: Wire) -> T_co:
        """What the consumer gets for an event."""


def _let_go(loop: asyncio.AbstractEventLoop, subscription: Subscription) -> None:
    """Unsubscribe for a stream that nobody holds any more; the garbage collector may run in any thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed, and the client with it
        loop.call_soon_threadsafe(subscription.close)


class EventStream(Stream[Event]):
    """The events of one session."""

    @property
    def version(self) -> Place:
        """Resume from here: all up to this version has been read (`end` until the first is known)."""
        return self._buffer.place

    def _entry_of(self, wire: Wire) -> Event:
        return parse(wire)


class LogStream(Stream[LogEntry]):
    """The events of all sessions that the client may read, in commit order."""

    @property
    def cursor(self) -> str:
        """Resume from here: all up to this cursor has been read. Opaque; hand it back as it is (`end` until the first
        is known)."""
        return str(self._buffer.place)

    def _entry_of(self, wire: Wire) -> LogEntry:
        return LogEntry(parse(wire), self.cursor)
