"""What is open in a session, so that ending some of it costs what there is to end, and not what there has ever been.

An `Index` is a persistent map from a key to ids, without keys that nothing is under. `OpenWork` keeps two: by the
participant whose it is, and by the task that it was begun under.
"""

from collections.abc import Iterator
from typing import NamedTuple

from immutables import Map

from ..errors import Conflict
from ..ids import ParticipantId, TaskId

MAX_OPEN = 10_000
"""Tasks that are not over, and open messages, tool calls, signals and approvals, of each kind in one session: one
cancel may end all of them by one commit, which takes the storage about 50 ms."""

MAX_OPEN_BYTES = 16_000_000
"""Bytes of text in the open messages of one session, since whatever ends them writes all of it by one commit."""

Index = Map[str, Map[str, None]]
_NONE: Map[str, None] = Map()


def indexed(index: Index, key: str | None, id: str) -> Index:
    """The index with `id` under `key`; the same one when there is no key."""
    return index if key is None else index.set(key, index.get(key, _NONE).set(id, None))


def unindexed(index: Index, key: str | None, id: str) -> Index:
    """The index without `id` under `key`; the same one when it is not there."""
    ids = None if key is None else index.get(key)
    if key is None or ids is None or id not in ids:
        return index
    return index.set(key, ids.delete(id)) if len(ids) > 1 else index.delete(key)


def refuse_more(open: int, what: str) -> None:
    """Raise Conflict when so many are open that there may be no more."""
    if open >= MAX_OPEN:
        raise Conflict(f"A session has at most {MAX_OPEN:,} {what}; end some first.", most=MAX_OPEN)


class OpenWork(NamedTuple):
    """The ids of what is open, by participant and by task, and how many there are."""

    number: int = 0
    by_owner: Index = Map()
    by_task: Index = Map()

    def begun(self, id: str, owner: ParticipantId, task: TaskId | None) -> "OpenWork":
        """After one was begun."""
        return OpenWork(self.number + 1, indexed(self.by_owner, owner, id), indexed(self.by_task, task, id))

    def ended(self, id: str, owner: ParticipantId, task: TaskId | None) -> "OpenWork":
        """After one has ended, or the same when it had before."""
        by_owner = unindexed(self.by_owner, owner, id)
        if by_owner is self.by_owner:
            return self
        return OpenWork(self.number - 1, by_owner, unindexed(self.by_task, task, id))

    def of(self, owner: ParticipantId | None) -> Iterator[str]:
        """What a participant, or with None anyone, has open."""
        if owner is not None:
            yield from self.by_owner.get(owner, _NONE)
        else:
            for ids in self.by_owner.values():
                yield from ids

    def under(self, task: TaskId) -> Iterator[str]:
        """What is open under a task."""
        return iter(self.by_task.get(task, _NONE))
