"""Events to be delivered: entries of a ring, where they come one by one; slices, which hold them in columns."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

from ...domain.envelope import readers_of
from ...log.records import Record

_AUDIENCE = b'"audience":['


class RingEntry:
    """A record to be delivered; its wire form is made once, when first needed."""

    __slots__ = ("_wire", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self._wire: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The envelope as UTF-8 JSON."""
        if self._wire is None:
            self._wire = self.record.wire()
        return self._wire


class EventSlice:
    """Events of one topic, in order: their places, and their envelopes as UTF-8 JSON. The `records` are there where a
    filter needs them, and otherwise there are none."""

    def __init__(self, places: Sequence[int], wires: Sequence[bytes], records: Sequence[Record] = ()) -> None:
        self.places = places
        self.wires = wires
        self.records = records

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def restrictions(self) -> dict[int, tuple[str, ...]]:
        """By place, the readers of those events that are not for everyone."""
        found: dict[int, tuple[str, ...]] = {}
        if not _names_audience(b"".join(self.wires), len(self) // 4):
            return found
        for place, wire in zip(self.places, self.wires, strict=True):
            if _AUDIENCE in wire:
                readers = readers_of(wire)
                if readers is not None:
                    found[place] = readers
        return found

    @property
    def unbroken(self) -> bool:
        """Whether no place is missing."""
        return not self.places or self.places[-1] - self.places[0] == len(self.places) - 1

    def part(self, start: int, end: int) -> "EventSlice":
        """From one index up to another."""
        part = EventSlice(self.places[start:end], self.wires[start:end], self.records[start:end])
        if not self.restrictions:
            part.restrictions = self.restrictions  # what holds for all holds for the part
        return part

    def between(self, at: int, upto: int) -> "EventSlice":
        """Those with at < place ≤ upto."""
        start, end = bisect_right(self.places, at), bisect_right(self.places, upto)
        return self if end - start == len(self) else self.part(start, end)

    def stretches(self) -> "list[EventSlice]":
        """Split where places are missing."""
        if self.unbroken:
            return [self] if self.places else []
        places = self.places
        ends = [n for n in range(1, len(places)) if places[n] != places[n - 1] + 1]
        return [self.part(start, end) for start, end in zip([0, *ends], [*ends, len(places)], strict=True)]


def _names_audience(wires: bytes, few: int) -> bool:
    """Whether these name an audience anywhere. A byte alone is found thirty times as quickly as a text, and most events
    hold no list: so brackets are checked one by one, as long as they are few."""
    length = len(_AUDIENCE)
    end = wires.find(b"[") + 1
    for _ in range(few):
        if end == 0:
            return False
        if wires.endswith(_AUDIENCE, 0, end):
            return True
        end = wires.find(b"[", end) + 1
    return wires.find(_AUDIENCE, max(0, end - length)) >= 0
