"""The bounded buffer between the socket and one consumer of events."""

import asyncio
from collections import deque
from collections.abc import Sequence

from ...domain.errors import StenogramError
from ..errors import HistoryGone
from .outbox import Wire
from .subscription import Place, Subscription

MAX_EVENTS = 4_096
MAX_BYTES = 4 * 1024 * 1024


class _Batch:
    __slots__ = ("cost", "events", "next", "to")

    def __init__(self, events: Sequence[Wire], to: Place, cost: int) -> None:
        self.events = events
        self.next = 0
        self.to = to
        self.cost = cost


class _CaughtUp:
    """Stands in the queue where history ends."""

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        self.place = place


class EventBuffer:
    """A sink that holds what its consumer has not read yet: at most `max_events` events and `max_bytes` bytes of
    JSON, or one batch, whatever its size. It refuses a batch for which there is no room, and asks for more as soon as
    it is three quarters empty."""

    def __init__(self, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self.subscription: Subscription | None = None
        self.place: Place = 0
        self.has_caught_up = False
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._queue: deque[_Batch | HistoryGone | _CaughtUp] = deque()
        self._ended = False
        self._error: StenogramError | None = None
        self._count = 0
        self._bytes = 0
        self._refused = False
        self._wake = asyncio.Event()

    def events(self, events: Sequence[Wire], to: Place, cost: int) -> bool:
        """Accept a batch, or refuse it."""
        if self._count and (self._count + len(events) > self._max_events or self._bytes + cost > self._max_bytes):
            self._refused = True
            return False
        last = self._queue[-1] if self._queue else None
        if not events and isinstance(last, _Batch):
            last.to = to  # nothing to read: the batch before covers it, so that these do not pile up either
            return True
        self._count += len(events)
        self._bytes += cost
        self._put(_Batch(events, to, cost))
        return True

    def caught_up(self, frame: Wire) -> None:
        """History ends here; said again after every new connection."""
        if not (self._queue and isinstance(self._queue[-1], _CaughtUp)):
            assert self.subscription is not None
            self._put(_CaughtUp(self.subscription.place))

    def gap(self, gone: HistoryGone) -> None:
        """Some history is missing here."""
        self._put(gone)

    def ended(self, error: StenogramError | None) -> None:
        """Nothing comes after what is in the buffer."""
        self._ended, self._error = True, error
        self._wake.set()

    async def next_event(self, until_caught_up: bool) -> Wire:
        """Wait for the next event; `place` is then the one after it. Raises HistoryGone at a gap, the error that ended
        the subscription, and StopAsyncIteration at the end. Cancelling loses nothing."""
        while True:
            while not self._queue:
                await self._more()
            match self._queue[0]:
                case _Batch() as batch:
                    if event := self._next(batch):
                        return event
                case HistoryGone() as gone:
                    self._queue.popleft()
                    raise gone
                case _CaughtUp() as here:
                    self.has_caught_up = True
                    self.place = here.place
                    if until_caught_up:
                        raise StopAsyncIteration
                    self._queue.popleft()

    async def _more(self) -> None:
        """Wait for something to come. Raises when nothing will."""
        if self._ended:
            raise StopAsyncIteration if self._error is None else self._error.with_traceback(None)
        self._wake.clear()  # the queue was found empty in this turn: nothing can have come in between
        await self._wake.wait()

    def _next(self, batch: _Batch) -> Wire | None:
        """The next event of the first batch; None when it has none."""
        if not batch.events:
            self._finish(batch)
            return None
        event = batch.events[batch.next]
        batch.next += 1
        self._count -= 1
        if batch.next == len(batch.events):
            self._finish(batch)
        else:
            self.place = event["version"] if isinstance(batch.to, int) else event["cursor"]
        return event

    def _finish(self, batch: _Batch) -> None:
        self._queue.popleft()
        self.place = batch.to
        self._bytes -= batch.cost
        # Not as soon as there is room: each time costs a subscription, and a page read from the log.
        if self._refused and self._count <= self._max_events // 4 and self._bytes <= self._max_bytes // 4:
            self._refused = False
            assert self.subscription is not None
            self.subscription.resume()

    def _put(self, item: _Batch | HistoryGone | _CaughtUp) -> None:
        self._queue.append(item)
        self._wake.set()
