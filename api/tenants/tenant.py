"""One tenant while its log is open: its feed, who was heard of when, its timekeeper and its views."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Protocol

from ...domain.errors import LogReadOnly
from ...domain.ids import ParticipantId, SessionId, TaskId
from ...log.log import Log
from ..delivery.feed import Feed
from ..liveness.last_seen import LastSeen
from ..liveness.stall_watch import StallWatch
from ..liveness.timekeeper import Timekeeper
from ..loop.tick_batcher import TickBatcher
from ..protocol.close_codes import SERVER_ERROR, CloseCode
from ..views.service import ViewService

RETRY_AFTER_S = 1.0
"""Seconds after which a client may come back whose tenant's log has failed."""


class TenantConnection(Protocol):
    """A connection that lasts, of somebody of the tenant."""

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """Say why it ends, and end it."""


class Companion(Protocol):
    """What works beside a tenant's log, as long as that is open."""

    async def run(self) -> None:
        """Work until cancelled, or until the log has ended."""

    def next_due(self) -> float | None:
        """In how many seconds something is to happen by itself; None if nothing is."""


class Tenant:
    """An open log and what works on it. Replies of one turn of the loop are batched by `tick`. A read-only gateway runs
    no timekeeper: the gateways that write the log do. Who uses it enters and leaves; `tasks` are its own."""

    def __init__(
        self,
        log: Log,
        tasks: asyncio.TaskGroup,
        views: ViewService,
        name: str = "",
        stall_watch: StallWatch | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.feed = Feed(log, tasks)
        self.tick = TickBatcher()
        self.last_seen = LastSeen(stall_watch=stall_watch)
        self.timekeeper = Timekeeper(log, self.last_seen) if log.engine.writable else None
        self.companion: Companion | None = None
        self.views = views
        self.connections: dict[TenantConnection, None] = {}
        self._users = 0
        self._used_at = time.monotonic()

    def enter(self) -> None:
        """Use it; to be left as often."""
        self._users += 1

    def leave(self) -> None:
        """Use it no more."""
        self._users -= 1
        self._used_at = time.monotonic()

    def idle_for(self, now: float) -> float:
        """Seconds since anyone used it, on the clock of `time.monotonic`; 0 while somebody does."""
        return 0.0 if self._users or self.log.waiting else now - self._used_at

    def next_due(self) -> float | None:
        """In how many seconds something is to happen by itself; None if nothing is."""
        dues = [each.next_due() for each in (self.timekeeper, self.companion) if each is not None]
        return min([due for due in dues if due is not None], default=None)

    def dismiss(self, reason: str) -> None:
        """End every connection; clients come back in a moment."""
        for connection in tuple(self.connections):
            connection.close_with_bye(SERVER_ERROR, reason, RETRY_AFTER_S)

    def progressed(self, participant: ParticipantId, progress: Mapping[SessionId, Collection[TaskId]]) -> None:
        """A heartbeat of theirs says that they make progress with these tasks. Raises LogReadOnly on a read-only
        gateway."""
        if self.timekeeper is not None:
            self.timekeeper.progressed(participant, progress)
        elif progress:
            raise LogReadOnly("This gateway only reads; report progress to the one through which you claimed it.")
