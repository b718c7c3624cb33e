"""A subscription without a thread or a connection of its own: each page is asked of the log's loop, where the hub wakes
those who wait."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock

from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription

from ...domain.ids import Position
from ..records import Record
from .errors import translated
from .open_logs import Lease
from .reading import read_next
from .stored_events import Ids, to_notification

Page = tuple[list[Record], Position]


class LogSubscription(Subscription[ApplicationRecorder]):
    """Each notification after `gt` once, in order, without end; iterated by one thread, stopped by any.

    Raises OperationalError when the log breaks, or is closed before the subscription is stopped.
    """

    def __init__(
        self,
        recorder: ApplicationRecorder,
        log: Lease,
        gt: int | None = None,
        topics: Sequence[str] = (),
        *,
        ids: Ids,
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._log = log
        self._ids = ids
        self._wanted = frozenset(topics)
        self._at = Position(max(gt or 0, 0))
        self._page: deque[Record] = deque()
        self._pending: Future[Page] | None = None
        self._lock = Lock()

    def stop(self) -> None:
        """End the iteration, also where it waits."""
        with self._lock:
            super().stop()
            if self._pending is not None:
                self._pending.cancel()

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._page:
                return to_notification(self._page.popleft(), self._ids)
            self._fetch_page()
        raise StopIteration

    def _fetch_page(self) -> None:
        with self._lock:  # `stop` from another thread comes either before this, or finds what it must cancel
            if self._has_been_stopped:
                return
            after = self._at
            pending = self._pending = self._log.start(lambda log: read_next(log, after, self._wanted))
        try:
            with translated():
                records, self._at = pending.result()
        except Exception:
            if not self._has_been_stopped:
                raise
        else:
            self._page.extend(records)
        finally:
            self._pending = None
