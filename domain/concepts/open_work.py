"""What is open in a session, so that ending some of it costs what there is to end, and not what there has ever been.

An `Index` is a persistent map from a key to ids, without keys that nothing is under. `OpenWork` keeps two: by the
participant whose it is, and by the task that it was begun under.
"""

from collections.abc import Iterator
from typing import NamedTuple

from immutables import Map

from ..ids import ParticipantId, TaskId

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


class OpenWork(NamedTuple):
    """The ids of what is open, by participant and by task."""

    by_owner: Index = Map()
    by_task: Index = Map()

    def begun(self, id: str, owner: ParticipantId, task: TaskId | None) -> "OpenWork":
        """After one was begun."""
        return OpenWork(indexed(self.by_owner, owner, id), indexed(self.by_task, task, id))

    def ended(self, id: str, owner: ParticipantId, task: TaskId | None) -> "OpenWork":
        """After one has ended, or the same when it had before."""
        return OpenWork(unindexed(self.by_owner, owner, id), unindexed(self.by_task, task, id))

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
