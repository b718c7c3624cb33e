"""The board: the tasks of a session as they stand."""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Literal, NamedTuple

from immutables import Map
from pydantic import JsonValue

from ...ids import ParticipantId, TaskId, Version
from ..open_work import Index
from .events import LEASE
from .spec import OnNeedFailed, OnStall

MAX_STEERS = 32
"""How many honoured instructions a task keeps: the last ones."""
MAX_STEERED_BYTES = 16_000_000
"""JSON of one instruction with all the tasks that it is kept with; where these are more, with the oldest."""


class TaskPolicy(NamedTuple):
    """What is to become of a task when things go wrong, see `TaskSpec`; the same as long as it lives."""

    priority: int = 0
    deadline: datetime | None = None
    assignee_timeout: float | None = None
    max_attempts: int | None = None
    backoff: float | None = None
    backoff_coefficient: float = 2.0
    backoff_max: float = 0.0
    on_need_failed: OnNeedFailed = "block"
    on_stall: OnStall = "tell"


class Task(NamedTuple):
    """A task as it stands. `owners` are the holders of all attempts in order, `runs` which runs of them; `fenced` the
    attempts whose refusal was recorded; `active` is when its holder last did something under it; `since` the version
    that created it.

    `tries` counts the attempts since it was created or last rerouted; `opened` is when it last came up to be claimed,
    `not_before` when its backoff ends; `blocked_by` is the need that has failed, `last_error` why the last attempt
    that was no success ended, `steers` are the instructions that were honoured, `audience` is who may see it."""

    id: TaskId
    title: str
    input: JsonValue
    parent: TaskId | None
    needs: tuple[TaskId, ...]
    assignee: ParticipantId | None
    creator: ParticipantId
    stall_after: float
    since: Version
    active: datetime
    status: Literal["open", "claimed", "completed", "failed", "cancelled"] = "open"
    lease: float = LEASE
    owners: tuple[ParticipantId, ...] = ()
    fenced: frozenset[int] = frozenset()
    runs: tuple[str | None, ...] = ()
    policy: TaskPolicy = TaskPolicy()
    opened: datetime = datetime.min
    tries: int = 0
    not_before: datetime | None = None
    blocked_by: TaskId | None = None
    last_error: str | None = None
    steers: tuple[JsonValue, ...] = ()
    audience: tuple[str, ...] | None = None

    @property
    def attempt(self) -> int:
        """The latest claim; 0 before the first."""
        return len(self.owners)

    @property
    def owner(self) -> ParticipantId | None:
        """Who holds it now."""
        return self.owners[-1] if self.status == "claimed" else None

    @property
    def run(self) -> str | None:
        """Which run of that holds it, where it has a name."""
        return self.runs[-1] if self.status == "claimed" else None

    @property
    def unfinished(self) -> bool:
        """Whether there is something to do yet."""
        return self.status in ("open", "claimed")

    @property
    def last_try(self) -> bool:
        """Whether it fails when this attempt comes to nothing."""
        return self.policy.max_attempts is not None and self.tries >= self.policy.max_attempts


class Tasks(NamedTuple):
    """All tasks; by their `dedupe_key`; those that somebody holds, and by their holders; those on the board; the
    unfinished parts of each; the unfinished tasks that need each; and those to which something happens at its time."""

    known: Map[TaskId, Task] = Map()
    keys: Map[str, TaskId] = Map()
    claimed: Map[TaskId, None] = Map()
    held: Index = Map()
    open: Map[TaskId, None] = Map()
    parts: Index = Map()
    dependants: Index = Map()
    timed: Map[TaskId, None] = Map()

    def held_by(self, participant: ParticipantId) -> list[Task]:
        """The tasks that the participant holds, in the order of their creation."""
        return self._in_order(self.held.get(participant, ()))

    def on_board(self) -> list[Task]:
        """The tasks that nobody holds and that are to be done, in the order of their creation."""
        return self._in_order(self.open)

    def being_done(self) -> list[Task]:
        """The tasks that somebody holds, in the order of their creation."""
        return self._in_order(self.claimed)

    def unfinished(self) -> list[Task]:
        """All tasks that are not over, in the order of their creation."""
        return self._in_order([*self.open, *self.claimed])

    def unfinished_parts(self, parent: TaskId) -> list[Task]:
        """The parts of a task that are not over, in the order of their creation."""
        return self._in_order(self.parts.get(parent, ()))

    def unfinished_dependants(self, need: TaskId) -> list[Task]:
        """The tasks that are not over and need this one, which is not over either, in the order of their creation."""
        return self._in_order(self.dependants.get(need, ()))

    def missing(self, task: Task) -> list[TaskId]:
        """What a task needs and is not completed."""
        return [need for need in task.needs if self.known[need].status != "completed"]

    def _in_order(self, ids: Iterable[TaskId]) -> list[Task]:
        return sorted(map(self.known.__getitem__, ids), key=_since)


_since = attrgetter("since")
EMPTY = Tasks()
