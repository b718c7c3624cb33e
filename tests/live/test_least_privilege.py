"""Every command as an ordinary role of PostgreSQL: one that owns its schema, and may do nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import psycopg
import pytest
from support.postgres import PostgresServer

from stenogram.log.postgres.migrations import NEWEST

pytestmark = pytest.mark.postgres
STENOGRAM = (sys.executable, "-m", "stenogram")
SCHEMA = "trips"


@pytest.fixture
def admin(server: PostgresServer) -> Iterator[psycopg.Connection]:
    """The server's superuser, who has made a role, a schema that it owns, and another that it does not."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("REVOKE ALL ON DATABASE postgres FROM PUBLIC")
        admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        admin.execute("CREATE ROLE clerk LOGIN")
        admin.execute("GRANT CONNECT ON DATABASE postgres TO clerk")
        admin.execute(f'CREATE SCHEMA "{SCHEMA}" AUTHORIZATION clerk')
        admin.execute("CREATE SCHEMA accounts")
        admin.execute("CREATE TABLE accounts.migration (version int, name text, serves int)")
        yield admin


@pytest.fixture
def log(server: PostgresServer, admin: psycopg.Connection) -> str:
    """The log in that schema, as that role; nothing is in it yet."""
    return server.url.replace("postgres@", "clerk@") + f"&schema={SCHEMA}"


def stenogram(*arguments: str, stdin: bytes = b"") -> str:
    """What a command says; it succeeds."""
    done = subprocess.run([*STENOGRAM, *arguments], input=stdin, capture_output=True, timeout=150, check=False)
    assert done.returncode == 0, (arguments, done.stderr.decode())
    return done.stdout.decode()


def refused(*arguments: str) -> str:
    """What a command says on stderr; it fails."""
    done = subprocess.run([*STENOGRAM, *arguments], capture_output=True, timeout=150, check=False)
    assert done.returncode == 1, (arguments, done.stdout.decode(), done.stderr.decode())
    return done.stderr.decode()


@contextmanager
def gateway(log: str) -> Iterator[str]:
    """A gateway with its views, and its URL."""
    command = [*STENOGRAM, "serve", "--port", "0", "--log", log]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r"http://[\d.]+:\d+", said)
            assert found is not None, said + process.stderr.read()
            yield found[0]
        finally:
            process.terminate()


def post(url: str, do: str, data: object) -> None:
    """A command of Maya's to the session `trip-7`."""
    body = json.dumps({"id": do, "do": do, "data": data}).encode()
    urlopen(f"{url}/v1/sessions/trip-7/commands?participant=maya", body, timeout=30).close()


def test_migrate_makes_the_log_and_gives_it_another_epoch(log: str) -> None:
    assert stenogram("migrate", "--log", log).startswith(f"{SCHEMA}: schema {NEWEST}, ran: ")
    assert stenogram("migrate", "--log", log) == f"{SCHEMA}: schema {NEWEST}, up to date\n"
    assert stenogram("migrate", "--new-epoch", "--log", log) == f"{SCHEMA}: schema {NEWEST}, up to date, new epoch\n"
    done = json.loads(stenogram("migrate", "--json", "--log", log))
    assert done == {"log": SCHEMA, "schema": NEWEST, "ran": [], "new_epoch": False}


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_other_command_works(log: str) -> None:
    place = ("--log", log)
    with gateway(log) as url:
        post(url, "session.open", {"title": "Lisbon"})
        post(url, "state.merge", {"patch": {"hotel": "Casa Azul"}})
        _views_are_healthy(log)
        assert "state\t" in stenogram("projections", "list", *place)
        assert "of state now" in stenogram("projections", "rebuild", "state", *place)
        assert stenogram("projections", "verify", "state", *place)
    assert "Lisbon" in stenogram("sessions", *place)
    assert "Lisbon" in stenogram("show", "trip-7", *place)
    assert "Casa Azul" in stenogram("view", "trip-7", "state", *place)
    assert "Casa Azul" in stenogram("replay", "trip-7", "--speed", "max", *place)
    exported = stenogram("export", "trip-7", *place)
    assert "Casa Azul" in exported
    stenogram("import", "-", "--session", "trip-8", *place, stdin=exported.encode())
    assert "trip-8" in stenogram("sessions", *place)
    with subprocess.Popen([*STENOGRAM, "tail", "--after", "0", *place], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert "trip-7" in tail.stdout.readline()
        tail.kill()


def test_what_it_may_not_do_is_said(server: PostgresServer, log: str) -> None:
    assert "permission denied for database" in refused("migrate", "--log", log.replace(f"schema={SCHEMA}", "schema=x"))
    assert "grant" in refused("serve", "--port", "0", "--log", log.replace(f"schema={SCHEMA}", "schema=accounts"))


def test_others_logs_in_the_database_are_left_alone(server: PostgresServer, log: str) -> None:
    """Names that only begin alike are no tenants."""
    stenogram("migrate", "--log", f"{server.url}&schema={SCHEMA}-of-others")
    assert stenogram("migrate", "--log", log).count("\n") == 1


def _views_are_healthy(log: str) -> None:
    """They are there, and all is well with them."""
    deadline = time.monotonic() + 30
    healthy = [*STENOGRAM, "projections", "status", "--wait", "--log", log]
    while (
        "state\t" not in stenogram("projections", "list", "--log", log)
        or subprocess.run(healthy, check=False).returncode
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)
