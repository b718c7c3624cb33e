"""A lens: which events of a topic a subscriber sees, and in which reading."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import orjson

from ...domain.audience import Viewer, visible
from ...domain.envelope import audience_and_actor
from ...log.records import Record

Reading = Literal["raw", "folded"]
DELTA = "message.delta"
EVERY = ("*",)


class Entry:
    """A record on its way out: its wire form and its audience are worked out once, when first needed. `plain`: there is
    no audience in it for sure, and so nobody who may not see it."""

    __slots__ = ("_restriction", "_wire", "plain", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.plain = b'"audience":[' not in record.data
        self._wire: bytes | None = None
        self._restriction: tuple[tuple[str, ...], str] | Literal[False] | None = False

    @property
    def wire(self) -> bytes:
        """The envelope as UTF-8 JSON."""
        if self._wire is None:
            self._wire = self.record.wire()
        return self._wire

    @property
    def restriction(self) -> tuple[tuple[str, ...], str] | None:
        """The audience and the actor, or None when everyone may see the event."""
        if self._restriction is False:
            audience, actor = (None, "") if self.plain else audience_and_actor(self.record.data)
            self._restriction = None if audience is None else (audience, actor)
        return self._restriction


class Lens(NamedTuple):
    """What subscribers of one group have in common. `scopes` matters where a topic spans sessions."""

    reading: Reading = "raw"
    types: tuple[str, ...] = ()
    sessions: tuple[str, ...] = EVERY

    def wants(self, record: Record) -> bool:
        """Whether the event's type and session are wanted."""
        return (not self.types or matches(record.type, self.types)) and (
            self.sessions == EVERY or matches(record.session, self.sessions)
        )


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns; a `*` at a pattern's end matches any rest."""
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in patterns)


def may_see(entry: Entry, viewer: Viewer) -> bool:
    """Whether the event's audience includes the viewer."""
    restriction = entry.restriction
    return restriction is None or visible(*restriction, viewer)


Finished = frozenset[tuple[str, str]]
"""Messages, as (session, message), that are known to be finished."""


def message_of(record: Record) -> tuple[str, str]:
    """The session and message that a message's event is about."""
    return record.session, record.subject[len("message:") :]


def read(entries: Sequence[Entry], lens: Lens, viewer: Viewer, finished: Finished) -> list[bytes]:
    """The wire forms that a viewer gets for these consecutive events; `finished` matters to folded readings."""
    if lens.types or lens.sessions != EVERY:
        entries = [entry for entry in entries if lens.wants(entry.record)]
    seen = [entry for entry in entries if entry.plain or may_see(entry, viewer)]
    return _fold(seen, finished) if lens.reading == "folded" else [entry.wire for entry in seen]


def _fold(entries: list[Entry], finished: Finished) -> list[bytes]:
    """Leave out deltas of finished messages and join the consecutive deltas of each open one."""
    folded: list[bytes | _Run] = []
    runs: dict[tuple[str, str], _Run] = {}
    for entry in entries:
        record = entry.record
        if record.type != DELTA:
            folded.append(entry.wire)
            continue
        message = message_of(record)
        if message in finished:
            continue
        members = orjson.loads(entry.wire)
        run = runs.get(message)
        if run is not None and run.part == members["data"].get("part"):
            folded[run.place] = b""
        else:
            run = runs[message] = _Run(members)
        run.add(members, len(folded))
        folded.append(run)
    return [each if isinstance(each, bytes) else each.wire() for each in folded if each != b""]


class _Run:
    """Consecutive deltas of one message and part, becoming one that stands where the last of them stood."""

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
