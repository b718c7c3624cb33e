"""Folds on demand: a projection over any events, without a store, a log or a loop.

boards = fold(board, events)
boards["trip-7"].claims
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from ..domain.errors import FoldFailed
from ..domain.model import Event
from .projection import Item, Projection

K = TypeVar("K")
T = TypeVar("T")


def fold(projection: Projection[K, T], events: Iterable[Event]) -> dict[K, T]:
    """What the events come to, in their order: values by key (documents) or by place (rows).

    Raises FoldFailed at the first event that a handler fails at.
    """
    folded = Fold(projection)
    for event in events:
        folded.take(event)
    return folded.values()


class Fold(Generic[K, T]):
    """A fold under way, which can be asked at any time."""

    def __init__(self, projection: Projection[K, T]) -> None:
        self._projection = projection
        self.folder = projection.folder()

    def take(self, event: Event, wanted: Callable[[Item], bool] = lambda _: True) -> None:
        """Fold one more event, for the keys for which it is wanted. Raises FoldFailed, after which the fold is good for
        nothing."""
        try:
            items = [item for item in self._projection.items_of(event) if wanted(item)]
            self.folder.fold(self.folder.prepare(items))
        except Exception as fault:
            raise failure(self._projection, event, fault) from fault

    def values(self) -> dict[K, T]:
        """What there is now."""
        return {place: value for place, value in self.folder.values.items() if value is not None}


def failure(projection: Projection[Any, Any], event: Event, fault: Exception) -> FoldFailed:
    """What to say when a handler fails."""
    return FoldFailed(
        f"{projection.name} failed at event {event.version} of session {event.session!r} "
        f"({event.type}, position {event.position}): {type(fault).__name__}: {fault}",
        projection=projection.name,
        session=event.session,
        version=event.version,
        position=event.position,
    )
