"""The threads of a gateway, read and written as records; what LangGraph's serializer makes of them is not known here.

All of it runs in the loop of the client. A thread is locked while it is read, or written on the strength of what was
read, so that two calls of this process do not read the same twice.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ...domain.errors import Conflict
from ...domain.ids import SessionId
from ..folds import Folds
from ..journal import Journal, Record, session_id
from .thread import Key, Thread, Write

Versions = dict[str, str | int | float]


class Stored(NamedTuple):
    """A checkpoint, still serialized, with the values of its channels and the writes that belong to it."""

    thread: str
    ns: str
    id: str
    parent: str | None
    checkpoint: Sequence[str]
    metadata: Sequence[str]
    values: dict[str, list[str]]
    writes: list[Write]


class Steps(NamedTuple):
    """What the ancestors of a checkpoint have written to a channel, the oldest first; and the value before all that, if
    there is one."""

    writes: list[Write]
    seed: list[str] | None


class Threads:
    """Reads and writes threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folds = Folds(journal, Thread)

    async def find(self, name: str, ns: str, id: str | None) -> Stored | None:
        """The checkpoint of this id, or the newest."""
        async with self._folds.current(session_id(name)) as thread:
            thread.seen()
            if id is not None:
                thread.chosen.add((ns, id))
            found = id or thread.newest(ns)
            return None if found is None else _stored(thread, name, (ns, found))

    async def all(self, name: str | None, ns: str | None) -> list[Stored]:
        """The checkpoints of a thread, or of all; of a namespace, or of all."""
        if name is None:
            return [each for session in await self._sessions() for each in await self._of_session(session, None, ns)]
        return await self._of_session(session_id(name), name, ns)

    async def put(self, name: str, ns: str, id: str, parent: str | None, record: Record) -> None:
        """Store a checkpoint. Raises Conflict when it does not go on from the newest one that this process knows, or
        another process has stored one since."""
        session = session_id(name)
        thread = self._folds.of(session)
        async with thread.reader.lock:
            if thread.reader.version == 0:  # a run begins by reading; who has not read begins here
                await self._folds.read(session, thread)
                thread.seen()
            last = thread.last.get(ns)
            if parent not in (None, last) and (ns, str(parent)) not in thread.chosen:
                raise _late(name)
            whole = {"thread": name, "ns": ns, "id": id, "parent": parent, **record}
            try:
                version = await self._journal.append(session, "checkpoint", whole, expect=thread.known)
            except Conflict as conflict:
                raise (_late(name) if type(conflict) is Conflict else conflict) from None
            thread.chosen.discard((ns, str(parent)))
            thread.wrote(version, ns, id)

    async def put_writes(self, name: str, record: Record) -> None:
        """Store what a task has written."""
        await self._journal.append(session_id(name), "writes", record)

    async def delete(self, name: str) -> None:
        """Have a thread no more."""
        async with self._folds.current(session_id(name)) as thread:
            if thread.listed():
                thread.wrote(await self._journal.append(session_id(name), "deleted", {}), "", "")
                thread.last.clear()

    async def delete_for_runs(self, runs: set[str]) -> None:
        """Hide the checkpoints of these runs."""
        for session in await self._sessions():
            async with self._folds.current(session) as thread:
                keys = thread.listed()
                await self._hide(session, thread, [key for key in keys if _record(thread, key)["run"] in runs])

    async def prune(self, names: Iterable[str], *, keep_newest: bool) -> None:
        """Hide all checkpoints, or all but the newest of each namespace."""
        for name in names:
            if not keep_newest:
                await self.delete(name)
                continue
            async with self._folds.current(session_id(name)) as thread:
                newest = {ns: thread.newest(ns) for ns, _ in thread.listed()}
                old = [key for key in thread.listed() if key[1] != newest[key[0]]]
                await self._hide(session_id(name), thread, old)

    async def copy(self, source: str, target: str) -> None:
        """Copy a thread's checkpoints: by a fork, or where the target exists, one by one."""
        async with self._folds.current(session_id(source)) as thread:
            if not thread.listed() or source == target:
                return
            session = session_id(target)
            if await self._journal.fork(session_id(source), session):
                await self._journal.append(session, "named", {"thread": target})
                return
            for kind, record in thread.records():
                named = {**record, "thread": target} if kind == "checkpoint" else record
                await self._journal.append(session, kind, named)

    async def deltas(self, name: str, ns: str, id: str | None, channels: Iterable[str]) -> dict[str, Steps]:
        """What the ancestors of a checkpoint have written to these channels, back to where each has a value."""
        async with self._folds.current(session_id(name)) as thread:
            return _steps(thread, ns, id, channels)

    async def _of_session(self, session: SessionId, name: str | None, ns: str | None) -> list[Stored]:
        async with self._folds.current(session) as thread:
            thread.seen()
            named = name or thread.name or session
            found = (_stored(thread, named, key) for key in thread.listed(ns))
            return [each for each in found if each is not None]

    async def _hide(self, session: SessionId, thread: Thread, keys: list[Key]) -> None:
        if keys:
            await self._journal.append(session, "hidden", {"checkpoints": keys})
            await self._folds.read(session, thread)

    async def _sessions(self) -> list[SessionId]:
        return [session async for session in self._journal.sessions()]


def record_of(
    versions: Versions, checkpoint: Sequence[str], metadata: Sequence[str], run: Any, values: Record
) -> Record:
    """The members of a checkpoint's record that LangGraph says."""
    run = run if isinstance(run, str) else None
    return {"checkpoint": checkpoint, "metadata": metadata, "run": run, "versions": versions, "values": values}


def _steps(thread: Thread, ns: str, id: str | None, channels: Iterable[str]) -> dict[str, Steps]:
    """What the ancestors of a checkpoint have written to these channels, back to where each has a value."""
    steps = {channel: Steps([], None) for channel in channels}
    current = thread.with_hidden((ns, id or thread.newest(ns) or ""))
    left = set(steps)
    while left and current is not None and (parent := current["parent"]) is not None:
        current = thread.with_hidden((ns, parent))
        if current is None:
            break
        for write in reversed(thread.writes((ns, parent))):
            if write.channel in left:
                steps[write.channel].writes.insert(0, write)
        for channel in tuple(left):
            version = current["versions"].get(channel)
            if version is not None and (value := thread.value(ns, channel, version)) is not None:
                steps[channel] = steps[channel]._replace(seed=value)
                left.discard(channel)
    return steps


def _stored(thread: Thread, name: str, key: Key) -> Stored | None:
    record = thread.checkpoint(key)
    if record is None:
        return None
    versions = record["versions"].items()
    found = {channel: thread.value(key[0], channel, version) for channel, version in versions}
    values = {channel: value for channel, value in found.items() if value is not None}
    what = record["checkpoint"], record["metadata"]
    return Stored(name, *key, record["parent"], *what, values, thread.writes(key))


def _record(thread: Thread, key: Key) -> Record:
    record = thread.checkpoint(key)
    assert record is not None
    return record


def _late(name: str) -> Conflict:
    return Conflict(
        f"Another run has written to thread {name!r} since this one began, so nothing of this step was stored. Invoke "
        f"again to go on from the newest checkpoint, or name an older one (`checkpoint_id`) to go on from that."
    )
