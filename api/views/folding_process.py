"""The process beside a gateway that folds its views: started, watched, started again, and ended.

Handlers are an application's code. In a process of its own it can be slow, block, or end its process, and no command
waits for it: the gateway only reads what is stored. The program is `folding_program`.

The two talk by lines of JSON. The process is told, by its stdin, how to fold and then each tenant, and which one to
leave alone again; when its stdin ends it ends, so that it never outlives a gateway, however that ended. By its stdout
it says once a second that it lives (a thread of its own says so: a handler may block for as long as it likes), and what
it has to log, which the gateway logs. One that is not heard of is killed: frozen, it would keep its locks. When a log
in a file grows it is told to look, by an empty line: by itself it would look after up to 50 ms.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import orjson

from ...log.log import Log

PROGRAM = "stenogram.api.views.folding_program"
SILENT_S = 10.0
"""Seconds without a word after which the process is killed, and another one started."""
END_S = 5.0
"""Seconds that it gets to finish what it writes."""
BACKOFF_S = (0.1, 0.5, 2.0, 5.0)
"""Seconds before it is started again, by how often it has ended in a row; the last one from then on."""
HEALTHY_S = 30.0
"""Seconds after which it counts as having started well."""
NUDGE_EVERY_S = 0.01
"""Seconds between two such lines, at least; a log that grows all the time is looked at more often in any case."""
_MAX_LINE_BYTES = 2**20

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
        self._process: asyncio.subprocess.Process | None = None
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
            self._close_stdin(self._process)
        assert self._supervising is not None
        try:
            await asyncio.wait([self._supervising], timeout=END_S)
        finally:
            self._kill()  # that ends the task, which must not be cancelled while it starts a process
            await asyncio.wait([self._supervising])

    def add(self, tenant: str, log: Log) -> Callable[[], None]:
        """Have a tenant's views folded as well, until what this returns is called; its log is open."""
        self._tenants.append(tenant)
        if not log.engine.shared:  # one that is shared tells everyone by itself
            log.hub.listen(self._nudge)
        if self._process is not None:
            self._send(self._process, tenant)
        return lambda: self._remove(tenant)

    def _remove(self, tenant: str) -> None:
        self._tenants.remove(tenant)
        if self._process is not None and not self._end.is_set():
            self._send(self._process, {"leave": tenant})

    def _nudge(self, _: object) -> None:
        now = time.monotonic()
        if self._process is not None and now - self._nudged > NUDGE_EVERY_S:
            self._nudged = now
            self._write(self._process, b"\n")

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._end.is_set():
            began = loop.time()
            ended = await self._run()
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

    async def _run(self) -> str:
        """Start it, and wait for its end; how it ended."""
        try:
            # In a session of its own: Ctrl-C on the terminal is for the gateway, which then ends it.
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                PROGRAM,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
                limit=_MAX_LINE_BYTES,
            )
        except OSError as error:
            return f"cannot be started ({error})"
        self._process = process
        try:
            self._send(process, self._plan._asdict())
            for tenant in self._tenants:
                self._send(process, tenant)
            if self._end.is_set():  # it was set while this one was being started
                self._close_stdin(process)
            heard = await self._hear(process)
            return heard or f"ended with {await process.wait()}"
        finally:
            self._kill()
            await process.wait()
            self._process = None

    async def _hear(self, process: asyncio.subprocess.Process) -> str:
        """Log what it says, until it says nothing more; why it was given up, if it was."""
        assert process.stdout is not None
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    line = await process.stdout.readline()
            except TimeoutError:
                return f"has said nothing for {SILENT_S:.0f} s, and was killed"
            except ValueError:  # a line beyond all bounds; what follows begins somewhere in it
                continue
            if not line:
                return ""
            with contextlib.suppress(ValueError):
                said = orjson.loads(line)
                if "logger" in said:
                    logging.getLogger(said["logger"]).log(said["level"], "%s", said["message"])

    def _send(self, process: asyncio.subprocess.Process, what: Any) -> None:
        self._write(process, orjson.dumps(what) + b"\n")

    def _write(self, process: asyncio.subprocess.Process, line: bytes) -> None:
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(line)

    def _close_stdin(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is not None:
            process.stdin.close()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
