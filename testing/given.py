"""Sentences about projections: what events come to, and that it does not matter how they arrive.

    given(board, TaskClaimed(task="t-1", attempt=1)).then(Board(claims={"t-1": "hotels"}))
    given(board, *events).redelivered(2).in_batches(1, 7, 1000).then_same()
    given(board, *recorded("session.jsonl")).rebuild_equals_live()

None of it needs a store or a loop; but between two batches everything goes through its stored form, as it does when a
runner has forgotten a document and loads it again. Failures are AssertionErrors which show both sides.
"""

import os
from collections.abc import Hashable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from ..domain.envelope import parse
from ..domain.errors import FoldFailed
from ..domain.ids import Position, Version
from ..domain.model import Event, EventData
from ..projections.authoring.meta import meta_of
from ..projections.authoring.projection import Folder, Projection
from ..projections.folding import as_given, failure, fold
from .command import START

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

BATCHES = (1, 7, 1_000)


def event(data: EventData, *, version: int = 1, **envelope: Any) -> Event:
    """An event with this payload. What `envelope` does not say is made up: session `s-1`, actor `hotels`, the first
    second of 2026, a position like the version."""
    plain = Event(Position(version), "s-1", Version(version), f"e-{version}", data.type, START, "hotels", data)
    return plain._replace(**envelope)


def recorded(path: str | os.PathLike[str]) -> list[Event]:
    """The events of a file that `stenogram export` wrote."""
    return [parse(line) for line in Path(path).read_bytes().splitlines() if line]


def given(projection: Projection[K, T], *events: Event | EventData) -> "Given[K, T]":
    """What is said of a projection. Bare payloads become the events of one session, in order, a second apart. A fork
    begins with what it shares with its origin, if the events have that."""
    return Given(projection, list(_placed(events)))


class Given(Generic[K, T]):
    """A projection and events; the methods say what should come of them."""

    def __init__(self, projection: Projection[K, T], events: list[Event]) -> None:
        self.projection = projection
        self.events = list(as_given(projection, events))
        self._times = 1
        self._sizes: tuple[int, ...] = BATCHES

    @property
    def passed_over(self) -> int:
        """How many of the events the projection has handlers for and does not get, because they are not for everyone in
        their session; see `Projection.shown` and `shown_to_everyone`."""
        return sum([self._is_passed_over(each) for each in self.events])

    def redelivered(self, times: int) -> Self:
        """Deliver every batch so many times, as a log does after a crash."""
        self._times = times
        return self

    def in_batches(self, *sizes: int) -> Self:
        """Deliver in batches, once of each of these sizes."""
        self._sizes = sizes
        return self

    def then(self, *values: T) -> Self:
        """These are the documents or rows, in any order, and there are no others."""
        found = list(fold(self.projection, self.events).values())
        missing = [value for value in values if value not in found]
        surplus = [value for value in found if value not in values]
        if missing or surplus or len(found) != len(values):
            raise AssertionError(f"{self._name}: missing {missing!r}, not expected {surplus!r}")
        return self

    def then_at(self, place: K, value: T | None) -> Self:
        """This is the document of that key, or the row at that place; None: there is none."""
        found = fold(self.projection, self.events).get(place)
        if found != value:
            raise AssertionError(f"{self._name} at {place!r}: found {found!r}, not {value!r}")
        return self

    def then_same(self) -> Self:
        """However the events are delivered, the same comes of them as of a plain fold."""
        plain = fold(self.projection, self.events)
        for size in self._sizes:
            found = self._delivered(size)
            if found != plain:
                how = f"in batches of {size}, each {self._times} times"
                raise AssertionError(f"{self.projection.name} {how}: {_difference(found, plain)}")
        return self

    def rebuild_equals_live(self) -> Self:
        """Folding the whole log at once comes to the same as keeping up with it event by event."""
        live, rebuilt = self._delivered(1), self._delivered(max(1, len(self.events)))
        if live != rebuilt:
            raise AssertionError(f"{self.projection.name}, kept live and rebuilt: {_difference(live, rebuilt)}")
        return self

    def then_fails(self) -> FoldFailed:
        """A handler fails at one of the events; what is said of it."""
        try:
            found = fold(self.projection, self.events)
        except FoldFailed as failed:
            return failed
        raise AssertionError(f"{self._name} did not fail: {found!r}")

    def then_passed_over(self, count: int) -> Self:
        """So many events are passed over, because they are not for everyone in their session."""
        if self.passed_over != count:
            raise AssertionError(f"{self.projection.name} passes over {self.passed_over} events, not {count}")
        return self

    def _is_passed_over(self, event: Event) -> bool:
        handled = self.projection.handlers.of(event.type)
        return bool(handled) and self.projection.passes_over(meta_of(event, event.session))

    @property
    def _name(self) -> str:
        """The projection, and what its author may not know of."""
        if not self.passed_over:
            return self.projection.name
        return (
            f"{self.projection.name} (passed over {self.passed_over} of the events, which are not for everyone in "
            f"their session: declare `shown`, or `shown_to_everyone()`)"
        )

    def _delivered(self, size: int) -> dict[K, T]:
        kept = _Kept(self.projection)
        for first in range(0, len(self.events), size):
            for _ in range(self._times):
                kept.take(first, self.events[first : first + size])
        return kept.values()


class _Kept(Generic[K, T]):
    """A view that knows only stored forms between two batches."""

    def __init__(self, projection: Projection[K, T]) -> None:
        self._projection = projection
        self._taken = 0
        self._rows: dict[K, Any] = {}

    def take(self, first: int, events: list[Event]) -> None:
        """Fold a batch, before which so many events come; what was folded before is passed over."""
        folder = self._loaded()
        for each in events[max(0, self._taken - first) :]:
            self._fold(folder, each)
        self._taken = max(self._taken, first + len(events))
        for place in folder.changed:
            if folder.values.get(place) is None:
                self._rows.pop(place, None)
            else:
                self._rows[place] = folder.row(place)

    def values(self) -> dict[K, T]:
        """What is stored, read back."""
        return {place: value for place, value in self._loaded().values.items() if value is not None}

    def _loaded(self) -> Folder[K, T]:
        folder = self._projection.folder()
        for row in self._rows.values():
            folder.load(row)
        return folder

    def _fold(self, folder: Folder[K, T], event: Event) -> None:
        try:
            folder.fold(folder.prepare(self._projection.items_of(event.data, meta_of(event, event.session))))
        except Exception as fault:
            raise failure(self._projection, event, fault) from fault


def _placed(events: Iterable[Event | EventData]) -> Iterator[Event]:
    for number, each in enumerate(events, 1):
        time = START + timedelta(seconds=number)
        yield event(each, version=number, time=time) if isinstance(each, EventData) else each


def _difference(found: dict[Any, Any], expected: dict[Any, Any]) -> str:
    places = [place for place in {**expected, **found} if found.get(place) != expected.get(place)]
    shown = [f"at {place!r}: {found.get(place)!r}, not {expected.get(place)!r}" for place in places[:3]]
    return "; ".join(shown) + (f" (and {len(places) - 3} more)" if len(places) > 3 else "")
