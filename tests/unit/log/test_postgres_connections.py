"""What becomes of reads and commits when connections break, the server is away, or another transaction has the log."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from support.postgres import PostgresServer

from stenogram.domain.errors import LogFailed
from stenogram.domain.ids import Position
from stenogram.log.engine import LogMoved
from stenogram.log.log import Log
from stenogram.log.postgres import Database, PostgresEngine
from stenogram.log.postgres.pool import _shut_down_socket
from stenogram.testing.command import command
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter
from stenogram.testing.contract.log.factory import check, delta, opened, places, post, refusal

pytestmark = pytest.mark.postgres

Connection = psycopg.AsyncConnection[Any]

OURS = "FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"


@pytest.fixture
def url(fresh_log: Callable[[], str]) -> str:
    """A log that does not exist yet, whose connections can be told from others."""
    address = fresh_log()
    return f"{address}&application_name={address.rpartition('=')[2]}"


@pytest.fixture
async def admin(url: str) -> AsyncIterator[Connection]:
    """A connection beside those of the engine."""
    conninfo = Database(url).address.conninfo
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True, application_name="admin") as admin:
        yield admin


@asynccontextmanager
async def _engine(url: str, **more: Any) -> AsyncIterator[PostgresEngine]:
    engine = PostgresEngine(Database(url, **more))
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def _name(engine: PostgresEngine) -> str:
    return engine.schema


async def _waiting(admin: Connection, engine: PostgresEngine, number: int = 1) -> None:
    """Wait until so many statements of the engine wait for a lock."""
    async with asyncio.timeout(30):
        while True:
            await admin.execute("SELECT pg_stat_clear_snapshot()")  # or a transaction sees the first answer for ever
            cursor = await admin.execute(f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'", [_name(engine)])
            row = await cursor.fetchone()
            if row == (number,):
                return
            await asyncio.sleep(0.01)


async def _terminate(admin: Connection, engine: PostgresEngine) -> None:
    await admin.execute(f"SELECT pg_terminate_backend(pid) {OURS}", [_name(engine)])


@asynccontextmanager
async def _held(admin: Connection, engine: PostgresEngine) -> AsyncIterator[None]:
    """Another transaction has the row of the log, and writes nothing in the end."""
    async with admin.transaction(force_rollback=True):
        await admin.execute(f'UPDATE "{engine.schema}".log SET position = position + 1')
        yield


async def test_a_read_survives_its_connection(url: str, admin: Connection) -> None:
    async with _engine(url) as engine:
        written = await BatchWriter(engine).write(BatchEvent(), BatchEvent())
        for _ in range(3):
            await _terminate(admin, engine)
            assert await engine.read_log(0, 10) == written


async def test_a_commit_survives_its_connection(url: str, admin: Connection) -> None:
    async with _engine(url) as engine:
        writer = BatchWriter(engine)
        for number in range(1, 4):
            await _terminate(admin, engine)
            await writer.write(BatchEvent(), BatchEvent())
            assert (await engine.head()).position == 2 * number


async def test_a_commit_that_is_cut_off_is_written_once(url: str, admin: Connection) -> None:
    """Its statement waits for the log's row when its connection is lost; it is tried again, and waits beside itself."""
    async with _engine(url) as engine:
        writer = BatchWriter(engine)
        await writer.write(BatchEvent())
        (connection,) = engine.database.writers._idle
        async with _held(admin, engine):
            writing = asyncio.create_task(writer.write(BatchEvent(), BatchEvent()))
            await _waiting(admin, engine)
            _shut_down_socket(connection)
            await _waiting(admin, engine, 2)
        written = await writing
        assert (await engine.read_log(0, 10))[1:] == written
        assert (await engine.head()).position == 3


async def test_a_commit_whose_reply_is_lost_is_recognised(url: str) -> None:
    async with _engine(url) as engine:
        writer = BatchWriter(engine)
        await writer.write(BatchEvent())
        batch = writer.batch(BatchEvent(data=b'{"id":"e-2"}'), BatchEvent(data=b'{"id":"e-3"}'))
        _lose_next_reply(engine)
        await writer.commit(batch)
        assert (await engine.read_log(0, 10))[1:] == batch.records


async def test_a_lost_commit_is_not_taken_for_one_of_somebody_else(url: str) -> None:
    async with _engine(url) as engine, _engine(url) as rival:
        writer = BatchWriter(engine)
        batch = writer.batch(BatchEvent(data=b'{"id":"e-1"}'))
        _lose_next_request(engine)
        await BatchWriter(rival).write(BatchEvent(data=b'{"id":"e-2"}'))
        with pytest.raises(LogMoved):
            await writer.commit(batch)
        assert len(await engine.read_log(0, 10)) == 1


