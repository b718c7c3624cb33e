"""The gateway as a whole: its routes, its start and its end.

Start: settings are checked, the log is opened, then the port. End (SIGTERM or SIGINT): the port closes, accepted
commands are committed and acknowledged, every client is told where to resume, the log is closed.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from ..domain.errors import ConfigurationError, NotReady
from ..log.log import Log
from ..log.storage import Storage
from .access.origin import OriginCheck
from .access.tokens import Authenticator
from .http.answer import AliveAnswer
from .http.cause_routes import CauseRoutes
from .http.console_routes import ConsoleRoutes
from .http.event_routes import EventRoutes
from .http.readiness import check_readiness
from .http.responses import http_logger, json_response, problem_middleware, problem_response
from .http.session_routes import SessionRoutes
from .http.view_routes import ViewRoutes
from .metrics import Metrics
from .openapi.document import openapi_json
from .protocol.queries import session_of
from .settings import Settings
from .tenants import Tenants
from .transport.sse_server import EVENT_STREAM, SseServer
from .transport.websocket_server import WebSocketServer
from .views.folding_process import FoldingGroup, FoldingPlan, TenantFolding
from .views.service import ViewService
from .views.storage import NO_VIEWS, ViewStorage, folds_in_processes, make_projections


class Gateway:
    """A running gateway; made by `running`."""

    def __init__(self, settings: Settings, tenants: Tenants, place: str) -> None:
        auth = Authenticator(settings)
        self.settings = settings
        self.tenants = tenants
        self.url = ""
        self.place = place
        self.websocket_server = WebSocketServer(settings, tenants, auth)
        self.sse_server = SseServer(settings, tenants, auth)
        self._event_routes = EventRoutes(tenants, auth)
        self._cause_routes = CauseRoutes(tenants, auth)
        self._console_routes = ConsoleRoutes()
        self._session_routes = SessionRoutes(settings, tenants, auth)
        self._metrics_page = Metrics(tenants, self.websocket_server, self.sse_server)
        self._view_routes = ViewRoutes(tenants, auth, self.sse_server)
        self._description: bytes | None = None
        self._draining = False

    def app(self) -> web.Application:
        """The routes."""
        origins = OriginCheck(self.settings)
        app = web.Application(
            middlewares=[problem_middleware, origins.middleware], client_max_size=self.settings.frame_bytes
        )
        app.on_response_prepare.append(origins.add_headers)
        sessions = self._session_routes
        app.router.add_get("/v1/ws", self.websocket_server.accept, allow_head=False)
        app.router.add_get("/v1/sessions", sessions.list_sessions, allow_head=False)
        app.router.add_get("/v1/sessions/{session}", sessions.show_session, allow_head=False)
        app.router.add_get("/v1/sessions/{session}/events", self._events, allow_head=False)
        for way, walk in (("causes", self._cause_routes.causes), ("effects", self._cause_routes.effects)):
            app.router.add_get(f"/v1/sessions/{{session}}/events/{{event}}/{way}", walk, allow_head=False)
        app.router.add_post("/v1/sessions/{session}/commands", sessions.execute_command)
        app.router.add_get("/v1/events", self._events, allow_head=False)
        app.router.add_get("/v1/search", self._view_routes.search, allow_head=False)
        app.router.add_get("/v1/views", self._view_routes.list_views, allow_head=False)
        app.router.add_get("/v1/views/{view}", self._view_routes.list_view, allow_head=False)
        app.router.add_get("/v1/views/{view}/{key}", self._view_routes.show_key, allow_head=False)
        app.router.add_get("/v1/views/{view}/{key}/difference", self._view_routes.difference, allow_head=False)
        app.router.add_get("/", self._console_routes.redirect, allow_head=False)
        app.router.add_get("/console", self._console_routes.redirect, allow_head=False)
        app.router.add_get("/console/{path:.*}", self._console_routes.show, allow_head=False)
        app.router.add_get("/openapi.json", self._openapi, allow_head=False)
        app.router.add_get("/health", self._health, allow_head=False)
        app.router.add_get("/ready", self._ready, allow_head=False)
        app.router.add_get("/metrics", self._metrics, allow_head=False)
        return app

    async def drain(self) -> None:
        """Say `bye` to every client and close its connection."""
        self._draining = True
        self._event_routes.drain()
        for tenant in self.tenants.open.values():
            tenant.views.progress.drain()
        self.sse_server.drain()
        await self.websocket_server.drain()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        session = session_of(request) if "session" in request.match_info else None
        if EVENT_STREAM in request.headers.get("Accept", ""):
            return await self.sse_server.follow_events(request, session)
        return await self._event_routes.show_page(request, session)

    async def _openapi(self, request: web.Request) -> web.Response:
        if self._description is None:  # made once, when it is first asked for: it takes a tenth of a second
            projections = tuple(self.tenants.open[""].views.projections.values())
            self._description = await asyncio.to_thread(openapi_json, projections)
        return web.Response(body=self._description, content_type="application/json")

    async def _health(self, request: web.Request) -> web.Response:
        return json_response(AliveAnswer(status="alive"))

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready while every open log can be written and read, and the gateway is not draining."""
        if self._draining:
            return problem_response(NotReady("The gateway is shutting down."))
        return json_response(await check_readiness(self.tenants))

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics_page.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway for the time of the block. Raises ConfigurationError and the LogError tree before it listens, and
    whatever ended it if it ends by itself."""
    settings.check()
    async with contextlib.AsyncExitStack() as stack:
        stack.push(_alone)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        storage = Storage(settings.log)
        # Views beside the log belong to the gateway that writes it, and in a copy they are left as they are.
        place = settings.views or (NO_VIEWS if settings.read_only else "")
        projections, view_storage = make_projections(place, settings.projections), ViewStorage(place, settings.log)
        beside = settings.views_in == "process" and bool(projections) and folds_in_processes(place, settings.log)
        folding = FoldingGroup(_folding_plan(settings, place), settings.views_processes, tasks) if beside else None

        def open_log(tenant: str) -> Log:
            return Log(storage.engine(tenant, read_only=settings.read_only))

        def views(log: Log, tenant: str) -> ViewService:
            elsewhere = None if folding is None else TenantFolding(folding, tenant)
            promote, store = settings.promote == "auto", view_storage.store(tenant)
            return ViewService(log, store, projections, tasks, promote=promote, fold_elsewhere=elsewhere)

        tenants = Tenants(open_log, views, tasks)
        await stack.enter_async_context(tenants)
        if folding is not None:  # entered after the logs, so that it has ended before they close
            await stack.enter_async_context(folding)
        gateway = Gateway(settings, tenants, str(storage))
        runner = web.AppRunner(
            gateway.app(),
            access_log=None,
            logger=http_logger,
            auto_decompress=False,  # what is packed may be of any size, and bodies are small
            shutdown_timeout=settings.drain,
            handle_signals=False,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1_024)
        await _listen(site, settings)
        gateway.url = f"http://{_shown_host(settings.host)}:{runner.addresses[0][1]}"
        inspections = [
            tasks.create_task(gateway.websocket_server.inspect_connections()),
            tasks.create_task(gateway.sse_server.inspect_connections()),
        ]
        try:
            yield gateway
        finally:
            await site.stop()
            await gateway.drain()
            for task in inspections:
                task.cancel()


async def serve(settings: Settings, started: Callable[[Gateway], None] = lambda _: None) -> None:
    """Run a gateway until SIGTERM or SIGINT; `started` is called once it listens.

    The signals' handlers stay when it returns: a second signal still ends the process in good order. (The
    loop's own would be gone with the loop, a moment before the process.)
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stop.set)

    async with running(settings) as gateway:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, end)
        started(gateway)
        await stop.wait()


def _folding_plan(settings: Settings, place: str) -> FoldingPlan:
    return FoldingPlan(
        log=settings.log,
        views=place,
        projections=settings.projections,
        promote=settings.promote == "auto",
        effects=not settings.read_only,
        log_level=settings.log_level,
    )


def _alone(_: object, error: BaseException | None, __: object) -> None:
    """Raise an error that came alone as it is, without the group that carried it."""
    alone = error
    while isinstance(alone, BaseExceptionGroup) and len(alone.exceptions) == 1:
        alone = alone.exceptions[0]
    if alone is not None and alone is not error:
        raise alone from None


async def _listen(site: web.TCPSite, settings: Settings) -> None:
    try:
        await site.start()
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.") from None


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
