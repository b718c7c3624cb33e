"""The plain HTTP routes about sessions: listing them, showing one, commands."""

from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from ...domain.commands import parse_json_command
from ...domain.envelope import decode, timestamp
from ...domain.errors import Invalid, NotFound
from ...domain.ids import SessionId
from ...domain.session import fold
from ...domain.state import State
from ...domain.wording.wrong_input import explain
from ...log.engine import PAGE_BYTES
from ...log.log import Log
from ...log.records import Record
from ..access.rights import TAKE_PART
from ..access.tokens import Authenticator
from ..delivery.event_filter import matches_any
from ..protocol.client_frames import CommandFrame
from ..protocol.json_input import read_json
from ..protocol.queries import no_query, session_of, sessions_query
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenants import Tenants
from ..transport.answer_budget import reserve_answer
from .answer import members_of
from .moments import LongReads, session_query
from .responses import json_response, read_body, spliced_response
from .session_answers import AckAnswer, SessionsAnswer, SessionSummary, session_json

_DESCRIBED_AT_ONCE = 50
"""Sessions whose events are read at once: what describes one may be large."""


class SessionRoutes:
    """Handlers of the plain HTTP routes."""

    def __init__(
        self,
        settings: Settings,
        tenants: Tenants,
        auth: Authenticator,
        telemetry: Telemetry,
        long_reads: LongReads,
    ) -> None:
        self._telemetry = telemetry
        self._settings = settings
        self._tenants = tenants
        self._auth = auth
        self._long_reads = long_reads

    async def list_sessions(self, request: web.Request) -> web.Response:
        """`GET /v1/sessions`: those that the token may read, by id."""
        principal = self._auth.of_request(request)
        query = sessions_query(request)
        log = (await self._tenants.of_request(request, principal)).log
        found: list[tuple[SessionId, int]] = []
        after, more = query.after, True
        while more and len(found) < query.limit:
            page = await log.engine.list_sessions(after, query.limit, query.prefix or "")
            more = len(page) == query.limit
            found += [(session, version) for session, version in page if matches_any(session, principal.read)]
            after = page[-1][0] if page else after
        await reserve_answer(request)
        described = await _described_page(log, found[: query.limit])
        more = len(found) >= query.limit or len(described) < len(found)
        following = {"next": found[len(described) - 1][0]} if more else {}
        return spliced_response(SessionsAnswer(sessions=[], **following), "sessions", described)

    async def show_session(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/sessions/{session}`: the session now, or at a moment."""
        principal = self._auth.of_request(request)
        query = session_query(request)
        session = session_of(request)
        principal.require_read(session)
        log = (await self._tenants.of_request(request, principal)).log
        if query.at is not None:
            return await self._long_reads.answer("session", request, principal)
        await log.catch_up()  # another gateway may have acknowledged more
        state = await log.state(session)
        if state.session.status == "none":
            raise NotFound(f"There is no session {session!r}.")
        body = await session_json(state, await principal.viewer(log, session))
        return web.Response(body=body, content_type="application/json")

    async def execute_command(self, request: web.Request) -> web.Response:
        """`POST /v1/sessions/{session}/commands`."""
        principal = self._auth.of_request(request)
        no_query(request)
        session = session_of(request)
        principal.require(TAKE_PART, session)
        body = await read_body(request)
        members = read_json(body, self._settings.depth)
        frame = _command_frame(members, session)
        data = parse_json_command(frame.do, frame.data)
        principal.require_command(data, session)
        tenant = await self._tenants.of_request(request, principal)
        command = frame.command(principal.actor, tenant.log.clock.now(), data)._replace(run=principal.run)
        with self._telemetry.spanning(command, tenant.name, request.headers, tenant.log.stats) as end:
            result = await tenant.log.submit(
                command,
                expect=frame.parsed_expect(),
                producer=frame.parsed_producer(principal.participant),
                size=len(body),
                sender=principal.participant,
            )
            end(result)
        about = {"id": frame.id, "session": session, "versions": result.versions, "positions": result.positions}
        return json_response(AckAnswer.model_validate({**about, "repeated": True} if result.repeated else about))


def _command_frame(members: Any, session: SessionId) -> CommandFrame:
    if not isinstance(members, dict) or "session" in members or "frame" in members:
        raise Invalid("The body must be an object with id, do and data; the session is in the path.")
    try:
        return CommandFrame.model_validate({**members, "session": session})
    except ValidationError as error:
        raise Invalid(f"This command cannot be read: {explain(error, CommandFrame)}.") from None


async def _described_page(log: Log, found: list[tuple[SessionId, int]]) -> list[bytes]:
    """Sessions as the answer has them, as many of the first ones as make a page (`PAGE_BYTES`)."""
    described, size = list[bytes](), 0
    for first in range(0, len(found), _DESCRIBED_AT_ONCE):
        for summary in await _describe(log, found[first : first + _DESCRIBED_AT_ONCE]):
            text = orjson.dumps(summary, default=members_of)
            size += len(text)
            if size > PAGE_BYTES:
                return described
            described.append(text)
    return described


async def _describe(log: Log, found: list[tuple[SessionId, int]]) -> list[SessionSummary]:
    """Title, labels and status of sessions, from their own few events alone."""
    records: dict[SessionId, list[Record]] = {session: [] for session, _ in found}
    for record in await log.engine.read_subject(list(records), "session"):
        records[record.session].append(record)
    return [_described(session, version, records[session]) for session, version in found]


def _described(session: SessionId, version: int, records: list[Record]) -> SessionSummary:
    state = fold(State(session), (decode(each.data, each.position, each.session, each.version) for each in records))
    about = state.session
    more = {} if about.title is None else {"title": about.title}
    if records:
        more["opened"] = timestamp(datetime.fromtimestamp(records[0].time / 1_000_000, UTC))
    return SessionSummary(session=session, version=version, status=about.status, labels=about.labels, **more)
