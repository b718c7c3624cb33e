"""What may be done to a stream, and when a producer's append is a repeat."""

from datetime import datetime
from typing import Any

from ...audience import sees
from ...errors import Conflict, Invalid, NoChange, NotFound, SessionClosed, StaleProducer
from ...ids import Version
from ...model import Actor, Command, Decision, EventData, Fact
from ..lifecycle import SUBJECT as SESSION
from ..lifecycle import SessionOpened
from .board import Stream, Streams
from .commands import AppendToStream, CloseStream, CreateStream, DeleteStream, ForkStream, NoteFork, RenewStream
from .content import Content, is_json, media_type
from .events import (
    SUBJECT,
    StreamAppended,
    StreamClosed,
    StreamCreated,
    StreamDeleted,
    StreamForked,
    StreamProducer,
    StreamRenewed,
)

MAX_PRODUCERS = 10_000
MAX_FORKS = 1_000
LABEL = "stream"
"""The label of a session that was made for a stream; its value is the content type."""


def decide(streams: Streams, command: Command, status: str, version: Version) -> Decision:
    """Apply the rules to one command, in a session of this status and version."""
    if isinstance(command.data, CreateStream):
        return _create(streams, command, command.data, status, version)
    stream = _seen(streams, command.actor, command.time)
    match command.data:
        case AppendToStream() as data:
            return _append(stream, command.actor, data, version)
        case CloseStream() as data:
            return _close(stream, command.actor, data)
        case DeleteStream():
            return _decided(stream, StreamDeleted())
        case RenewStream():
            if not stream.is_to_renew(command.time):
                raise NoChange("It was renewed a moment ago.")
            return _decided(stream, StreamRenewed())
        case NoteFork() as data:
            return _note_fork(stream, command.actor, data)
    raise NotImplementedError(command.data.do)


def closing(streams: Streams) -> Fact | None:
    """What ends the stream of a session that is closed, if one is open."""
    stream = streams.last
    if stream is None or stream.closed or stream.deleted:
        return None
    return Fact(StreamClosed(at=stream.tail), stream.audience)


def _seen(streams: Streams, actor: Actor, now: datetime) -> Stream:
    stream = streams.current(now)
    if stream is None or not sees(actor, stream.audience):
        raise NotFound("There is no stream; create it first.")
    return stream


def _decided(stream: Stream, *data: EventData) -> Decision:
    return Decision(tuple([Fact(each, stream.audience) for each in data]), (SUBJECT,))


def _create(streams: Streams, command: Command, data: CreateStream, status: str, version: Version) -> Decision:
    if status == "closed":
        raise SessionClosed(f"Session {command.session!r} is closed; send session.reopen first.")
    if status == "open" and streams.last is None:
        raise Conflict(f"{command.session!r} is a session without a stream; choose another name.")
    if streams.current(command.time) is not None:
        raise Conflict(f"There is a stream {command.session!r} already; use it, or choose another name.")
    if data.ttl is not None and data.expires_at is not None:
        raise Invalid("A stream has either `ttl` or `expires_at`.")
    for content in (data.content, getattr(data, "prefix", None)):
        if content is not None:
            _refuse_other_form(data.content_type, content)
    opened = SessionOpened(labels={LABEL: data.content_type})
    facts = [Fact(opened)] if status == "none" else []
    created = StreamCreated(content_type=data.content_type, ttl=data.ttl, expires_at=data.expires_at, **_forked(data))
    facts.append(Fact(created, data.audience))
    at = version + len(facts) if created.fork is None else created.fork.at
    for content in (getattr(data, "prefix", None), data.content):
        if content is not None:
            facts.append(Fact(_appended(content)))
            at += 1
    if data.closed:
        facts.append(Fact(StreamClosed(at=at)))
    return Decision(tuple(facts), (SESSION, SUBJECT))