async def test_who_waits_too_long_for_another_transaction_is_refused_and_tries_again(
    url: str, admin: Connection
) -> None:
    async with Log(PostgresEngine(Database(url, patience=1.0))) as log:
        await opened(log)
        said = post("m-1")
        assert isinstance(log.engine, PostgresEngine)
        async with _held(admin, log.engine):
            error = await refusal(log.submit(said))
            assert isinstance(error, LogFailed)
            assert error.extra["retry_after"] > 0
        assert (await log.submit(said)).versions == (2,)
        assert len(await check(log)) == 2


async def test_a_log_survives_a_crash_and_restart_of_the_server(
    server: PostgresServer,
) -> None:
    async with Log(PostgresEngine(Database(server.url, patience=1.0))) as log:
        await opened(log)
        server.stop("immediate")
        errors = await asyncio.gather(*[refusal(log.submit(post(f"m-{number}"))) for number in range(10)])
        assert all(isinstance(error, LogFailed) and error.extra["retry_after"] for error in errors)
        assert isinstance(await refusal(log.state("s-2")), LogFailed)
        server.start()
        results = await asyncio.gather(*[log.submit(post(f"m-{number}")) for number in range(10)])
        assert sorted(result.versions for result in results) == [(version,) for version in range(2, 12)]
        async with Log(PostgresEngine(Database(server.url))) as rival:
            await rival.submit(post("m-10"))
            await log.hub.wait(Position(11))
        assert len(await check(log)) == 12


async def test_a_short_outage_is_only_a_pause(server: PostgresServer) -> None:
    async with Log(PostgresEngine(Database(server.url))) as log:
        await opened(log)
        server.stop("immediate")
        answer = log.submit(post("m-1"))
        state = asyncio.create_task(log.state("s-2"))
        await asyncio.to_thread(server.start)
        assert await answer == places(2, 2)
        assert (await state).version == 0


async def test_a_server_that_stands_still_holds_nobody_up_for_ever(server: PostgresServer) -> None:
    async with Log(PostgresEngine(Database(server.url, patience=1.0))) as log:
        await opened(log)
        said = post("m-1")
        async with _standing_still(server):
            errors = [await refusal(log.submit(said)), await refusal(log.state("s-2"))]
            assert all(isinstance(error, LogFailed) for error in errors)
        async with asyncio.timeout(40):
            while not isinstance(await _outcome(log, said), tuple):
                pass
        assert len(await check(log)) == 2


async def test_connections_do_not_grow_with_their_users(url: str, admin: Connection) -> None:
    database = Database(url)
    async with Log(PostgresEngine(database)) as log, Log(PostgresEngine(database, tenant="acme")) as other:
        for each in (log, other):
            await opened(each, *[f"s-{number}" for number in range(50)])
            await each.submit(command("message.start", message="m"))
            await asyncio.gather(
                *[each.submit(delta(number)) for number in range(50)],
                *[each.engine.read_session(f"s-{number}", 0, 10) for number in range(50)],
            )
        cursor = await admin.execute(f"SELECT count(*) {OURS}", [database.address.schema])
        row = await cursor.fetchone()
        assert row is not None
        assert 2 <= row[0] <= 1 + 2 + 3  # the listener, the writers, the readers


async def test_a_tenant_hears_nothing_of_another(url: str) -> None:
    database = Database(url)
    async with Log(PostgresEngine(database)) as log, Log(PostgresEngine(database, tenant="acme")) as other:
        await opened(log)
        assert await other.engine.read_log(0, 10) == []
        assert other.position == 0
        assert log.epoch != other.epoch


async def test_a_cancelled_read_leaves_the_pool_in_order(url: str) -> None:
    async with _engine(url) as engine:
        written = await BatchWriter(engine).write(*[BatchEvent()] * 500)
        for _ in range(20):
            reading = asyncio.create_task(engine.read_log(0, 1_000))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert await engine.read_log(0, 1_000) == written


# -- Breaking things ---------------------------------------------------------------------------------------------------


def _lose_next_reply(engine: PostgresEngine) -> None:
    """The next batch is committed, and the connection is lost before that is known."""
    _break_next(engine, after=True)


def _lose_next_request(engine: PostgresEngine) -> None:
    """The next batch is not even sent."""
    _break_next(engine, after=False)


def _break_next(engine: PostgresEngine, *, after: bool) -> None:
    connection = engine.database.writers._idle[-1]
    execute = connection.execute

    async def lost(*args: Any, **more: Any) -> Any:
        if after:
            await execute(*args, **more)
        connection.pgconn.finish()
        raise psycopg.OperationalError("the connection is lost")

    connection.execute = lost  # type: ignore[method-assign]


@asynccontextmanager
async def _standing_still(server: PostgresServer) -> AsyncIterator[None]:
    """All processes of the server are stopped, and go on in the end."""
    stopped: list[int] = []
    try:
        for pid in _family(server.pid):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def _family(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [pid, *map(int, children.read().split())]


async def _outcome(log: Log, said: Any) -> object:
    try:
        return await log.submit(said)
    except LogFailed as error:
        return error
