"""The gateway as a whole: its routes, its start and its end.

Start: settings are checked, the port is bound, the log is opened, then it listens. End (SIGTERM or SIGINT): the port
closes, accepted commands are committed and acknowledged, every client is told where to resume, the log is closed.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from ..domain.errors import NotReady
from ..domain.ids import ParticipantId
from ..log.turns import Turn
from .access.origin import OriginCheck
from .access.principal import Principal
from .access.sign_in_links import SignInLinks
from .access.tokens import Authenticator
from .durable_streams.routes import StreamRoutes
from .durable_streams.service import StreamService
from .durable_streams.subscriptions.routes import SubscriptionRoutes
from .durable_streams.subscriptions.service import Subscriptions
from .frontends.ag_ui.routes import AgUiRoutes
from .frontends.ai_sdk.routes import AiSdkRoutes
from .frontends.langchain.routes import LangChainRoutes
from .frontends.service import FrontEndService
from .frontends.tanstack_ai.routes import TanStackRoutes
from .http.answer import AliveAnswer
from .http.asgi import AsgiMount, AsgiServer
from .http.cause_routes import CauseRoutes
from .http.console.console_routes import ConsoleRoutes
from .http.console.sign_in_routes import SignInRoutes
from .http.console.timeline_routes import TimelineRoutes
from .http.event_routes import EventRoutes
from .http.moments import Asked
from .http.readiness import check_readiness
from .http.responses import HttpConnection, http_logger, json_response, problem_middleware, problem_response
from .http.session_routes import SessionRoutes
from .http.view_routes import ViewRoutes
from .loop.listening import bound, cannot_listen
from .loop.waits import Waits
from .metrics import Metrics
from .openapi.document import FOREIGN, openapi_json
from .otlp.routes import TraceRoutes
from .protocol.queries import session_of
from .reading.answers import LongAnswers
from .reading.gate import ReadingGate
from .reading.process import MOST_HERE_BYTES, ReadingPlan, ReadingProcess
from .recording.long_bodies import LongBodies
from .recording.routes import RecordingRoutes
from .settings import Settings
from .telemetry.telemetry import Telemetry
from .telemetry.tracing import Tracing
from .tenants.maker import TenantMaker
from .tenants.tenants import MAIN, Tenants
from .transport.answer_budget import AnswerBudget
from .transport.sse_connection import EVENT_STREAM
from .transport.sse_server import SseServer
from .transport.tcp_connections import IDLE_S, TcpConnections
from .transport.websocket_server import WebSocketServer
from .views.reader import ViewReader

_logger = logging.getLogger(__name__)


class Gateway:
    """A running gateway; made by `running`."""

    def __init__(
        self,
        settings: Settings,
        tenants: Tenants,
        auth: Authenticator,
        place: str,
        telemetry: Telemetry,
        long_reads: ReadingGate,
        subscriptions: Subscriptions,
        mounts: Sequence[AsgiMount] = (),
    ) -> None:
        self.settings = settings
        self.telemetry = telemetry
        self.tenants = tenants
        self.url = ""
        self.place = place
        self.long_reads = long_reads
        self.answers = AnswerBudget()
        self.listening: list[asyncio.AbstractServer] = []
        self.websocket_server = WebSocketServer(settings, tenants, auth, telemetry)
        self.sse_server = SseServer(settings, tenants, auth, telemetry)
        self.tcp_connections = TcpConnections(settings)
        self.mounted = {each.path: AsgiServer(each, auth, lambda: self.url) for each in mounts}
        self._waits = Waits()
        self._event_routes = EventRoutes(tenants, auth, self._waits)
        self._cause_routes = CauseRoutes(tenants, auth)
        self._console_routes = ConsoleRoutes(long_reads.prepare)
        self._links = SignInLinks()
        self._sign_in_routes = SignInRoutes(settings, auth, self._links)
        self._session_routes = SessionRoutes(settings, tenants, auth, telemetry, long_reads)
        self._metrics_page = Metrics(
            *(tenants, self.websocket_server, self.sse_server, self.tcp_connections, telemetry),
            *(long_reads.turns, self.answers, subscriptions),
        )
        self._view_routes = ViewRoutes(tenants, auth, self.sse_server, long_reads)
        front_ends = FrontEndService(settings, tenants, auth, telemetry, self.sse_server)
        self._ag_ui_routes = AgUiRoutes(front_ends)
        self._ai_sdk_routes = AiSdkRoutes(front_ends)
        self._langchain_routes = LangChainRoutes(front_ends)
        self._tanstack_routes = TanStackRoutes(front_ends)
        service = StreamService(settings, tenants, auth, telemetry, self._waits)
        self._stream_routes = StreamRoutes(service, self.sse_server)
        self._subscription_routes = SubscriptionRoutes(service, subscriptions)
        long_bodies = LongBodies()
        self._recording_routes = RecordingRoutes(settings, tenants, auth, telemetry, long_bodies)
        self._trace_routes = TraceRoutes(settings, tenants, auth, telemetry, long_bodies)
        self._timeline_routes = TimelineRoutes(tenants, auth)
        self._description: bytes | None = None
        self._draining = False

    def app(self) -> web.Application:
        """The routes."""
        origins = OriginCheck(self.settings)
        app = web.Application(
            middlewares=[
                self.tcp_connections.middleware,
                problem_middleware(self.telemetry),
                origins.middleware,
                self.answers.middleware,
            ],
            client_max_size=self.settings.frame_bytes,
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
        app.router.add_post("/v1/sessions/{session}/recorded", self._recording_routes.record)
        app.router.add_get("/v1/events", self._events, allow_head=False)
        app.router.add_get("/v1/search", self._view_routes.search, allow_head=False)
        app.router.add_get("/v1/views", self._view_routes.list_views, allow_head=False)
        app.router.add_get("/v1/views/{view}", self._view_routes.list_view, allow_head=False)
        app.router.add_post("/v1/views/{view}/rebuild", self._view_routes.rebuild)
        app.router.add_post("/v1/views/{view}/promote", self._view_routes.promote)
        app.router.add_get("/v1/views/{view}/{key}", self._view_routes.show_key, allow_head=False)
        app.router.add_get("/v1/views/{view}/{key}/difference", self._view_routes.difference, allow_head=False)
        app.router.add_get("/v1/views/timeline/{key}/window", self._timeline_routes.window, allow_head=False)
        self._add_other_protocols(app)
        self._add_console(app.router)
        for path, mounted in self.mounted.items():
            app.router.add_post(path, mounted.handle)
        app.router.add_get("/openapi.json", self._openapi, allow_head=False)
        app.router.add_get("/health", self._health, allow_head=False)
        app.router.add_get("/ready", self._ready, allow_head=False)
        app.router.add_get("/metrics", self._metrics, allow_head=False)
        return app

    def _add_other_protocols(self, app: web.Application) -> None:
        """What is spoken by clients that are not ours, as far as it is switched on."""
        if self.settings.otlp:
            app.router.add_post("/v1/traces", self._trace_routes.take)
        self._add_front_ends(app.router)
        if self.settings.durable_streams:
            if self.settings.durable_streams_subscriptions:
                self._subscription_routes.add_to(app)
            self._stream_routes.add_to(app)

    def _add_front_ends(self, router: web.UrlDispatcher) -> None:
        served: dict[str, AgUiRoutes | AiSdkRoutes | LangChainRoutes | TanStackRoutes] = {
            "ag_ui": self._ag_ui_routes,
            "ai_sdk": self._ai_sdk_routes,
            "langchain": self._langchain_routes,
            "tanstack_ai": self._tanstack_routes,
        }
        for name, routes in served.items():
            if getattr(self.settings, name):
                routes.add_to(router)

    def _add_console(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self._console_routes.redirect, allow_head=False)
        router.add_get("/console", self._console_routes.redirect, allow_head=False)
        router.add_get("/console/{path:.*}", self._console_routes.show, allow_head=False)
        router.add_post("/console/links", self._sign_in_routes.make_link)
        router.add_post("/console/sign-in", self._sign_in_routes.sign_in)

    def sign_in_link(self, participant: ParticipantId, place: str = "") -> str:
        """The address of a place in the console (`s/trip-7`) that signs somebody in, once, on an open gateway."""
        return f"{self.url}/console/{place}#link={self._links.make(participant)}"

    async def drain(self) -> None:
        """Say `bye` to every client and close its connection."""
        self._draining = True
        connections = {"websockets": len(self.websocket_server), "streams": len(self.sse_server)}
        _logger.info("draining", extra=connections)
        self._waits.drain()
        for tenant in self.tenants.open.values():
            tenant.views.progress.drain()
        self.sse_server.drain()
        await self.websocket_server.drain()
        _logger.info("drained", extra={"left": len(self.websocket_server) + len(self.sse_server)})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        session = session_of(request) if "session" in request.match_info else None
        if EVENT_STREAM in request.headers.get("Accept", ""):
            return await self.sse_server.follow_events(request, session)
        return await self._event_routes.show_page(request, session)

    async def _openapi(self, request: web.Request) -> web.Response:
        if self._description is None:  # made once, when it is first asked for: it takes a tenth of a second
            projections = tuple(self.tenants.open[MAIN].views.projections.values())
            served = [name for name in FOREIGN if self._serves(name)]
            self._description = await asyncio.to_thread(openapi_json, projections, served)
        return web.Response(body=self._description, content_type="application/json")

    def _serves(self, protocol: str) -> bool:
        """Whether a protocol that is not ours, or a part of one, is switched on, by the name of its setting."""
        within = protocol != "durable_streams_subscriptions" or self.settings.durable_streams
        return within and bool(getattr(self.settings, protocol))

    async def _health(self, request: web.Request) -> web.Response:
        return json_response(AliveAnswer(status="alive"))

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready while the main log can be written and read, and the gateway is not draining."""
        if self._draining:
            return problem_response(NotReady("The gateway is shutting down."))
        return json_response(await check_readiness(self.tenants, self.place))

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics_page.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@asynccontextmanager
async def running(settings: Settings, mounts: Sequence[AsgiMount] = ()) -> AsyncIterator[Gateway]:
    """A gateway for the time of the block; `mounts` are served besides. Raises ConfigurationError and the LogError tree
    before it listens, and whatever ended it if it ends by itself."""
    settings.check()
    auth, telemetry = Authenticator(settings), Telemetry(Tracing() if settings.traces else None)
    async with contextlib.AsyncExitStack() as stack:
        stack.push(_alone)
        sockets = stack.enter_context(bound(settings.host, settings.port))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        maker = TenantMaker(settings, tasks)
        subscriptions = Subscriptions(settings)
        stack.push_async_callback(subscriptions.sender.close)
        tenants = Tenants(
            *(maker.log, maker.views, tasks), idle=maker.idle, most=maker.most, companion=subscriptions.keeper
        )
        await stack.enter_async_context(tenants)
        if maker.folding is not None:  # entered after the logs, so that it has ended before they close
            await stack.enter_async_context(maker.folding)
        long_reads = _gate_here(tenants)
        if maker.beside:
            plan = ReadingPlan(settings.log, maker.place, settings.projections, settings.log_level)
            reading = await stack.enter_async_context(ReadingProcess(plan, tasks))
            long_reads = ReadingGate(reading.answer, MOST_HERE_BYTES, reading.prepare)
        place = str(maker.storage)
        gateway = Gateway(settings, tenants, auth, place, telemetry, long_reads, subscriptions, mounts)
        for mounted in gateway.mounted.values():
            stack.push_async_callback(mounted.aclose)
        await _listen(gateway, sockets, stack)
        inspections = [
            tasks.create_task(gateway.websocket_server.inspect_connections()),
            tasks.create_task(gateway.sse_server.inspect_connections()),
            tasks.create_task(gateway.tcp_connections.inspect()),
        ]
        try:
            yield gateway
        finally:
            for server in gateway.listening:
                server.close()
            await gateway.drain()
            for task in inspections:
                task.cancel()


