"""A subscription without a thread or a connection of its own: each page is asked of the log's loop, where the hub wakes
who waits."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING

from eventsourcing.persistence import Notification, Subscription

from ...domain.ids import Position
from ..records import Record
from .errors import translated
from .reading import read_next
from .stored_events import Ids, to_notification

if TYPE_CHECKING:
    from .recorders import LogApplicationRecorder

Page = tuple[list[Record], Position]


class LogSubscription(Subscription["LogApplicationRecorder"]):
    """Each notification after `gt` once, in order, for ever; iterated by one thread, stopped by any.

    Raises OperationalError when the log breaks, or is closed before the subscription is stopped.
    """

    def __init__(
        self, recorder: "LogApplicationRecorder", gt: int | None = None, topics: Sequence[str] = (), *, ids: Ids
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._ids = ids
        self._wanted = frozenset(topics)
        self._at = Position(max(gt or 0, 0))
        self._page: deque[Record] = deque()
        self._asked: Future[Page] | None = None
        self._lock = Lock()

    def stop(self) -> None:
        """End the iteration, also where it waits."""
        with self._lock:
            super().stop()
            if self._asked is not None:
                self._asked.cancel()

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._page:
                return to_notification(self._page.popleft(), self._ids)
            self._turn_page()
        raise StopIteration

    def _turn_page(self) -> None:
        with self._lock:
            if self._has_been_stopped:
                return
            after = self._at
            asked = self._asked = self._recorder.log.start(lambda log: read_next(log, after, self._wanted))
        try:
            with translated():
                records, self._at = asked.result()
        except Exception:
            if not self._has_been_stopped:
                raise
        else:
            self._page.extend(records)
        finally:
            self._asked = None
