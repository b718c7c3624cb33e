"""The program of the process that folds a gateway's views: `python -m stenogram.api.views.folding_program`.

It reads the log beside the gateway that writes it, and writes to the same store that the gateway reads. What is said by
whom is in `folding_process`. Whose handlers run is marked in memory that the gateway reads.
"""

import asyncio
import contextlib
import logging
import signal
import time
from functools import partial
from pathlib import Path

import orjson

from ...domain.errors import StenogramError
from ...log.log import Log
from ...log.storage import Storage
from ...projections.authoring.projection import AnyProjection
from ...projections.runner.runner import Runner
from ..loop.factory import loop_factory
from ..loop.gc_tuning import tune_gc
from ..processes.child import Line, log_to_gateway, make_way
from ..processes.work_mark import WorkMark
from .folding_process import FoldingPlan, runner_of
from .storage import ViewStorage, make_projections

TELL_EVERY_S = 1.0
RETRY_AFTER_S = 1.0
"""Seconds after which a log or a store is opened again that could not be, or that failed."""
TELL_AGAIN_S = 60.0
"""Seconds after which the same reason is logged again."""
NICE = 2
"""How much it makes way for the gateway where there are too few cores."""
OOM_SCORE = 500
"""How much rather it is killed than others when the system has no memory left (Linux, up to 1,000): a handler that
takes too much must not be the end of the gateway."""

_logger = logging.getLogger(__name__)


class Program:
    """Folds the views of the tenants that it is told of, until it is told to end."""

    def __init__(self, plan: FoldingPlan) -> None:
        self._plan = plan
        self._storage = Storage(plan.log)
        self._view_storage = ViewStorage(plan.views, plan.log)
        self._projections = _part(make_projections(plan.views, plan.projections), plan)
        self._tenants: asyncio.Queue[str | dict[str, str] | None] = asyncio.Queue()
        self._told = 0
        self._folding: dict[str, asyncio.Task[None]] = {}
        self._mark = WorkMark(plan.mark)
        self._logs: set[Log] = set()
        self._runners: dict[str, Runner] = {}
        self._looking: asyncio.Task[None] | None = None

    async def run(self, line: Line) -> None:
        """Work until stdin ends, or SIGTERM."""
        line.listen(self._take, lambda: self._tenants.put_nowait(None))
        async with asyncio.TaskGroup() as tasks:  # a fault ends the process, and another one is started
            telling = tasks.create_task(self._tell_stopped(line))
            while (tenant := await self._tenants.get()) is not None:
                if isinstance(tenant, str):
                    self._folding[tenant] = tasks.create_task(self._keep_folding(tenant, self._told))
                    self._told += 1
                elif (task := self._folding.pop(tenant["leave"], None)) is not None:
                    task.cancel()  # it finishes what it writes; should it be added again meanwhile, a second one waits
            for task in (telling, *self._folding.values()):
                task.cancel()

    def _take(self, line: bytes) -> None:
        if line != b"\n":
            self._tenants.put_nowait(orjson.loads(line))
        elif self._looking is None or self._looking.done():  # some log has grown
            self._looking = asyncio.create_task(self._catch_up())

    async def _catch_up(self) -> None:
        for log in tuple(self._logs):
            with contextlib.suppress(StenogramError):  # the log says so, too
                await log.catch_up()

    async def _tell_stopped(self, line: Line) -> None:
        """Say once a second which views have stopped, of the tenants of which that is known."""
        while True:
            runners = self._runners.items()
            line.say({"stopped": {tenant: each.stopped for tenant, each in runners if each.stopped is not None}})
            await asyncio.sleep(TELL_EVERY_S)

    async def _keep_folding(self, tenant: str, number: int) -> None:
        told, told_at = "", 0.0
        while True:
            try:
                await self._fold(tenant, number)
            except* StenogramError as errors:
                why, now = str(errors.exceptions[0]), time.monotonic()
                if why != told or now - told_at >= TELL_AGAIN_S:
                    _logger.warning("views are not folded at the moment: %s", why)
                    told, told_at = why, now
            await asyncio.sleep(RETRY_AFTER_S)

    async def _fold(self, tenant: str, number: int) -> None:
        plan = self._plan
        async with (
            Log(self._storage.engine(tenant, read_only=True)) as log,
            self._view_storage.store(tenant) as store,
        ):
            self._logs.add(log)
            runner = Runner(
                log,
                store,
                self._projections,
                promote=plan.promote,
                effects=plan.effects,
                announce=partial(self._mark.set, number),
                id=runner_of(plan.runner, number),
            )
            self._runners[tenant] = runner
            try:
                await runner.run()
            finally:
                self._logs.discard(log)
                if self._runners.get(tenant) is runner:
                    del self._runners[tenant]


def _part(projections: list[AnyProjection], plan: FoldingPlan) -> list[AnyProjection]:
    """The projections of this process. All versions of one are together: the newest has the effects."""
    names = list(dict.fromkeys([each.name for each in projections]))[plan.part :: plan.parts]
    return [each for each in projections if each.name in names]


def main() -> None:
    """Fold as the first line of stdin says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway hears it, and ends this
    make_way(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    line = Line()
    first = line.first()
    if first is None:
        return
    plan = FoldingPlan(**first)
    log_to_gateway(line, plan.log_level)
    tune_gc()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(Program(plan).run(line))


if __name__ == "__main__":
    main()
