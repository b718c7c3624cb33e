"""The plain HTTP routes about sessions: listing them, showing one, commands."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from ...domain.catalogue import explain
from ...domain.commands import parse_json_command
from ...domain.envelope import decode, timestamp
from ...domain.errors import Invalid, NotFound
from ...domain.ids import SessionId
from ...domain.session import fold
from ...domain.state import State
from ...log.log import Log
from ...log.records import Record
from ...projections.seek import version_at
from ..access.rights import TAKE_PART
from ..access.tokens import Authenticator
from ..delivery.event_filter import matches_any
from ..protocol.client_frames import CommandFrame
from ..protocol.json_input import read_json
from ..protocol.queries import no_query, session_of, sessions_query
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenants import Tenants
from ..views.service import MAX_CONCURRENT_FOLDS
from .moments import session_query
from .responses import json_response
from .session_answers import AckAnswer, SessionsAnswer, SessionSummary, session_json


class SessionRoutes:
    """Handlers of the plain HTTP routes."""

    def __init__(self, settings: Settings, tenants: Tenants, auth: Authenticator, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._settings = settings
        self._tenants = tenants
        self._auth = auth
        self._folding = asyncio.Semaphore(MAX_CONCURRENT_FOLDS)

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
        found = found[: query.limit]
        described = await _describe(log, found)
        following = {"next": found[-1][0]} if len(found) == query.limit else {}
        return json_response(SessionsAnswer(sessions=described, **following))

    async def show_session(self, request: web.Request) -> web.Response:
        """`GET /v1/sessions/{session}`: the session now, or at a moment."""
        principal = self._auth.of_request(request)
        query = session_query(request)
        session = session_of(request)
        principal.require_read(session)
        log = (await self._tenants.of_request(request, principal)).log
        await log.catch_up()  # another gateway may have acknowledged more
        state = await (log.state(session) if query.at is None else self._state_at(log, session, query.at))
        if state.session.status == "none":
            raise NotFound(f"There is no session {session!r}.")
        body = await session_json(state, await principal.viewer(log, session))
        return web.Response(body=body, content_type="application/json")

    async def _state_at(self, log: Log, session: SessionId, at: int | datetime) -> State:
        async with self._folding:
            asked = {"time": at} if isinstance(at, datetime) else {"version": at}
            return await log.state_at(session, await version_at(log, session, **asked))

    async def execute_command(self, request: web.Request) -> web.Response:
        """`POST /v1/sessions/{session}/commands`."""
        principal = self._auth.of_request(request)
        no_query(request)
        session = session_of(request)
        principal.require(TAKE_PART, session)
        body = await request.read()
        members = read_json(body, self._settings.depth)
        frame = _command_frame(members, session)
        data = parse_json_command(frame.do, frame.data)
        principal.require_command(data, session)
        tenant = await self._tenants.of_request(request, principal)
        command = frame.command(principal.actor, datetime.now(UTC), data)._replace(run=principal.run)
        with self._telemetry.spanning(command, tenant.name, request.headers, tenant.log.stats) as end:
            result = await tenant.log.submit(
                command,
                expect=frame.parsed_expect(),
                producer=frame.parsed_producer(principal.participant),
                size=len(body),
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
        raise Invalid(f"This command cannot be read: {explain(error)}.") from None


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
