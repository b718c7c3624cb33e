"""The saver: what LangGraph asks of it, each twice, as it is called from loops and from threads.

**Two runs on one thread.** Other savers let both write: the chain of checkpoints forks, and what one of the runs did
cannot be reached from the newest checkpoint any more. Here the run that is late is refused with `Conflict`, before
anything of its step is stored: the checkpoint that it goes on from is not the newest any more. To go on from an older
checkpoint on purpose, name it (`checkpoint_id`), as with any saver.
"""

import secrets
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Unpack

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from ..background import InThreads
from ..journal import Access, Journal, Record
from .thread import EMPTY, Write, packed, unpacked
from .threads import Steps, Stored, Threads, record_of

STORE = "langgraph"


class StenogramSaver(InThreads, BaseCheckpointSaver[str]):
    """Keeps checkpoints at a gateway: `url`, and who this is there (`token`, or on an open gateway `participant` and
    `kind`, an agent by default). Its methods may be called from any thread and any event loop. It connects with the
    first call; `close` ends it, as does leaving a block (`with` or `async with`), or the end of the process.

    Raises `Conflict` where another run has written to the thread since this one began, and what a gateway refuses.
    """

    def __init__(self, url: str, *, serde: SerializerProtocol | None = None, **access: Unpack[Access]) -> None:
        super().__init__(serde=serde)
        journal = Journal(STORE, url, access, beside=("writes",))
        self._threads = Threads(journal)
        self._background = journal.background

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, or the newest of its thread."""
        found = await self._background.arun(self._threads.find(*_place(config), get_checkpoint_id(config)))
        return None if found is None else self._tuple(found)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The same, from synchronous code; so are those below without an `a`."""
        found = self._background.run(self._threads.find(*_place(config), get_checkpoint_id(config)))
        return None if found is None else self._tuple(found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints of a thread, or without a config of all threads that this participant may read; the newest
        first within each namespace."""
        found = await self._background.arun(self._threads.all(*_wanted(config)))
        for each in self._chosen(found, config, filter, before, limit):
            yield each

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        found = self._background.run(self._threads.all(*_wanted(config)))
        yield from self._chosen(found, config, filter, before, limit)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; the config that names it. Raises Conflict."""
        putting, stored = self._put(config, checkpoint, metadata, new_versions)
        await self._background.arun(putting)
        return stored

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        putting, stored = self._put(config, checkpoint, metadata, new_versions)
        self._background.run(putting)
        return stored

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task has written since a checkpoint. Storing it again changes nothing."""
        name, record = self._writes(config, writes, task_id, task_path)
        await self._background.arun(self._threads.put_writes(name, record))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        name, record = self._writes(config, writes, task_id, task_path)
        self._background.run(self._threads.put_writes(name, record))

    async def adelete_thread(self, thread_id: str) -> None:
        """Have a thread no more. (Its session keeps the events.)"""
        await self._background.arun(self._threads.delete(thread_id))

    def delete_thread(self, thread_id: str) -> None:
        self._background.run(self._threads.delete(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Have the checkpoints of these runs no more, in whatever thread."""
        await self._background.arun(self._threads.delete_for_runs(set(run_ids)))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._background.run(self._threads.delete_for_runs(set(run_ids)))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread: a fork of its session, unless the target exists; then its checkpoints are added to that."""
        await self._background.arun(self._threads.copy(source_thread_id, target_thread_id))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._background.run(self._threads.copy(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep the newest checkpoint of each namespace, or with `delete` none. Channels that are kept as deltas keep
        what they rest on."""
        await self._background.arun(self._threads.prune(thread_ids, keep_newest=_keeps(strategy)))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._background.run(self._threads.prune(thread_ids, keep_newest=_keeps(strategy)))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What a checkpoint's ancestors have written to channels that are kept as deltas."""
        steps = self._threads.deltas(*_place(config), get_checkpoint_id(config), channels)
        return self._deltas(await self._background.arun(steps))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        steps = self._threads.deltas(*_place(config), get_checkpoint_id(config), channels)
        return self._deltas(self._background.run(steps))

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Versions of a channel rise, and those of two runs are never the same."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:032}.{secrets.token_hex(8)}"

    def close(self) -> None:
        """Close the connection and end the thread behind it. Idempotent."""
        self._shut()

    def _put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new: ChannelVersions
    ) -> tuple[Coroutine[Any, Any, None], RunnableConfig]:
        """What stores a checkpoint as it is now, and the config that names it then."""
        record = self._record(config, checkpoint, metadata, new)
        place, id = _place(config), checkpoint["id"]
        return self._threads.put(*place, id, get_checkpoint_id(config), record), _config(*place, id)

    def _record(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new: ChannelVersions
    ) -> Record:
        given, about = checkpoint["channel_values"], get_checkpoint_metadata(config, metadata)
        without: Any = {name: value for name, value in checkpoint.items() if name != "channel_values"}
        values = {
            channel: [version, *(self._dumped(given[channel]) if channel in given else (EMPTY, ""))]
            for channel, version in new.items()
        }
        dumped = self._dumped(without), self._dumped(about)
        return record_of(checkpoint["channel_versions"], *dumped, about.get("run_id"), values)

    def _writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task: str, path: str
    ) -> tuple[str, Record]:
        name, ns = _place(config)
        numbered = [
            [WRITES_IDX_MAP.get(channel, index), channel, *self._dumped(value)]
            for index, (channel, value) in enumerate(writes)
        ]
        id = config["configurable"]["checkpoint_id"]
        return name, {"ns": ns, "checkpoint": id, "task": task, "path": path, "writes": numbered}

    def _tuple(self, stored: Stored) -> CheckpointTuple:
        values = {channel: self._loaded(value) for channel, value in stored.values.items()}
        return CheckpointTuple(
            config=_config(stored.thread, stored.ns, stored.id),
            checkpoint=self._loaded(stored.checkpoint) | {"channel_values": values},
            metadata=self._loaded(stored.metadata),
            parent_config=None if stored.parent is None else _config(stored.thread, stored.ns, stored.parent),
            pending_writes=[self._pending(each) for each in stored.writes],
        )

    def _chosen(
        self,
        found: Iterable[Stored],
        config: RunnableConfig | None,
        filter: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Iterator[CheckpointTuple]:
        id = None if config is None else get_checkpoint_id(config)
        end = None if before is None else get_checkpoint_id(before)
        left = limit
        for each in found:
            if (id and each.id != id) or (end and each.id >= end):
                continue
            if filter:
                metadata = self._loaded(each.metadata)
                if any(metadata.get(name) != value for name, value in filter.items()):
                    continue
            if left is not None:
                if left <= 0:
                    return
                left -= 1
            yield self._tuple(each)

    def _deltas(self, steps: dict[str, Steps]) -> dict[str, DeltaChannelHistory]:
        found: dict[str, DeltaChannelHistory] = {}
        for channel, (writes, seed) in steps.items():
            found[channel] = {"writes": [self._pending(each) for each in writes]}
            if seed is not None:
                found[channel]["seed"] = self._loaded(seed)
        return found

    def _pending(self, write: Write) -> PendingWrite:
        return write.task, write.channel, self._loaded(write.value)

    def _dumped(self, value: Any) -> "tuple[str, str]":
        return packed(self.serde.dumps_typed(value))

    def _loaded(self, value: Sequence[str]) -> Any:
        return self.serde.loads_typed(unpacked(value))


def _place(config: RunnableConfig) -> tuple[str, str]:
    """The thread and the namespace that a config names."""
    place = config["configurable"]
    return str(place["thread_id"]), place.get("checkpoint_ns", "")


def _wanted(config: RunnableConfig | None) -> tuple[str | None, str | None]:
    """The same of a listing, in which both may be left open."""
    if config is None:
        return None, None
    place = config["configurable"]
    return str(place["thread_id"]), place.get("checkpoint_ns")


def _config(thread: str, ns: str, id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": id}}


def _keeps(strategy: str) -> bool:
    if strategy not in ("keep_latest", "delete"):
        raise ValueError(f"The strategy is keep_latest or delete, not {strategy!r}.")
    return strategy == "keep_latest"
