"""How the streams of a subscription stand, as far as those may know who are to be told of them."""

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from ....domain.concepts.stream_subscriptions import Link, StreamLink, StreamPlace, Subscription, refuse_too_many
from ....domain.errors import Conflict, LogUnreadable, NotFound
from ....domain.ids import SessionId
from ....log.log import Log
from ....log.paging import listed_sessions
from ....projections.runner.time_slices import slices
from ...access.principal import Principal
from ...delivery.event_filter import matches_any
from ..offsets import write_offset
from ..readable import Readable, find_readable
from .glob import matches, prefix_of
from .names import PREFIX, path_of

MAX_LISTED = 100_000
"""Sessions among which a new subscription looks for its streams."""


class LinkedStream(NamedTuple):
    """One of them. `tail` is the place where it ends, None where there is none; `acked` the place up to which it is
    done."""

    session: SessionId
    explicit: bool
    acked: int
    tail: int | None

    @property
    def pending(self) -> bool:
        """Whether something is not done."""
        return self.tail is not None and self.tail > self.acked

    def json(self, epoch: str) -> dict[str, object]:
        """As the protocol shows it to workers."""
        tail = self.acked if self.tail is None else self.tail
        return {**self.brief(epoch), "tail_offset": write_offset(tail, epoch), "has_pending": self.pending}

    def brief(self, epoch: str) -> dict[str, object]:
        """As the protocol shows it in a subscription."""
        return {
            "path": path_of(self.session),
            "link_type": "explicit" if self.explicit else "glob",
            "acked_offset": write_offset(self.acked, epoch),
        }

    @property
    def place(self) -> StreamPlace:
        """Where it ends."""
        return StreamPlace(session=self.session, place=self.tail or 0)


def granted(found: Subscription, tenant: str) -> Principal:
    """Who is told by a subscription, with what the token allowed by which it was confirmed last."""
    grant = found.grant
    return Principal(
        found.participant,
        grant.kind,
        tenant,
        read=grant.read,
        write=(),
        audit=grant.audit,
        expires=grant.expires,
        operates=False,
        record=(),
    )


async def readable_for(log: Log, session: SessionId, principals: Iterable[Principal]) -> Readable | None:
    """The stream of a session; None where there is none that all of them may read."""
    found = None
    for principal in principals:
        if not matches_any(session, principal.read):
            return None
        try:
            found = await find_readable(log, session, principal)
        except (NotFound, LogUnreadable):
            return None
    return found


async def linked_stream(
    log: Log, session: SessionId, link: Link, principals: Iterable[Principal]
) -> LinkedStream | None:
    """How a stream stands; None where it is not to be told of."""
    principals = tuple(principals)
    found = await readable_for(log, session, principals)
    if found is not None:
        return LinkedStream(session, link.explicit, max(link.acked, found.start), found.tail)
    if link.explicit and all(matches_any(session, each.read) for each in principals):
        return LinkedStream(session, True, link.acked, None)  # who named it is told so, whether or not it is there
    return None


async def linked_streams(log: Log, found: Subscription, *principals: Principal) -> AsyncIterator[LinkedStream]:
    """All of a subscription's that are to be told of, by path."""
    async for some in slices(sorted(found.links.items()), 1):
        stream = await linked_stream(log, *some[0], principals)
        if stream is not None:
            yield stream


async def any_pending(log: Log, found: Subscription, *principals: Principal) -> bool:
    """Whether there is work."""
    async for each in linked_streams(log, found, *principals):
        if each.pending:
            return True
    return False


async def first_links(
    log: Log, pattern: str | None, streams: Iterable[SessionId], wake_stream: SessionId | None, principal: Principal
) -> tuple[StreamLink, ...]:
    """The links with which a new subscription begins: each at its stream's end, so that nothing old is told. Raises
    Conflict where the pattern is too wide to look for them, or matches more than one may have."""
    named = dict.fromkeys(streams, True)
    if pattern is not None:
        listed = 0
        async for page in listed_sessions(log.engine, prefix_of(pattern)):
            listed += len(page)
            if listed > MAX_LISTED:
                raise Conflict("Too many sessions begin as this pattern does; begin it with a longer path.")
            async for some in slices(page):
                for session, _ in some:
                    if is_match(pattern, session, wake_stream):
                        named.setdefault(session, False)
    links, linked = list[StreamLink](), 0
    async for each in slices(tuple(named.items()), 1):
        ((session, explicit),) = each
        found = await readable_for(log, session, (principal,))
        if explicit or found is not None:
            linked += 1
            refuse_too_many(linked)  # before all others are looked at
            acked = 0 if found is None else found.tail
            links.append(StreamLink(session=session, explicit=explicit, acked=acked))
            if not explicit or pattern is None or not is_match(pattern, session, wake_stream):
                continue
            links.append(StreamLink(session=session, acked=acked))  # the pattern matches what was named, too
    return tuple(links)


def is_match(pattern: str, session: SessionId, wake_stream: SessionId | None) -> bool:
    """Whether a pattern is to follow a session."""
    return session != wake_stream and not session.startswith(PREFIX) and matches(pattern, session)
