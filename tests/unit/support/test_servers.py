"""Servers for tests do not outlive the process that started them, even if it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.pgbouncer import find_pgbouncer
from support.postgres import find_binaries

TESTS = Path(__file__).parents[2]
STARTER = """
import time
from psycopg.conninfo import conninfo_to_dict
from support.pgbouncer import pgbouncer
from support.postgres import PostgresServer

with PostgresServer.temporary() as server, pgbouncer(server.url) as url:
    print(server.directory, conninfo_to_dict(url.removesuffix("&pooler=yes"))["host"], flush=True)
    time.sleep(60)
"""


@pytest.mark.postgres
@pytest.mark.skipif(find_binaries() is None or find_pgbouncer() is None, reason="no PostgreSQL, or no PgBouncer")
def test_servers_end_with_their_starter_even_if_it_is_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True, env=environment) as ran:
        assert ran.stdout is not None
        directories = [Path(each) for each in ran.stdout.readline().split()]
        assert len(directories) == 2
        assert all(runs(each) for each in directories)
        ran.kill()
    until = time.monotonic() + 20
    while any(runs(each) or each.exists() for each in directories):
        assert time.monotonic() < until, "it is still there"
        time.sleep(0.02)


def runs(directory: Path) -> bool:
    """Whether a process was started with its files in there."""
    return subprocess.run(["pgrep", "-f", directory.name], stdout=subprocess.DEVNULL, check=False).returncode == 0
