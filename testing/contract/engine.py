"""The contract of a log's engine.

    @pytest.mark.parametrize("sentence", sentences(factory), ids=lambda sentence: sentence.__name__)
    async def test_engine(sentence: Sentence) -> None:
        await sentence(factory)

`ALL` holds for every engine, `DURABLE` for those whose log outlives the engine that wrote it; `sentences` picks what
a factory has to keep. Whatever an engine promises beyond this (locks, other processes) its own tests have to show.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ...domain.errors import LogFailed
from ...domain.ids import Position, Version
from ...log.engine import PAGE_BYTES, Engine, KeyTaken, LogMoved
from ...log.paging import is_last, read_range
from ...log.records import ANYTHING, Batch, ProducerState, Record
from .batch_writer import BatchEvent, BatchWriter
from .without_events import WITHOUT_EVENTS


class EngineFactory(Protocol):
    """Makes the engines under test."""

    durable: bool
    """Whether a log can be opened again by another engine."""

    def __call__(self) -> AbstractAsyncContextManager[Engine]:
        """A new log, opened for writing; closed, and removed, at the end."""

    async def reopen(self, engine: Engine) -> Engine:
        """Close the engine and open its log with another one. Asked of durable engines only."""


Sentence = Callable[[EngineFactory], Awaitable[None]]


def sentences(factory: EngineFactory) -> tuple[Sentence, ...]:
    """The part of the contract that the factory's engines have to keep."""
    return ALL + DURABLE if factory.durable else ALL


# -- Opening -----------------------------------------------------------------------------------------------------------


async def a_new_log_is_empty(factory: EngineFactory) -> None:
    async with factory() as engine:
        position, epoch = await engine.head()
        assert position == 0
        assert epoch
        assert await engine.read_log(0, 10) == []
        assert await engine.read_session("s-1", 0, 10) == []
        assert await engine.read_keys([("s-1", "k-1")]) == {}
        assert await engine.read_heads([("s-1", ANYTHING)]) == {}
        assert await engine.read_producers([("s-1", "p-1")]) == {}
        assert await engine.list_sessions("", 10) == []
        assert await engine.read_subject(["s-1"], "session") == []
        assert await engine.read_tracking("t-1") == 0
        assert await engine.read_live("", 10) == []


async def the_storage_tells_the_time(factory: EngineFactory) -> None:
    async with factory() as engine:
        told = [await engine.time() for _ in range(3)]
        assert told == sorted(told)
        assert abs(told[0] - time.time()) < 3_600, "the server's clock, or this machine's, is wrong"


async def each_log_has_an_epoch_of_its_own(factory: EngineFactory) -> None:
    async with factory() as one, factory() as other:
        assert (await one.head()).epoch != (await other.head()).epoch


