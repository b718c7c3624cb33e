"""Tenants: each has a log with its feed and its views. Tenants share nothing, not even positions."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Self

from ..domain.errors import LogReadOnly
from ..domain.ids import ParticipantId, SessionId, TaskId
from ..log.log import Log
from .access.principal import Principal
from .delivery.feed import Feed
from .liveness.last_seen import LastSeen
from .liveness.stall_watch import StallWatch
from .liveness.timekeeper import Timekeeper
from .loop.tick_batcher import TickBatcher
from .views.service import ViewService


class Tenant:
    """An open log, its feed, who was heard of when, its timekeeper and its views. Replies of one turn of the loop are
    batched by `tick`. A read-only gateway runs no timekeeper: the gateways that write the log do."""

    def __init__(self, log: Log, tasks: asyncio.TaskGroup, views: ViewService, stall_watch: StallWatch) -> None:
        self.log = log
        self.feed = Feed(log, tasks)
        self.tick = TickBatcher()
        self.last_seen = LastSeen(stall_watch=stall_watch)
        self.timekeeper = Timekeeper(log, self.last_seen) if log.engine.writable else None
        self.views = views

    def progressed(self, participant: ParticipantId, progress: Mapping[SessionId, Collection[TaskId]]) -> None:
        """A heartbeat of theirs says that they make progress with these tasks. Raises LogReadOnly on a read-only
        gateway."""
        if self.timekeeper is not None:
            self.timekeeper.progressed(participant, progress)
        elif progress:
            raise LogReadOnly("This gateway only reads; report progress to the one through which you claimed it.")


class Tenants:
    """Opens each tenant's log when it is first needed, once, and closes all of them together.

    `make` gives a tenant's log and `views` its view service, neither opened yet; the tenant without a name is opened at
    once.
    """

    def __init__(
        self, make: Callable[[str], Log], views: Callable[[Log, str], ViewService], tasks: asyncio.TaskGroup
    ) -> None:
        self._make = make
        self._views = views
        self._tasks = tasks
        self._stack = AsyncExitStack()
        self._opening: dict[str, asyncio.Lock] = {}
        self.open: dict[str, Tenant] = {}
        self.stall_watch = StallWatch()

    async def __aenter__(self) -> Self:
        await self.of("")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def of(self, name: str) -> Tenant:
        """The tenant of this name. Raises the LogError tree when its log cannot be opened."""
        tenant = self.open.get(name)
        if tenant is not None:
            return tenant
        async with self._opening.setdefault(name, asyncio.Lock()):
            if name not in self.open:
                self.open[name] = await self._opened(name)
        return self.open[name]

    async def of_request(self, principal: Principal) -> Tenant:
        """The tenant of somebody who makes an HTTP request. Reading or calling, they have been heard of."""
        tenant = await self.of(principal.tenant)
        tenant.last_seen.note_request(principal.participant, principal.run)
        return tenant

    async def _opened(self, name: str) -> Tenant:
        log = await self._stack.enter_async_context(self._make(name))
        self._tasks.create_task(_watch(log))
        views = await self._stack.enter_async_context(self._views(log, name))
        tenant = Tenant(log, self._tasks, views, self.stall_watch)
        if tenant.timekeeper is not None:
            self._stack.push_async_callback(_end, self._tasks.create_task(tenant.timekeeper.run()))
        return tenant


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def _watch(log: Log) -> None:
    """A log whose work ends by itself takes the gateway down with it: it is better restarted than half alive."""
    await log.broken()
