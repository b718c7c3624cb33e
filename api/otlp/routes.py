"""`POST /v1/traces`, as an OTLP exporter calls it.

Spans that say nothing of generative AI are taken, and nothing comes of them. Of the others those are rejected, and the
rest is taken, that are malformed, whose session the token may not record, or whose session does not take them.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby

from aiohttp import web

from ...domain.errors import Forbidden, NoChange, StenogramError, TooLarge
from ...domain.ids import SessionId
from ..access.principal import Principal
from ..access.tokens import PRINCIPAL, Authenticator
from ..http.responses import read_body
from ..protocol.queries import no_query
from ..recording.intake import write_recorded
from ..recording.long_bodies import BESIDE_BYTES, LongBodies
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenant import Tenant
from ..tenants.tenants import Tenants
from .body import Encoding, is_packed, unpacked
from .commands import commands_of
from .conversations import Placed, placed
from .span import SpanKey, SpanList

FORGIVEN = ("session.open", "presence.join", "presence.leave")
"""What may have been done already, by others."""


class TraceRoutes:
    """The handler of spans."""

    def __init__(
        self,
        settings: Settings,
        tenants: Tenants,
        auth: Authenticator,
        telemetry: Telemetry,
        long_bodies: LongBodies,
    ) -> None:
        self._long_bodies = long_bodies
        self._settings = settings
        self._tenants = tenants
        self._auth = auth
        self._telemetry = telemetry

    async def take(self, request: web.Request) -> web.Response:
        """Take the spans of a request. Errors are OTLP's Status, in the encoding of the request."""
        encoding = Encoding(True)
        try:
            encoding = Encoding.of(request)
            return await self._take(request, encoding)
        except StenogramError as error:
            self._telemetry.refused(error, request.get(PRINCIPAL), request="POST /v1/traces", remote=request.remote)
            return encoding.failure(error)

    async def _take(self, request: web.Request, encoding: Encoding) -> web.Response:
        principal = self._auth.of_request(request)
        no_query(request)
        if not principal.record:
            raise Forbidden("This token gives no right to record; that takes a scope such as record:*.")
        packed = is_packed(request)
        body = await read_body(request, self._settings.recorded_bytes)
        if packed:
            body = await self._unpack(principal, body)
        found = await self._long_bodies.read(principal, len(body), encoding.read, body)
        tenant = await self._tenants.of_request(request, principal)
        refused = await self._write(tenant, principal, found, len(body))
        faults = [*([found.fault] if found.malformed else []), *refused.values()]
        return encoding.success(found.malformed + len(refused), faults[0] if faults else "")

    async def _unpack(self, principal: Principal, body: bytes) -> bytes:
        most = self._settings.recorded_bytes
        with suppress(TooLarge):  # how long it is is not known before
            return unpacked(body, min(most, BESIDE_BYTES))
        return await self._long_bodies.read(principal, most, unpacked, body, most)

    async def _write(self, tenant: Tenant, principal: Principal, found: SpanList, size: int) -> dict[SpanKey, str]:
        """Write what comes of spans; by span, why it was refused."""
        spans = await self._long_bodies.read(principal, size, placed, found.spans)
        refused: dict[SpanKey, str] = {}
        for session, those in groupby(spans, key=lambda each: each.session):
            refused |= await self._write_session(tenant, principal, session, list(those), size)
        return refused

    async def _write_session(
        self, tenant: Tenant, principal: Principal, session: SessionId, spans: Sequence[Placed], size: int
    ) -> dict[SpanKey, str]:
        """The same of one session's."""
        try:
            principal.require_record(session)
        except Forbidden as error:
            return {each.span.key: error.detail for each in spans}
        made = await self._long_bodies.read(principal, size, commands_of, await tenant.log.state(session), spans)
        written = await write_recorded(tenant, principal, [each.command for each in made.commands], size)
        refusals = {id: refusal for id, refusal in written.refused if not isinstance(refusal, NoChange)}
        refused = dict(made.faults)
        for each in made.commands:
            if each.command.id in refusals and each.command.data.do not in FORGIVEN:
                why = f"{each.command.data.do} in session {session!r} was refused: {refusals[each.command.id].code}."
                refused.setdefault(each.span, why)
        return refused
