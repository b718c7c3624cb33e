"""What becomes of a stream by each event."""

from ...model import Event
from .board import Producer, Stream, Streams
from .events import (
    StreamAppended,
    StreamClosed,
    StreamCreated,
    StreamDeleted,
    StreamForked,
    StreamProducer,
    StreamRenewed,
)


def evolve(streams: Streams, event: Event) -> Streams:
    """Fold one event."""
    if isinstance(event.data, StreamCreated):
        return Streams(_created(event, event.data))
    stream = streams.last
    if stream is None:  # others than our gateways may have written it
        return streams
    match event.data:
        case StreamAppended() as data:
            stream = stream._replace(tail=event.version + stream.shift, seq=data.seq or stream.seq)
            return Streams(_touched(stream, event, _producer(event, data)))
        case StreamClosed() as data:
            producer = _producer(event, data)
            if not stream.is_gone(event.time):  # that its session is closed does not bring back one that has expired
                stream = _touched(stream, event, producer)
            return Streams(stream._replace(closed=True, closed_by=producer))
        case StreamRenewed():
            return Streams(stream._replace(touched=event.time))
        case StreamForked() as data:
            return Streams(stream._replace(forks=stream.forks.set(data.fork, None)))
        case StreamDeleted():
            return Streams(stream._replace(deleted=True, producers=Stream._field_defaults["producers"]))
    return streams


def _created(event: Event, data: StreamCreated) -> Stream:
    at = event.version if data.fork is None else data.fork.at
    return Stream(
        since=event.version,
        content_type=data.content_type,
        audience=event.audience,
        ttl=data.ttl,
        expires_at=data.expires_at,
        touched=event.time,
        shift=at - event.version,
        tail=at,
        fork=data.fork,
        inherited=data.inherited or (),
    )


def _producer(event: Event, data: StreamAppended | StreamClosed) -> StreamProducer | None:
    return None if data.producer is None else data.producer.of(event.actor)


def _touched(stream: Stream, event: Event, producer: StreamProducer | None) -> Stream:
    if producer is None:
        return stream._replace(touched=event.time)
    known = stream.producers.set(producer.id, Producer(producer.epoch, producer.seq))
    return stream._replace(touched=event.time, producers=known)
