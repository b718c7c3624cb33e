"""Events over plain HTTP, a page at a time; a request may wait for the next one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from aiohttp import web

from ...domain.errors import BadCursor
from ...domain.ids import SessionId
from ...log.engine import PAGE_BYTES
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..delivery.event_filter import EVERY_SESSION, EventFilter, Finished, visible_wires
from ..delivery.event_slice import EventSlice
from ..delivery.finished_messages import finished_now, load_finished
from ..delivery.lag import not_there
from ..delivery.topic import LogTopic, SessionTopic, Topic
from ..liveness.open_request import OpenRequest
from ..loop.waits import Waits
from ..protocol.queries import EventsQuery, events_end, events_query, events_start
from ..tenants.tenants import Tenants
from ..transport.answer_budget import SplicedResponse, reserve_answer
from .event_answers import EventGap, LogPageAnswer, SessionPageAnswer
from .responses import spliced_response

NDJSON = "application/x-ndjson"


class WirePage(NamedTuple):
    """Events as their wire forms, `to` where to go on, and the places next to them that were removed."""

    wires: Sequence[bytes]
    to: int
    head: int
    gap: tuple[int, int] | None
    before: int | None = None
    """Where the page in front of it ends."""


class EventRoutes:
    """Answers requests for a page of a session or of the log."""

    def __init__(self, tenants: Tenants, auth: Authenticator, waits: Waits) -> None:
        self._tenants = tenants
        self._auth = auth
        self._waits = waits

    async def show_page(self, request: web.Request, session: SessionId | None) -> web.Response:
        """A page of a session, or with None of the whole log."""
        principal = self._auth.of_request(request)
        if session is not None:
            principal.require_read(session)
        query = events_query(request)
        tenant = await self._tenants.of_request(request, principal)
        log = tenant.log
        topic = LogTopic(log) if session is None else SessionTopic(log, session)
        after = events_start(request, query, session, log.epoch)
        before = events_end(query, session, log.epoch)
        if before is not None:
            await reserve_answer(request)
            return _response(request, topic, await self._page_before(topic, before, query, principal))
        with tenant.last_seen.hearing(principal.participant, OpenRequest(request), principal.run):
            at, head = await self._place(topic, after, query, principal)
        await reserve_answer(request)  # not before: it may wait for an event for long
        return _response(request, topic, await self._page(topic, at, head, query, principal))

    async def _place(self, topic: Topic, after: int | str, query: EventsQuery, principal: Principal) -> tuple[int, int]:
        """The place behind which a page begins, and the topic's head, once there is something between them or it was
        waited for in vain."""
        head = await topic.head()
        at = head if after == "end" else int(after)
        at = at if at >= 0 else max(head + at, 0)
        head = await _known_head(topic, at, head)
        if at == head and query.wait:
            head = await self._wait(topic, at, principal.valid_for(query.wait))
            principal.require_valid()
        return at, head

    async def _page(self, topic: Topic, at: int, head: int, query: EventsQuery, principal: Principal) -> WirePage:
        run = EventSlice([], [])
        if at < head:
            found = await topic.page(at, query.limit, records=self._filter(topic, query, principal).needs_records)
            run = _unbroken(found.between(at, head))
        wires = await self._wires(topic, run, query, principal)
        to = run.places[-1] if run.places else head
        before = to - len(run)
        gap = (at + 1, before) if before > at else None
        return WirePage(wires, to, max(head, to), gap, at + 1 if query.last is not None and at > 0 else None)

    async def _page_before(self, topic: Topic, before: int | str, query: EventsQuery, principal: Principal) -> WirePage:
        """The page that ends in front of a place."""
        head = await topic.head()
        end = head if before == "end" else max(int(before) - 1, 0)
        head = await _known_head(topic, end, head)
        at, run = await _read_before(topic, end, query.limit, self._filter(topic, query, principal).needs_records)
        wires = await self._wires(topic, run, query, principal)
        last, at = (run.places[-1], run.places[0] - 1) if run.places else (at, at)
        return WirePage(wires, end, max(head, end), (last + 1, end) if last < end else None, at + 1 if at > 0 else None)

    def _filter(self, topic: Topic, query: EventsQuery, principal: Principal) -> EventFilter:
        return query.filter(EVERY_SESSION if topic.session is not None else principal.read)

    async def _wires(self, topic: Topic, run: EventSlice, query: EventsQuery, principal: Principal) -> Sequence[bytes]:
        """These events as the principal may see them, in the reading that is asked for."""
        finished: Finished = frozenset()
        if query.reading == "folded":
            await load_finished(topic.log, run.records)
            finished = finished_now(topic.log, run.records)
        viewer = await principal.viewer(topic.log, topic.session)
        return visible_wires(run, self._filter(topic, query, principal), viewer, finished)

    async def _wait(self, topic: Topic, at: int, seconds: float) -> int:
        """Wait for something behind `at`; the head afterwards."""

        async def beyond() -> int | None:
            head = await topic.head()
            return head if head > at else None

        return await self._waits.until(topic.log, topic.session, seconds, beyond) or await topic.head()


async def _known_head(topic: Topic, place: int, head: int) -> int:
    """The topic's head, once it has come to a place. Raises BadCursor for one that is yet to come, NotReady
    where it may come by itself."""
    if place > head and await topic.log.catch_up():  # the client may have it from another gateway
        head = await topic.head()
    if place > head:
        beyond = BadCursor(f"This ends at {head}; there is no {place} to go on from. Start from 0.", head=head)
        raise await not_there(topic.log, beyond)
    return head


async def _read_before(topic: Topic, end: int, limit: int, records: bool) -> tuple[int, EventSlice]:
    """Up to so many events that end at a place, without one that is missing among them; and the place behind which
    they were looked for."""
    while True:
        at = max(end - limit, 0)
        found = await topic.page(at, limit, records=records) if at < end else EventSlice([], [])
        # A page that ends early because its events are large lacks the ones that are wanted: those at its end.
        if limit == 1 or len(found) == limit or sum(map(len, found.wires)) < PAGE_BYTES:
            stretches = found.between(at, end).stretches()
            return at, stretches[-1] if stretches else EventSlice([], [])
        limit //= 2


def _unbroken(run: EventSlice) -> EventSlice:
    """The events up to the first place that is missing: what was removed in the midst begins the next page."""
    stretches = run.stretches()
    return stretches[0] if stretches else run


def _response(request: web.Request, topic: Topic, page: WirePage) -> web.Response:
    to, head, resume = topic.shown_place(page.to), topic.shown_place(page.head), topic.resume_member(page.to)
    caught_up = page.to == page.head
    if NDJSON in request.headers.get("Accept", ""):
        headers = {"Stenogram-To": str(to), "Stenogram-Caught-Up": "true" if caught_up else "false"}
        if page.gap:
            headers["Stenogram-Gap"] = f"{page.gap[0]}-{page.gap[1]}"
        if page.before is not None:
            headers["Stenogram-Before"] = str(topic.shown_place(page.before))
        if resume:
            headers["Stenogram-Resume"] = resume["resume"]
        lines = [each for wire in page.wires for each in (wire, b"\n")]
        return SplicedResponse(lines, NDJSON, headers)
    answer: dict[str, Any] = {"events": [], "to": to, **resume, "head": head, "caught_up": caught_up}
    if page.gap:
        answer["gap"] = EventGap.model_validate({"from": page.gap[0], "to": page.gap[1]})
    if page.before is not None:
        answer["before"] = topic.shown_place(page.before)
    if topic.session is None:
        return spliced_response(LogPageAnswer.model_validate(answer), "events", page.wires)
    about = SessionPageAnswer.model_validate({**answer, "session": topic.session})
    return spliced_response(about, "events", page.wires)
