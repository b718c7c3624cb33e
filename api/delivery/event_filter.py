"""A filter: which events of a topic a subscriber sees, and in which reading."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import orjson

from ...domain.audience import Viewer, visible
from ...log.records import Record
from .event_slice import EventSlice

Reading = Literal["raw", "folded"]
DELTAS = frozenset({"message.delta", "tool.output"})
"""Types of which folded readings leave out what is in a later event, and join what is not."""
EVERY_SESSION = ("*",)


class EventFilter(NamedTuple):
    """What subscribers of one group have in common. `sessions` matters where a topic spans sessions."""

    reading: Reading = "raw"
    types: tuple[str, ...] = ()
    sessions: tuple[str, ...] = EVERY_SESSION

    @property
    def selects(self) -> bool:
        """Whether some events are not wanted."""
        return bool(self.types) or self.sessions != EVERY_SESSION

    @property
    def needs_records(self) -> bool:
        """Whether wire forms alone do not suffice."""
        return self.selects or self.reading == "folded"

    def wants(self, record: Record) -> bool:
        """Whether the event's type and session are wanted."""
        return (not self.types or matches_any(record.type, self.types)) and (
            self.sessions == EVERY_SESSION or matches_any(record.session, self.sessions)
        )


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns; a `*` at a pattern's end matches any rest."""
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in patterns)


Finished = frozenset[tuple[str, str]]
"""Messages and tool calls, as (session, subject), that are known to be finished."""


def stream_of(record: Record) -> tuple[str, str]:
    """The session, and the message or tool call that a delta or an end is of."""
    return record.session, record.subject


def visible_wires(run: EventSlice, filter: EventFilter, viewer: Viewer, finished: Finished) -> Sequence[bytes]:
    """The wire forms that a viewer gets for these consecutive events; `finished` matters to folded readings."""
    if not (filter.needs_records or run.restrictions):
        return run.wires
    hidden = {place for place, readers in run.restrictions.items() if not visible(readers, viewer)}
    seen = [n for n, place in enumerate(run.places) if place not in hidden]
    if filter.selects:
        seen = [n for n in seen if filter.wants(run.records[n])]
    if filter.reading == "folded":
        return _fold([(run.records[n], run.wires[n]) for n in seen], finished)
    return [run.wires[n] for n in seen]


def _fold(seen: list[tuple[Record, bytes]], finished: Finished) -> list[bytes]:
    """Leave out deltas of finished messages and calls, and join the consecutive deltas of each open one."""
    folded: list[bytes | _JoinedDeltas] = []
    runs: dict[tuple[str, str], _JoinedDeltas] = {}
    for record, wire in seen:
        if record.type not in DELTAS:
            folded.append(wire)
            continue
        stream = stream_of(record)
        if stream in finished:
            continue
        members = orjson.loads(wire)
        run = runs.get(stream)
        if run is not None and run.part == members["data"].get("part"):
            folded[run.place] = b""
        else:
            run = runs[stream] = _JoinedDeltas(members)
        run.add(members, len(folded))
        folded.append(run)
    return [each if isinstance(each, bytes) else each.wire() for each in folded if each != b""]


class _JoinedDeltas:
    """Consecutive deltas of one message and part, or of one call, becoming one at the place of the last of them."""

    def __init__(self, first: dict[str, object]) -> None:
        data = first["data"]
        assert isinstance(data, dict)
        self.part = data.get("part")
        self.place = 0
        self._first = data.get("first", data["index"])
        self._texts: list[str] = []
        self._last = first

    def add(self, members: dict[str, object], place: int) -> None:
        data = members["data"]
        assert isinstance(data, dict)
        self._texts.append(data["text"])
        self._last = members
        self.place = place

    def wire(self) -> bytes:
        data = self._last["data"]
        assert isinstance(data, dict)
        first = {} if self._first == data["index"] else {"first": self._first}
        return orjson.dumps({**self._last, "data": {**data, "text": "".join(self._texts), **first}})
