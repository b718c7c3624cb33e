"""What is kept while memory allows: the least recently used goes first, and all that belongs to a topic with it."""

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

from .topic import Topic


class OfTopic(Protocol):
    """A name of something kept."""

    @property
    def topic(self) -> Topic:
        """What it belongs to."""


N = TypeVar("N", bound=OfTopic)
V = TypeVar("V")


class FrameCache(Generic[N, V]):
    """Values by name, at most `limit` bytes of them, but always the one that was put last."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._values: OrderedDict[N, tuple[V, int]] = OrderedDict()
        self._names: dict[Topic, set[N]] = {}

    def get(self, name: N) -> V | None:
        """The value, if it is at hand."""
        found = self._values.get(name)
        if found is None:
            return None
        self._values.move_to_end(name)
        return found[0]

    def put(self, name: N, value: V, size: int) -> None:
        """Keep a value in place of an earlier one."""
        self._drop(name)
        self._values[name] = (value, size)
        self._names.setdefault(name.topic, set()).add(name)
        self._bytes += size
        while self._bytes > self._limit and len(self._values) > 1:
            self._drop(next(iter(self._values)))

    def forget(self, topic: Topic) -> None:
        """Drop all that belongs to a topic."""
        for name in tuple(self._names.get(topic, ())):
            self._drop(name)

    def _drop(self, name: N) -> None:
        found = self._values.pop(name, None)
        if found is not None:
            self._bytes -= found[1]
            names = self._names[name.topic]
            names.discard(name)
            if not names:
                del self._names[name.topic]
