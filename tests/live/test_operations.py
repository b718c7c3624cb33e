"""What operators rely on: metrics that are documented and move, readiness that tells the truth, clear ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.postgres import PostgresServer
from support.wire import Wire

from stenogram.api.delivery.log_cursor import write_cursor
from stenogram.api.server import Gateway
from stenogram.log.postgres.address import Address
from stenogram.projections.store.postgres import READERS, WRITERS
from stenogram.testing import command

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

pytestmark = pytest.mark.thorough

Start = Callable[..., Awaitable[Gateway]]
DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS = DOCS / "how-to" / "operate.md"
METRICS = DOCS / "reference" / "metrics.md"
OURS = "stenogram_"


# -- Metrics -----------------------------------------------------------------------------------------------------------


async def metrics(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """Every sample of ours without labels, or with them in its name."""
    async with http.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        families = text_string_to_metric_families(await answer.text())
        samples = [sample for family in families for sample in family.samples if sample.name.startswith(OURS)]
    return {sample.name + "".join(sample.labels.values()): sample.value for sample in samples}


async def test_every_metric_is_documented_and_no_other(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.get(f"{gateway.url}/metrics") as answer:
        families = [*text_string_to_metric_families(await answer.text())]
    types = {"counter": "_total", "gauge": "", "histogram": ""}
    served = {(each.name + types[each.type], each.type) for each in families if each.name.startswith(OURS)}
    table = re.findall(r"^\| `(stenogram_\w+)` \| (\w+) \|", METRICS.read_text(), re.MULTILINE)
    assert served == set(table)


async def test_metrics_tell_what_happened(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    await wire.command("s", "session.open", {})
    await wire.subscribe(session="s")
    await wire.subscribe(all=True)
    for number in range(4):
        await wire.command("s", "message.post", {"message": f"m{number}", "text": f"{number}"})
    told = await metrics(http, gateway.url)
    assert (
        told["stenogram_events_appended_total"]
        == told["stenogram_log_position"]
        == told["stenogram_batch_events_sum"]
        == 5
    )
    assert told["stenogram_commit_seconds_count"] == told["stenogram_batch_events_bucket1.0"] == 5
    assert told["stenogram_commit_seconds_sum"] > 0
    assert told["stenogram_commit_seconds_bucket+Inf"] == 5
    assert (told["stenogram_connectionswebsocket"], told["stenogram_subscriptions"]) == (1, 2)
    assert (told["stenogram_ring_events"], told["stenogram_logs"], told["stenogram_requests_waiting"]) == (5, 1, 0)
    assert told["stenogram_ring_bytes"] > 5 * 100
    assert told["stenogram_slow_consumers_total"] == told["stenogram_commit_failures_total"] == 0


# -- Readiness ---------------------------------------------------------------------------------------------------------


async def _answer(http: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    async with http.get(f"{url}/ready") as answer:
        return answer.status, await answer.json()


async def _becomes(http: aiohttp.ClientSession, url: str, status: int) -> dict[str, Any]:
    """Ask until the answer is this one; none hangs."""
    async with asyncio.timeout(50):
        while True:
            async with asyncio.timeout(40):
                found, said = await _answer(http, url)
            if found == status:
                return said
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.postgres
async def test_readiness_follows_the_database(
    http: aiohttp.ClientSession, serve: Serve, server: PostgresServer
) -> None:
    gateway = await serve(log=server.url)
    assert (await _becomes(http, gateway.url, 200))["status"] == "ready"
    server.stop("immediate")
    said = await _becomes(http, gateway.url, 503)
    assert said["code"] == "not_ready"
    assert "database" in said["detail"]
    async with http.get(f"{gateway.url}/health") as alive:
        assert alive.status == 200
    server.start()
    await _becomes(http, gateway.url, 200)
    processes = _family(server.pid)
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        await _becomes(http, gateway.url, 503)
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    await _becomes(http, gateway.url, 200)
    assert await gateway.terminate() == 0


@pytest.mark.slow
@pytest.mark.postgres
async def test_a_full_disk_refuses_commits_and_says_so(
    http: aiohttp.ClientSession, serve: Serve, server: PostgresServer
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = server.directory / "small"
    disk.mkdir()
    await _run("mount", "-t", "tmpfs", "-o", "size=24m,mode=777", "tmpfs", str(disk))
    try:
        gateway = await serve(log=server.url)
        space = disk / "space"
        space.mkdir()
        _give(space, server)
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as admin:
            await admin.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
            await admin.execute("ALTER TABLE stenogram.event SET TABLESPACE small")
        wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
        await wire.command("s", "session.open", {})
        text = os.urandom(100_000).hex()
        answers = [await wire.command("s", "message.post", {"message": f"m{n}", "text": text}) for n in range(130)]
        refused = [answer["error"] for answer in answers if answer["frame"] == "refused"]
        assert refused
        assert all(error["code"] == "log_failed" and "full" in error["detail"] for error in refused)
        assert "commit failed" in (await _becomes(http, gateway.url, 503))["detail"]
        acknowledged = 1 + sum(answer["frame"] == "ack" for answer in answers)
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as admin:
            await admin.execute("ALTER TABLE stenogram.event SET TABLESPACE pg_default")
        assert (await wire.command("s", "message.post", {"message": "last", "text": "room again"}))["versions"] == [
            acknowledged + 1
        ]
        await _becomes(http, gateway.url, 200)
        wire.cut()
        assert await gateway.terminate() == 0
    finally:
        server.stop("immediate")
        await _run("umount", str(disk))


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


def _give(path: Path, server: PostgresServer) -> None:
    owner = server.data.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o700)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, children.split())]


# -- Connections -------------------------------------------------------------------------------------------------------


@pytest.mark.postgres
async def test_connections_do_not_grow_with_tenants(start: Start, fresh_log: Callable[[], str]) -> None:
    """Each tenant has a log and views of its own; all of them are being built at once here."""
    log = fresh_log()
    name = log.rpartition("=")[2]
    gateway = await start(log=f"{log}&application_name={name}", views="")
    for named in ("", "acme", "globex", "initech"):
        tenant = await gateway.tenants.of(named)
        await tenant.log.submit(command("session.open", "s-1"))
    async with await psycopg.AsyncConnection.connect(Address.parse(log).conninfo, autocommit=True) as admin:
        async with asyncio.timeout(30):
            for tenant in gateway.tenants.open.values():
                for view in tenant.views.projections:
                    await tenant.views.progress.reach(view, 1, 30)
        cursor = await admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name])
        found = await cursor.fetchone()
    stated = re.search(r"A gateway opens at most (\d+)", OPERATIONS.read_text())
    assert found
    assert stated
    assert found[0] <= int(stated[1]) == 4 + 3 + 1 + WRITERS + READERS


# -- Clear ends --------------------------------------------------------------------------------------------------------


def _serve(log: str) -> tuple[int, str]:
    """The exit code of `stenogram serve`, and all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "stenogram", "serve", "--port", "0", "--log", log],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.postgres
