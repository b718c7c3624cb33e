"""What a subscriber gets (`GroupKey`), and where its bytes go (`SubscriberSink`)."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .encoder import Encoder
from .event_filter import EventFilter


class GroupKey(NamedTuple):
    """Cursors of one group get the same bytes, but for what their audience hides."""

    sub: str
    encoder: Encoder
    filter: EventFilter


class SubscriberSink(Protocol):
    """Where a cursor's bytes go. `open` is false while the transport wants no more, or for good; the sink's owner
    calls `Feed.resume` for its cursors when it is true again."""

    open: bool
    write: Callable[[bytes], None]
    """Hand over bytes; never waits."""

    def fail(self, error: BaseException) -> None:
        """Give up: what the subscriber asked for cannot be read."""
