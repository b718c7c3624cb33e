"""Tenants harm nobody else, and cost nothing while nobody uses them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from support.postgres import PostgresServer
from support.wire import Closed, Wire

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.client import Client, Unreachable
from stenogram.log.engine import LogHead
from stenogram.log.log import Log
from stenogram.log.postgres.address import Address, in_schema
from stenogram.log.postgres.admin import migrate_all
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing import command

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"


def token(tenant: str, sub: str = "ana", kind: str = "user") -> str:
    return jwt.encode({"sub": sub, "kind": kind, "tenant": tenant, "exp": time.time() + 600}, SECRET, "HS256")


async def say(http: aiohttp.ClientSession, gateway: Gateway, tenant: str, session: str = "s") -> tuple[int, Any]:
    """Open a session, or describe it, over HTTP: status and answer."""
    url = f"{gateway.url}/v1/sessions/{session}/commands"
    body = {"id": os.urandom(8).hex(), "do": "session.label", "data": {"set": {"at": str(time.time_ns())}}}
    async with http.post(url, json=body, headers={"Authorization": f"Bearer {token(tenant)}"}) as answer:
        told = await answer.json()
        if told.get("code") not in ("not_found", "conflict"):
            return answer.status, told
    body = {"id": os.urandom(8).hex(), "do": "session.open", "data": {}}
    async with http.post(url, json=body, headers={"Authorization": f"Bearer {token(tenant)}"}) as answer:
        return answer.status, await answer.json()


async def ready(http: aiohttp.ClientSession, gateway: Gateway) -> int:
    async with http.get(f"{gateway.url}/ready") as answer:
        return answer.status


async def until(holds: Callable[[], object], within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def heals(http: aiohttp.ClientSession, gateway: Gateway, tenant: str) -> Any:
    """Ask until the tenant is served again; what it was told last."""
    async with asyncio.timeout(40):
        while True:
            status, answer = await say(http, gateway, tenant)
            if status == 200:
                return answer
            assert status == 503, answer
            await asyncio.sleep(0.1)


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Faults are logged, and each test that makes some looks whom they concern."""


# -- Faults ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def database(fresh_log: Callable[[], str]) -> AsyncIterator[tuple[str, psycopg.AsyncConnection]]:
    """The address of a log, and a connection to its database."""
    log = fresh_log()
    async with await psycopg.AsyncConnection.connect(Address.parse(log).conninfo, autocommit=True) as admin:
        yield log, admin


@pytest.mark.postgres
@pytest.mark.parametrize("views", ["none", ""])
async def test_a_schema_that_is_dropped_is_trouble_for_its_tenant_alone(
    http: aiohttp.ClientSession,
    start: Start,
    database: tuple[str, psycopg.AsyncConnection],
    views: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, admin = database
    gateways = [await start(log=log, jwt_secret=SECRET, views=views) for _ in range(2)]
    for gateway in gateways:
        for tenant in ("", "acme", "globex"):
            assert (await say(http, gateway, tenant))[0] == 200
    wires = [await Wire.open(http, gateway.url, token=token("acme")) for gateway in gateways]
    bystander = await Wire.open(http, gateways[0].url, token=token("globex"))
    schema = Address.parse(log).of_tenant("acme").schema
    await admin.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))
    await say(http, gateways[0], "acme")  # one notices by writing, the other by looking
    for wire in wires:
        with pytest.raises(Closed) as closed:
            await wire.until(lambda: False)
        assert (closed.value.code, closed.value.bye and closed.value.bye["code"]) == (4000, "server_error")
    for gateway in gateways:
        status, problem = await say(http, gateway, "acme")
        assert (status, problem["code"], problem["retry_after"]) == (503, "log_unreadable", 1.0)
        assert "operator" in problem["detail"]
        assert schema not in str(problem)
        assert await ready(http, gateway) == 200
        assert [(await say(http, gateway, tenant))[0] for tenant in ("", "globex")] == [200, 200]
        assert gateway.tenants.faults >= 1
    assert any(record.__dict__.get("tenant") == "acme" and schema in record.message for record in caplog.records)
    assert (await bystander.command("s", "session.label", {"set": {"a": "b"}}))["frame"] == "ack"
    bystander.cut()
    await migrate_all(in_schema(log, schema))
    for gateway in gateways:
        await heals(http, gateway, "acme")


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.postgres
async def test_tenants_outlive_a_database_that_is_away(
    http: aiohttp.ClientSession, start: Start, server: PostgresServer
) -> None:
    gateway = await start(log=server.url, jwt_secret=SECRET, heartbeat=60)
    assert [(await say(http, gateway, tenant))[0] for tenant in ("", "acme")] == [200, 200]
    wire = await Wire.open(http, gateway.url, token=token("acme"))
    server.stop("immediate")
    asked = [asyncio.create_task(say(http, gateway, tenant)) for tenant in ("", "acme", "new")]
    for status, problem in await asyncio.gather(*asked):
        assert (status, problem["code"] in ("log_failed", "log_unreadable")) == (503, True)
    server.start()
    for tenant in ("", "acme", "new"):
        await heals(http, gateway, tenant)
    assert (await wire.command("s", "session.label", {"set": {"a": "b"}}))["frame"] == "ack"  # it was never cut
    wire.cut()


