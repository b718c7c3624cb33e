"""The address of a thread that a page of TanStack AI gives to its connection adapter.

POST /v1/tanstack_ai/agent/{agent}/threads/{thread}           begin a run, or attach to it
GET  …?runId=&offset=                                         join a run, or go on behind an offset
GET  …?threadId=&limit=&before=                               the thread as it is
GET  …, over a WebSocket                                      all runs of a page; with `offset`, one run
POST …/runs/{run}/stop · …/stop                               stop a run, or all
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import orjson
from aiohttp import web
from pydantic import Field

from ....domain.audience import Viewer
from ....domain.errors import Invalid
from ....domain.ids import SessionId
from ....domain.state import State
from ....log.records import Record
from ...access.principal import Principal
from ...delivery.encoder import Encoder
from ...http.answer import HttpAnswer
from ...http.responses import json_response, read_body
from ...protocol.json_input import read_json
from ...protocol.queries import MAX_PAGE_ITEMS, Query, members_of, no_query, validated
from ...tenants.tenant import Tenant
from ...transport.sse_server import transport_of
from ..addresses import agent_of
from ..ag_ui.encoder import AgUiEncoder, translated
from ..ag_ui.endings import end_of_stream
from ..ag_ui.run_input import read_input, turn_request
from ..ag_ui.snapshot import messages_snapshot
from ..followed_log import FollowedLog, followed_log
from ..placed import Group
from ..service import FrontEndService
from ..session_facts import SessionFacts
from ..transcript import Transcript
from ..turn import Ending, Turn
from ..turn_socket import TurnSocket
from ..turn_stream import StreamPlace, TurnConnection, follow_turn, read_stream_place, turn_followed
from . import FROM_START
from .conversation import Conversation, Following, Idle
from .encoder import socket_group, stream_group
from .hydration import hydration
from .translation import HEAD, beginning, ending_events, snapshot_messages, tanstack_events


class ThreadQuery(Query):
    """What is asked of a thread: to join a run, from the start (`-1`) or behind an offset, or how the thread is."""

    runId: Annotated[str, Field(max_length=128, description="The run to join")] | None = None
    offset: Annotated[str, Field(max_length=200, description="Behind which to go on; `-1`: from the start")] | None = (
        None
    )
    threadId: Annotated[str, Field(max_length=128, description="The thread: asks how it is")] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS, description="Messages at most")] | None = None
    before: Annotated[str, Field(max_length=200, description="Those in front of this message")] | None = None


class RunStoppedAnswer(HttpAnswer):
    """Which runs are being stopped now."""

    stopped: list[str]


class TanStack(NamedTuple):
    """The protocol, for one client."""

    socket: bool = False

    @property
    def name(self) -> str:
        """As in metrics."""
        return "tanstack_ai"

    @property
    def headers(self) -> Mapping[str, str]:
        """None but those of all streams."""
        return {}

    @property
    def group(self) -> Group:
        """What bytes are made by."""
        return socket_group if self.socket else stream_group

    def encoder(self, followed: FollowedLog) -> Encoder:
        """One for all clients."""
        return AgUiEncoder(followed.facts, self.group, tanstack_events)

    def connection(
        self, transport: asyncio.Transport, followed: FollowedLog, turn: Turn, viewer: Viewer
    ) -> TurnConnection:
        """A stream, or a WebSocket for one run."""
        if self.socket:
            return TurnSocket(transport, followed, turn, viewer, self)
        return TurnConnection(transport, followed, turn, viewer, self)

    async def beginning(
        self, turn: Turn, state: State, transcript: Transcript, viewer: Viewer, resume: str, begun: int = 0
    ) -> bytes:
        """A run's start, a snapshot, and what is being said; or what is missing of that."""
        snapshot = [] if begun else snapshot_messages(await messages_snapshot(state, transcript, viewer))
        return self.group(beginning(turn, state, snapshot, viewer, resume)[begun:])

    def rest_of_event(self, facts: SessionFacts, record: Record, epoch: str, behind: int) -> bytes:
        """The rest of what an event is here."""
        return self.group([*translated(facts, orjson.loads(record.wire()), epoch, tanstack_events)][behind:])

    def ending(self, turn: Turn, state: State, ending: Ending, output: Any, viewer: Viewer, resume: str) -> bytes:
        """A run's end."""
        return self.group(
            ending_events(end_of_stream(turn, state, ending, output, viewer, resume, old=False), turn, state)
        )


