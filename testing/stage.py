"""A log and a store of views in memory, and runners that come and go: for tests of projections as they are run.

async with stage() as here, here.running(board):
    await here.log.submit(command("session.open", "trip-7"))
    build = await here.caught_up("board")
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..domain.envelope import decode
from ..domain.model import Event
from ..log.log import Log
from ..projections.authoring.projection import Projection
from ..projections.runner.runner import Runner
from ..projections.store import Build, ViewStore, memory_views
from .memory import memory_log

POLL_S = 0.02
"""How often a runner does a round."""
LAPSE_S = 0.5
"""After how much silence a runner counts as gone."""


class Stage:
    """A log, a store, and what can be waited for."""

    def __init__(self, log: Log, store: ViewStore) -> None:
        self.log = log
        self.store = store

    @asynccontextmanager
    async def running(self, *projections: Projection[Any, Any], **options: Any) -> AsyncIterator[Runner]:
        """A runner for the time of the block, which does a round every `POLL_S` seconds; `options` are the runner's."""
        runner = Runner(self.log, self.store, projections, **{"poll": POLL_S, **options})
        task = asyncio.create_task(runner.run())
        try:
            yield runner
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def until(self, holds: Callable[[Sequence[Build]], object], within: float = 20.0) -> list[Build]:
        """Wait until this is true of the builds. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while True:
                builds = await self.store.builds()
                if holds(builds):
                    return builds
                await asyncio.sleep(0.005)

    async def caught_up(self, name: str, version: int | None = None, within: float = 20.0) -> Build:
        """Wait until the view that readers see has folded the whole log. Raises TimeoutError."""

        def current(builds: Sequence[Build]) -> list[Build]:
            head = self.log.position
            return [
                build
                for build in builds
                if (build.name, build.state) == (name, "current")
                and version in (None, build.version)
                and build.checkpoint.position >= head
            ]

        return current(await self.until(current, within))[0]

    async def view(self, projection: Projection[Any, Any]) -> dict[Any, Any]:
        """What readers see, whole: values by key or place."""
        folder = projection.folder()
        found = await self.store.find(projection.name, limit=1_000)
        while found.rows:
            for row in found.rows:
                folder.load(row)
            after = found.rows[-1][: len(projection.shape.key)]
            found = await self.store.find(projection.name, after=after, limit=1_000)
        return {place: value for place, value in folder.values.items() if value is not None}

    async def events(self) -> list[Event]:
        """All that is in the log."""
        events = list[Event]()
        while page := await self.log.engine.read_log(len(events), 10_000):
            events += [decode(record.data, record.position, record.session, record.version) for record in page]
        return events


@asynccontextmanager
async def stage(log: Log | None = None, store: ViewStore | None = None) -> AsyncIterator[Stage]:
    """A stage with a new log and a new store, or with these, which are open."""
    async with memory_log() as new_log, memory_views(lapse=LAPSE_S) as new_store:
        yield Stage(log or new_log, store or new_store)
