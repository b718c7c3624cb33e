"""The addresses of AG-UI, which are those of CopilotKit's runtime as well.

GET  /v1/agui/info · /v1/agui/capabilities
POST /v1/agui/agent/{agent}/run · …/connect · …/stop/{thread}
GET  /v1/agui/threads/{thread} · /v1/agui/threads/{thread}/runs/{run}
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from aiohttp import web
from pydantic import ValidationError

from ....domain.audience import Viewer
from ....domain.errors import Invalid
from ....domain.ids import SessionId
from ....domain.state import State
from ....log.records import Record
from ...access.principal import Principal
from ...delivery.encoder import Encoder
from ...http.responses import json_response, read_body
from ...liveness.open_request import OpenRequest
from ...protocol.json_input import read_json
from ...protocol.queries import no_query, session_named
from ...tenants.tenant import Tenant
from ..addresses import ANY_AGENT, agent_of, last_event_id
from ..followed_log import FollowedLog
from ..placed import Group, sse_group
from ..service import FrontEndService
from ..session_facts import SessionFacts
from ..transcript import Transcript
from ..turn import Ending, Turn
from ..turn_socket import TurnSocket
from ..turn_stream import TurnConnection, follow_turn, read_stream_place
from .answers import StoppedAnswer, capabilities, runtime_info
from .encoder import AgUiEncoder, socket_group, translated
from .endings import end_of_stream
from .publishing import Publishing
from .run_input import RunAgentInput, StopInput, read_input, turn_request
from .snapshot import HEAD, beginning, resumed_beginning

SUBPROTOCOL = "ag-ui"
"""What a client must name that asks for a WebSocket (RFC 6455 §1.9)."""


class AgUi(NamedTuple):
    """The protocol, for one client: of before 1.0, or over a WebSocket."""

    old: bool = False
    socket: bool = False

    @property
    def name(self) -> str:
        """As in metrics."""
        return "ag_ui"

    @property
    def group(self) -> Group:
        """What bytes are made by."""
        return socket_group if self.socket else sse_group

    def encoder(self, followed: FollowedLog) -> Encoder:
        """One for old clients and new."""
        return AgUiEncoder(followed.facts, self.group)

    def connection(
        self, transport: asyncio.Transport, followed: FollowedLog, turn: Turn, viewer: Viewer
    ) -> TurnConnection:
        """A stream, or a WebSocket."""
        if self.socket:
            return TurnSocket(transport, followed, turn, viewer, self, SUBPROTOCOL)
        return TurnConnection(transport, followed, turn, viewer, self)

    @property
    def headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    async def beginning(
        self, turn: Turn, state: State, transcript: Transcript, viewer: Viewer, resume: str, begun: int = 0
    ) -> bytes:
        """A run's start, a snapshot, and what is being said."""
        if begun:
            return self.group(resumed_beginning(state, viewer, resume, max(HEAD, begun)))
        return self.group(await beginning(turn, state, transcript, viewer, resume))

    def rest_of_event(self, facts: SessionFacts, record: Record, epoch: str, behind: int) -> bytes:
        """The rest of what an event is in AG-UI."""
        return self.group([*translated(facts, orjson.loads(record.wire()), epoch)][behind:])

    def ending(self, turn: Turn, state: State, ending: Ending, output: Any, viewer: Viewer, resume: str) -> bytes:
        """A run's end."""
        return self.group(end_of_stream(turn, state, ending, output, viewer, resume, old=self.old))


