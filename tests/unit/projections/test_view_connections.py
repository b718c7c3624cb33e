"""How views use PostgreSQL: few connections, however many projections and tenants, and reads that survive them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel
from support.postgres import PostgresServer

from stenogram.domain.errors import LogFailed
from stenogram.domain.model import EventData
from stenogram.log.postgres import Database
from stenogram.projections import DocProjection
from stenogram.projections.store import Build, ViewStore
from stenogram.projections.store.postgres import READERS, WRITERS, PostgresViews
from stenogram.testing import command
from stenogram.testing.contract.views.scene import claimed, row, step
from stenogram.testing.stage import stage

pytestmark = pytest.mark.postgres

OURS = "FROM pg_stat_activity WHERE application_name = %s"


@pytest.fixture
def url(fresh_log: Callable[[], str]) -> str:
    """A log that does not exist yet, whose connections can be told from others."""
    address = fresh_log()
    return f"{address}&application_name={address.rpartition('=')[2]}"


class Admin:
    """A connection beside those of the store."""

    def __init__(self, connection: "psycopg.Connection[Any]", name: str) -> None:
        self._connection = connection
        self._name = name

    def count(self) -> int:
        """How many connections there are."""
        found = self._connection.execute(f"SELECT count(*) {OURS}", [self._name]).fetchone()
        return found[0] if found else 0

    def terminate(self) -> None:
        """End them, and wait until they are gone."""
        self._connection.execute(f"SELECT pg_terminate_backend(pid, 10000) {OURS}", [self._name])


@pytest.fixture
def admin(url: str) -> Iterator[Admin]:
    conninfo = Database(url).address.conninfo
    with psycopg.connect(conninfo, autocommit=True, application_name="admin") as connection:
        yield Admin(connection, url.rpartition("=")[2])


class Counted(BaseModel):
    events: int = 0


def counting(name: str) -> DocProjection[Counted]:
    projection = DocProjection(name, Counted)

    @projection.on
    def _(doc: Counted, event: EventData) -> None:
        doc.events += 1

    return projection


@asynccontextmanager
async def shown(store: ViewStore) -> AsyncIterator[None]:
    """A view with a row, which readers see."""
    async with store:
        build = await claimed(store)
        await store.commit(build, step(build, 0, 1, row("a", 1)))
        await store.promote(build.id)
        yield


async def seen(store: ViewStore) -> bool:
    """Whether the row is there, asked over all connections that read."""
    found = await asyncio.gather(*[store.get("kept", [("a", 1)]) for _ in range(2 * READERS)])
    return all(each.rows == [row("a", 1)] for each in found)


async def test_reads_survive_a_restart_of_the_server(server: PostgresServer) -> None:
    store = PostgresViews(server.url).store()
    async with shown(store):
        assert await seen(store)
        server.stop("fast")
        server.start()
        assert await seen(store)


async def test_reads_survive_their_connections(url: str, admin: Admin) -> None:
    store = PostgresViews(url).store()
    async with shown(store):
        for _ in range(3):
            assert await seen(store)
            admin.terminate()


async def test_all_tenants_share_the_same_connections(url: str, admin: Admin) -> None:
    views = PostgresViews(url)
    stores = [views.store(tenant) for tenant in ("", "acme", "globex", "initech")]
    async with shown(stores[0]):
        async with shown(stores[1]), shown(stores[2]), shown(stores[3]):
            assert all(await asyncio.gather(*map(seen, stores)))
            assert admin.count() <= WRITERS + READERS
        assert await seen(stores[0])
    with pytest.raises(LogFailed):
        await stores[0].builds()


async def test_connections_do_not_grow_with_projections(url: str, admin: Admin) -> None:
    def kept(builds: Sequence[Build]) -> bool:
        return sum((each.state, each.checkpoint.position) == ("current", here.log.position) for each in builds) == 100

    async with PostgresViews(url).store() as store, stage(store=store) as here:
        await here.log.submit(command("session.open", "s-1"))
        async with here.running(*[counting(f"view{number}") for number in range(100)]):
            await here.until(kept, within=50)
            await here.log.submit(command("message.post", "s-1", message="m1", text="Rooms."))
            await here.until(kept)
            assert admin.count() <= WRITERS + READERS