class TanStackRoutes:
    """Handlers of the routes."""

    def __init__(self, service: FrontEndService) -> None:
        self._service = service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        thread = "/v1/tanstack_ai/agent/{agent}/threads/{thread}"
        router.add_post(thread, self.run)
        router.add_get(thread, self.show, allow_head=False)
        router.add_post(f"{thread}/stop", self.stop)
        router.add_post(f"{thread}/runs/{{run}}/stop", self.stop)

    async def run(self, request: web.Request) -> web.StreamResponse:
        """Begin a run and follow it; one that is known is followed. `Last-Event-ID` goes on."""
        principal, session = self._service.asked(request)
        no_query(request)
        members = read_json(await read_body(request), self._service.settings.depth)
        tenant = await self._service.tenants.of_request(request, principal)
        turn = await self._begin(request, principal, tenant, session, members)
        after = self._after(request.headers.get("Last-Event-ID"), tenant)
        return await follow_turn(request, self._service.streams, principal, tenant, session, turn, TanStack(), after)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """A thread as it is, one run of it, or all that a page begins."""
        principal, session = self._service.asked(request)
        query = validated(ThreadQuery, members_of(request))
        if query.threadId not in (None, session):
            raise Invalid("`threadId` is another thread than that of the address.")
        tenant = await self._service.tenants.of_request(request, principal)
        socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if socket and query.offset is None:
            return await self._converse(request, principal, tenant, session)
        if query.runId is not None:
            turn = await self._service.desk(request, tenant, principal, session).known(query.runId)
            after = self._after(request.headers.get("Last-Event-ID") or query.offset, tenant)
            protocol = TanStack(socket)
            return await follow_turn(request, self._service.streams, principal, tenant, session, turn, protocol, after)
        if query.threadId is None or socket:
            raise Invalid("Name the `runId` to join, or the `threadId` to show.")
        return await self._hydrate(request, principal, tenant, session, query)

    async def stop(self, request: web.Request) -> web.Response:
        """Have a run stopped, or all of the thread. Asking again does nothing more."""
        principal, session = self._service.asked(request)
        no_query(request)
        tenant = await self._service.tenants.of_request(request, principal)
        desk = self._service.desk(request, tenant, principal, session)
        return json_response(RunStoppedAnswer(stopped=await desk.stop(request.match_info.get("run"))))

    async def _hydrate(
        self, request: web.Request, principal: Principal, tenant: Tenant, session: SessionId, query: ThreadQuery
    ) -> web.Response:
        viewer = await principal.viewer(tenant.log, session)
        async with followed_log(tenant.log).transcripts.now(session) as (state, transcript):
            messages = snapshot_messages(await messages_snapshot(state, transcript, viewer))
        runs = await self._service.desk(request, tenant, principal, session).runs_under_way(state)
        return json_response(await hydration(state, viewer, messages, runs, query.before, query.limit))

    async def _converse(
        self, request: web.Request, principal: Principal, tenant: Tenant, session: SessionId
    ) -> web.StreamResponse:
        followed, protocol = followed_log(tenant.log), TanStack(socket=True)
        viewer = await principal.viewer(tenant.log, session)
        settings = self._service.settings
        conversation = Conversation(
            transport_of(request), followed, viewer, protocol, settings.frame_bytes, settings.depth
        )

        async def start(connection: Conversation, members: Any) -> Following:
            turn = await self._begin(request, principal, tenant, session, members)
            return turn, turn_followed(connection, tenant, session, turn, protocol, viewer, None)

        conversation.start = start
        conversation.stop = self._service.desk(request, tenant, principal, session).stop
        return await self._service.streams.serve(request, conversation, principal, Idle())

    async def _begin(
        self, request: web.Request, principal: Principal, tenant: Tenant, session: SessionId, members: Any
    ) -> Turn:
        given = read_input(members)
        if given.threadId != session:
            raise Invalid("The body's `threadId` is another thread than that of the address.")
        desk = self._service.desk(request, tenant, principal, session)
        return await desk.begin(turn_request(given, agent_of(request)))

    def _after(self, place: str | None, tenant: Tenant) -> StreamPlace | None:
        """Where to go on. Who has nothing but the first events begins again: what these show has changed since."""
        if place is None or place == FROM_START:
            return None
        after = read_stream_place(place, tenant.log.epoch)
        return None if 0 < after.begun < HEAD else after