async def _set_up(gateway: Gateway, stack: contextlib.AsyncExitStack) -> Callable[[], HttpConnection]:
    """What serves HTTP, before it listens: makes what serves a connection."""
    runner = web.AppRunner(gateway.app(), shutdown_timeout=gateway.settings.drain, handle_signals=False)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    assert runner.server is not None
    gateway.tcp_connections.watch(runner.server)
    return partial(
        HttpConnection,
        runner.server,
        loop=asyncio.get_running_loop(),
        access_log=None,  # type: ignore[arg-type]  # as a runner of aiohttp would say it
        logger=http_logger,
        auto_decompress=False,  # what is packed may be of any size, and bodies are small
        keepalive_timeout=IDLE_S,
    )


async def serve(
    settings: Settings, started: Callable[[Gateway], None] = lambda _: None, mounts: Sequence[AsgiMount] = ()
) -> None:
    """Run a gateway until SIGTERM or SIGINT; `started` is called once it listens.

    The signals' handlers stay when it returns: a second signal still ends the process in good order. (The
    loop's own would be gone with the loop, a moment before the process.)
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stop.set)

    async with running(settings, mounts) as gateway:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, end)
        started(gateway)
        await stop.wait()
    _logger.info("stopped")


def _alone(_: object, error: BaseException | None, __: object) -> None:
    """Raise an error that came alone as it is, without the group that carried it."""
    alone = error
    while isinstance(alone, BaseExceptionGroup) and len(alone.exceptions) == 1:
        alone = alone.exceptions[0]
    if alone is not None and alone is not error:
        raise alone from None


def _gate_here(tenants: Tenants) -> ReadingGate:
    """Lets long reads through to this process itself."""

    @asynccontextmanager
    async def views(tenant: str) -> AsyncIterator[ViewReader]:
        yield (await tenants.of(tenant)).views

    answers = LongAnswers(views)

    async def answer(asked: Asked, request: web.Request, principal: Principal, _: Turn) -> web.StreamResponse:
        return await answers.answer(asked, request, principal)

    return ReadingGate(answer)


async def _listen(gateway: Gateway, sockets: list[socket.socket], stack: contextlib.AsyncExitStack) -> None:
    settings, connection = gateway.settings, await _set_up(gateway, stack)
    for each in sockets:
        try:
            server = await asyncio.get_running_loop().create_server(connection, sock=each, backlog=1_024)
        except OSError as error:  # another process has begun to listen there since
            raise cannot_listen(settings.host, settings.port, error) from None
        gateway.listening.append(server)
    gateway.url = f"http://{_shown_host(settings.host)}:{sockets[0].getsockname()[1]}"


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
