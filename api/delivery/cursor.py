"""A cursor: one subscriber's place in one topic."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...domain.audience import Viewer
from .encoding import Encoder
from .event_filter import EventFilter

if TYPE_CHECKING:
    from .topic import Topic


class GroupKey(NamedTuple):
    """Cursors of one group get the same bytes, but for what their audience hides."""

    sub: str
    encoder: Encoder
    filter: EventFilter


class Sink(Protocol):
    """Where a cursor's bytes go. `open` is false while the transport wants no more, or for good; the sink's owner
    calls `Feed.resume` for its cursors when it is true again."""

    open: bool
    write: Callable[[bytes], None]
    """Hand over bytes; never waits."""

    def fail(self, error: BaseException) -> None:
        """Give up: what the subscriber asked for cannot be read."""


class Cursor:
    """One subscriber's place in one topic. `live`: it stands with its group at the topic's flushed place; otherwise
    at `at`."""

    __slots__ = ("at", "caught_up", "ended", "key", "live", "queued", "sink", "topic", "viewer")

    def __init__(self, topic: "Topic", key: GroupKey, viewer: Viewer, sink: Sink, at: int) -> None:
        self.topic = topic
        self.key = key
        self.viewer = viewer
        self.sink = sink
        self.at = at
        self.live = False
        self.caught_up = False
        self.ended = False
        self.queued = False

    @property
    def place(self) -> int:
        """Up to where the subscriber has been told."""
        return self.topic.flushed if self.live else self.at

    def join(self) -> None:
        """Stand with the group."""
        self.live = True
        self.topic.groups.setdefault(self.key, {})[self] = None

    def leave(self, at: int) -> None:
        """Stand alone, at `at`."""
        if self.live:
            self.live = False
            self.at = at
            group = self.topic.groups[self.key]
            del group[self]
            if not group:
                del self.topic.groups[self.key]
