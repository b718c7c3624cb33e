"""A thread as its records tell it: checkpoints, the values of channels, and the writes of tasks.

    checkpoint  {thread, ns, id, parent, checkpoint, metadata, values: {channel: [version, type, bytes]}}
    writes      {ns, checkpoint, task, path, writes: [[index, channel, type, bytes], …]}
    hidden      {checkpoints: [[ns, id], …]}     deleted or pruned, one by one
    deleted     {}                               all that there was
    named       {thread}                         what a copy is called

Values are as the serializer made them: a type, and its bytes in base64. A hidden checkpoint is listed no more. The
channels that are kept as deltas still find in it what their values rest on.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

from langgraph.checkpoint.base import writes_sort_key

from ..journal import Entry, Reader, Record

EMPTY = "empty"
Key = tuple[str, str]
"""A namespace, and a checkpoint's id."""


class Write(NamedTuple):
    """A write of a task, still serialized."""

    task: str
    number: int
    channel: str
    value: list[str]
    path: str

    @property
    def order(self) -> tuple[str, str, int]:
        """The order in which a step's writes are applied."""
        return writes_sort_key(self.path, self.task, self.number)


class Thread:
    """A thread, and what this process knows of who writes to it. `known` is the version of the newest checkpoint that a
    caller here has seen, `last` by namespace the checkpoint that was written last as far as that, and `chosen` are the
    older ones that were asked for by their ids."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.name: str | None = None
        self.known = 0
        self.last: dict[str, str] = {}
        self.chosen: set[Key] = set()
        self._checkpoints: dict[Key, Record] = {}
        self._hidden: set[Key] = set()
        self._writes: dict[Key, dict[tuple[str, int], Write]] = {}
        self._values: dict[tuple[str, str, str | int | float], list[str]] = {}
        self._written: dict[str, str] = {}

    def fold(self, entry: Entry) -> None:
        """Add a record."""
        record = entry.record
        match entry.kind:
            case "checkpoint":
                self._add(record)
            case "writes":
                self._add_writes(record)
            case "hidden":
                self._hidden |= {(ns, id) for ns, id in record["checkpoints"]}
            case "deleted":
                for each in (self._checkpoints, self._hidden, self._writes, self._values, self._written):
                    each.clear()
            case "named":
                self.name = record["thread"]

    def seen(self) -> None:
        """A caller has seen the thread as it is."""
        self.known, self.last = self.reader.head, dict(self._written)

    def wrote(self, version: int, ns: str, id: str) -> None:
        """A caller has written this checkpoint, which it knows then."""
        self.known, self.last[ns] = version, id

    def checkpoint(self, key: Key) -> Record | None:
        """A checkpoint that is not hidden."""
        return None if key in self._hidden else self._checkpoints.get(key)

    def with_hidden(self, key: Key) -> Record | None:
        """A checkpoint, be it hidden."""
        return self._checkpoints.get(key)

    def newest(self, ns: str) -> str | None:
        """The id of the newest checkpoint in a namespace. Ids rise."""
        return max((id for _, id in self.listed(ns)), default=None)

    def listed(self, ns: str | None = None) -> list[Key]:
        """The checkpoints, of one namespace or of all, the newest first within each namespace."""
        found = [each for each in self._checkpoints if each not in self._hidden and ns in (None, each[0])]
        by_age = sorted(found, key=lambda each: each[1], reverse=True)
        return sorted(by_age, key=lambda each: each[0])

    def writes(self, key: Key) -> list[Write]:
        """The writes that belong to a checkpoint, in order."""
        return sorted(self._writes.get(key, {}).values(), key=lambda each: each.order)

    def value(self, ns: str, channel: str, version: str | int | float) -> list[str] | None:
        """The serialized value of a channel at a version of it; None where it is empty."""
        found = self._values.get((ns, channel, version))
        return None if found is None or found[0] == EMPTY else found

    def records(self) -> Iterator[tuple[str, Record]]:
        """What makes the thread as it is, for another one: kinds and records."""
        for key in sorted(self.listed(), key=lambda each: each[1]):
            checkpoint = self._checkpoints[key]
            yield "checkpoint", checkpoint
            for each in self.writes(key):
                write = [each.number, each.channel, *each.value]
                yield (
                    "writes",
                    {"ns": key[0], "checkpoint": key[1], "task": each.task, "path": each.path, "writes": [write]},
                )

    def _add(self, record: Record) -> None:
        key = record["ns"], record["id"]
        self.name = record["thread"]
        self._checkpoints[key] = record
        self._hidden.discard(key)
        self._written[key[0]] = key[1]
        for channel, (version, *value) in record["values"].items():
            self._values[key[0], channel, version] = value

    def _add_writes(self, record: Record) -> None:
        known = self._writes.setdefault((record["ns"], record["checkpoint"]), {})
        task, path = record["task"], record["path"]
        for number, channel, *value in record["writes"]:
            # A task's writes are kept as they were first; its errors and interrupts as they were last.
            if number < 0 or (task, number) not in known:
                known[task, number] = Write(task, number, channel, value, path)


def packed(typed: tuple[str, bytes]) -> tuple[str, str]:
    """What a serializer made, as JSON has it."""
    return typed[0], b64encode(typed[1]).decode()


def unpacked(packed: Any) -> tuple[str, bytes]:
    """The reverse."""
    return packed[0], b64decode(packed[1])
