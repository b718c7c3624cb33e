"""Finds the tasks of all sessions: those that are there in the gateway's view, those that come up in its log.

One subscription, to the tasks' events of every session. The view is folded a moment after the log: what was created
in between is neither in the first list nor among the events that follow, and so the list is asked for again a moment
later, and from time to time, which also heals what else was missed. A gateway without views, or one whose view hides
almost everything from this agent, has its log read from the start instead.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ...domain.errors import Busy, NotReady, Refused
from ..client import Client
from ..errors import Unreachable, retry_after
from .open_tasks import TYPES, OpenTasks

STATUSES = ("open", "claimed")
LIST_AGAIN_AFTER_S = (1.0, 5.0)
LIST_EVERY_S = 30.0
PAGE_ROWS = 1_000
logger = logging.getLogger("stenogram.client")


class TaskFinder:
    """Keeps `tasks` current, and calls `found` whenever they may have changed."""

    def __init__(self, client: Client, tasks: OpenTasks, found: Callable[[], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._found = found

    async def run(self) -> None:
        """Until the client is closed. Raises what makes it impossible to go on."""
        # The end of the log before the list: what comes up while the list is read is among the events.
        cursor = await self._end_of_log()
        listed = await self._list()
        if not listed:
            logger.info("The view of tasks cannot be read; the log is, from the start")
            cursor = await self._read_history()
        self._found()
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._keep_listing()) if listed else None
            await self._follow(cursor)
            if listing is not None:
                listing.cancel()

    async def _end_of_log(self) -> str:
        async with self._client.events("end", types=TYPES, follow=False) as events:
            async for _ in events:
                pass  # it ends at once
            return events.cursor

    async def _read_history(self) -> str:
        async with self._client.events(types=TYPES, follow=False) as events:
            async for entry in events:
                self._tasks.on_event(entry.event)
            return events.cursor

    async def _follow(self, cursor: str) -> None:
        async with self._client.events(cursor, types=TYPES) as events:
            async for entry in events:
                self._tasks.on_event(entry.event)
                self._found()

    async def _keep_listing(self) -> None:
        delays = [*LIST_AGAIN_AFTER_S]
        while True:
            await asyncio.sleep(delays.pop(0) if delays else LIST_EVERY_S)
            await self._list()
            self._found()

    async def _list(self) -> bool:
        """Read the list; false when it is refused."""
        try:
            for status in STATUSES:
                after: str | None = None
                while True:
                    rows, after = await self._page(status, after)
                    self._tasks.listed(rows)
                    if after is None:
                        break
        except Refused as refusal:
            logger.debug("The tasks cannot be listed: %s", refusal)
            return False
        return True

    async def _page(self, status: str, after: str | None) -> tuple[Sequence[Any], str | None]:
        """A page of the list, asked for until there is an answer."""
        while True:
            try:
                page = await self._client.view("tasks").rows(where={"status": status}, after=after, limit=PAGE_ROWS)
            except (Unreachable, Busy, NotReady) as error:
                await asyncio.sleep(retry_after(error))
            else:
                return page.rows, page.next
