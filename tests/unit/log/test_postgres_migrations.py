"""How a log's tables in PostgreSQL come about, and what becomes of those of other versions."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from stenogram.domain.errors import LogReadOnly, LogUnreadable
from stenogram.domain.ids import Position
from stenogram.log.log import Log
from stenogram.log.postgres import Database, PostgresEngine, migrations
from stenogram.log.postgres.admin import migrate_all
from stenogram.log.postgres.migrations import MIGRATIONS, Migration
from stenogram.testing import command
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter
from stenogram.testing.contract.log.factory import check, opened, post

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[3]
Tomorrow = Callable[..., None]


@pytest.fixture
def url(fresh_log: Callable[[], str]) -> str:
    """A log that does not exist yet."""
    return fresh_log()


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> Tomorrow:
    """Makes this a Stenogram of tomorrow, which knows a step more."""

    def tomorrow(serves: int = 1) -> None:
        step = Migration("a note", serves, ("ALTER TABLE {log}.event ADD COLUMN note text",))
        monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, step))
        monkeypatch.setattr(migrations, "NEWEST", len(MIGRATIONS) + 1)

    return tomorrow


def _engine(url: str, read_only: bool = False) -> PostgresEngine:
    return PostgresEngine(Database(url), read_only=read_only)


async def _open(url: str, read_only: bool = False) -> str:
    """Open and close; returns the epoch."""
    engine = _engine(url, read_only)
    head = await engine.open()
    await engine.close()
    return head.epoch


async def test_writers_that_start_at_once_make_one_log(url: str) -> None:
    assert len(set(await asyncio.gather(*[_open(url) for _ in range(5)]))) == 1


async def test_a_reader_makes_nothing(url: str) -> None:
    for _ in range(2):
        with pytest.raises(LogUnreadable, match="no log"):
            await _open(url, read_only=True)


async def test_migrating_twice_changes_nothing(url: str) -> None:
    names = [step.name for step in MIGRATIONS]
    results = await asyncio.gather(migrate_all(url), migrate_all(url))
    assert sorted([result[0].steps for result in results]) == [[], names]
    epoch = await _open(url)
    assert (await migrate_all(url))[0].steps == []
    assert await _open(url) == epoch


async def test_an_older_log_is_left_alone_until_it_is_migrated(url: str, tomorrow: Tomorrow) -> None:
    epoch = await _open(url)
    tomorrow()
    for read_only in (False, True):
        with pytest.raises(LogUnreadable, match="stenogram migrate"):
            await _open(url, read_only=read_only)
    assert (await migrate_all(url))[0].steps == ["a note"]
    assert await _open(url) == epoch


async def test_a_newer_log_is_used_if_it_serves_older_gateways(
    url: str, tomorrow: Tomorrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context():
        tomorrow(serves=len(MIGRATIONS))
        await migrate_all(url)
        monkeypatch.undo()
    engine = _engine(url)
    await engine.open()
    await BatchWriter(engine).write(BatchEvent())
    await engine.close()


async def test_a_newer_log_that_serves_no_older_gateways_is_refused(
    url: str, tomorrow: Tomorrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    tomorrow(serves=len(MIGRATIONS) + 1)
    await migrate_all(url)
    monkeypatch.undo()
    with pytest.raises(LogUnreadable, match="upgrade"):
        await _open(url)


async def test_a_gateway_goes_on_while_its_log_is_migrated(url: str, tomorrow: Tomorrow) -> None:
    async with Log(_engine(url)) as log:
        await opened(log)

        async def write(writer: int) -> None:
            for number in range(20):
                await log.submit(post(f"m-{writer}-{number}"))

        async with asyncio.TaskGroup() as tasks:
            for writer in range(5):
                tasks.create_task(write(writer))
            await log.hub.wait(Position(20))
            tomorrow()
            assert (await migrate_all(url))[0].steps == ["a note"]
        assert len(await check(log)) == 101


async def test_the_logs_of_tenants_are_migrated_with_the_main_one(url: str, tomorrow: Tomorrow) -> None:
    database = Database(url)
    for tenant in ("", "acme", "Böse"):
        async with Log(PostgresEngine(database, tenant=tenant)) as log:
            await log.submit(command("session.open", "trip"))
            assert log.position == 1
    tomorrow()
    schema = database.address.schema
    done = await migrate_all(url)
    assert [each.schema for each in done] == [schema, f"{schema}@Böse", f"{schema}@acme"]
    assert all(each.steps == ["a note"] for each in done)


async def test_a_new_epoch_is_another_one(url: str) -> None:
    epoch = await _open(url)
    await migrate_all(url, new_epoch=True)
    assert await _open(url) != epoch


async def test_a_schema_of_something_else_is_left_alone(url: str) -> None:
    engine = _engine(url)
    async with await psycopg.AsyncConnection.connect(engine.database.address.conninfo) as connection:
        await connection.execute(f'CREATE SCHEMA "{engine.schema}" CREATE TABLE theirs (id int)')
    for attempt in (_open(url), _open(url, read_only=True), migrate_all(url)):
        with pytest.raises(LogUnreadable, match="something else"):
            await attempt


async def test_a_database_that_takes_no_writes_is_refused_to_writers(url: str) -> None:
    await _open(url)
    read_only = f"{url}&options=-c%20default_transaction_read_only%3Don"
    with pytest.raises(LogReadOnly, match="primary"):
        await _open(read_only)
    with pytest.raises(LogReadOnly, match="primary"):
        await migrate_all(read_only)
    await _open(read_only, read_only=True)


async def test_an_encoding_that_cannot_hold_everything_is_refused(postgres: str, url: str) -> None:
    name = _engine(url).schema
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE \"{name}\" ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
        try:
            with pytest.raises(LogUnreadable, match="UTF8"):
                await _open(f"{url}&dbname={name}")
        finally:
            await connection.execute(f'DROP DATABASE "{name}"')


@pytest.mark.parametrize("change", ["dbname=nowhere", "user=nobody-here", "host=/nowhere", "port=1"])
async def test_a_database_that_cannot_be_opened_is_named(url: str, change: str) -> None:
    with pytest.raises(LogUnreadable, match="cannot be opened"):
        await _open(f"{url}&{change}")
    with pytest.raises(LogUnreadable, match="cannot be opened"):
        await migrate_all(f"{url}&{change}")


async def test_a_role_without_rights_is_told(url: str) -> None:
    await _open(url)
    engine = _engine(url)
    role = f"{engine.schema}-guest"
    async with await psycopg.AsyncConnection.connect(engine.database.address.conninfo, autocommit=True) as connection:
        await connection.execute(f'CREATE ROLE "{role}" LOGIN')
        with pytest.raises(LogUnreadable, match="role"):
            await _open(f"{url}&user={role}")
        await connection.execute(f'DROP ROLE "{role}"')


async def test_every_table_and_column_is_documented(url: str) -> None:
    await _open(url)
    documented = re.findall(r"`([^`]+)`", _tables((ROOT / "docs" / "reference" / "postgresql-schema.md").read_text()))
    engine = _engine(url)
    async with await psycopg.AsyncConnection.connect(engine.database.address.conninfo) as connection:
        cursor = await connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s", [engine.schema]
        )
        names = {name for row in await cursor.fetchall() for name in row}
    assert names <= set(documented)


def _tables(page: str) -> str:
    return page.partition("## The tables")[2].partition("\n## ")[0]
