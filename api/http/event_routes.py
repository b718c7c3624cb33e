"""Events over plain HTTP, a page at a time; a request may wait for the next one."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from ...domain.errors import BadCursor
from ...domain.ids import Position, SessionId
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..delivery.event_filter import EVERY_SESSION, Finished, visible_wires
from ..delivery.event_slice import EventSlice
from ..delivery.finished_messages import finished_now, load_finished
from ..delivery.topic import LogTopic, SessionTopic, Topic
from ..protocol.queries import EventsQuery, events_query, events_start
from ..tenants import Tenants
from .event_answers import EventGap, LogPageAnswer, SessionPageAnswer
from .responses import json_response

NDJSON = "application/x-ndjson"


class WirePage(NamedTuple):
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

    async def show_page(self, request: web.Request, session: SessionId | None) -> web.Response:
        """A page of a session, or with None of the whole log."""
        principal = self._auth.of_request(request)
        if session is not None:
            principal.require_read(session)
        query = events_query(request)
        log = (await self._tenants.of(principal.tenant)).log
        topic = LogTopic(log) if session is None else SessionTopic(log, session)
        after = events_start(request, query, session, log.epoch)
        return _response(request, topic, await self._page(topic, after, query, principal))

    def drain(self) -> None:
        """Let nobody wait any longer."""
        self._draining = True
        for wait in self._waits:
            wait.reschedule(0.0)

    async def _page(self, topic: Topic, after: int | str, query: EventsQuery, principal: Principal) -> WirePage:
        head = await topic.head()
        at = head if after == "end" else int(after)
        at = at if at >= 0 else max(head + at, 0)
        if at > head and await topic.log.catch_up():  # the client may have it from another gateway
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
            await load_finished(topic.log, run.records)
            finished = finished_now(topic.log, run.records)
        viewer = await principal.viewer(topic.log, topic.session)
        wires = visible_wires(run, filter, viewer, finished)
        to = run.places[-1] if run.places else head
        before = to - len(run)
        return WirePage(wires, to, max(head, to), (at + 1, before) if before > at else None)

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


def _response(request: web.Request, topic: Topic, page: WirePage) -> web.Response:
    to, head = topic.resume_place(page.to), topic.resume_place(page.head)
    caught_up = page.to == page.head
    if NDJSON in request.headers.get("Accept", ""):
        headers = {"Stenogram-To": str(to), "Stenogram-Caught-Up": "true" if caught_up else "false"}
        if page.gap:
            headers["Stenogram-Gap"] = f"{page.gap[0]}-{page.gap[1]}"
        return web.Response(body=b"".join(wire + b"\n" for wire in page.wires), content_type=NDJSON, headers=headers)
    events = orjson.Fragment(b"[%s]" % b",".join(page.wires))
    answer: dict[str, Any] = {"events": events, "to": to, "head": head, "caught_up": caught_up}
    if page.gap:
        answer["gap"] = EventGap.model_validate({"from": page.gap[0], "to": page.gap[1]})
    if topic.session is None:
        return json_response(LogPageAnswer.model_validate(answer))
    return json_response(SessionPageAnswer.model_validate({**answer, "session": topic.session}))