def _forked(data: CreateStream) -> dict[str, Any]:
    return {"fork": data.fork, "inherited": data.inherited} if isinstance(data, ForkStream) else {}


def _append(stream: Stream, actor: Actor, data: AppendToStream, version: Version) -> Decision:
    if data.producer is not None:
        _check_producer(stream, data.producer.of(actor.id))
    if stream.closed:
        raise Conflict("The stream is closed.", closed=True)
    if data.content_type is not None and media_type(data.content_type) != media_type(stream.content_type):
        raise Conflict(f"The stream is one of {stream.content_type}.", content_type=stream.content_type)
    _refuse_other_form(stream.content_type, data.content)
    if data.seq is not None and stream.seq is not None and data.seq.encode() <= stream.seq.encode():
        raise Conflict("The `seq` is not greater than the last; something was appended meanwhile.", seq=stream.seq)
    facts: list[EventData] = [_appended(data.content, data.seq, data.producer)]
    if data.closed:
        facts.append(StreamClosed(at=version + 1 + stream.shift, producer=data.producer))
    return _decided(stream, *facts)


def _close(stream: Stream, actor: Actor, data: CloseStream) -> Decision:
    if data.producer is not None:
        _check_producer(stream, data.producer.of(actor.id))
        if stream.closed:
            raise Conflict("The stream is closed.", closed=True)
    elif stream.closed:
        raise NoChange("The stream is closed already.", closed=True)
    return _decided(stream, StreamClosed(at=stream.tail, producer=data.producer))


def _check_producer(stream: Stream, producer: StreamProducer) -> None:
    """Refuse what is stale, repeated, or comes too early. That a stream is closed goes before the last two."""
    known = stream.producers.get(producer.id)
    if known is not None and producer.epoch < known.epoch:
        raise StaleProducer("A newer epoch of this producer has appended.", epoch=known.epoch)
    if stream.closed:
        if stream.closed_by is not None and stream.closed_by.number == producer.number:
            raise NoChange("The stream was closed by this.", closed=True, epoch=producer.epoch, seq=producer.seq)
        return
    if known is None or producer.epoch > known.epoch:
        if known is None and len(stream.producers) >= MAX_PRODUCERS:
            raise Conflict(f"A stream has at most {MAX_PRODUCERS:,} producers.", most=MAX_PRODUCERS)
        if producer.seq != 0 and known is not None:
            raise Invalid("A new epoch of a producer begins with 0.")
        expected = 0
    else:
        expected = known.seq + 1
    if producer.seq < expected:
        raise NoChange("This was appended before.", epoch=producer.epoch, seq=expected - 1)
    if producer.seq > expected:
        raise Conflict(f"Append {expected} of this producer has not come yet.", expected_seq=expected)


def _note_fork(stream: Stream, actor: Actor, data: NoteFork) -> Decision:
    if stream.since != data.since:
        raise NotFound("There is another stream by now.")
    if data.fork in stream.forks:
        raise NoChange("That is on record.")
    if len(stream.forks) >= MAX_FORKS:
        raise Conflict(f"A stream has at most {MAX_FORKS:,} forks; fork one of them.", most=MAX_FORKS)
    return Decision((Fact(StreamForked(fork=data.fork), (actor.id,)),), (SUBJECT,))


def _refuse_other_form(content_type: str, content: Content) -> None:
    forms = [name for name in ("text", "base64", "messages") if getattr(content, name) is not None]
    if len(forms) != 1:
        raise Invalid("Content is either text, base64 or messages.")
    if is_json(content_type) != (forms[0] == "messages"):
        wanted = "messages" if is_json(content_type) else "text or base64"
        raise Invalid(f"What is appended to a stream of {content_type} is {wanted}.")


def _appended(content: Content, seq: str | None = None, producer: StreamProducer | None = None) -> StreamAppended:
    return StreamAppended(
        producer=producer, seq=seq, text=content.text, base64=content.base64, messages=content.messages
    )
