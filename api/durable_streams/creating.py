"""`PUT`: creating a stream, or a fork of one."""

from typing import NamedTuple

from aiohttp import web
from pydantic import ValidationError

from ...domain.audience import visible
from ...domain.concepts.streams import Content, CreateStream, ForkPoint, ForkStream, InheritedPart, NoteFork, media_type
from ...domain.errors import Conflict, Gone, Invalid, NoChange, SessionClosed
from ...domain.ids import SessionId
from ...domain.wording.wrong_input import explain
from ...log.log import Log
from ..access.principal import Principal
from ..http.responses import read_body
from .chunks import next_content, place_in
from .content import content_of, first_part
from .offsets import NOW, read_offset
from .paths import session_at, session_of
from .readable import Readable, find_readable, is_retained, last_written, readable_of
from .request_headers import Expiry, ForkHeaders, content_type_of, expiry_of, fork_of, says_closed
from .service import StreamService, about

DEFAULT_TYPE = "application/octet-stream"
MAX_PARTS = 1_000
"""How often forks can be forked again. Reading from the start looks at each."""


class Wanted(NamedTuple):
    """The stream that a request asks for; `content_type` is None where it does not say."""

    session: SessionId
    content_type: str | None
    expiry: Expiry
    closed: bool
    fork: ForkHeaders | None
    body: bytes


class StreamCreator:
    """The handler."""

    def __init__(self, service: StreamService) -> None:
        self._service = service

    async def create(self, request: web.Request) -> web.Response:
        """Create it, or find that it is there as it is wanted."""
        service = self._service
        principal, session = service.auth.of_request(request), session_of(request)
        principal.require("session", session)
        wanted = Wanted(
            session,
            content_type_of(request),
            expiry_of(request),
            says_closed(request),
            fork_of(request),
            await read_body(request),
        )
        log = (await service.current(request, principal)).log
        existing = await _existing(log, session, principal)
        if existing is None:
            try:
                await self._create(request, log, principal, wanted)
            except Conflict:
                await log.catch_up()
                existing = await _existing(log, session, principal)
                if existing is None:  # nobody else has created it meanwhile
                    raise
        if existing is not None:
            _refuse_other(existing, wanted, log.epoch)
            return web.Response(status=200, headers=about(existing, log.epoch))
        created = await last_written(log, session)
        location = f"{request.scheme}://{request.host}{request.path}"  # whatever the client says its host is
        return web.Response(status=201, headers={**about(created, log.epoch), "Location": location})

    async def _create(self, request: web.Request, log: Log, principal: Principal, wanted: Wanted) -> None:
        depth = self._service.settings.depth
        if wanted.fork is not None:
            data: CreateStream = await self._fork(request, log, principal, wanted, wanted.fork)
        else:
            content_type = wanted.content_type or DEFAULT_TYPE
            data = _command(
                content_type=content_type,
                ttl=wanted.expiry.ttl,
                expires_at=wanted.expiry.expires_at,
                content=content_of(wanted.body, content_type, depth),
                closed=wanted.closed,
            )
        await self._service.submit(request, principal, wanted.session, data, len(wanted.body))

    async def _fork(
        self, request: web.Request, log: Log, principal: Principal, wanted: Wanted, fork: ForkHeaders
    ) -> ForkStream:
        """The command for a fork. That it is about to be is put on record first: a stream with forks is kept."""
        session = session_at(fork.source)
        principal.require_read(session)
        try:
            source = await find_readable(log, session, principal)
        except Gone as gone:
            raise Conflict(gone.detail) from None
        if source.stream is None:
            raise Conflict("That is a session without a stream; fork it by session.fork.")
        if wanted.content_type is not None and media_type(wanted.content_type) != media_type(source.content_type):
            raise Conflict(f"The stream to be forked is one of {source.content_type}.")
        at = _place(source, fork.offset, log.epoch)
        prefix = await _prefix(log, source, at, fork.sub, principal)
        expiry = wanted.expiry if wanted.expiry != Expiry() else Expiry(source.stream.ttl, source.stream.expires_at)
        command = ForkStream.model_construct(
            content_type=source.content_type,
            ttl=expiry.ttl,
            expires_at=expiry.expires_at,
            content=content_of(wanted.body, source.content_type, self._service.settings.depth),
            closed=wanted.closed,
            audience=source.stream.audience,
            fork=ForkPoint(session=session, since=source.since, at=at, sub=fork.sub),
            inherited=_inherited(source, at),
            prefix=prefix,
        )
        try:
            note = NoteFork(fork=wanted.session, since=source.since)
            await self._service.submit(request, principal, session, note)
        except NoChange:
            pass  # it was tried before
        return command


