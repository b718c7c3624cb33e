"""The addresses of the AI SDK's transport, whose `api` is the first.

POST /v1/ai/agent/{agent}/chat
GET  /v1/ai/agent/{agent}/chat/{chat}/stream · …/messages
POST /v1/ai/agent/{agent}/chat/{chat}/stop
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import orjson
from aiohttp import web
from pydantic import ValidationError

from ....domain.audience import Viewer
from ....domain.errors import Invalid, NotFound
from ....domain.ids import SessionId
from ....domain.state import State
from ....log.records import Record
from ...access.principal import Principal
from ...delivery.encoder import Encoder
from ...http.responses import json_response, read_body
from ...protocol.json_input import read_json
from ...protocol.queries import no_query
from ...tenants.tenant import Tenant
from ..addresses import agent_of, last_event_id
from ..followed_log import FollowedLog, followed_log
from ..placed import Placed, sse_group
from ..service import FrontEndService
from ..session_facts import SessionFacts
from ..transcript import Transcript
from ..turn import RUN, Ending, Turn
from ..turn_stream import StreamPlace, TurnConnection, follow_turn, read_stream_place
from . import HEADERS
from .answers import ChatAnswer, ChatStoppedAnswer
from .chat_input import StopChatInput, read_chat
from .chat_requests import ChatTurn, begin_chat
from .encoder import AiSdkEncoder, so_far, translated
from .endings import done, end_of_stream
from .history import history
from .replay import Answered, beginning, continuation, placed
from .translation import StreamedRun


class AiSdk(NamedTuple):
    """The protocol, for one stream: the run that it shows, and where it goes on with a message that the page has, up to
    which version it has that."""

    followed: FollowedLog
    run: StreamedRun
    answered: Answered | None = None
    behind: int = 0

    @property
    def name(self) -> str:
        """As in metrics."""
        return "ai_sdk"

    @property
    def headers(self) -> Mapping[str, str]:
        """Which protocol it is."""
        return HEADERS

    def encoder(self, followed: FollowedLog) -> Encoder:
        """One for all who follow the run."""
        return AiSdkEncoder(followed, self.run)

    def connection(
        self, transport: asyncio.Transport, followed: FollowedLog, turn: Turn, viewer: Viewer
    ) -> TurnConnection:
        """A stream."""
        return TurnConnection(transport, followed, turn, viewer, self)

    async def beginning(
        self, turn: Turn, state: State, transcript: Transcript, viewer: Viewer, resume: str, begun: int = 0
    ) -> bytes:
        """The message so far; or how it goes on."""
        if self.answered is None:
            made = await beginning(turn, self.run, state, transcript, viewer)
        else:
            now = await self.followed.log.state(state.id)
            made = continuation(turn, self.run, state, now, viewer, self.answered)
        return sse_group(placed(made, self.run, resume, begun))

    def rest_of_event(self, facts: SessionFacts, record: Record, epoch: str, behind: int) -> bytes:
        """The rest of what an event is."""
        said = so_far(self.followed.log.cached_state(record.session))
        return sse_group([*translated(facts, orjson.loads(record.wire()), epoch, self.run, said)][behind:])

    def ending(self, turn: Turn, state: State, ending: Ending, output: object, viewer: Viewer, resume: str) -> bytes:
        """The message's end."""
        last = end_of_stream(turn, self.run, state, ending, output, viewer, resume, self.behind)
        return sse_group([*map(Placed, last)]) + done(self.run, resume)