async def a_closed_engine_refuses(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        await engine.close()
        await engine.close()
        assert await _raised(LogFailed, engine.write(writer.batch(BatchEvent())))
        assert await _raised(LogFailed, engine.read_log(0, 10))


# -- Events ------------------------------------------------------------------------------------------------------------


async def an_event_is_read_as_it_was_written(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        nothing = await writer.write(BatchEvent(data=b""))
        written = await writer.write(
            BatchEvent("s-1", "session", "k-1", '{"text":"Grüße, 世界"}'.encode()),
            BatchEvent("S.2:_%@+-", 'state:/a"b\\c\n', None, b""),
            BatchEvent("s-1", "task:t-1", "k-2", bytes(range(256))),
        )
        assert await engine.read_log(0, 1) == nothing
        assert await engine.read_log(1, 10) == written
        assert all(type(record) is Record for record in await engine.read_log(0, 10))


async def the_log_is_read_in_pages_in_order(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        written = [
            *await writer.write(BatchEvent("b"), BatchEvent("a")),
            *await writer.write(BatchEvent("b"), BatchEvent("c"), BatchEvent("a")),
        ]
        assert await engine.read_log(0, 2) == written[:2]
        assert await engine.read_log(2, 2) == written[2:4]
        assert await engine.read_log(4, 2) == written[4:]
        assert await engine.read_log(5, 2) == []


async def a_session_is_read_in_pages_in_order(factory: EngineFactory) -> None:
    async with factory() as engine:
        written = await BatchWriter(engine).write(
            BatchEvent("b"), BatchEvent("a"), BatchEvent("b"), BatchEvent("c"), BatchEvent("b")
        )
        ours = [record for record in written if record.session == "b"]
        assert await engine.read_session("b", 0, 2) == ours[:2]
        assert await engine.read_session("b", 2, 2) == ours[2:]
        assert await engine.read_session("b", 3, 2) == []


async def wire_forms_are_those_of_the_records(factory: EngineFactory) -> None:
    async with factory() as engine:
        await BatchWriter(engine).write(
            BatchEvent("b"), BatchEvent("a"), BatchEvent("b"), BatchEvent("c"), BatchEvent("b")
        )
        for after, limit in ((0, 2), (2, 2), (3, 2), (-1, 9)):
            records = await engine.read_session("b", after, limit)
            found = await engine.read_wires("b", after, limit)
            assert found == ([record.version for record in records], [record.wire() for record in records])


async def a_page_ends_with_the_event_that_fills_it(factory: EngineFactory) -> None:
    """A page of a thousand events is little, or all the memory that there is."""
    large = b'{"id":"e-1","text":"%s"}' % (b"x" * (PAGE_BYTES // 3))
    async with factory() as engine:
        written = await BatchWriter(engine).write(
            *[BatchEvent(data=large)] * 4, BatchEvent(), BatchEvent(data=3 * large), BatchEvent(), BatchEvent()
        )
        pages = [written[:3], written[3:6], written[6:]]
        for after, page in zip((0, 3, 6), pages, strict=True):
            assert await engine.read_log(after, 100) == page
            assert await engine.read_session("s-1", after, 100) == page
            versions = [record.version for record in page]
            assert await engine.read_wires("s-1", after, 100) == (versions, [record.wire() for record in page])
            assert is_last(page, 100) == (page == pages[-1])
        assert await read_range(engine, "s-1", 1, 7) == written[1:7]


async def versions_may_have_holes_and_come_late(factory: EngineFactory) -> None:
    """Importers place events themselves, from any version on."""
    async with factory() as engine:
        writer = BatchWriter(engine)
        for version in (7, 0, 3):
            batch = writer.batch(BatchEvent())
            await writer.commit(batch._replace(records=[batch.records[0]._replace(version=Version(version))]))
        assert [record.version for record in await engine.read_session("s-1", -1, 10)] == [0, 3, 7]
        assert [record.version for record in await engine.read_session("s-1", 3, 10)] == [7]


async def a_large_batch_is_written_whole(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        lines = [BatchEvent(f"s-{n % 7}", f"message:m{n % 1300}", f"k-{n}" if n % 3 else None) for n in range(4095)]
        written = await writer.write(*lines)
        assert await engine.read_log(0, 5000) == written
        assert await engine.read_heads(writer.heads) == writer.heads
        keys = {(record.session, record.key): record for record in written if record.key}
        assert await engine.read_keys([(session, key or "") for session, key in keys]) == keys


async def the_events_about_a_subject_are_read_in_position_order(factory: EngineFactory) -> None:
    async with factory() as engine:
        written = await BatchWriter(engine).write(
            BatchEvent("b", "session"),
            BatchEvent("a", "task:t-1"),
            BatchEvent("a", "session"),
            BatchEvent("b", "task:t-1"),
            BatchEvent("c", "session"),
        )
        assert await engine.read_subject(["a", "b", "d"], "session") == [written[0], written[2]]
        assert await engine.read_subject(["b", "a"], "task:t-1") == [written[1], written[3]]
        assert await engine.read_subject([], "session") == []


# -- What is refused ---------------------------------------------------------------------------------------------------


async def a_taken_key_refuses_the_whole_batch(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        await writer.write(BatchEvent(key="k-1"))
        await writer.check_refused(KeyTaken, writer.batch(BatchEvent("s-2", key="k-2"), BatchEvent(key="k-1")))
        await writer.check_refused(KeyTaken, writer.batch(BatchEvent(key="k-3"), BatchEvent(key="k-3")))


async def a_key_is_unique_in_its_session_only(factory: EngineFactory) -> None:
    async with factory() as engine:
        written = await BatchWriter(engine).write(
            BatchEvent("s-1", key="k-1"), BatchEvent("s-2", key="k-1"), BatchEvent("s-1"), BatchEvent("s-1")
        )
        found = await engine.read_keys([("s-2", "k-1"), ("s-1", "k-2"), ("s-3", "k-1")])
        assert found == {("s-2", "k-1"): written[1]}


async def a_taken_version_refuses_the_whole_batch(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        await writer.write(BatchEvent())
        batch = writer.batch(BatchEvent("s-2"), BatchEvent())
        again = batch.records[1]._replace(version=Version(1))
        await writer.check_refused(KeyTaken, batch._replace(records=[batch.records[0], again]))


async def a_batch_for_another_position_is_refused(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        behind = writer.batch(BatchEvent("s-2"))
        await writer.write(BatchEvent(), BatchEvent())
        await writer.check_refused(LogMoved, behind)
        await writer.check_refused(LogMoved, BatchWriter(engine, position=9).batch(BatchEvent("s-2")))
        await writer.check_refused(LogMoved, Batch(Position(1), [], {}, {}, {"t-1": Position(1)}, {}))


# -- What is kept beside events ----------------------------------------------------------------------------------------


async def heads_are_the_last_ones_written(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        await writer.write(BatchEvent("s-1", "task:t-1"), BatchEvent("s-1", "task:t-2"))
        await writer.write(BatchEvent("s-1", "task:t-1"), BatchEvent("s-2", "task:t-1"))
        asked = [("s-1", ANYTHING), ("s-1", "task:t-1"), ("s-1", "task:t-2"), ("s-2", "task:t-1"), ("s-2", "task:t-2")]
        assert await engine.read_heads(asked) == {asked[0]: 3, asked[1]: 3, asked[2]: 2, asked[3]: 1}
        assert await engine.read_heads([]) == {}


async def producers_are_the_last_ones_written(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        first, second = ProducerState(1, 9, Position(1)), ProducerState(2, 1, Position(2))
        await writer.commit(
            writer.batch(BatchEvent())._replace(producers={("s-1", "p-1"): first, ("s-1", "p-2"): first})
        )
        await writer.commit(writer.batch(BatchEvent())._replace(producers={("s-1", "p-1"): second}))
        found = await engine.read_producers([("s-1", "p-1"), ("s-1", "p-2"), ("s-2", "p-1")])
        assert found == {("s-1", "p-1"): second, ("s-1", "p-2"): first}


async def sessions_are_listed_in_pages_by_name(factory: EngineFactory) -> None:
    async with factory() as engine:
        await BatchWriter(engine).write(
            BatchEvent("b"), BatchEvent("B"), BatchEvent("a"), BatchEvent("b-1"), BatchEvent("b"), BatchEvent("10")
        )
        assert await engine.list_sessions("", 3) == [("10", 1), ("B", 1), ("a", 1)]
        assert await engine.list_sessions("a", 3) == [("b", 2), ("b-1", 1)]


async def sessions_are_listed_by_the_letters_of_a_prefix(factory: EngineFactory) -> None:
    """Signs that mean something to a search pattern mean themselves."""
    async with factory() as engine:
        await BatchWriter(engine).write(*map(BatchEvent, ("a_1", "a_2", "ab1", "A_1", "a", "b")))
        assert await engine.list_sessions("", 9, "a_") == [("a_1", 1), ("a_2", 1)]
        assert await engine.list_sessions("a_1", 9, "a_") == [("a_2", 1)]
        assert await engine.list_sessions("A", 1, "a_") == [("a_1", 1)]
        assert await engine.list_sessions("b", 9, "a_") == []


# -- Together with others ----------------------------------------------------------------------------------------------


async def a_batch_is_seen_whole_or_not_at_all(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        writing = asyncio.create_task(_write_batches(writer, count=30, size=10))
        while not writing.done():
            assert len(await engine.read_log(0, 1000)) % 10 == 0
            await asyncio.sleep(0)
        await writing
        assert len(await engine.read_log(0, 1000)) == 300


async def a_cancelled_write_is_done_whole_or_not_at_all(factory: EngineFactory) -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        for _ in range(10):
            writing = asyncio.create_task(engine.write(batch := writer.batch(*[BatchEvent()] * 50)))
            await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            try:
                await writer.commit(batch)
            except LogMoved:
                writer.position, writer.heads = (
                    (await engine.head()).position,
                    writer.heads | batch.heads,
                )
        assert [record.position for record in await engine.read_log(0, 1000)] == [*range(1, 501)]


async def a_change_that_has_been_is_told_at_once(factory: EngineFactory) -> None:
    async with factory() as engine:
        await BatchWriter(engine).write(BatchEvent())
        async with asyncio.timeout(10):
            assert await engine.changed(Position(0), timeout=60)


async def a_wait_for_changes_ends_in_time(factory: EngineFactory) -> None:
    async with factory() as engine:
        await BatchWriter(engine).write(BatchEvent())
        assert not await engine.changed(Position(1), timeout=0.02)


# -- Durable engines ---------------------------------------------------------------------------------------------------


async def a_reopened_log_is_as_it_was_left(factory: EngineFactory) -> None:
    async with factory() as engine:
        head = await engine.head()
        writer = BatchWriter(engine)
        producer = {("s-1", "p-1"): ProducerState(1, 2, Position(2))}
        batch = writer.batch(BatchEvent(key="k-1"), BatchEvent("s-2"))
        written = await writer.commit(batch._replace(producers=producer, tracking={"t-1": Position(4)}))
        reopened = await factory.reopen(engine)
        assert await reopened.head() == (2, head.epoch)
        assert await reopened.read_log(0, 10) == written
        assert await reopened.read_heads(writer.heads) == writer.heads
        assert await reopened.read_producers(producer) == producer
        assert await reopened.read_tracking("t-1") == 4
        assert await _raised(KeyTaken, reopened.write(writer.batch(BatchEvent(key="k-1"))))


async def closing_waits_for_a_cancelled_write(factory: EngineFactory) -> None:
    """Whatever came of it, it is over: a log that is opened afterwards does not change under its new writer."""
    async with factory() as engine:
        writing = asyncio.create_task(engine.write(BatchWriter(engine).batch(*[BatchEvent()] * 2000)))
        await asyncio.sleep(0)
        writing.cancel()
        reopened = await factory.reopen(engine)
        position = (await reopened.head()).position
        assert position in (0, 2000)
        await BatchWriter(reopened, position).write(BatchEvent("s-2"))
        await asyncio.gather(writing, return_exceptions=True)


async def _write_batches(writer: BatchWriter, count: int, size: int) -> None:
    for _ in range(count):
        await writer.write(*[BatchEvent()] * size)


async def _raised(kind: type[Exception], attempt: Awaitable[object]) -> bool:
    try:
        await attempt
    except kind:
        return True
    return False


ALL: tuple[Sentence, ...] = (
    a_new_log_is_empty,
    the_storage_tells_the_time,
    each_log_has_an_epoch_of_its_own,
    a_closed_engine_refuses,
    an_event_is_read_as_it_was_written,
    the_log_is_read_in_pages_in_order,
    a_session_is_read_in_pages_in_order,
    wire_forms_are_those_of_the_records,
    a_page_ends_with_the_event_that_fills_it,
    versions_may_have_holes_and_come_late,
    a_large_batch_is_written_whole,
    the_events_about_a_subject_are_read_in_position_order,
    a_taken_key_refuses_the_whole_batch,
    a_key_is_unique_in_its_session_only,
    a_taken_version_refuses_the_whole_batch,
    a_batch_for_another_position_is_refused,
    heads_are_the_last_ones_written,
    producers_are_the_last_ones_written,
    *WITHOUT_EVENTS,
    sessions_are_listed_in_pages_by_name,
    sessions_are_listed_by_the_letters_of_a_prefix,
    a_batch_is_seen_whole_or_not_at_all,
    a_cancelled_write_is_done_whole_or_not_at_all,
    a_change_that_has_been_is_told_at_once,
    a_wait_for_changes_ends_in_time,
)

DURABLE: tuple[Sentence, ...] = (
    a_reopened_log_is_as_it_was_left,
    closing_waits_for_a_cancelled_write,
)
