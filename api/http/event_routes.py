"""Events over plain HTTP, a page at a time; a request may wait for the next one."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from aiohttp import web

from ...domain.errors import BadCursor
from ...domain.ids import Position, SessionId
from ..access.auth import Authenticator
from ..access.principal import Principal
from ..delivery.event_filter import EVERY_SESSION, Finished, read
from ..delivery.event_slice import EventSlice
from ..delivery.finished import finished_now, learn
from ..delivery.topic import LogTopic, SessionTopic, Topic
from ..tenants import Tenants
from .session_queries import EventsQuery, events_place, events_query

NDJSON = "application/x-ndjson"


class EventPage(NamedTuple):
    """Events as their wire forms, `to` where to go on, and the places in front of them that were removed."""

    wires: Sequence[bytes]
    to: int
    head: int
    gap: tuple[int, int] | None


class EventRoutes:
    """Answers requests for a page of a session or of the log."""

    def __init__(self, tenants: Tenants, auth: Authenticator) -> None:
        self._tenants = tenants
        self._auth = auth
        self._waits: set[asyncio.Timeout] = set()
        self._draining = False

    async def serve(self, request: web.Request, session: SessionId | None) -> web.Response:
        """A page of a session, or with None of the whole log."""
        principal = self._auth.of_request(request)
        if session is not None:
            principal.require("read", session)
        query = events_query(request)
        log = (await self._tenants.of(principal.tenant)).log
        topic = LogTopic(log) if session is None else SessionTopic(log, session)
        after = events_place(request, query, session, log.epoch)
        return _response(request, topic, await self._page(topic, after, query, principal))

    def drain(self) -> None:
        """Let nobody wait any longer."""
        self._draining = True
        for wait in self._waits:
            wait.reschedule(0.0)

    async def _page(self, topic: Topic, after: int | str, query: EventsQuery, principal: Principal) -> EventPage:
        head = await topic.head()
        at = head if after == "end" else int(after)
        if at > head and await topic.log.look():  # another gateway may have told of it before this one has heard
            head = await topic.head()
        if at > head:
            raise BadCursor(f"This ends at {head}; there is no {at} to go on from. Start from 0.", head=head)
        if at == head and query.wait:
            head = await self._wait(topic, at, query.wait)
        filter = query.filter(EVERY_SESSION if topic.session is not None else principal.read)
        run = EventSlice([], [])
        if at < head:
            found = await topic.page(at, query.limit, records=filter.needs_records)
            run = _unbroken(found.between(at, head))
        finished: Finished = frozenset()
        if query.reading == "folded":
            await learn(topic.log, run.records)
            finished = finished_now(topic.log, run.records)
        session = topic.session
        viewer = principal.log_viewer if session is None else await principal.viewer(topic.log, session)
        wires = read(run, filter, viewer, finished)
        to = run.places[-1] if run.places else head
        before = to - len(run)
        return EventPage(wires, to, max(head, to), (at + 1, before) if before > at else None)

    async def _wait(self, topic: Topic, at: int, seconds: float) -> int:
        """Wait for something behind `at`; the head afterwards."""
        position = topic.log.position
        wait = asyncio.timeout(0.0 if self._draining else seconds)
        try:
            async with wait:
                self._waits.add(wait)
                while (head := await topic.head()) <= at:
                    await topic.log.hub.wait(Position(position))
                    position = topic.log.position
        except TimeoutError:
            return await topic.head()
        finally:
            self._waits.discard(wait)
        return head


def _unbroken(run: EventSlice) -> EventSlice:
    """The events up to the first place that is missing: what was removed in the midst begins the next page."""
    stretches = run.stretches()
    return stretches[0] if stretches else run


def _response(request: web.Request, topic: Topic, page: EventPage) -> web.Response:
    to, head = _place(topic, page.to), _place(topic, page.head)
    caught_up = page.to == page.head
    if NDJSON in request.headers.get("Accept", ""):
        headers = {"Stenogram-To": str(to), "Stenogram-Caught-Up": "true" if caught_up else "false"}
        if page.gap:
            headers["Stenogram-Gap"] = f"{page.gap[0]}-{page.gap[1]}"
        return web.Response(body=b"".join(wire + b"\n" for wire in page.wires), content_type=NDJSON, headers=headers)
    session = {} if topic.session is None else {"session": topic.session}
    gap = {"gap": {"from": page.gap[0], "to": page.gap[1]}} if page.gap else {}
    rest = orjson.dumps({**session, "to": to, "head": head, "caught_up": caught_up, **gap})
    return web.Response(body=b'{"events":[%s],%s' % (b",".join(page.wires), rest[1:]), content_type="application/json")


def _place(topic: Topic, place: int) -> int | str:
    return place if topic.session is not None else topic.cursor(place).decode().strip('"')