async def _existing(log: Log, session: SessionId, principal: Principal) -> Readable | None:
    """The stream of that name, if there is one. Raises Conflict where there cannot be one."""
    state = await log.state(session)
    stream, now = state.streams.last, log.clock.now()
    if state.session.status == "none":
        return None
    if stream is None:
        raise Conflict(f"{session!r} is a session without a stream: it is read here, and written by its own commands.")
    if stream.is_gone(now):
        if await is_retained(log, session, stream, now):
            raise Conflict("A stream of this name was deleted, and forks of it go on; choose another name.")
        if state.session.status == "closed":
            raise SessionClosed(f"Session {session!r} is closed; send session.reopen first.")
        return None
    if not visible(stream.audience, await principal.viewer(log, session)):
        raise Conflict(f"There is a stream {session!r} already; choose another name.")
    return readable_of(state, stream)


def _refuse_other(existing: Readable, wanted: Wanted, epoch: str) -> None:
    """Raise Conflict unless the stream is as it is wanted."""
    stream, fork = existing.stream, wanted.fork
    assert stream is not None
    content_type = wanted.content_type or (stream.content_type if fork else DEFAULT_TYPE)
    same = media_type(content_type) == media_type(stream.content_type) and wanted.closed == stream.closed
    if wanted.expiry != Expiry(stream.ttl, stream.expires_at) and not (fork and wanted.expiry == Expiry()):
        same = False
    if (fork is None) != (stream.fork is None):
        same = False
    elif fork is not None and stream.fork is not None:
        same = same and (stream.fork.session, stream.fork.sub) == (session_at(fork.source), fork.sub)
        same = same and _is_at(existing, stream.fork, fork.offset, epoch)
    if not same:
        raise Conflict("There is a stream of this name, and it is another one.")


def _is_at(existing: Readable, point: ForkPoint, offset: str | None, epoch: str) -> bool:
    """Whether an offset means the place where a fork was made. Where none is given any does: its origin's end has
    moved on."""
    place = None if offset is None else read_offset(offset, epoch)
    if place is None or place in (NOW, point.at):
        return True
    return int(place) < point.at and len(existing.parts) == 1  # in front of all that there was to inherit


def _place(source: Readable, offset: str | None, epoch: str) -> int:
    """Where to fork. Raises Invalid."""
    place = NOW if offset is None else read_offset(offset, epoch)
    if place == NOW:
        return source.tail
    return min(place_in(source, int(place)), source.tail)


async def _prefix(log: Log, source: Readable, at: int, sub: int, principal: Principal) -> Content | None:
    """What the fork has of the content that comes next in its origin. Raises Invalid where that is not so long."""
    if sub == 0:
        return None
    wire = await next_content(log, source, at, principal)
    prefix = None if wire is None else first_part(wire, source.form, sub)
    if prefix is None:
        raise Invalid("Stream-Fork-Sub-Offset is beyond what was appended there.")
    return prefix


def _inherited(source: Readable, at: int) -> tuple[InheritedPart, ...]:
    """The parts of the origin up to a place. Raises Conflict where there are too many."""
    if len(source.parts) > MAX_PARTS:
        raise Conflict(f"A stream consists of at most {MAX_PARTS:,} others; fork one that is nearer to the first.")
    return tuple(
        [
            InheritedPart(session=session, after=after, upto=min(upto, at - shift), shift=shift)
            for session, after, upto, shift in source.parts
            if after + shift < at
        ]
    )


def _command(**members: object) -> CreateStream:
    try:
        return CreateStream.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"This stream cannot be created: {explain(error)}.") from None
