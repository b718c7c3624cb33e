"""Folds on demand: a projection over any events, without a store, a log or a loop.

boards = fold(board, events)
boards["trip-7"].claims
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from ..domain.concepts.lifecycle import SessionForked
from ..domain.errors import FoldFailed
from ..domain.ids import SessionId
from ..domain.model import Event, EventData
from .authoring.faults import described
from .authoring.meta import Meta, meta_of
from .authoring.projection import Item, Projection

K = TypeVar("K")
T = TypeVar("T")


def fold(projection: Projection[K, T], events: Iterable[Event]) -> dict[K, T]:
    """What the events come to, in their order: values by key (documents) or by place (rows).

    Raises FoldFailed at the first event that a handler fails at.
    """
    folded = Fold(projection)
    for event in as_given(projection, events):
        folded.fold(event)
    return folded.values()


def as_given(projection: Projection[Any, Any], events: Iterable[Event]) -> Iterator[Event]:
    """The events of a log as a projection is given them: for one by session each fork begins with what it shares with
    its origin, as far as that is among them."""
    if projection.key != "session":
        yield from events
        return
    known: dict[SessionId, list[Event]] = {}
    for event in events:
        own = known.setdefault(event.session, [])
        if isinstance(event.data, SessionForked) and not own:
            origin = known.get(event.data.origin, ())
            own += [each._replace(session=event.session) for each in origin if each.version <= event.data.at]
            yield from own
        own.append(event)
        yield event


class Fold(Generic[K, T]):
    """A fold under way, which can be asked at any time."""

    def __init__(self, projection: Projection[K, T]) -> None:
        self._projection = projection
        self.folder = projection.folder()

    def fold(self, event: Event) -> None:
        """Fold one more event. Raises FoldFailed, after which the fold cannot be used."""
        self.fold_payload(event.data, meta_of(event, event.session))

    def fold_payload(self, data: EventData, meta: Meta, wanted: Callable[[Item], bool] | None = None) -> None:
        """The same for an event whose envelope is at hand, for its session's key, and for the keys for which it is
        wanted."""
        try:
            items = self._projection.items_of(data, meta)
            if wanted is not None:
                items = [item for item in items if wanted(item)]
            self.folder.fold(self.folder.prepare(items))
        except Exception as fault:
            raise failure(self._projection, meta, fault) from fault

    def values(self) -> dict[K, T]:
        """What there is now."""
        return {place: value for place, value in self.folder.values.items() if value is not None}


def failure(projection: Projection[Any, Any], event: Event | Meta, fault: Exception) -> FoldFailed:
    """What to say when a handler fails."""
    return FoldFailed(
        f"{projection.name} failed at event {event.version} of session {event.session!r} "
        f"({event.type}, position {event.position})",
        fault=described(fault),
        projection=projection.name,
        session=event.session,
        version=event.version,
        position=event.position,
    )