class AgUiRoutes:
    """Handlers of the routes."""

    def __init__(self, service: FrontEndService) -> None:
        self._service = service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_get("/v1/agui/info", self.info, allow_head=False)
        router.add_get("/v1/agui/capabilities", self.capabilities, allow_head=False)
        router.add_post("/v1/agui/agent/{agent}/run", self.run)
        router.add_post("/v1/agui/agent/{agent}/connect", self.connect)
        router.add_post("/v1/agui/agent/{agent}/stop/{thread}", self.stop)
        router.add_post("/v1/agui/threads/{thread}/events", self.publish)
        router.add_get("/v1/agui/threads/{thread}", self.watch, allow_head=False)
        router.add_get("/v1/agui/threads/{thread}/runs/{run}", self.attach, allow_head=False)

    async def info(self, request: web.Request) -> web.Response:
        """Which agents there are, for CopilotKit."""
        self._service.auth.of_request(request)
        no_query(request)
        return json_response(runtime_info((ANY_AGENT, *self._service.settings.ag_ui_agents)))

    async def capabilities(self, request: web.Request) -> web.Response:
        """What agents here can do."""
        self._service.auth.of_request(request)
        no_query(request)
        return json_response(capabilities())

    async def run(self, request: web.Request) -> web.StreamResponse:
        """Begin a run and follow it; one that is known is followed."""
        principal, given, agent = await self._asked(request)
        tenant = await self._service.tenants.of_request(request, principal)
        desk = self._service.desk(request, tenant, principal, given.threadId)
        turn = await desk.begin(turn_request(given, agent))
        return await self._follow(request, principal, tenant, given.threadId, turn, AgUi(given.old))

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Show a thread as it is, and follow what is under way in it, until that is over."""
        principal, given, _ = await self._asked(request)
        tenant = await self._service.tenants.of_request(request, principal)
        turn = Turn(given.runId, connected=True)
        return await self._follow(request, principal, tenant, given.threadId, turn, AgUi(given.old))

    async def stop(self, request: web.Request) -> web.Response:
        """Have a run stopped, or all of a thread. Asking again does nothing more."""
        principal, session = self._service.asked(request)
        no_query(request)
        body = await read_body(request)
        members = read_json(body, self._service.settings.depth) if body else {}
        try:
            given = StopInput.model_validate(members)
        except ValidationError:
            raise Invalid("The body is empty, or an object with the `runId` to stop.") from None
        tenant = await self._service.tenants.of_request(request, principal)
        desk = self._service.desk(request, tenant, principal, session)
        return json_response(StoppedAnswer(success=True, stopped=await desk.stop(given.runId)))

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Follow a thread, whatever runs in it, until it is closed."""
        principal, session = self._service.asked(request)
        tenant = await self._service.tenants.of_request(request, principal)
        return await self._follow(request, principal, tenant, session, Turn(session), _protocol(request))

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Follow a run that is known."""
        principal, session = self._service.asked(request)
        tenant = await self._service.tenants.of_request(request, principal)
        turn = await self._service.desk(request, tenant, principal, session).known(request.match_info["run"])
        return await self._follow(request, principal, tenant, session, turn, _protocol(request))

    async def publish(self, request: web.Request) -> web.Response:
        """Write what an agent's own AG-UI tells of its run."""
        principal = self._service.auth.of_request(request)
        no_query(request)
        session = session_named(request.match_info["thread"])
        principal.require("speak", session)
        tenant = await self._service.tenants.of_request(request, principal)
        with tenant.last_seen.hearing(principal.participant, OpenRequest(request), principal.run):
            return json_response(await Publishing(tenant, principal, session, self._service.settings).publish(request))

    async def _asked(self, request: web.Request) -> tuple[Principal, RunAgentInput, str | None]:
        """Who asks, what for, and of which agent."""
        principal = self._service.auth.of_request(request)
        agent = agent_of(request)
        given = read_input(read_json(await read_body(request), self._service.settings.depth))
        principal.require_read(given.threadId)
        return principal, given, agent

    async def _follow(
        self, request: web.Request, principal: Principal, tenant: Tenant, session: SessionId, turn: Turn, protocol: AgUi
    ) -> web.StreamResponse:
        place = last_event_id(request)
        after = read_stream_place(place, tenant.log.epoch) if place else None
        return await follow_turn(request, self._service.streams, principal, tenant, session, turn, protocol, after)


def _protocol(request: web.Request) -> AgUi:
    """How a client of GET wants to be told. Raises Invalid."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return AgUi()
    offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if SUBPROTOCOL not in offered:
        raise Invalid(f"A WebSocket here speaks the subprotocol {SUBPROTOCOL!r}; name it.")
    return AgUi(socket=True)
