"""Who is here: what is known of participants and their runs."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from immutables import Map
from pydantic import JsonValue

from ...ids import ParticipantId, TaskId, Version
from ...model import Kind
from .events import LEASE, Status

WAITING = frozenset({"waiting-for-tool", "waiting-for-human"})
"""Statuses in which nothing is expected of a participant."""
ANONYMOUS = ""
"""The key of the instance whose run has no name."""
_NOBODY: Map[str, "Participant"] = Map()
_NOBODY_HERE: Map[str, None] = Map()


class Instance(NamedTuple):
    """One run of a participant that is here: since the version `joined`, last showing itself `at`."""

    joined: Version
    lease: float
    at: datetime
    status: Status = "idle"
    activity: str | None = None
    until: datetime | None = None


class Participant(NamedTuple):
    """One who takes part. `since` is the version of the last transition, `joined` that in which it came; `at` is when
    it last showed itself; `stalled` are the tasks for which it shows nothing, each with the version that says so;
    `run` is the one that began last, `instances` the runs that are here, and `begun` the versions in which runs began.
    The status is what one of them said last."""

    id: ParticipantId
    kind: Kind
    name: str | None
    about: dict[str, JsonValue] | None
    present: bool
    status: Status
    activity: str | None
    since: Version
    at: datetime
    joined: Version
    lease: float = LEASE
    until: datetime | None = None
    stalled: dict[TaskId, Version] = {}
    run: str | None = None
    instances: dict[str, Instance] = {}
    begun: dict[str, Version] = {}

    def instance(self, run: str | None) -> Instance | None:
        """The run if it is here, or else the one that may be it: the anonymous one, or, if it has no name, the
        newest."""
        key = self.key(run)
        return None if key is None else self.instances[key]

    def key(self, run: str | None) -> str | None:
        """The key of that."""
        for key in (run or ANONYMOUS, ANONYMOUS):
            if key in self.instances:
                return key
        return max(self.instances, key=self._joined, default=None) if run is None else None

    def _joined(self, key: str) -> Version:
        return self.instances[key].joined


class Presence(Mapping[ParticipantId, Participant]):
    """All who take part or took part, by id; persistent. Those who are here are kept apart, so that looking through
    them costs nothing for those who have left."""

    __slots__ = ("_here", "_known")

    def __init__(self, known: Map[str, Participant] = _NOBODY, here: Map[str, None] = _NOBODY_HERE) -> None:
        self._known = known
        self._here = here

    def put(self, participant: Participant) -> "Presence":
        """With a participant as it is now."""
        id, here = participant.id, self._here
        if participant.present != (id in here):
            here = here.set(id, None) if participant.present else here.delete(id)
        return Presence(self._known.set(id, participant), here)

    def present(self) -> Iterator[Participant]:
        """Those who are here, in any order."""
        return map(self._known.__getitem__, self._here)

    def in_order(self) -> list[Participant]:
        """Those who are here, in the order in which they came."""
        return sorted(self.present(), key=lambda each: each.joined)

    def __getitem__(self, id: str) -> Participant:
        return self._known[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


EMPTY = Presence()
