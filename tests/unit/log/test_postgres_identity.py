"""A log that has lost events, or has others in their places, is not used as if it were the one that was known."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import psycopg
import pytest
from support.postgres import PostgresServer, new_log

from stenogram.domain.errors import LogFailed, LogReplaced
from stenogram.domain.ids import Position, Version
from stenogram.log.engine import LogHead, LogMoved
from stenogram.log.log import Log
from stenogram.log.postgres import Database, PostgresEngine, sql
from stenogram.log.postgres.admin import migrate_all
from stenogram.log.postgres.sql import within
from stenogram.log.records import ANYTHING, Record
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter
from stenogram.testing.contract.log.factory import opened, post, refusal

pytestmark = pytest.mark.postgres

BEFORE, LOST = 3, 2
"""Events that are there before and after, and events that are lost."""

Use = Callable[[PostgresEngine, BatchWriter], Awaitable[object]]


async def _write(engine: PostgresEngine, writer: BatchWriter) -> object:
    return await writer.commit(writer.batch(_line("next")))


async def _write_in_a_turn(engine: PostgresEngine, writer: BatchWriter) -> object:
    async with engine.hold_writers():
        return await _write(engine, writer)


USES: dict[str, tuple[Use, type[Exception]]] = {
    "write": (_write, LogMoved),
    "write in a turn": (_write_in_a_turn, LogMoved),
    "wait": (lambda engine, _: engine.changed(engine._identity.position, 0.01), LogReplaced),
    "mark": (lambda engine, _: engine.head(), LogReplaced),
    "follow": (lambda engine, _: engine.read_log(BEFORE + LOST, 100), LogReplaced),
    "read the log": (lambda engine, _: engine.read_log(0, 100), LogReplaced),
    "read a session": (lambda engine, _: engine.read_session("s-1", 0, 100), LogReplaced),
    "read on in a session": (lambda engine, _: engine.read_session("s-1", BEFORE + LOST, 100), LogReplaced),
    "read wires": (lambda engine, _: engine.read_wires("s-1", 0, 100), LogReplaced),
}


def _line(word: str) -> BatchEvent:
    return BatchEvent(data=b'{"id":"e-%s","type":"x.said"}' % word.encode())


async def test_nothing_is_done_with_a_log_that_has_another_past(server: PostgresServer) -> None:
    """As many other events as were lost, fewer or more: that does not matter."""
    logs = {others: new_log(server.url) for others in range(LOST + 2)}
    for url in logs.values():
        await _extend(url, 0, *[f"before-{number}" for number in range(BEFORE)])
    copy = await asyncio.to_thread(server.copy_data)
    async with AsyncExitStack() as stack:
        known = {others: await _knowing(stack, url) for others, url in logs.items()}
        await asyncio.to_thread(server.fall_back, copy)
        for others, (engine, writer) in known.items():
            await _extend(logs[others], BEFORE, *[f"other-{number}" for number in range(others)])
            for use, (work, error) in USES.items():
                with pytest.raises((LogReplaced, LogMoved)) as raised:
                    await work(engine, writer)
                assert raised.errisinstance(error), (others, use)
            async with Log(PostgresEngine(Database(logs[others]), read_only=True)) as log:
                assert log.position == BEFORE + others


async def _extend(url: str, position: int, *words: str) -> None:
    """Write one batch for each word, with an engine of its own."""
    async with _scribe(url, position) as writer:
        for word in words:
            await writer.write(_line(word))


@asynccontextmanager
async def _scribe(url: str, position: int) -> AsyncIterator[BatchWriter]:
    """One that goes on from there."""
    engine = PostgresEngine(Database(url))
    await engine.open()
    writer = BatchWriter(engine, position)
    writer.heads["s-1", ANYTHING] = Version(position)
    try:
        yield writer
    finally:
        await engine.close()


async def _knowing(stack: AsyncExitStack, url: str) -> tuple[PostgresEngine, BatchWriter]:
    """An engine that has read the first events that will be lost, and written the last."""
    writer = await stack.enter_async_context(_scribe(url, BEFORE + LOST - 1))
    await _extend(url, BEFORE, *[f"lost-{number}" for number in range(LOST - 1)])
    assert isinstance(writer.engine, PostgresEngine)
    await writer.engine.read_log(0, 100)
    await writer.write(_line("lost-last"))
    return writer.engine, writer


async def test_a_server_that_has_everything_is_gone_on_with(server: PostgresServer) -> None:
    url = new_log(server.url)
    async with Log(PostgresEngine(Database(url))) as log:
        await opened(log)
        await log.submit(post("m-1"))
        copy = await asyncio.to_thread(server.copy_data)
        await asyncio.to_thread(server.fall_back, copy)
        assert (await log.submit(post("m-2"))).versions == (3,)


async def test_a_log_ends_that_finds_its_events_lost(server: PostgresServer) -> None:
    """Whether it writes or only follows; and places that it gave out are known from those of the log as it is now."""
    url = new_log(server.url)
    async with Log(PostgresEngine(Database(url))) as first:
        await opened(first)
    copy = await asyncio.to_thread(server.copy_data)
    log, reader = Log(PostgresEngine(Database(url))), Log(PostgresEngine(Database(url), read_only=True))
    await log.__aenter__()
    await reader.__aenter__()
    await log.submit(post("m-1"))
    await reader.hub.wait(Position(log.position - 1))
    await asyncio.to_thread(server.fall_back, copy)
    for each in (log, reader):
        with pytest.raises(LogReplaced, match="missing"):
            async with asyncio.timeout(40):
                await each.broken()
    assert isinstance(await _refusal(log), LogFailed)
    for each in (log, reader):
        with pytest.raises(LogReplaced):
            await each.__aexit__()
    async with Log(PostgresEngine(Database(url))) as later:
        assert later.epoch != log.epoch
        assert (await later.submit(post("m-1"))).versions == (2,)


async def _refusal(log: Log) -> Exception:
    try:
        return await refusal(log.submit(post("m-2")))
    except LogFailed as error:
        return error


@pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])
async def test_a_log_ends_whose_epoch_was_renewed(fresh_log: Callable[[], str], read_only: bool) -> None:
    url = fresh_log()
    await migrate_all(url)
    log = Log(PostgresEngine(Database(url), read_only=read_only))
    await log.__aenter__()
    await migrate_all(url, new_epoch=True)
    with pytest.raises(LogReplaced, match="epoch"):
        async with asyncio.timeout(40):
            await log.broken()
    with pytest.raises(LogReplaced):
        await log.__aexit__()


async def test_a_standby_that_is_behind_is_waited_for(server: PostgresServer) -> None:
    url = new_log(server.url)
    schema = Database(url).address.schema
    await _extend(url, 0, "first")
    with PostgresServer.standby_of(server) as standby:
        reader = PostgresEngine(Database(f"{standby.url}&schema={schema}", patience=1.0), read_only=True)
        await reader.open()
        async with await psycopg.AsyncConnection.connect(standby.url, autocommit=True) as admin:
            await admin.execute("SELECT pg_wal_replay_pause()")
            async with _scribe(url, 1) as writer:
                await writer.write(_line("second"))
                reader._identity = writer.engine._identity  # type: ignore[attr-defined]
            with pytest.raises(LogFailed):
                await reader.read_log(0, 10)
            await admin.execute("SELECT pg_wal_replay_resume()")
        assert len(await _eventually(reader)) == 2
        await reader.close()


async def test_a_standby_that_catches_up_within_a_read_gives_what_it_has(server: PostgresServer) -> None:
    url = new_log(server.url)
    schema = Database(url).address.schema
    await _extend(url, 0, "first")
    with PostgresServer.standby_of(server) as standby:
        reader = PostgresEngine(Database(f"{standby.url}&schema={schema}"), read_only=True)
        await reader.open()
        async with await psycopg.AsyncConnection.connect(standby.url, autocommit=True) as admin:
            await admin.execute("SELECT pg_wal_replay_pause()")
            async with _scribe(url, 1) as writer:
                await writer.write(_line("second"))
                reader._identity = writer.engine._identity  # type: ignore[attr-defined]
            look = reader.head

            async def replayed_meanwhile() -> LogHead:
                await admin.execute("SELECT pg_wal_replay_resume()")
                while True:
                    with suppress(LogFailed):
                        return await look()

            reader.head = replayed_meanwhile  # type: ignore[method-assign]
            assert len(await reader.read_log(0, 10)) == 2
        await reader.close()


async def _eventually(reader: PostgresEngine) -> list[Record]:
    async with asyncio.timeout(40):
        while True:
            try:
                return await reader.read_log(0, 10)
            except LogFailed:
                pass


async def test_no_statement_is_planned_for_a_small_log(fresh_log: Callable[[], str]) -> None:
    """A plan is kept while the log grows: what is quickest for fifty events would take seconds for millions."""
    engine = PostgresEngine(Database(fresh_log()))
    await engine.open()
    writer = BatchWriter(engine)
    await writer.write(*[_line(f"{number}") for number in range(60)])
    values = engine._identity.values | {"after": 59, "limit": 1, "session": "s-1"}
    async with engine.database.writers.borrow() as connection:
        await connection.execute(f'ANALYZE "{engine.schema}".event')
        for statement in (sql.READ_END, sql.READ_LOG, sql.READ_SESSION, sql.READ_WIRES):
            cursor = await connection.execute(b"EXPLAIN " + within(engine.schema, statement), values)
            plan = "\n".join([line for (line,) in await cursor.fetchall()])
            assert "Seq Scan" not in plan, plan
    await engine.close()
