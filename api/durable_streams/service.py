"""What the handlers share: who asks, the tenant, commands, and what every answer says of a stream."""

from datetime import datetime
from typing import NamedTuple

from aiohttp import web

from ...domain.concepts.streams import RenewStream, Stream
from ...domain.envelope import timestamp
from ...domain.errors import LogError, Refused
from ...domain.ids import SessionId, new_id
from ...domain.model import TIMEKEEPER, Command, CommandData
from ...log.log import Log
from ...log.records import Appended
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..loop.waits import Waits
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenant import Tenant
from ..tenants.tenants import Tenants
from .offsets import write_offset
from .readable import Readable

PROBLEM_HEADERS: web.RequestKey[dict[str, str]] = web.RequestKey("problem_headers", dict)
"""What the answer to a request is to say in its headers, if it is a problem."""
READING_METHODS = ("GET", "HEAD")


class StreamService(NamedTuple):
    """What a gateway has, as far as streams need it."""

    settings: Settings
    tenants: Tenants
    auth: Authenticator
    telemetry: Telemetry
    waits: Waits

    async def current(self, request: web.Request, principal: Principal) -> Tenant:
        """The tenant of a request, with all that other gateways have written."""
        tenant = await self.tenants.of_request(request, principal)
        await tenant.log.catch_up()
        return tenant

    async def submit(
        self, request: web.Request, principal: Principal, session: SessionId, data: CommandData, size: int = 0
    ) -> Appended:
        """Have a command of the principal carried out; whether they may is the caller's to ask."""
        tenant = await self.tenants.of_request(request, principal)
        log = tenant.log
        command = Command(new_id(), session, principal.actor, log.clock.now(), data, run=principal.run)
        with self.telemetry.spanning(command, tenant.name, request.headers, log.stats) as end:
            result = await log.submit(command, size=size, sender=command.actor.id)
            end(result)
        return result


async def renew(log: Log, session: SessionId, stream: Stream | None) -> None:
    """Put on record that a stream is read, where that keeps it alive. That it cannot be does not keep anyone from
    reading."""
    now: datetime = log.clock.now()
    if stream is None or not stream.is_to_renew(now) or not log.engine.writable:
        return
    try:
        await log.submit(Command(new_id(), session, TIMEKEEPER, now, RenewStream()))
    except (Refused, LogError):
        return


def about(stream: Readable, epoch: str) -> dict[str, str]:
    """What the answer to a `HEAD`, or to creating it, says of a stream."""
    headers = {"Content-Type": stream.content_type, **end_of(stream, epoch)}
    if stream.stream is not None and stream.stream.ttl is not None:
        headers["Stream-TTL"] = str(stream.stream.ttl)
    if stream.stream is not None and stream.stream.expires_at is not None:
        headers["Stream-Expires-At"] = timestamp(stream.stream.expires_at)
    return headers


def end_of(stream: Readable, epoch: str) -> dict[str, str]:
    """Where a stream ends, and whether that stays so."""
    headers = {"Stream-Next-Offset": write_offset(stream.tail, epoch)}
    return {**headers, "Stream-Closed": "true"} if stream.closed else headers


def refuse_written(request: web.Request, stream: Readable) -> None:
    """Raise what tells that the events of a session are only read here."""
    if stream.stream is None:
        raise web.HTTPMethodNotAllowed(request.method, READING_METHODS)
