"""The program of the process that folds a gateway's views: `python -m stenogram.api.views.folding_program`.

It reads the log beside the gateway that writes it, and writes to the same store that the gateway reads. What is said by
whom is in `folding_process`. Threads read stdin and say that the process lives, so that both work while a handler
blocks. What handlers print goes to stderr, which is the gateway's.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

import orjson

from ...domain.errors import StenogramError
from ...log.log import Log
from ...log.storage import Storage
from ...projections.runner.runner import Runner
from ..loop.factory import loop_factory
from ..loop.gc_tuning import tune_gc
from .folding_process import END_S, FoldingPlan
from .storage import ViewStorage, make_projections

BEAT_EVERY_S = 1.0
RETRY_AFTER_S = 1.0
"""Seconds after which a log or a store is opened again that could not be, or that failed."""
NICE = 2
"""How much it makes way for the gateway where there are too few cores."""

_logger = logging.getLogger(__name__)


class Line:
    """The line to the gateway. Any thread may use it. Once nobody listens, nothing more is said."""

    def __init__(self) -> None:
        self._file = os.dup(1)
        os.dup2(2, 1)  # what handlers print must not come between

    def say(self, what: Any) -> None:
        """Send a line, whole."""
        try:
            os.write(self._file, orjson.dumps(what, default=str) + b"\n")
        except OSError:
            return


class ToGateway(logging.Handler):
    """Has the gateway log what is logged here."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        message = self.format(record).encode(errors="replace").decode()
        self._line.say({"logger": record.name, "level": record.levelno, "message": message})


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
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.add, None)
        threading.Thread(target=_listen, args=(loop, self), daemon=True).start()
        threading.Thread(target=_beat, args=(line,), daemon=True).start()
        async with asyncio.TaskGroup() as tasks:  # a fault ends the process, and another one is started
            while (tenant := await self._tenants.get()) is not None:
                if isinstance(tenant, str):
                    self._folding[tenant] = tasks.create_task(self._keep_folding(tenant))
                elif (task := self._folding.pop(tenant["leave"], None)) is not None:
                    task.cancel()  # it finishes what it writes; should it be added again meanwhile, a second one waits
            for task in self._folding.values():
                task.cancel()

    def add(self, tenant: str | dict[str, str] | None) -> None:
        """Fold for a tenant as well; with `{"leave": tenant}`, no more; with None, end."""
        self._tenants.put_nowait(tenant)

    def look(self) -> None:
        """Some log has grown."""
        if self._looking is None or self._looking.done():
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


def _listen(loop: asyncio.AbstractEventLoop, program: Program) -> None:
    """Pass on what the gateway says. When it ends so does this process, also when a handler blocks."""
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        for line in sys.stdin.buffer:
            if line == b"\n":
                loop.call_soon_threadsafe(program.look)
            else:
                loop.call_soon_threadsafe(program.add, orjson.loads(line))
        loop.call_soon_threadsafe(program.add, None)
    time.sleep(END_S)
    os._exit(1)


def _beat(line: Line) -> None:
    while True:
        line.say({})
        time.sleep(BEAT_EVERY_S)


def main() -> None:
    """Fold as the first line of stdin says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway hears it, and ends this
    os.nice(NICE)
    line = Line()
    first = sys.stdin.buffer.readline()
    if not first:
        return
    plan = FoldingPlan(**orjson.loads(first))
    logging.basicConfig(handlers=[ToGateway(line)], level=plan.log_level.upper(), force=True)
    tune_gc()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(Program(plan).run(line))


if __name__ == "__main__":
    main()
