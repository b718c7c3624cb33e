"""A stream that follows a thread over all its runs, for as long as the page is there.

The protocol's clients send no cursor when they reconnect, and open a second stream before they close the first; they
pass over events whose ids they have seen. So a stream without a cursor begins with a snapshot of what was before the
newest run, and repeats that run's events under the ids that they always have.
"""

from collections.abc import Iterator

import orjson
from aiohttp import web

from ....domain.audience import Viewer, visible
from ....domain.concepts.messages import Message
from ....domain.envelope import readers_of, timestamp
from ....domain.ids import SessionId, Version
from ....domain.state import State
from ....log.records import Record
from ...access.principal import Principal
from ...delivery.event_filter import EventFilter
from ...delivery.resume_point import write_resume_point
from ...delivery.sse_encoder import http_chunk
from ...delivery.subscriber import GroupKey
from ...tenants.tenant import Tenant
from ...transport.sse_connection import STREAM_SUB
from ...transport.sse_server import SseServer, transport_of
from ...transport.subscription import EventSubscription
from ..envelopes import members_of_open, role_of, texts_of_open
from ..followed_log import followed_log
from ..session_facts import SessionFacts
from ..snapshot_steps import THREAD
from ..turn import is_run, open_messages
from ..turn_stream import BegunConnection, StreamPlace
from .encoder import SEQ_BITS, ChannelFilter, LangChainEncoder, block_of, blocks_of, context_of
from .translation import Shown, block_started, message_started, namespace_of, piece

MOST_REPEATED = 20_000
"""Events that a stream without a cursor repeats at most."""


class ThreadConnection(BegunConnection):
    """One stream."""

    kind = "langchain"


async def follow_thread(
    request: web.Request,
    streams: SseServer,
    principal: Principal,
    tenant: Tenant,
    session: SessionId,
    filter: ChannelFilter,
    after: StreamPlace | None,
) -> web.StreamResponse:
    """Follow a thread: from before its newest run, or from a place. Raises BadCursor."""
    followed = followed_log(tenant.log)
    viewer = await principal.viewer(tenant.log, session)
    encoder = LangChainEncoder(followed.facts, filter, viewer)
    connection = ThreadConnection(transport_of(request))
    async with followed.facts.followed(session) as facts:
        await followed.with_transcript(session, facts)
        fresh = after is None
        if after is None:
            after = StreamPlace(_start(await tenant.log.state(session), facts, viewer))
        key = GroupKey(STREAM_SUB, encoder, EventFilter())
        cursor = await tenant.feed.follow(session, after.version, key, viewer, connection)
        try:
            await followed.facts.reach_back(session, facts, cursor.at)
            if fresh:
                state = await tenant.log.state_at(session, Version(cursor.at))
                connection.beginning = _beginning(state, facts, encoder, tenant.log.epoch)
            elif after.behind:
                for record in await tenant.log.read_session(session, cursor.at, 1):
                    if record.version == cursor.at + 1:
                        connection.beginning = _rest(record, facts, encoder, tenant.log.epoch, after.behind)
                        cursor.at += 1
            return await streams.serve(request, connection, principal, EventSubscription(tenant.feed, cursor))
        finally:
            tenant.feed.end(cursor)


def _start(state: State, facts: SessionFacts, viewer: Viewer) -> int:
    """The version behind which a stream without a cursor begins: before the newest run, those under way, and what is
    being said, as far as the viewer sees that: where a stream begins says that something begins there."""
    begun = [int(each.since) for each in open_messages(state, viewer)]
    tasks = [each for each in state.tasks.unfinished() if is_run(each.id)]
    begun += [int(each.since) for each in tasks if visible(each.audience, viewer)]
    begun += [latest] if (latest := facts.latest_run(viewer)) else []
    return max(min(begun, default=state.version + 1) - 1, state.version - MOST_REPEATED, 0)


def _beginning(state: State, facts: SessionFacts, encoder: LangChainEncoder, epoch: str) -> bytes:
    """The thread's values as they were there, unless a run begins next, which shows them; and what was being said."""
    version, shown = state.version, list[Shown]()
    if version and facts.latest_run(encoder.viewer) != version + 1:
        shown.append(Shown("values", (), context_of(facts, encoder.viewer, version).snapshot(THREAD), "before"))
    for message in open_messages(state, encoder.viewer):
        shown += _being_said(message, facts)
    members = {"version": version, "time": timestamp(state.time)}
    place, seq = write_resume_point(epoch, version), version << SEQ_BITS
    wanted = [each for each in shown if encoder.filter.wants(each)]
    # Only behind all of it can one go on: else it comes again.
    places = [place if number == len(wanted) else None for number in range(1, len(wanted) + 1)]
    blocks = [block_of(each, members, epoch, at, seq) for each, at in zip(wanted, places, strict=True)]
    return http_chunk(b"".join(blocks)) if blocks else b""


def _being_said(message: Message, facts: SessionFacts) -> Iterator[Shown]:
    members = members_of_open(message)
    role = role_of(message.author, False, facts.kind)
    namespace = namespace_of(members, role)
    yield message_started(members, namespace, role, message.id)._replace(label=f"{message.id}.start")
    for index, (kind, text) in enumerate(texts_of_open(message).items()):
        for each in (
            block_started(namespace, message.id, kind, index),
            piece(namespace, message.id, kind, index, text),
        ):
            yield each._replace(label=f"{message.id}.{each.label}")


def _rest(record: Record, facts: SessionFacts, encoder: LangChainEncoder, epoch: str, behind: int) -> bytes:
    """What is missing of an event of which so much came."""
    if not visible(readers_of(record.data), encoder.viewer):
        return b""
    blocks = blocks_of(orjson.loads(record.wire()), facts, encoder, epoch, behind)
    place = write_resume_point(epoch, record.version)
    return http_chunk(b"".join(blocks) + b"id: %s\n\n" % place.encode())
