"""What the handlers of all front-ends' protocols share: who asks, of which session, and the desk for what they ask."""

from typing import NamedTuple

from aiohttp import web

from ...domain.ids import SessionId
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..protocol.queries import session_named
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenant import Tenant
from ..tenants.tenants import Tenants
from ..transport.sse_server import SseServer
from .addresses import agent_of
from .turn_requests import TurnDesk


class FrontEndService(NamedTuple):
    """What a gateway has, as far as front-ends need it."""

    settings: Settings
    tenants: Tenants
    auth: Authenticator
    telemetry: Telemetry
    streams: SseServer

    def asked(self, request: web.Request, name: str = "thread") -> tuple[Principal, SessionId]:
        """Who asks, and of which session, which the path has under this name. Raises Unauthenticated, Invalid,
        Forbidden."""
        principal = self.auth.of_request(request)
        if "agent" in request.match_info:
            agent_of(request)
        session = session_named(request.match_info[name])
        principal.require_read(session)
        return principal, session

    def desk(self, request: web.Request, tenant: Tenant, principal: Principal, session: SessionId) -> TurnDesk:
        """What the request asks of the session is carried out there."""
        return TurnDesk(tenant, principal, session, self.telemetry, request.headers)
