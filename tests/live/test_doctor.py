"""`stenogram doctor` finds what keeps a gateway from working, and says what to mend."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import psycopg
import pytest
from support.postgres import PostgresServer

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.cli.main import run
from stenogram.cli.operating.doctor.finding import Finding
from stenogram.cli.operating.doctor.view_checks import check_views
from stenogram.log.postgres.migrations import NEWEST
from stenogram.testing import command

VIEWS_TO_COME = "none are built yet; a gateway makes them when it starts"
Start = Callable[..., Awaitable[Gateway]]
Found = dict[str, list[dict[str, str]]]
Doctor = Callable[..., tuple[int, Found]]


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Some of what is looked at is broken."""


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    """Runs it with settings of choice: its exit code, and what it found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STENOGRAM_PORT", "0")

    def doctor(**settings: str) -> tuple[int, Found]:
        codes: list[int] = []
        with monkeypatch.context() as context:
            for name, value in settings.items():
                context.setenv(f"STENOGRAM_{name.upper()}", value)
            thread = threading.Thread(target=lambda: codes.append(run(["doctor", "--json"])))  # a loop of its own
            thread.start()
            thread.join()
        found: Found = {}
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        for finding in map(json.loads, lines):
            found.setdefault(finding["what"], []).append(finding)
        return codes[0], found

    return doctor


def test_nothing_is_wrong_with_a_new_place_and_nothing_is_made(doctor: Doctor, tmp_path: Path) -> None:
    code, found = doctor()
    assert code == 0
    assert {each["level"] for some in found.values() for each in some} <= {"ok", "warn"}
    assert set(found) >= {"versions", "keys", "origins", "port", "descriptors", "disk", "log", "views"}
    assert found["keys"][0]["level"] == "warn"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "what", "says"),
    [
        ({"host": "0.0.0.0"}, "keys", "loopback only"),
        ({"jwt_secret": "short"}, "keys", "32 bytes"),
        ({"jwt_public_key": "nonsense"}, "keys", "no public key"),
        ({"origins": '["https://app.example.com/"]'}, "origins", 'send "https://app.example.com"'),
        ({"origins": '["*"]'}, "origins", "name each origin"),
        ({"log": "/nowhere/x.db"}, "log", "does not exist"),
        ({"log": "redis://x"}, "log", "no engine"),
        ({"log": "postgresql:///x?host=/nowhere"}, "database", "No such file"),
        ({"host": "192.0.2.1", "jwt_secret": "x" * 32}, "port", "address of this machine"),
    ],
)
def test_what_does_not_work_is_named(doctor: Doctor, settings: dict[str, str], what: str, says: str) -> None:
    code, found = doctor(**settings)
    assert code == 1
    (finding,) = [each for each in found[what] if each["level"] == "fail"]
    assert says in finding["said"]
    assert finding["mend"]
    assert not [name for name, some in found.items() if name != what and any(each["level"] == "fail" for each in some)]


def test_a_file_that_is_no_log_is_found(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "stenogram.db").write_bytes(b"no database at all " * 100)
    code, found = doctor()
    assert (code, found["log"][0]["level"]) == (1, "fail")


def test_a_port_that_something_else_has_is_found(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.settimeout(0.1)
        code, found = doctor(port=str(taken.getsockname()[1]))
    assert (code, found["port"][0]["level"]) == (1, "fail")
    assert "STENOGRAM_PORT" in found["port"][0]["said"]


async def test_beside_a_gateway_all_is_well(doctor: Doctor, start: Start, tmp_path: Path) -> None:
    gateway = await start(log=str(tmp_path / "stenogram.db"), views="")
    tenant = await gateway.tenants.of("acme")
    await tenant.log.submit(command("session.open", "s"))
    port = gateway.url.rpartition(":")[2]
    code, found = await asyncio.to_thread(doctor, port=port)
    assert code == 0
    assert "a gateway that is ready" in found["port"][0]["said"]
    assert found["clock"][0]["level"] == "ok"
    assert "1 have a log" in found["tenants"][0]["said"]
    (tmp_path / "stenogram@broken.db").write_bytes(b"no database at all " * 100)
    code, found = await asyncio.to_thread(doctor, port=port)
    assert (code, found["tenants"][0]["level"]) == (1, "fail")
    assert "broken" in found["tenants"][0]["said"]


async def test_of_views_that_no_gateway_advances_now_one_line_is_said(tmp_path: Path) -> None:
    settings = Settings(log=str(tmp_path / "stenogram.db"), port=0, views_in="gateway")
    async with (
        running(settings) as gateway,
        aiohttp.ClientSession() as http,
        http.get(f"{gateway.url}/v1/views/sessions", params={"min_position": 0, "wait": 10}) as response,
    ):
        assert response.status == 200
    (views,) = await _found(check_views(settings))
    assert (views.level, views.mend) == ("warn", "start one")
    assert re.fullmatch(r"\d+ are kept, and no gateway advances them now", views.said)


@pytest.mark.postgres
def test_a_database_is_looked_at_as_its_role_may(doctor: Doctor, server: PostgresServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE clerk LOGIN")
        log = server.url.replace("postgres@", "clerk@")
        code, found = doctor(log=log)
        assert (code, found["schema"][0]["level"]) == (1, "fail")
        assert found["schema"][0]["mend"] == 'CREATE SCHEMA "stenogram" AUTHORIZATION clerk'
        admin.execute(found["schema"][0]["mend"])
        assert found["durability"][0]["mend"] == "set fsync = on"  # that of tests is off
        _, found = doctor(log=log)
        assert (found["schema"][0]["level"], found["clock"][0]["level"]) == ("ok", "ok")
        (views,) = asyncio.run(_found(check_views(Settings(log=log))))
        assert (views.level, views.said) == ("ok", VIEWS_TO_COME)
        assert run(["migrate", "--log", log]) == 0
        _, found = doctor(log=log, jwt_secret="x" * 32)
        assert found["schema"][0]["said"] == f"stenogram has version {NEWEST}"
        assert (found["tenants"][0]["level"], "CREATE" in found["tenants"][0]["mend"]) == ("warn", True)
        (views,) = asyncio.run(_found(check_views(Settings(log=log))))
        assert (views.level, views.said) == ("ok", VIEWS_TO_COME)
        admin.execute("CREATE ROLE stranger LOGIN")
        _, found = doctor(log=server.url.replace("postgres@", "stranger@"))
        assert found["schema"][0]["said"] == "permission denied for schema stenogram"
        assert "owns the schema" in found["schema"][0]["mend"]
        admin.execute(f"DELETE FROM stenogram.migration WHERE version = {NEWEST}")
        _, found = doctor(log=log)
        assert "migrate" in found["schema"][0]["mend"]
        admin.execute("ALTER ROLE clerk SET synchronous_commit = off")
        _, found = doctor(log=log)
        assert any("synchronous_commit is off" in each["said"] for each in found["durability"])


async def _found(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [each async for each in findings]