async def test_a_tenant_that_could_not_be_opened_is_opened_when_the_cause_is_gone(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    gateway = await start(jwt_secret=SECRET, views="")
    file = tmp_path / "log@acme.db"
    file.write_bytes(b"no database at all " * 100)
    for _ in range(2):
        status, problem = await say(http, gateway, "acme")
        assert (status, problem["code"]) == (503, "log_unreadable")
    with pytest.raises(Closed):
        await Wire.open(http, gateway.url, token=token("acme"))
    with pytest.raises(Unreachable, match=r"takes no connection: The log of this tenant cannot be used now"):
        await Client(gateway.url, token=token("acme"), connect_timeout=4).connect()
    assert await ready(http, gateway) == 200
    assert (await say(http, gateway, "globex"))[0] == 200
    file.unlink()
    await heals(http, gateway, "acme")


async def test_a_log_that_another_process_writes_is_opened_when_it_is_free(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    gateway = await start(jwt_secret=SECRET)
    async with Log(SqliteEngine(tmp_path / "log@acme.db")):
        status, problem = await say(http, gateway, "acme")
        assert (status, problem["code"]) == (503, "log_in_use")
        assert str(tmp_path) not in str(problem)
    await heals(http, gateway, "acme")


async def test_views_that_cannot_be_opened_leave_the_tenant_its_log(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    gateway = await start(jwt_secret=SECRET, views="")
    (tmp_path / "log.views@acme.db").write_bytes(b"no database at all " * 100)
    assert (await say(http, gateway, "acme"))[0] == 200
    headers = {"Authorization": f"Bearer {token('acme')}"}
    async with http.get(f"{gateway.url}/v1/views/state/s", headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "views_failed")


async def test_a_fault_in_the_work_for_a_tenant_ends_that_alone(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET)
    assert (await say(http, gateway, "acme"))[0] == 200
    tenant = gateway.tenants.open["acme"]

    async def stumble() -> None:
        raise RuntimeError("a defect")

    tenant.feed.pages._tasks.create_task(stumble())
    await until(lambda: gateway.tenants.faults)
    assert (await say(http, gateway, ""))[0] == 200
    await until(lambda: "acme" not in gateway.tenants._keepers)
    await asyncio.sleep(1.0)
    assert (await say(http, gateway, "acme"))[0] == 200


async def test_a_log_that_was_there_is_not_made_again(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    """Somebody may be about to restore it."""
    gateway = await start(jwt_secret=SECRET, tenant_idle=0.2)
    assert (await say(http, gateway, "acme"))[0] == 200
    await until(lambda: "acme" not in gateway.tenants._keepers)
    file = tmp_path / "log@acme.db"
    kept = file.read_bytes()
    file.unlink()
    status, problem = await say(http, gateway, "acme")
    assert (status, problem["code"], file.exists()) == (503, "log_unreadable", False)
    file.write_bytes(kept)
    assert (await heals(http, gateway, "acme"))["versions"] == [2]


async def test_a_tenant_that_is_being_opened_keeps_no_gateway_from_ending(
    http: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, open_log = asyncio.Event(), SqliteEngine.open

    async def slow(engine: SqliteEngine) -> LogHead:
        if "acme" in engine.path.name:
            opening.set()
            await asyncio.sleep(600)
        return await open_log(engine)

    monkeypatch.setattr(SqliteEngine, "open", slow)
    settings = Settings(log=str(tmp_path / "log.db"), port=0, drain=0.1, views="none", jwt_secret=SECRET)
    async with asyncio.timeout(40), running(settings) as gateway:
        asking = asyncio.create_task(say(http, gateway, "acme"))
        await opening.wait()
        assert (await say(http, gateway, ""))[0] == 200
    with pytest.raises(aiohttp.ClientError):
        await asking


# -- Idle tenants ------------------------------------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
async def test_a_tenant_that_nobody_uses_is_closed_and_opened_again(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET, views="", tenant_idle=0.5)
    assert (await say(http, gateway, ""))[0] == 200
    names = [f"t-{number}" for number in range(8)]
    before, wires = (descriptors(), threading.active_count()), list[Wire]()
    for name in names:
        assert (await say(http, gateway, name))[0] == 200
        wires.append(await Wire.open(http, gateway.url, token=token(name)))  # so that all are open at once
    assert descriptors() > before[0] + 2 * len(wires) + 50
    for wire in wires:
        wire.cut()
    await until(lambda: list(gateway.tenants.open) == [""])
    await until(lambda: len(gateway.tenants._keepers) == 1)
    await until(lambda: descriptors() <= before[0] + 2)
    await until(lambda: threading.active_count() <= before[1] + 2)
    async with http.get(f"{gateway.url}/metrics") as answer:
        assert "stenogram_events_appended_total 9.0" in await answer.text()  # those of closed logs count
    for name in names:
        assert (await say(http, gateway, name))[1]["versions"] == [2]


async def test_a_tenant_in_use_is_not_closed(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET, tenant_idle=0.2)
    for name in ("by-socket", "by-stream", "by-waiting"):
        assert (await say(http, gateway, name))[0] == 200
    wire = await Wire.open(http, gateway.url, token=token("by-socket"))
    bearer = {"Authorization": f"Bearer {token('by-stream')}", "Accept": "text/event-stream"}
    stream = await http.get(f"{gateway.url}/v1/events", headers=bearer)
    bearer = {"Authorization": f"Bearer {token('by-waiting')}"}
    waiting = asyncio.create_task(http.get(f"{gateway.url}/v1/sessions/s/events?after=1&wait=30", headers=bearer))
    await until(lambda: len(gateway.tenants.open) == 4)
    await asyncio.sleep(1.0)
    assert set(gateway.tenants.open) == {"", "by-socket", "by-stream", "by-waiting"}
    wire.cut()
    stream.close()
    assert (await say(http, gateway, "by-waiting"))[0] == 200
    (await waiting).close()
    await until(lambda: list(gateway.tenants.open) == [""])


async def test_what_falls_due_in_a_closed_tenant_opens_it(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET, tenant_idle=0.2)
    wire = await Wire.open(http, gateway.url, token=token("acme", "hotels", "agent"))
    await wire.command("s", "session.open", {})
    question = {"approval": "a-1", "question": "Book it?", "within": 6}
    answer = await wire.command("s", "approval.request", question)
    assert answer["frame"] == "ack", answer
    wire.cut()
    await until(lambda: list(gateway.tenants.open) == [""])
    await until(lambda: "acme" in gateway.tenants.open)
    tenant = gateway.tenants.open["acme"]
    await until(lambda: tenant.log.position == 3)
    (record,) = await tenant.log.read_session("s", 2, 10)
    assert record.type == "approval.expired"
    await until(lambda: list(gateway.tenants.open) == [""])


async def test_as_many_are_open_as_may_be(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET, tenants=3)
    for name in ("a", "b", "a", "c"):
        assert (await say(http, gateway, name))[0] == 200
    assert set(gateway.tenants.open) == {"", "a", "c"}
    wires = [await Wire.open(http, gateway.url, token=token(name)) for name in ("a", "c")]
    status, problem = await say(http, gateway, "d")
    assert (status, problem["code"], problem["retry_after"]) == (429, "busy", 1.0)
    for wire in wires:
        wire.cut()
    await until(lambda: not any(tenant.connections for tenant in gateway.tenants.open.values()))
    assert (await say(http, gateway, "d"))[0] == 200


async def test_a_log_in_memory_is_kept(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET, log="memory:", tenant_idle=0.1)
    assert (await say(http, gateway, "acme"))[0] == 200
    await asyncio.sleep(0.5)
    assert (await say(http, gateway, "acme"))[1]["versions"] == [2]


@pytest.mark.slow
async def test_views_are_folded_before_a_tenant_is_closed(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    gateway = await start(jwt_secret=SECRET, views="", views_in="process", tenant_idle=0.3)
    tenant = await gateway.tenants.of("acme")
    for number in range(200):
        await tenant.log.submit(command("session.open", f"s-{number}"))
    await until(lambda: "acme" not in gateway.tenants._keepers, within=40)
    with sqlite3.connect(tmp_path / "log.views@acme.db") as views:
        places = views.execute("SELECT name, position FROM view_build WHERE state = 'current'").fetchall()
    views.close()
    assert places
    assert all(position == 200 for _, position in places), places
