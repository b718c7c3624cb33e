"""The library's recorders over a log. Each may be used by any number of threads."""

import threading
from collections.abc import Sequence
from time import monotonic
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Tracking,
    TrackingRecorder,
    WaitInterruptedError,
)

from ...domain.ids import Position
from ..log import Log
from ..records import Append, Appended
from .open_logs import Lease
from .reading import read_backward, read_forward, read_notifications
from .stored_events import Ids, to_draft, to_notification, to_stored
from .subscription import LogSubscription

POLL_S = 0.5
"""After which one who waits looks for trackings that other processes have moved."""
CHECK_INTERRUPT_S = 0.05
"""After which one who waits looks whether it was interrupted."""


class LogRecorder:
    """What all recorders share: a hold on an open log."""

    def __init__(self, log: Lease, ids: Ids, actor: str, name: str = "") -> None:
        """`name` is the environment's: of the application or the projection that records."""
        self.log = log
        self._ids = ids
        self._actor = actor
        self._name = name.lower()

    def _insert(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None = None) -> Appended:
        """Write all of it by one commit, or nothing. Raises IntegrityError when a version is taken, or the tracking."""
        appends = self._appends(stored_events)
        if tracking is not None:
            place = Position(tracking.notification_id)
            appends.append(Append("", (), tracking=(self._tracking(tracking.application_name), place)))
        if not appends:
            return Appended((), ())

        async def append(log: Log) -> Appended:
            return await log.append_together(appends)

        result = self.log.call(append)
        if tracking is not None:
            self.log.trackings.notify()
        return result

    def _tracking(self, application_name: str) -> str:
        """What a tracking is called in the log, where several projections may follow one application."""
        return f"{self._name}/{application_name}"

    def _appends(self, stored_events: Sequence[StoredEvent]) -> list[Append]:
        """Events that follow one another in one aggregate make one append."""
        appends: list[Append] = []
        run: list[StoredEvent] = []
        for event in stored_events:
            if run and (event.originator_id, event.originator_version) != (
                run[-1].originator_id,
                run[-1].originator_version + 1,
            ):
                appends.append(self._append(run))
                run = []
            run.append(event)
        if run:
            appends.append(self._append(run))
        return appends

    def _append(self, run: Sequence[StoredEvent]) -> Append:
        drafts = tuple(to_draft(event, self._actor) for event in run)
        return Append(self._ids.session(run[0].originator_id), drafts, first_version=run[0].originator_version)


class LogAggregateRecorder(LogRecorder, AggregateRecorder):
    """Aggregates, each in a session of its id."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        self._insert(stored_events)
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        session = self._ids.session(originator_id)
        read = read_backward if desc else read_forward
        records = self.log.call(lambda log: read(log, session, gt, lte, limit))
        return [to_stored(record, originator_id) for record in records]


class LogApplicationRecorder(LogAggregateRecorder, ApplicationRecorder):
    """Aggregates, and all of them in one sequence: notification ids are positions in the log."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        return list(self._insert(stored_events).positions)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = 0 if start is None else start - inclusive_of_start
        wanted = frozenset(topics)
        records = self.log.call(lambda log: read_notifications(log, after, limit, stop, wanted))
        return [to_notification(record, self._ids) for record in records]

    def max_notification_id(self) -> int | None:
        async def head(log: Log) -> int:
            return (await log.engine.head()).position

        return self.log.call(head) or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Notifications after `gt`, of these topics, as they come. Takes neither a thread nor a connection."""
        return LogSubscription(self, self.log, gt, topics, ids=self._ids)


class LogTrackingRecorder(LogRecorder, TrackingRecorder):
    """How far upstream applications have been processed; a tracking only moves forward.

    Each environment's name has trackings of its own: give a projection another name, and it begins from the start.
    """

    def insert_tracking(self, tracking: Tracking) -> None:
        self._insert((), tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        name = self._tracking(application_name)
        return self.log.call(lambda log: log.engine.read_tracking(name)) or None

    def wait(
        self,
        application_name: str,
        notification_id: int | None,
        timeout: float = 1.0,
        interrupt: threading.Event | None = None,
    ) -> None:
        """Wait until the tracking has come so far. Woken by those of this process; others are looked for now and then.

        Raises TimeoutError, and WaitInterruptedError when `interrupt` is set before.
        """
        deadline = monotonic() + timeout
        trackings = self.log.trackings
        while True:
            count = trackings.count  # before asking: a tracking that moves in between must not be waited for
            if self.has_tracking_id(application_name, notification_id):
                return
            next_poll = min(monotonic() + POLL_S, deadline)
            while trackings.count == count and (left := next_poll - monotonic()) > 0:
                if interrupt is not None and interrupt.is_set():
                    raise WaitInterruptedError
                trackings.wait(count, left if interrupt is None else min(left, CHECK_INTERRUPT_S))
            if trackings.count == count and monotonic() >= deadline:
                raise TimeoutError(
                    f"Timed out waiting for notification {notification_id} of {application_name!r} to be processed"
                )


class LogProcessRecorder(LogTrackingRecorder, LogApplicationRecorder, ProcessRecorder):
    """Events, and the tracking of what they follow from, by one commit: exactly once."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, tracking: Tracking | None = None, **kwargs: Any
    ) -> Sequence[int] | None:
        return list(self._insert(stored_events, tracking).positions)
