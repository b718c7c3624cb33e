"""The HTTP routes that walk chains of causes."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from ...domain.audience import visible
from ...domain.envelope import readers_of
from ...domain.errors import Invalid, NotFound
from ...domain.ids import EventId, SessionId
from ...log.log import Log
from ...log.records import Record
from ..access.tokens import Authenticator
from ..protocol.queries import no_query, session_of
from ..tenants.tenants import Tenants
from ..transport.answer_budget import reserve_answer
from .causes import Chain, causes_of, effects_of, find_event
from .event_answers import EventChainAnswer
from .responses import spliced_response

Walk = Callable[[Log, SessionId, Record], Awaitable[Chain]]
_ID: TypeAdapter[EventId] = TypeAdapter(EventId)


class CauseRoutes:
    """Handlers of these routes."""

    def __init__(self, tenants: Tenants, auth: Authenticator) -> None:
        self._tenants = tenants
        self._auth = auth

    async def causes(self, request: web.Request) -> web.Response:
        """`GET /v1/sessions/{session}/events/{event}/causes`: what led to an event, the nearest first."""
        return await self._walk(request, causes_of)

    async def effects(self, request: web.Request) -> web.Response:
        """`GET /v1/sessions/{session}/events/{event}/effects`: what it led to, in order."""
        return await self._walk(request, effects_of)

    async def _walk(self, request: web.Request, walk: Walk) -> web.Response:
        """What a viewer may not see is left out, and so is the event itself: then it is as if there were none."""
        principal = self._auth.of_request(request)
        no_query(request)
        session, id = session_of(request), _event_of(request)
        principal.require_read(session)
        log = (await self._tenants.of_request(request, principal)).log
        await log.catch_up()  # another gateway may have acknowledged it
        viewer = await principal.viewer(log, session)
        event = await find_event(log, session, id)
        if event is None or not visible(readers_of(event.data), viewer):
            raise NotFound(f"There is no event {id!r} in session {session!r}.")
        await reserve_answer(request)
        chain = await walk(log, session, event)
        wires = [each.wire() for each in chain.records if visible(readers_of(each.data), viewer)]
        about = {"session": session, "event": orjson.Fragment(event.wire()), "events": []}
        return spliced_response(EventChainAnswer.model_validate({**about, "complete": chain.complete}), "events", wires)


def _event_of(request: web.Request) -> EventId:
    try:
        return _ID.validate_python(request.match_info["event"])
    except ValidationError:
        raise Invalid("An event's id is 1 to 128 of A-Z a-z 0-9 . _ : @ + -") from None
