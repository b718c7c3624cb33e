"""The program of the process that answers long reads: `python -m stenogram.api.reading.program`.

It answers what `process` asks over the socket that the first line of stdin names. It reads the logs and the views
beside the gateway that writes them; what it writes are snapshots. Tenants are opened when they are asked for, and those
that were not used for longest are closed when there are many.
"""

import asyncio
import contextlib
import logging
import signal
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web

from ...domain.errors import StenogramError
from ...log.log import Log
from ...log.single_flight import SingleFlight
from ...log.storage import Storage
from ..http.responses import http_logger, problem_middleware
from ..loop.factory import loop_factory
from ..loop.gc_tuning import tune_gc
from ..processes.child import Line, log_to_gateway, make_way
from ..telemetry.telemetry import Telemetry
from ..transport.answer_budget import AnswerBudget
from ..views.reader import ViewReader
from ..views.storage import ViewStorage, make_projections
from .answers import LongAnswers
from .process import READER_HEADER, ReadingPlan, read_said

NICE = 5
"""How much it makes way for the gateway, and for the views as they are, where there are too few cores."""
MOST_TENANTS = 16
"""Tenants that are open, beyond those that are in use."""
STUCK_S = 30.0
"""Seconds after which it ends when something (a handler) keeps its loop to itself."""
MOST_HEADER_BYTES = 2**20
"""Of what a token says, which has a limit of its own at the gateway."""
END_S = 1.0
"""Seconds that answers get to be sent when it is to end."""

_logger = logging.getLogger(__name__)


class _Opened:
    def __init__(self, views: ViewReader, stack: AsyncExitStack) -> None:
        self.views = views
        self.stack = stack
        self.users = 0


class OpenTenants:
    """Tenants' logs and views, opened for reading when they are first used."""

    def __init__(self, plan: ReadingPlan) -> None:
        self._storage = Storage(plan.log)
        self._views = ViewStorage(plan.views, plan.log)
        self._projections = make_projections(plan.views, plan.projections)
        self._opened = OrderedDict[str, _Opened]()
        self._opening = SingleFlight[str, _Opened]()

    @asynccontextmanager
    async def use(self, tenant: str) -> AsyncIterator[ViewReader]:
        """One of them, for the time of the block. Raises the LogError tree, and ViewsFailed."""
        opened = self._opened.get(tenant) or await self._opening.do(tenant, lambda: self._open(tenant))
        opened.users += 1
        self._opened.move_to_end(tenant)
        try:
            yield opened.views
        finally:
            opened.users -= 1
            await self._close_unused()

    async def close(self) -> None:
        """Close all of them."""
        while self._opened:
            await self._opened.popitem()[1].stack.aclose()

    async def _open(self, tenant: str) -> _Opened:
        async with AsyncExitStack() as stack:
            engine = self._storage.engine(tenant, read_only=True)
            log = await stack.enter_async_context(Log(engine, follow=False))
            store = self._views.store(tenant)
            if self._projections:
                await stack.enter_async_context(store)
            opened = _Opened(ViewReader(log, store, self._projections), stack.pop_all())
        self._opened[tenant] = opened
        return opened

    async def _close_unused(self) -> None:
        unused = [tenant for tenant, each in self._opened.items() if not each.users]
        for tenant in unused[: len(self._opened) - MOST_TENANTS] if len(self._opened) > MOST_TENANTS else ():
            await self._opened.pop(tenant).stack.aclose()


def make_app(plan: ReadingPlan, tenants: OpenTenants) -> web.Application:
    """The routes, as the gateway has them; who asks is said by a header, which only the gateway can send."""
    answers = LongAnswers(tenants.use)

    async def answer(request: web.Request) -> web.StreamResponse:
        asked, principal = read_said(request.headers[READER_HEADER])
        return await answers.answer(asked, request, principal)

    app = web.Application(middlewares=[problem_middleware(Telemetry()), AnswerBudget().middleware])
    view = "/v1/views/{view}"
    for path in ("/v1/sessions/{session}", view, f"{view}/{{key}}", f"{view}/{{key}}/difference"):
        app.router.add_get(path, answer, allow_head=False)
    return app


async def run(line: Line, plan: ReadingPlan, socket: str) -> None:
    """Answer until stdin ends, or SIGTERM."""
    end = asyncio.Event()
    line.listen(lambda _: None, end.set, stuck_s=STUCK_S)
    tenants = OpenTenants(plan)
    runner = web.AppRunner(
        make_app(plan, tenants),
        access_log=None,
        logger=http_logger,
        handler_cancellation=True,  # the gateway hangs up when its client does
        shutdown_timeout=END_S,
        handle_signals=False,
        max_field_size=MOST_HEADER_BYTES,
    )
    await runner.setup()
    try:
        await web.UnixSite(runner, socket).start()
        line.say({"ready": True})
        await end.wait()
    finally:
        await runner.cleanup()
        await tenants.close()


def main() -> None:
    """Answer as the first line of stdin says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the gateway hears it, and ends this
    make_way(NICE)
    line = Line()
    first: dict[str, Any] | None = line.first()
    if first is None:
        return
    socket = first.pop("socket")
    plan = ReadingPlan(**first)
    log_to_gateway(line, plan.log_level)
    # What is refused here the gateway's client is told; who that is, only the gateway knows.
    logging.getLogger("stenogram.refusals").setLevel(logging.CRITICAL)
    tune_gc()
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(run(line, plan, socket))
        except StenogramError as error:
            _logger.error("long reads cannot be answered: %s", error)
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
