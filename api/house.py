"""A house: one tenant's log with its feed and its views. Tenants share nothing, not even positions."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from typing import Self

from ..domain.errors import LogReadOnly
from ..domain.ids import ParticipantId, SessionId, TaskId
from ..log.log import Log
from .attendance import Attendance
from .delivery.feed import Feed
from .timekeeper import Timekeeper
from .turn import Turn
from .views.shelf import Shelf


class House:
    """An open log, those who follow it, who is heard of, and the views that are made of it. `turn` is for what they are
    told. Over a log that was opened for reading nobody keeps the time: those do who write it."""

    def __init__(self, log: Log, tasks: asyncio.TaskGroup, shelf: Shelf) -> None:
        self.log = log
        self.feed = Feed(log, tasks)
        self.turn = Turn()
        self.attendance = Attendance()
        self.timekeeper = Timekeeper(log, self.attendance) if log.engine.writable else None
        self.shelf = shelf

    def progressed(self, participant: ParticipantId, progress: Mapping[SessionId, Collection[TaskId]]) -> None:
        """A heartbeat of theirs says that they make progress with these tasks. Raises LogReadOnly where nobody can take
        note of that."""
        if self.timekeeper is not None:
            self.timekeeper.progressed(participant, progress)
        elif progress:
            raise LogReadOnly("This gateway only reads; tell of progress where you hold your tasks.")


class Houses:
    """Opens each tenant's log when it is first needed, once, and closes all of them together.

    `make` gives a tenant's log and `views` the shelf for it, neither opened yet; the tenant without a name is opened at
    once.
    """

    def __init__(
        self, make: Callable[[str], Log], views: Callable[[Log, str], Shelf], tasks: asyncio.TaskGroup
    ) -> None:
        self._make = make
        self._views = views
        self._tasks = tasks
        self._stack = AsyncExitStack()
        self._opening: dict[str, asyncio.Lock] = {}
        self.open: dict[str, House] = {}

    async def __aenter__(self) -> Self:
        await self.of("")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def of(self, tenant: str) -> House:
        """The tenant's house. Raises the LogError tree when its log cannot be opened."""
        house = self.open.get(tenant)
        if house is not None:
            return house
        async with self._opening.setdefault(tenant, asyncio.Lock()):
            if tenant not in self.open:
                log = await self._stack.enter_async_context(self._make(tenant))
                self._tasks.create_task(_watch(log))
                shelf = await self._stack.enter_async_context(self._views(log, tenant))
                house = House(log, self._tasks, shelf)
                if house.timekeeper is not None:
                    self._stack.push_async_callback(_end, self._tasks.create_task(house.timekeeper.run()))
                self.open[tenant] = house
        return self.open[tenant]


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def _watch(log: Log) -> None:
    """A log whose work ends by itself takes the gateway down with it: better gone and restarted than half alive."""
    await log.broken()
