"""`POST /v1/sessions/{session}/recorded`: what happens elsewhere, by who records it."""

from aiohttp import web

from ...domain.errors import NoChange, Refused
from ...domain.ids import CommandId, SessionId
from ...domain.json.checks import MAX_DEPTH
from ...domain.model import Command
from ...domain.refusals.stopped_agents import is_of_a_stop
from ..access.tokens import Authenticator
from ..http.responses import json_response, read_body
from ..protocol.json_input import read_json
from ..protocol.queries import no_query, session_of
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenants import Tenants
from .intake import write_recorded
from .long_bodies import LongBodies
from .recorded_commands import RecordedAnswer, RecordedInput, RefusedAnswer, read_recorded

AROUND = 8
"""Levels that the body has around what a command says."""


class RecordingRoutes:
    """Handlers of the routes for those who record."""

    def __init__(
        self,
        settings: Settings,
        tenants: Tenants,
        auth: Authenticator,
        telemetry: Telemetry,
        long_bodies: LongBodies,
    ) -> None:
        self._long_bodies = long_bodies
        self._telemetry = telemetry
        self._settings = settings
        self._tenants = tenants
        self._auth = auth

    async def record(self, request: web.Request) -> web.Response:
        """Carry out commands of others, and hear that they are here."""
        principal = self._auth.of_request(request)
        no_query(request)
        session = session_of(request)
        principal.require_record(session)
        body = await read_body(request, self._settings.recorded_bytes)
        given, commands = await self._long_bodies.read(principal, len(body), _read, body, session)
        tenant = await self._tenants.of_request(request, principal)
        for participant in given.here:
            tenant.last_seen.note_vouched(participant, session)
        written = await write_recorded(tenant, principal, commands, len(body))
        for _, refusal in written.refused:
            if not isinstance(refusal, NoChange):
                self._telemetry.refused(refusal, principal, request=f"POST {request.path}", remote=request.remote)
        refused = [_refused(*each) for each in written.refused]
        answer = RecordedAnswer(session=session, done=written.done, repeated=written.repeated, refused=refused)
        return json_response(answer)


def _read(body: bytes, session: SessionId) -> tuple[RecordedInput, list[Command]]:
    given = read_recorded(read_json(body, MAX_DEPTH + AROUND))
    return given, given.parsed(session)


def _refused(id: CommandId, refusal: Refused) -> RefusedAnswer:
    stopped = {"stopped": True} if is_of_a_stop(refusal) else {}
    return RefusedAnswer.model_validate({"id": id, "code": refusal.code, **stopped})