class AiSdkRoutes:
    """Handlers of the routes."""

    def __init__(self, service: FrontEndService) -> None:
        self._service = service

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        chat = "/v1/ai/agent/{agent}/chat"
        router.add_post(chat, self.send)
        router.add_get(f"{chat}/{{chat}}/stream", self.resume, allow_head=False)
        router.add_get(f"{chat}/{{chat}}/messages", self.messages, allow_head=False)
        router.add_post(f"{chat}/{{chat}}/stop", self.stop)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Say something, or answer, and follow the run; one that is known is followed."""
        principal, agent, place = self._service.auth.of_request(request), agent_of(request), last_event_id(request)
        given = read_chat(read_json(await read_body(request), self._service.settings.depth))
        principal.require_read(given.id)
        tenant = await self._service.tenants.of_request(request, principal)
        desk = self._service.desk(request, tenant, principal, given.id)
        run = _run_in(place)
        if run and given.said[-1].role == "user":  # it has begun: going on with it begins nothing
            chat = ChatTurn(await desk.known(run))
        else:
            chat = await begin_chat(desk, given, agent)
        return await self._follow(request, principal, tenant, given.id, chat, place)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Follow the run that is under way, from the start of its message; nothing, if there is none."""
        principal, session = self._service.asked(request, "chat")
        place = last_event_id(request)
        tenant = await self._service.tenants.of_request(request, principal)
        desk = self._service.desk(request, tenant, principal, session)
        run = _run_in(place)
        turn = await (desk.known(run) if run else desk.under_way())
        if turn is None:
            return web.Response(status=204)
        return await self._follow(request, principal, tenant, session, ChatTurn(turn), place)

    async def messages(self, request: web.Request) -> web.Response:
        """The messages of a chat."""
        principal, session = self._service.asked(request, "chat")
        no_query(request)
        tenant = await self._service.tenants.of_request(request, principal)
        await tenant.log.catch_up()
        viewer = await principal.viewer(tenant.log, session)
        async with followed_log(tenant.log).transcripts.now(session) as (state, transcript):
            messages, omitted = await history(state, transcript, viewer)
        active = await self._service.desk(request, tenant, principal, session).under_way()
        return json_response(
            ChatAnswer(messages=messages, omitted=omitted, active=None if active is None else active.task)
        )

    async def stop(self, request: web.Request) -> web.Response:
        """Have the run stopped that is under way. Asking again does nothing more."""
        principal, session = self._service.asked(request, "chat")
        no_query(request)
        body = await read_body(request)
        try:
            given = StopChatInput.model_validate(read_json(body, self._service.settings.depth) if body else {})
        except ValidationError:
            raise Invalid("The body is empty, or an object with the `activeStreamId` to stop.") from None
        tenant = await self._service.tenants.of_request(request, principal)
        desk = self._service.desk(request, tenant, principal, session)
        run = None if given.activeStreamId is None else given.activeStreamId.removeprefix(RUN)
        try:
            stopped = await desk.stop(run)
        except NotFound:  # also one that is not for this participant
            stopped = []
        return json_response(ChatStoppedAnswer(success=True, stopped=stopped))

    async def _follow(
        self,
        request: web.Request,
        principal: Principal,
        tenant: Tenant,
        session: SessionId,
        chat: ChatTurn,
        place: str,
    ) -> web.StreamResponse:
        log, turn, answered = tenant.log, chat.turn, chat.answered
        state = await log.state(session)
        task = None if turn.task is None else state.tasks.known[turn.task]
        run = StreamedRun(turn.task, 0 if task is None else task.since)
        after, behind = None, 0
        if answered is not None:
            known = read_place(chat.resume, log.epoch) if chat.resume else StreamPlace(state.version)
            behind = known.version if isinstance(known.version, int) else state.version
            after = StreamPlace(behind, begun=1)
        if place:
            after = read_place(place, log.epoch)
        protocol = AiSdk(followed_log(log), run, answered, behind)
        return await follow_turn(request, self._service.streams, principal, tenant, session, turn, protocol, after)


def _run_in(place: str) -> str:
    """The run in front of a place; empty if there is none."""
    return place.rpartition("/")[0].removeprefix(RUN)


def read_place(place: str, epoch: str) -> StreamPlace:
    """The place of an id, which has the run in front of it. Raises BadCursor."""
    return read_stream_place(place.rpartition("/")[2], epoch)
