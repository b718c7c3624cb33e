"""What the store of views keeps beside the views themselves.

A **build** is a view's table with the place up to which it has been folded. A view has one build that is current, which
is what readers see, and perhaps others: one that is being made, and retired ones that nobody reads any more.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from ...domain.ids import Position
from ..authoring.shape import Row, Shape

State = Literal["building", "current", "retired"]
Wish = Literal["retry", "skip"]

LAPSE_S = 3.0
"""Seconds without a beat after which a runner is taken for dead, and others may take over what it held."""


class CheckpointMoved(Exception):
    """The build is not where this runner left it, or not its any more; nothing of the commit was written."""


class Checkpoint(NamedTuple):
    """A place in a log: behind the event at `position`. When `shared` is not 0, it lies further on, before the next
    event, with which a fork begins: behind the first so many of those that this shares with its origin.

    `digest` tells the event there (of the fork, its first one) from any other that might be there after a restore.
    """

    epoch: str
    position: Position = Position(0)
    digest: str = ""
    shared: int = 0


class Build(NamedTuple):
    """A build as it was when the store was asked. Ages are in seconds, by the store's own clock."""

    id: int
    name: str
    version: int
    state: State
    table: str
    shape: Shape
    checkpoint: Checkpoint
    rate: float
    """Events per second, a moving average."""
    stopped: str | None
    """Why it does not go on, until somebody retries."""
    runner: str | None
    """Who advances it, or was the last to."""
    token: int
    """Counts the runners it has had; a commit names it."""
    age: float
    """Since it was begun."""
    still: float
    """Since it last moved."""
    ended: float | None
    """Since it was retired."""
    beat: float | None
    """Since its runner was last heard of; None when it has none."""
    held: bool
    """Whether that runner lives, as far as can be told."""
    parked: int
    """How many keys are parked."""
    passed_over: int
    """How many events were not folded because they are not for everyone in their session."""

    def __str__(self) -> str:
        return f"{self.name} version {self.version} (build {self.id})"


class Parked(NamedTuple):
    """A key whose event could not be folded. What came for the key from `position` on is not in the view."""

    key: str
    position: Position
    """The first event that is not folded: the one that failed, until a retry has passed it."""
    session: str
    type: str
    error: str
    age: float = 0.0
    """Seconds since it was parked."""
    wish: Wish | None = None


class Skipped(NamedTuple):
    """An event that an operator had left out of a key of a build."""

    key: str
    position: Position


class Snapshot(NamedTuple):
    """A value folded up to a version of its session."""

    version: int
    data: bytes


class KeyedSnapshots(NamedTuple):
    """Snapshots of several sessions, by code with this fingerprint. `forget_others`: those of other code are of no more
    use."""

    fingerprint: str = ""
    taken: tuple[tuple[str, Snapshot], ...] = ()
    forget_others: bool = False


class Commit(NamedTuple):
    """What one transaction writes: the checkpoint's step from `after` to `to`, rows, and the keys newly parked."""

    build: int
    token: int
    after: Checkpoint
    to: Checkpoint
    rows: Mapping[Any, Row | None]
    """By place (the columns of the primary key); None deletes."""
    park: tuple[Parked, ...] = ()
    unpark: tuple[str, ...] = ()
    skip: tuple[Skipped, ...] = ()
    """What was left out on this step."""
    stopped: str | None = None
    rate: float = 0.0
    passed_over: int = 0
    """How many events of this step were not folded because they are not for everyone in their session."""
    snapshots: KeyedSnapshots = KeyedSnapshots()
    """Of documents on the way to where this step ends. Those of keys that lack events are not kept."""


class Found(NamedTuple):
    """What a view holds, and up to where it was folded when it was read."""

    build: Build
    rows: list[Row]
    parked: Mapping[str, Parked] = {}
    """What of the view was parked then, by key."""
    skipped: frozenset[Skipped] = frozenset()
    """What was left out of it."""
    more: bool = False
    """Of a page: whether others may follow."""

    def has(self, keys: Iterable[str], position: int) -> bool:
        """Whether an event is in the view that may be parked or skipped under these keys."""
        for key in keys:
            parked = self.parked.get(key)
            if (parked is not None and position >= parked.position) or (key, position) in self.skipped:
                return False
        return True


class Sample(NamedTuple):
    """A part of the rows of a build: those ahead of the first edge, the last one first, and those of each stretch;
    `full`: the numbers of the stretches in which there may be more."""

    build: Build
    ahead: list[Row]
    stretches: list[list[Row]]
    full: frozenset[int]
