"""The process beside a gateway that folds its views: started again whenever it ends, and told of tenants.

Handlers are an application's code. In a process of its own it can be slow, block, or end its process, and no command
waits for it: the gateway only reads what is stored. The program is `folding_program`. It is told how to fold and then
each tenant, and which one to leave alone again. When a log in a file grows it is told to look, by an empty line: by
itself it would look after up to 50 ms.

One view's handlers must not keep the others waiting for long. The process marks whose handlers run (`work_mark`). So it
is killed when one build's have kept it for a minute, and a build in whose handlers it has ended again and again is
stopped until somebody retries it.

Several processes can divide the views between them: handlers run one at a time in each, so where cores are free a
rebuild takes less time with two. What it costs is that each reads the log and decodes it, and has its own connections.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from ...domain.errors import StenogramError
from ...domain.ids import new_id
from ...log.log import Log
from ...projections.store import Build, ViewStore
from ..processes.crashes import MAX_CRASHES, Crashes, Culprit
from ..processes.watched_process import END_S, WatchedProcess
from ..processes.work_mark import WorkMark

PROGRAM = "stenogram.api.views.folding_program"
BLOCKED_S = 60.0
"""Seconds that one step of a build's handlers may take, after which the process is killed."""
BACKOFF_S = (0.1, 0.5, 2.0, 5.0)
"""Seconds before it is started again, by how often it has ended in a row; the last one from then on."""
HEALTHY_S = 30.0
"""Seconds after which it counts as having started well."""
NUDGE_EVERY_S = 0.01
"""Seconds between two such lines, at least; a log that grows all the time is looked at more often in any case."""
CORES_FOR_TWO = 4
"""From so many on there are two unless the settings say otherwise: the gateway and what clients run need some."""

_logger = logging.getLogger(__name__)


class FoldingPlan(NamedTuple):
    """What the process is to do: addresses as in the settings, and names of projections."""

    log: str
    views: str
    projections: Sequence[str]
    promote: bool
    effects: bool
    log_level: str
    part: int = 0
    parts: int = 1
    """Of so many parts of the views, this one."""
    mark: int = -1
    """The file under the memory in which it marks whose handlers run."""
    runner: str = ""
    """What it claims builds as (`runner_of`)."""


def runner_of(process: str, number: int) -> str:
    """What a process claims builds as for the tenant of this number. A tenant that comes back while the process still
    finishes what it wrote for it has another: the two must not take each other's builds for their own."""
    return f"{process}-{number}"


