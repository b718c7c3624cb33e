"""The HTTP routes: sessions, events a page at a time, commands."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from ..domain.audience import Viewer, visible
from ..domain.catalogue import explain
from ..domain.commands import parse_command
from ..domain.envelope import decode, timestamp
from ..domain.errors import BadCursor, Invalid, NotFound
from ..domain.ids import Position, SessionId
from ..domain.messages import Message
from ..domain.model import Command
from ..domain.parts import assemble
from ..domain.session import State, fold
from ..log.log import Log
from ..log.records import Record
from .auth import Authenticator
from .delivery.lens import EVERY, Entry, matches, read
from .delivery.pages import finished_by_now
from .delivery.topic import LogTopic, SessionTopic, Topic
from .frames import CommandFrame, log_place, session_place
from .house import Houses
from .json_input import read_json
from .principal import Principal
from .query import EventsQuery, events_query, no_query, session_of, sessions_query
from .respond import json_response
from .settings import Settings

NDJSON = "application/x-ndjson"


class Http:
    """Handlers of the plain HTTP routes."""

    def __init__(self, settings: Settings, houses: Houses, auth: Authenticator) -> None:
        self._settings = settings
        self._houses = houses
        self._auth = auth

    async def sessions(self, request: web.Request) -> web.Response:
        """`GET /v1/sessions`: those that the token may read, by id."""
        principal = self._auth.of_request(request)
        query = sessions_query(request)
        log = (await self._houses.of(principal.tenant)).log
        found: list[tuple[SessionId, int]] = []
        after, more = query.after, True
        while more and len(found) < query.limit:
            page = await log.engine.list_sessions(after, query.limit, query.prefix or "")
            more = len(page) == query.limit
            found += [(session, version) for session, version in page if matches(session, principal.read)]
            after = page[-1][0] if page else after
        found = found[: query.limit]
        described = await _describe(log, found)
        following = {"next": found[-1][0]} if len(found) == query.limit else {}
        return json_response({"sessions": described, **following})

    async def session(self, request: web.Request) -> web.Response:
        """`GET /v1/sessions/{session}`: the session now."""
        principal = self._auth.of_request(request)
        no_query(request)
        session = session_of(request)
        principal.require("read", session)
        log = (await self._houses.of(principal.tenant)).log
        state = await log.state(session)
        if state.session.status == "none":
            raise NotFound(f"There is no session {session!r}.")
        return json_response(_shown(state, principal))

    async def command(self, request: web.Request) -> web.Response:
        """`POST /v1/sessions/{session}/commands`."""
        principal = self._auth.of_request(request)
        no_query(request)
        session = session_of(request)
        principal.require("write", session)
        members = read_json(await request.read(), self._settings.depth)
        frame = _command_frame(members, session)
        data = parse_command(frame.do, frame.data)
        log = (await self._houses.of(principal.tenant)).log
        command = Command(frame.id, session, principal.actor, datetime.now(UTC), data)
        result = await log.submit(
            command,
            expect=frame.parsed_expect(),
            producer=frame.parsed_producer(),
            size=request.content_length or 0,
        )
        more = {"repeated": True} if result.repeated else {}
        places = {"versions": result.versions, "positions": result.positions}
        return json_response({"id": frame.id, "session": session, **places, **more})

    async def session_events(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/sessions/{session}/events`."""
        principal = self._auth.of_request(request)
        session = session_of(request)
        principal.require("read", session)
        query = events_query(request)
        log = (await self._houses.of(principal.tenant)).log
        page = await _page(SessionTopic(log, session), session_place(query.after), query, principal)
        return _page_response(request, {"session": session, **page})

    async def log_events(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/events`."""
        principal = self._auth.of_request(request)
        query = events_query(request)
        log = (await self._houses.of(principal.tenant)).log
        page = await _page(LogTopic(log), log_place(query.after, log.epoch), query, principal)
        return _page_response(request, page)


def _command_frame(members: Any, session: SessionId) -> CommandFrame:
    if not isinstance(members, dict) or "session" in members or "frame" in members:
        raise Invalid("The body must be an object with id, do and data; the session stands in the path.")
    try:
        return CommandFrame.model_validate({**members, "session": session})
    except ValidationError as error:
        raise Invalid(f"This command cannot be read: {explain(error)}.") from None


async def _describe(log: Log, found: list[tuple[SessionId, int]]) -> list[dict[str, Any]]:
    """Title, labels and status of sessions, from their own few events alone."""
    records: dict[SessionId, list[Record]] = {session: [] for session, _ in found}
    for record in await log.engine.read_subject(list(records), "session"):
        records[record.session].append(record)
    return [_described(session, version, records[session]) for session, version in found]


def _described(session: SessionId, version: int, records: list[Record]) -> dict[str, Any]:
    state = fold(State(session), (decode(each.data, each.position, each.session, each.version) for each in records))
    about = state.session
    opened = {"opened": _time(records[0])} if records else {}
    title = {} if about.title is None else {"title": about.title}
    return {
        "session": session,
        "version": version,
        "status": about.status,
        **title,
        "labels": about.labels,
        **opened,
    }


def _time(record: Record) -> str:
    return timestamp(datetime.fromtimestamp(record.time / 1_000_000, UTC))


def _shown(state: State, principal: Principal) -> dict[str, Any]:
    viewer = principal.viewer(state.id)
    open_messages = [
        {
            "message": message.id,
            "author": message.author,
            "kind": message.kind,
            "since": message.since,
            "parts": [part.model_dump() for part in assemble(message.streamed)],
        }
        for message in state.messages.values()
        if message.status == "open" and _may_see(message, viewer)
    ]
    return {
        "session": state.id,
        "version": state.version,
        "status": state.session.status,
        "title": state.session.title,
        "labels": state.session.labels,
        "metadata": state.session.metadata,
        "participants": [each._asdict() for each in state.presence.values()],
        "open_messages": sorted(open_messages, key=lambda each: each["since"]),
        "state": state.document.value,
        "state_version": state.document.version,
    }


def _may_see(message: Message, viewer: Viewer) -> bool:
    return visible(message.audience, message.author, viewer)


async def _page(topic: Topic, after: int | str, query: EventsQuery, principal: Principal) -> dict[str, Any]:
    """One page; waits for an event if there is none and the query says so."""
    head = await topic.head()
    at = head if after == "end" else int(after)
    if at > head:
        raise BadCursor(f"This ends at {head}; there is no {at} to go on from. Start from 0.", head=head)
    if at == head and query.wait:
        head = await _wait(topic, at, query.wait)
    records = await topic.page(at, query.limit) if at < head else []
    entries = [Entry(record) for record in records]
    to = topic.place(records[-1]) if records else head
    finished = await finished_by_now(topic.log, entries) if query.reading == "folded" else frozenset()
    lens = query.lens(EVERY if topic.session is not None else principal.read)
    wires = read(entries, lens, principal.viewer(topic.session), finished)
    first = topic.place(records[0]) if records else to + 1
    gap = {"gap": {"from": at + 1, "to": first - 1}} if first > at + 1 else {}
    head = max(head, to)
    places = {"to": _place(topic, to), "head": _place(topic, head), "caught_up": to == head}
    return {"events": wires, **places, **gap}


async def _wait(topic: Topic, at: int, seconds: float) -> int:
    """Wait for something behind `at`; the head afterwards."""
    position = topic.log.position
    try:
        async with asyncio.timeout(seconds):
            while (head := await topic.head()) <= at:
                await topic.log.hub.wait(Position(position))
                position = topic.log.position
    except TimeoutError:
        return await topic.head()
    return head


def _place(topic: Topic, place: int) -> int | str:
    return place if topic.session is not None else topic.cursor(place).decode().strip('"')


def _page_response(request: web.Request, page: dict[str, Any]) -> web.Response:
    wires: list[bytes] = page.pop("events")
    if NDJSON in request.headers.get("Accept", ""):
        headers = {"Hansard-To": str(page["to"]), "Hansard-Caught-Up": "true" if page["caught_up"] else "false"}
        if "gap" in page:
            headers["Hansard-Gap"] = f"{page['gap']['from']}-{page['gap']['to']}"
        return web.Response(body=b"".join(wire + b"\n" for wire in wires), content_type=NDJSON, headers=headers)
    rest = orjson.dumps(page)
    return web.Response(body=b'{"events":[%s],%s' % (b",".join(wires), rest[1:]), content_type="application/json")
