"""Whether the rules could have written what a history says of a stream."""

from ..concepts.streams import StreamAppended, StreamClosed, StreamCreated, is_json
from ..model import Event
from ..state import State


def check_stream(state: State, event: Event) -> str | None:
    """Why an event about the stream cannot come here."""
    stream = state.streams.last
    if isinstance(event.data, StreamCreated):
        if stream is not None and not stream.is_gone(event.time):
            return "comes where there is a stream already"
        return None
    if stream is None or stream.deleted:
        return "comes where there is no stream"
    if stream.closed and isinstance(event.data, StreamAppended | StreamClosed):
        return "comes after the stream was closed"
    if isinstance(event.data, StreamAppended) and is_json(stream.content_type) != (event.data.messages is not None):
        return f"has another form than a stream of {stream.content_type}"
    return None