class FoldingProcess:
    """Keeps one process running for the time of the block, for all tenants that are added."""

    def __init__(self, plan: FoldingPlan, tasks: asyncio.TaskGroup) -> None:
        self._plan = plan
        self._tasks = tasks
        self._tenants: list[str] = []
        self._told: list[str] = []
        """The tenants that the process was told of, by their numbers in the mark."""
        self._stores: dict[str, ViewStore] = {}
        self._mark: WorkMark
        self._crashes = Crashes()
        self._runner = ""
        self._stopped: dict[str, list[str]] = {}
        self._process: WatchedProcess | None = None
        self._given_up = ""
        self._supervising: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._failures = 0
        self._nudged = 0.0

    @property
    def pid(self) -> int | None:
        """The id of the process, while there is one."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Raises OSError where no memory can be shared."""
        self._mark = WorkMark()
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
            self._mark.close()

    def stopped(self, tenant: str) -> Sequence[str]:
        """The views of a tenant that have stopped, as the process said last."""
        return self._stopped.get(tenant, ())

    def add(self, tenant: str, log: Log, store: ViewStore) -> Callable[[], None]:
        """Have a tenant's views folded as well, until what this returns is called; its log and its store are open."""
        self._tenants.append(tenant)
        self._stores[tenant] = store
        if not log.engine.shared:  # one that is shared tells everyone by itself
            log.hub.listen(self._nudge)
        if self._process is not None:
            self._told.append(tenant)
            self._process.tell(tenant)
        return lambda: self._remove(tenant, store)

    def _remove(self, tenant: str, store: ViewStore) -> None:
        self._tenants.remove(tenant)
        if self._stores.get(tenant) is store:  # it may be open again already
            del self._stores[tenant]
            self._stopped.pop(tenant, None)
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
            ended = await self._run()
            if self._end.is_set():
                return
            await self._give_back()
            ended += await self._hold_to_account()
            if loop.time() - began > HEALTHY_S:
                self._failures = 0
            pause = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            self._failures += 1
            _logger.error("the process that folds views %s; another is started in %.1f s", ended, pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._end.wait()

    async def _give_back(self) -> None:
        """Release what the process had claimed, which would lapse by itself only after a while."""
        for number, tenant in enumerate(self._told):
            if (store := self._stores.get(tenant)) is not None:
                with contextlib.suppress(StenogramError):
                    await store.leave(runner_of(self._runner, number))

    async def _hold_to_account(self) -> str:
        """Stop the build in whose handlers the process has ended, if that was once too often. What to say of it."""
        at_work = self._mark.get()
        if at_work is None or at_work.tenant >= len(self._told):
            return ""
        culprit = Culprit(self._told[at_work.tenant], at_work.build)
        times, store = self._crashes.note(culprit, time.monotonic()), self._stores.get(culprit.tenant)
        if store is None:  # it was closed meanwhile
            return ""
        try:
            build = next((each for each in await store.builds() if each.id == culprit.build), None)
            if build is None:
                return ""
            if times >= MAX_CRASHES:
                await store.stop(build.id, _why_stopped(build, times))
                self._crashes.forget(culprit)
                _logger.error("%s was stopped: %s", build, _why_stopped(build, times))
        except StenogramError as error:  # it is stopped when it happens once more
            _logger.warning("build %d, which has ended the process, could not be looked up: %s", culprit.build, error)
            return ""
        return f" in handlers of {build}"

    async def _run(self) -> str:
        """Start it, and wait for its end; how it ended."""
        self._mark.set(0, 0)
        self._runner, self._given_up, self._told = new_id(), "", [*self._tenants]
        plan = self._plan._replace(mark=self._mark.fd, runner=self._runner)
        tell = [plan._asdict(), *self._told]
        self._process = WatchedProcess(PROGRAM, tell, self._hear, pass_fds=(self._mark.fd,))
        ended = await self._process.run()
        self._process = None
        return self._given_up or ended

    def _hear(self, said: dict[str, Any]) -> None:
        self._stopped |= said.get("stopped", {})
        if self._process is not None and self._has_blocked():
            self._given_up = f"was blocked for {BLOCKED_S:.0f} s, and was killed"
            self._process.kill()

    def _has_blocked(self) -> bool:
        """Whether it runs one build's handlers for too long."""
        at_work = self._mark.get()
        if at_work is None or time.monotonic() - at_work.since < BLOCKED_S:
            return False
        return self._mark.get() == at_work


class FoldingGroup:
    """Keeps these processes running for the time of the block, for all tenants that are added. `processes`: how many;
    0: as many as the machine has cores for."""

    def __init__(self, plan: FoldingPlan, processes: int, tasks: asyncio.TaskGroup) -> None:
        count = processes or (2 if (os.cpu_count() or 1) >= CORES_FOR_TWO else 1)
        self._members = [FoldingProcess(plan._replace(part=part, parts=count), tasks) for part in range(count)]

    async def __aenter__(self) -> Self:
        for member in self._members:
            await member.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Lets them finish what they write, all at the same time."""
        await asyncio.gather(*[member.__aexit__() for member in self._members])

    def add(self, tenant: str, log: Log, store: ViewStore) -> Callable[[], None]:
        """Have a tenant's views folded as well, until what this returns is called; its log and its store are open."""
        leave = [member.add(tenant, log, store) for member in self._members]

        def leave_all() -> None:
            for each in leave:
                each()

        return leave_all

    def stopped(self, tenant: str) -> Sequence[str]:
        """The views of a tenant that have stopped, as they said last."""
        return sorted({name for member in self._members for name in member.stopped(tenant)})


class TenantFolding(NamedTuple):
    """Those processes, as one tenant's views use them."""

    group: FoldingGroup
    tenant: str

    def start(self, log: Log, store: ViewStore) -> Callable[[], None]:
        """Have the views of this log folded, until what this returns is called; it and the store are open."""
        return self.group.add(self.tenant, log, store)

    @property
    def stopped(self) -> Sequence[str]:
        """The views that have stopped, as they said last."""
        return self.group.stopped(self.tenant)


def _why_stopped(build: Build, times: int) -> str:
    return (
        f"the process that folds views ended {times} times while its handlers ran; mend them, then say "
        f"`stenogram projections retry {build.name}`"
    )
