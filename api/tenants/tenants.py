"""All tenants of a gateway: opened when they are needed, closed when they are not.

The tenant without a name is the main log: it is opened at once and stays open, and its faults are the gateway's, which
ends with them: it is better restarted than half alive. Any other tenant's faults are its own. Its connections end, what
asks for it is refused, and it is opened again when it is asked for and the cause is gone. A log that was there is never
made again by opening it: an operator may be about to restore it.

A tenant that nobody uses is closed after a while, unless its views are behind, or something in it is soon to happen by
itself; what is to happen later opens it again. Where as many are open as may be, the one that was used longest ago
makes room.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from math import inf
from typing import Self

from aiohttp import web

from ...domain.errors import Busy, LogUnreadable, StenogramError
from ...log.log import Log
from ...log.stats import SECONDS, Histogram, LogStats
from ..access.principal import Principal
from ..liveness.stall_watch import StallWatch
from ..views.service import ViewService
from .keeper import Keeper
from .tenant import RETRY_AFTER_S, Companion, Tenant

MAIN = ""
TENANT: web.RequestKey[Tenant] = web.RequestKey("tenant", Tenant)
"""Which tenant a request uses."""
SWEEP_EVERY_S = 5.0
WAKE_AGAIN_S = 30.0
"""Seconds after which a tenant in which something is due is opened again that could not be."""
VIEWS_GET_S = 60.0
"""Seconds for which an idle tenant stays open so that its views catch up; then it is closed all the same."""

MakeLog = Callable[[str, bool], Log]
MakeCompanion = Callable[[Tenant], Companion | None]
MakeViews = Callable[[Log, str, asyncio.TaskGroup], ViewService]

_logger = logging.getLogger(__name__)


class Tenants:
    """`make` gives a tenant's log, which with False must be there already, and `views` its view service; neither is
    opened yet. `idle`: seconds after which one that is not used is closed. `most`: how many may be open at once.
    `companion` gives what is to work beside a tenant's log."""

    def __init__(
        self,
        make: MakeLog,
        views: MakeViews,
        tasks: asyncio.TaskGroup,
        *,
        idle: float = inf,
        most: int = 10_000,
        companion: MakeCompanion = lambda _: None,
    ) -> None:
        self._make = make
        self._views = views
        self._tasks = tasks
        self._idle = idle
        self._most = most
        self._companion = companion
        self._keepers: dict[str, Keeper] = {}
        self._main: Keeper | None = None
        self._known: set[str] = set()
        self._refused: dict[str, tuple[float, Keeper]] = {}
        self._wake_at: dict[str, float] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self.open: dict[str, Tenant] = {}
        """Those that are open, by name; the main one comes first."""
        self.stall_watch = StallWatch()
        self.past = LogStats()
        """What the logs of tenants that are closed had counted."""
        self.past_deliveries = Histogram(SECONDS)
        """The same of their feeds."""
        self.faults = 0
        """How often a tenant could not be opened, or ended by a fault."""

    async def __aenter__(self) -> Self:
        self._main = main = self._keep(MAIN)
        await main.settled.wait()
        if main.fault is not None:
            raise main.fault
        self._tasks.create_task(_raise_fault(main))
        self._sweeping = self._tasks.create_task(self._sweep())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Answers what waits in all logs, and closes them. Raises the fault of the main one."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        while keepers := tuple(self._keepers.values()):
            for keeper in keepers:
                keeper.close()
            await asyncio.wait([keeper.task for keeper in keepers])
        if self._main is not None and self._main.fault is not None:
            raise self._main.fault

    async def of(self, name: str) -> Tenant:
        """The tenant of this name, open. Raises the LogError tree when its log cannot be used, and Busy when no more
        can be open at once."""
        while (tenant := self.open.get(name)) is None:
            keeper = self._keepers.get(name)
            if keeper is None:
                self._raise_refusal(name)
                await self._make_room()
                keeper = self._keepers.get(name) or self._keep(name)
            # Not `await task`: who asks may be cancelled, and others ask, too.
            await (keeper.settled.wait() if not keeper.settled.is_set() else asyncio.wait([keeper.task]))
            self._raise_refusal(name)
        return tenant

    async def use(self, name: str) -> Tenant:
        """The same, entered: it stays open until it is left as often. Nothing is awaited in between."""
        tenant = await self.of(name)
        tenant.enter()
        return tenant

    async def of_request(self, request: web.Request, principal: Principal) -> Tenant:
        """The tenant of somebody who makes an HTTP request, for as long as it is handled (`release`). Reading or
        calling, they have been heard of."""
        tenant = await self.use_in(request, principal.tenant)
        tenant.last_seen.note_request(principal.participant, principal.run)
        return tenant

    async def use_in(self, request: web.Request, name: str) -> Tenant:
        """The tenant of an HTTP request, likewise, by whom nobody is heard of."""
        tenant = request.get(TENANT)
        if tenant is None:
            tenant = request[TENANT] = await self.use(name)
        return tenant

    def _keep(self, name: str) -> Keeper:
        self._wake_at.pop(name, None)
        keeper = self._keepers[name] = Keeper(name, self._opened, self._on_open, self._on_close)
        keeper.task.add_done_callback(lambda _: self._ended(keeper))
        return keeper

    async def _opened(self, name: str, tasks: asyncio.TaskGroup, stack: AsyncExitStack) -> Tenant:
        log = await stack.enter_async_context(self._make(name, name not in self._known))
        tasks.create_task(log.broken())
        views = await stack.enter_async_context(self._views(log, name, tasks))
        tenant = Tenant(log, tasks, views, name, self.stall_watch)
        if tenant.timekeeper is not None:
            stack.push_async_callback(_end, tasks.create_task(tenant.timekeeper.run()))
        tenant.companion = self._companion(tenant)
        if tenant.companion is not None:
            stack.push_async_callback(_end, tasks.create_task(tenant.companion.run()))
        return tenant

    def _on_open(self, tenant: Tenant) -> None:
        self._known.add(tenant.name)
        self._refused.pop(tenant.name, None)
        self.open[tenant.name] = tenant

    def _on_close(self, tenant: Tenant) -> None:
        self.past.add(tenant.log.stats)
        self.past_deliveries.merge(tenant.feed.seconds)
        if tenant.name == MAIN:  # the gateway ends with it, and says so itself
            return
        self.open.pop(tenant.name, None)
        due = tenant.next_due()
        if due is not None:
            self._wake_at[tenant.name] = time.monotonic() + due
        tenant.dismiss("The log of this tenant was closed; come back.")

    def _ended(self, keeper: Keeper) -> None:
        del self._keepers[keeper.name]
        if keeper.fault is None or keeper.name == MAIN:
            return
        self.faults += 1
        self._refused[keeper.name] = time.monotonic() + RETRY_AFTER_S, keeper
        known = isinstance(keeper.fault, StenogramError)
        _logger.error(
            "the log of a tenant cannot be used: %s",
            keeper.fault,
            exc_info=None if known else keeper.fault,
            extra={"tenant": keeper.name},
        )

    def _raise_refusal(self, name: str) -> None:
        """What could not be opened a moment ago is not tried again at once, however many ask."""
        until, keeper = self._refused.get(name, (0.0, None))
        if keeper is not None and time.monotonic() < until:
            raise keeper.refusal
        self._refused.pop(name, None)

    async def _make_room(self) -> None:
        """Close the tenant that was used longest ago, if one more would be too many. Raises Busy."""
        while len(self._keepers) >= self._most:
            now = time.monotonic()
            idle = {name: tenant.idle_for(now) for name, tenant in self.open.items() if name != MAIN}
            longest = max(idle, key=lambda name: idle[name], default=MAIN)
            if not idle.get(longest):
                raise Busy(
                    f"This gateway has {len(self._keepers)} tenants open, as many as it may, and all are in use.",
                    retry_after=RETRY_AFTER_S,
                )
            await self._close(longest)

    async def _close(self, name: str) -> None:
        keeper = self._keepers[name]
        # At once, before the task that closes it gets its turn: who comes in between must not be given this one.
        del self.open[name]
        keeper.close()
        await asyncio.wait([keeper.task])

    async def _sweep(self) -> None:
        """Close what is not used, and open what something is due in. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(min(SWEEP_EVERY_S, self._idle / 4))
            now = time.monotonic()
            for name in [name for name, at in self._wake_at.items() if at <= now]:
                del self._wake_at[name]
                try:
                    await self.of(name)
                except LogUnreadable:  # it was logged; what is due is looked at when somebody opens it
                    continue
                except StenogramError:
                    self._wake_at[name] = now + WAKE_AGAIN_S
            for name, tenant in tuple(self.open.items()):
                await tenant.views.sample()
                if name != MAIN and tenant.idle_for(now) >= self._idle and await self._may_close(tenant):
                    await self._close(name)

    async def _may_close(self, tenant: Tenant) -> bool:
        due = tenant.next_due()
        if due is not None and due < self._idle:
            return False
        if tenant.idle_for(time.monotonic()) < self._idle + VIEWS_GET_S and not await tenant.views.is_settled():
            return False
        # Looked at after the await, and closed at once: somebody may have come meanwhile.
        return self.open.get(tenant.name) is tenant and tenant.idle_for(time.monotonic()) >= self._idle


def release(request: web.Request) -> None:
    """The request has been handled."""
    tenant = request.get(TENANT)
    if tenant is not None:
        tenant.leave()


async def _raise_fault(keeper: Keeper) -> None:
    await asyncio.wait([keeper.task])
    if keeper.fault is not None:
        raise keeper.fault


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
