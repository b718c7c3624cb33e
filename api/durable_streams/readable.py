"""What there is to read under a path: a session's stream with all that it inherits, or the events of a session.

It is looked up once for a request, and says how things stood then.
"""

from datetime import datetime
from typing import NamedTuple

from ...domain.audience import visible
from ...domain.concepts.streams import Stream
from ...domain.errors import Gone, NotFound
from ...domain.ids import SessionId
from ...domain.state import State
from ...log.log import Log
from ..access.principal import Principal
from .content import Form, form_of


class Part(NamedTuple):
    """Versions of a session behind `after`, up to `upto`; `shift` makes places of them."""

    session: SessionId
    after: int
    upto: int
    shift: int


class Readable(NamedTuple):
    """`tail` is the place behind the last content, `end` that behind everything. `stream` is None for the events of a
    session."""

    session: SessionId
    form: Form
    content_type: str
    tail: int
    end: int
    parts: tuple[Part, ...]
    stream: Stream | None = None

    @property
    def start(self) -> int:
        """The place in front of everything."""
        return self.parts[0].after + self.parts[0].shift

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self.stream is not None and self.stream.closed

    @property
    def since(self) -> int:
        """What tells it from one that had the same name before."""
        return 0 if self.stream is None else self.stream.since


async def find_readable(log: Log, session: SessionId, principal: Principal) -> Readable:
    """What the principal may read there, as this gateway knows it. Raises Gone and NotFound."""
    state = await log.state(session)
    stream, now = state.streams.last, log.clock.now()
    if state.session.status == "none":
        raise _nothing(session)
    if stream is None:
        part = Part(session, 0, state.version, 0)
        return Readable(session, "events", "application/json", state.version, state.version, (part,))
    if not visible(stream.audience, await principal.viewer(log, session)):
        raise _nothing(session)
    if stream.is_gone(now):
        if await is_retained(log, session, stream, now):
            raise Gone("The stream was deleted; forks of it go on.")
        raise _nothing(session)
    return readable_of(state, stream)


def readable_of(state: State, stream: Stream) -> Readable:
    """A session's stream."""
    inherited = [Part(each.session, each.after, each.upto, each.shift) for each in stream.inherited]
    own = Part(state.id, stream.since, state.version, stream.shift)
    end = state.version + stream.shift
    form = form_of(stream.content_type)
    return Readable(state.id, form, stream.content_type, stream.tail, end, (*inherited, own), stream)


async def last_written(log: Log, session: SessionId) -> Readable:
    """The stream of a session to which the caller has just written, be it gone by now."""
    state = await log.state(session)
    stream = state.streams.last
    assert stream is not None
    return readable_of(state, stream)


async def is_retained(log: Log, session: SessionId, stream: Stream, now: datetime) -> bool:
    """Whether there are forks of a stream that is gone, or forks of these."""
    gone = [(session, stream)]
    while gone:
        origin, forked = gone.pop()
        for fork in forked.forks:
            last = (await log.state(fork)).streams.last
            if last is None or last.fork is None or (last.fork.session, last.fork.since) != (origin, forked.since):
                continue  # it did not come to be, or is another one by now
            if not last.is_gone(now):
                return True
            gone.append((fork, last))
    return False


def _nothing(session: SessionId) -> NotFound:
    return NotFound(f"There is no stream {session!r}; create it with PUT.")
