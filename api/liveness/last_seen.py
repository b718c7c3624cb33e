"""When each instance of a participant was last heard of: held in memory and never written.

An instance is a run of a participant, a process from its start to its end (`instance_of`). Whatever comes from it
counts, on whichever connection; connections are asked for it, so that a frame costs nothing more. The instance whose
run has no name may be any process: for it all counts that comes from the participant; and, in one session only, that a
recorder vouches for it. What was heard before the gateway began to listen (it has just started, or its process stood
still) is not known, and nobody's silence is counted from earlier than that.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from ...domain.ids import ParticipantId, SessionId, TaskId
from ...domain.model import instance_of
from .stall_watch import StallWatch

NEVER = float("-inf")
MAX_ENTRIES = 100_000
"""Instances without a connection, and tasks, for which it is known when they were heard of."""
MAX_VOUCHED = 20_000
"""Participants of sessions of whom it is known when somebody vouched for them."""

MonotonicClock = Callable[[], float]
K = TypeVar("K", bound=Hashable)


class HeardConnection(Protocol):
    """Something that an instance is heard over."""

    @property
    def heard_at(self) -> float:
        """When anything came last, on the clock of `time.monotonic`."""


class LastSeen:
    """Who was last heard of when, as far as `stall_watch` knows that the process could hear."""

    def __init__(self, clock: MonotonicClock = time.monotonic, stall_watch: StallWatch | None = None) -> None:
        self.now = clock
        self.stall_watch = stall_watch or StallWatch(clock)
        self._begun_at = clock()
        self._connections: dict[str, dict[HeardConnection, float]] = {}
        self._last: OrderedDict[str, float] = OrderedDict()
        self._vouched: OrderedDict[str, float] = OrderedDict()  # beside: many of these must not displace the others
        self._progress: OrderedDict[tuple[ParticipantId, SessionId, TaskId], float] = OrderedDict()

    def attach(self, participant: ParticipantId, connection: HeardConnection, run: str | None = None) -> None:
        """They are heard over this connection from now on."""
        for instance in _heard(participant, run):
            self._connections.setdefault(instance, {})[connection] = self.now()

    @contextmanager
    def hearing(
        self, participant: ParticipantId, connection: HeardConnection, run: str | None = None
    ) -> Iterator[None]:
        """They are heard over this connection for the time of the block."""
        self.attach(participant, connection, run)
        try:
            yield
        finally:
            self.detach(participant, connection, run)

    def detach(self, participant: ParticipantId, connection: HeardConnection, run: str | None = None) -> None:
        """The connection has ended."""
        for instance in _heard(participant, run):
            connections = self._connections[instance]
            del connections[connection]
            if not connections:
                del self._connections[instance]
            note_latest(self._last, instance, connection.heard_at)

    def note_request(self, participant: ParticipantId, run: str | None = None) -> None:
        """They were heard of just now, without a connection that lasts."""
        for instance in _heard(participant, run):
            note_latest(self._last, instance, self.now())

    def note_vouched(self, participant: ParticipantId, session: SessionId) -> None:
        """Somebody who may record this session says that they are in it now. That keeps nobody in another one."""
        note_latest(self._vouched, vouched_in(participant, session), self.now(), MAX_VOUCHED)

    def vouched_sessions(self) -> set[SessionId]:
        """The sessions in which anybody was vouched for."""
        return {each.rpartition(_IN)[2] for each in self._vouched}

    def note_progress(self, participant: ParticipantId, session: SessionId, task: TaskId) -> None:
        """They have said just now that they make progress with a task."""
        note_latest(self._progress, (participant, session, task), self.now())

    @property
    def listening_since(self) -> float:
        """Since when the gateway has listened without a break."""
        return max(self._begun_at, self.stall_watch.awake_since)

    def last_heard(self, instance: str) -> float:
        """When it was last heard of here, or since when the gateway listens."""
        connections = self._connections.get(instance, ())
        last = self._last.get(instance, self._vouched.get(instance, NEVER))
        return max([self.listening_since, last, *[each.heard_at for each in connections]])

    def last_progress(self, participant: ParticipantId, session: SessionId, task: TaskId) -> float:
        """When a heartbeat of theirs last said that they make progress with the task."""
        return self._progress.get((participant, session, task), NEVER)

    def connected_since(self, instance: str) -> float:
        """Since when it has had a connection here, of those that it has."""
        return min(self._connections.get(instance, {}).values(), default=NEVER)

    def is_connected(self, instance: str) -> bool:
        """Whether it has a connection here."""
        return instance in self._connections

    def was_heard(self, instance: str) -> bool:
        """Whether it was ever heard of here, as far as is remembered."""
        return instance in self._connections or instance in self._last or instance in self._vouched


_IN = "//"


def vouched_in(instance: str, session: SessionId) -> str:
    """What an instance is called as the one that somebody vouches for in a session; no instance is called so."""
    return f"{instance}{_IN}{session}"


def _heard(participant: ParticipantId, run: str | None) -> set[str]:
    """Which instances this may be."""
    return {participant, instance_of(participant, run)}


def note_latest(known: OrderedDict[K, float], who: K, at: float, most: int = MAX_ENTRIES) -> None:
    """Remember when somebody was last heard of, forgetting those of whom nothing was heard for longest."""
    known[who] = max(at, known.get(who, NEVER))
    known.move_to_end(who)
    if len(known) > most:
        known.popitem(last=False)
