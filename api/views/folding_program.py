"""The program of the process that folds a gateway's views: `python -m stenogram.api.views.folding_program`.

It reads the log beside the gateway that writes it, and writes to the same store that the gateway reads. What is said by
whom is in `folding_process`.
"""

import asyncio
import contextlib
import logging
import signal

import orjson

from ...domain.errors import StenogramError
from ...log.log import Log
from ...log.storage import Storage
from ...projections.runner.runner import Runner
from ..loop.factory import loop_factory
from ..loop.gc_tuning import tune_gc
from ..processes.child import Line, log_to_gateway, make_way
from .folding_process import FoldingPlan
from .storage import ViewStorage, make_projections

RETRY_AFTER_S = 1.0
"""Seconds after which a log or a store is opened again that could not be, or that failed."""
NICE = 2
"""How much it makes way for the gateway where there are too few cores."""

_logger = logging.getLogger(__name__)


class Program:
    """Folds the views of the tenants that it is told of, until it is told to end."""

    def __init__(self, plan: FoldingPlan) -> None:
        self._plan = plan
        self._storage = Storage(plan.log)
        self._view_storage = ViewStorage(plan.views, plan.log)
        self._projections = make_projections(plan.views, plan.projections)
        self._tenants: asyncio.Queue[str | dict[str, str] | None] = asyncio.Queue()
        self._folding: dict[str, asyncio.Task[None]] = {}
        self._logs: set[Log] = set()
        self._looking: asyncio.Task[None] | None = None

    async def run(self, line: Line) -> None:
        """Work until stdin ends, or SIGTERM."""
        line.listen(self._take, lambda: self._tenants.put_nowait(None))
        async with asyncio.TaskGroup() as tasks:  # a fault ends the process, and another one is started
            while (tenant := await self._tenants.get()) is not None:
                if isinstance(tenant, str):
                    self._folding[tenant] = tasks.create_task(self._keep_folding(tenant))
                elif (task := self._folding.pop(tenant["leave"], None)) is not None:
                    task.cancel()  # it finishes what it writes; should it be added again meanwhile, a second one waits
            for task in self._folding.values():
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

    async def _keep_folding(self, tenant: str) -> None:
        while True:
            try:
                await self._fold(tenant)
            except* StenogramError as errors:
                _logger.warning("views are not folded at the moment: %s", errors.exceptions[0])
            await asyncio.sleep(RETRY_AFTER_S)

    async def _fold(self, tenant: str) -> None:
        plan = self._plan
        async with (
            Log(self._storage.engine(tenant, read_only=True)) as log,
            self._view_storage.store(tenant) as store,
        ):
            self._logs.add(log)
            try:
                await Runner(log, store, self._projections, promote=plan.promote, effects=plan.effects).run()
            finally:
                self._logs.discard(log)


def main() -> None:
    """Fold as the first line of stdin says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway hears it, and ends this
    make_way(NICE)
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