def test_a_gateway_that_cannot_use_its_log_does_not_start(server: PostgresServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE guest LOGIN PASSWORD 'right'")
        admin.execute("CREATE SCHEMA old")
        admin.execute("CREATE TABLE old.migration (version int, name text, serves int)")
        hba = server.data / "pg_hba.conf"
        hba.write_text("local all guest scram-sha-256\n" + hba.read_text())
        admin.execute("SELECT pg_reload_conf()")
    for change, reason in {
        "user=guest&password=wrong": "password authentication failed",
        "schema=old": "stenogram migrate",
        "options=-c%20default_transaction_read_only%3Don": "standby",
        "dbname=nowhere": "does not exist",
        "host=/nowhere": "cannot be opened",
    }.items():
        code, said = _serve(f"{server.url}&{change}")
        assert code == 1, change
        assert reason in said, change
        assert "serving" not in said
        assert "=wrong" not in said


@pytest.mark.postgres
async def test_a_standby_is_read_and_not_written(
    http: aiohttp.ClientSession, serve: Serve, server: PostgresServer
) -> None:
    gateway = await serve(log=server.url, heartbeat=60)  # the client is silent while the standby is made
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    await wire.command("s", "session.open", {"title": "Lisbon"})
    with PostgresServer.standby_of(server) as standby:
        code, said = await asyncio.to_thread(_serve, standby.url)
        assert (code, "standby" in said) == (1, True)
        command = [sys.executable, "-m", "stenogram", "sessions", "--log", standby.url]
        listed = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert "Lisbon" in listed.stdout
        reading = await serve(log=standby.url, read_only=True)
        other = await Wire.open(http, reading.url, participant="ada", kind="user")
        await other.subscribe(session="s")
        for number in range(3):
            await wire.command("s", "message.post", {"message": f"m{number}", "text": "Hello"})
            await other.reach("s", 2 + number)
        assert (await other.command("s", "session.close", {}))["error"]["code"] == "log_read_only"
        ready = await (await http.get(f"{reading.url}/ready")).json()
        assert (ready["read_only"], ready["position"]) == (True, 4)
        other.cut()
        await _check_that_it_waits_for(standby, wire, http, reading)
        assert await reading.terminate() == 0
    wire.cut()
    assert await gateway.terminate() == 0


async def _check_that_it_waits_for(
    standby: PostgresServer, wire: Wire, http: aiohttp.ClientSession, reading: Process
) -> None:
    """A place that the primary's gateway gave is not ready yet while the standby is behind, and good when it is not."""
    with psycopg.connect(standby.url, autocommit=True) as admin:
        admin.execute("SELECT pg_wal_replay_pause()")
        ack = await wire.command("s", "message.post", {"message": "late", "text": "Hello"})
        (version,), (position,) = ack["versions"], ack["positions"]
        cursor = write_cursor(wire.welcome["epoch"], position)
        paths = [
            f"sessions/s/events?after={version}",
            f"events?after={cursor}",
        ]
        for path in paths:
            async with http.get(f"{reading.url}/v1/{path}") as response:
                problem = await response.json()
                assert (response.status, problem["code"], problem["retry_after"]) == (503, "not_ready", 1.0)
        other = await Wire.open(http, reading.url, participant="ada", kind="user")
        for place in ({"session": "s", "after": version}, {"all": True, "after": cursor}):
            await other.send({"frame": "subscribe", "sub": "late", **place})
            assert (await other.refusal())["error"]["code"] == "not_ready"
        admin.execute("SELECT pg_wal_replay_resume()")
        for _ in range(500):
            async with http.get(f"{reading.url}/v1/{paths[0]}") as response:
                if response.status == 200:
                    break
            await asyncio.sleep(0.02)
        for path in paths:
            async with http.get(f"{reading.url}/v1/{path}") as response:
                assert response.status == 200
        other.cut()
