"""When each instance of a participant was last heard of: held in memory and never written.

An instance is a run of a participant, a process from its start to its end (`instance_of`). Whatever comes from it
counts, on whichever connection; connections are asked for it, so that a frame costs nothing more. The instance whose
run has no name may be any process: for it all counts that comes from the participant. What was heard before the gateway
began to listen (it has just started, or its process stood still) is not known, and nobody's silence is counted from
earlier than that.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from ...domain.ids import ParticipantId, SessionId, TaskId
from ...domain.model import instance_of

NEVER = float("-inf")
MAX_ENTRIES = 100_000
"""Instances without a connection, and tasks, for which it is known when they were heard of."""
ATTACHED_AFTER_HTTP_S = 15.0
"""Seconds for which somebody who sends requests over HTTP counts as attached."""

MonotonicClock = Callable[[], float]
K = TypeVar("K", bound=Hashable)


class HeardConnection(Protocol):
    """Something that an instance is heard over."""

    @property
    def heard_at(self) -> float:
        """When anything came last, on the clock of `time.monotonic`."""


class LastSeen:
    """Who was last heard of when. `listening_since`: the gateway has listened without a break since then."""

    def __init__(self, clock: MonotonicClock = time.monotonic) -> None:
        self.now = clock
        self.listening_since = clock()
        self._connections: dict[str, dict[HeardConnection, None]] = {}
        self._last: OrderedDict[str, float] = OrderedDict()
        self._progress: OrderedDict[tuple[ParticipantId, SessionId, TaskId], float] = OrderedDict()

    def attach(self, participant: ParticipantId, connection: HeardConnection, run: str | None = None) -> None:
        """They are heard over this connection from now on."""
        for instance in _heard(participant, run):
            self._connections.setdefault(instance, {})[connection] = None

    def detach(self, participant: ParticipantId, connection: HeardConnection, run: str | None = None) -> None:
        """The connection has ended."""
        for instance in _heard(participant, run):
            connections = self._connections[instance]
            del connections[connection]
            if not connections:
                del self._connections[instance]
            _note(self._last, instance, connection.heard_at)

    def note_request(self, participant: ParticipantId, run: str | None = None) -> None:
        """They were heard of just now, without a connection that lasts."""
        for instance in _heard(participant, run):
            _note(self._last, instance, self.now())

    def note_progress(self, participant: ParticipantId, session: SessionId, task: TaskId) -> None:
        """They have said just now that they make progress with a task."""
        _note(self._progress, (participant, session, task), self.now())

    def restart_listening(self) -> None:
        """Nobody could be heard until now."""
        self.listening_since = self.now()

    def last_heard(self, instance: str) -> float:
        """When it was last heard of here, or since when the gateway listens."""
        connections = self._connections.get(instance, ())
        return max([self.listening_since, self._last.get(instance, NEVER), *[each.heard_at for each in connections]])

    def last_progress(self, participant: ParticipantId, session: SessionId, task: TaskId) -> float:
        """When a heartbeat of theirs last said that they make progress with the task."""
        return self._progress.get((participant, session, task), NEVER)

    def is_connected(self, instance: str) -> bool:
        """Whether it has a connection here."""
        return instance in self._connections

    def is_attached(self, instance: str) -> bool:
        """Whether it can be heard here at all."""
        return self.is_connected(instance) or self._last.get(instance, NEVER) > self.now() - ATTACHED_AFTER_HTTP_S


def _heard(participant: ParticipantId, run: str | None) -> set[str]:
    """Which instances this may be."""
    return {participant, instance_of(participant, run)}


def _note(known: OrderedDict[K, float], who: K, at: float) -> None:
    known[who] = max(at, known.get(who, NEVER))
    known.move_to_end(who)
    if len(known) > MAX_ENTRIES:
        known.popitem(last=False)
