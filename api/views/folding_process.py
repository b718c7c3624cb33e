"""The process beside a gateway that folds its views: started again whenever it ends, and told of tenants.

Handlers are an application's code. In a process of its own it can be slow, block, or end its process, and no command
waits for it: the gateway only reads what is stored. The program is `folding_program`. It is told how to fold and then
each tenant, and which one to leave alone again. When a log in a file grows it is told to look, by an empty line: by
itself it would look after up to 50 ms.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from ...log.log import Log
from ..processes.watched_process import END_S, WatchedProcess

PROGRAM = "stenogram.api.views.folding_program"
BACKOFF_S = (0.1, 0.5, 2.0, 5.0)
"""Seconds before it is started again, by how often it has ended in a row; the last one from then on."""
HEALTHY_S = 30.0
"""Seconds after which it counts as having started well."""
NUDGE_EVERY_S = 0.01
"""Seconds between two such lines, at least; a log that grows all the time is looked at more often in any case."""

_logger = logging.getLogger(__name__)


class FoldingPlan(NamedTuple):
    """What the process is to do: addresses as in the settings, and names of projections."""

    log: str
    views: str
    projections: Sequence[str]
    promote: bool
    effects: bool
    log_level: str


class FoldingProcess:
    """Keeps one process running for the time of the block, for all tenants that are added."""

    def __init__(self, plan: FoldingPlan, tasks: asyncio.TaskGroup) -> None:
        self._plan = plan
        self._tasks = tasks
        self._tenants: list[str] = []
        self._process: WatchedProcess | None = None
        self._supervising: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._failures = 0
        self._nudged = 0.0

    @property
    def pid(self) -> int | None:
        """The id of the process, while there is one."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        self._supervising = self._tasks.create_task(self._supervise())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Lets it finish what it writes; after `END_S` seconds it is killed."""
        self._end.set()
        if self._process is not None:
            self._process.end()
        assert self._supervising is not None
        try:
            await asyncio.wait([self._supervising], timeout=END_S)
        finally:
            if self._process is not None:
                self._process.kill()  # that ends the task, which must not be cancelled while it starts a process
            await asyncio.wait([self._supervising])

    def add(self, tenant: str, log: Log) -> Callable[[], None]:
        """Have a tenant's views folded as well, until what this returns is called; its log is open."""
        self._tenants.append(tenant)
        if not log.engine.shared:  # one that is shared tells everyone by itself
            log.hub.listen(self._nudge)
        if self._process is not None:
            self._process.tell(tenant)
        return lambda: self._remove(tenant)

    def _remove(self, tenant: str) -> None:
        self._tenants.remove(tenant)
        if self._process is not None and not self._end.is_set():
            self._process.tell({"leave": tenant})

    def _nudge(self, _: object) -> None:
        now = time.monotonic()
        if self.pid is not None and self._process is not None and now - self._nudged > NUDGE_EVERY_S:
            self._nudged = now
            self._process.write(b"\n")

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._end.is_set():
            began = loop.time()
            self._process = WatchedProcess(PROGRAM, [self._plan._asdict(), *self._tenants])
            ended = await self._process.run()
            self._process = None
            if self._end.is_set():
                return
            if loop.time() - began > HEALTHY_S:
                self._failures = 0
            pause = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            self._failures += 1
            _logger.error("the process that folds views %s; another is started in %.1f s", ended, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._end.wait()
