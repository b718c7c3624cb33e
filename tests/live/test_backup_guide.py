"""The guide to backups does what it says: its commands are run as they are there, beside a gateway that is at work."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support.postgres import PostgresServer, find_binaries
from support.wire import Wire

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

pytestmark = pytest.mark.thorough

GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "back-up-and-restore.md").read_text()
FILES, POSTGRES = GUIDE.split("## A log in PostgreSQL")
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
COPY, LIST, RESTORE, COPY_BACK, ACCEPT = BLOCK.findall(FILES)
DUMP, LOAD, RENEW = BLOCK.findall(POSTGRES)


STENOGRAM = (sys.executable, "-m", "stenogram")
OPENED = """{"position":1,"session":"s","version":1,"id":"e1","type":"session.opened",\
"time":"2026-01-31T09:30:00.000000Z","actor":"ada","data":{}}
"""


async def sh(script: str, folder: Path, **environment: str) -> str:
    """Run commands of the guide; what they print."""
    binaries = find_binaries()
    path = os.pathsep.join([str(Path(sys.executable).parent), str(binaries or ""), os.environ["PATH"]])
    ran = await run("sh", "-eu", "-c", script, cwd=folder, env={**os.environ, "PATH": path, **environment})
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


async def run(*command: str, cwd: Path, input: str | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return await asyncio.to_thread(_run, command, cwd, input, more)


def _run(
    command: tuple[str, ...], cwd: Path, input: str | None, more: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, input=input, capture_output=True, text=True, check=False, timeout=150, **more
    )


@asynccontextmanager
async def at_work(http: aiohttp.ClientSession, url: str) -> AsyncIterator[list[str]]:
    """A writer that says something all the time; the cursors that it has been given, by which it could resume."""
    wire = await Wire.open(http, url, participant="ada")
    await wire.command("s", "session.open", {})
    cursors: list[str] = []

    async def write() -> None:
        number = 0
        while True:
            number += 1
            await wire.command("s", "message.post", {"message": f"m{number}", "text": "Hello"})
            async with http.get(f"{url}/v1/events?after=end") as response:
                cursors.append((await response.json())["to"])

    task = asyncio.create_task(write())
    try:
        await _grown(cursors, 5)
        yield cursors
        await _grown(cursors, len(cursors) + 10)
    finally:
        task.cancel()


async def _grown(cursors: list[str], to: int) -> None:
    for _ in range(3_000):
        if len(cursors) >= to:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing is written")


async def check_that_old_places_are_refused(http: aiohttp.ClientSession, url: str, cursors: list[str]) -> None:
    """Also when other events have taken the positions of what was lost."""
    wire = await Wire.open(http, url, participant="ada")
    for number in range(20):
        assert (await wire.command("s", "message.post", {"message": f"n{number}", "text": "Again"}))["frame"] == "ack"
    for cursor in (cursors[0], cursors[-1]):
        async with http.get(f"{url}/v1/events?after={cursor}") as response:
            assert (response.status, (await response.json())["code"]) == (404, "bad_cursor")


async def test_a_file_is_backed_up_and_restored(http: aiohttp.ClientSession, serve: Serve, tmp_path: Path) -> None:
    gateway = await serve(log=tmp_path / "stenogram.db")
    async with at_work(http, gateway.url) as cursors:
        said = await sh(COPY, tmp_path)
    await gateway.kill()
    copied = int(said.split()[1].replace(",", ""))
    assert "s\t" in await sh(LIST, tmp_path)
    assert re.match(rf"stenogram.db: {copied:,} events, epoch \w+\n$", await sh(RESTORE, tmp_path))
    await check_that_old_places_are_refused(http, (await serve(log=tmp_path / "stenogram.db")).url, cursors)


async def test_a_file_that_was_copied_back_is_noticed_and_accepted(
    http: aiohttp.ClientSession, serve: Serve, tmp_path: Path
) -> None:
    gateway = await serve(log=tmp_path / "stenogram.db")
    async with at_work(http, gateway.url) as cursors:
        await sh(COPY, tmp_path)
    await gateway.kill()
    await sh(COPY_BACK, tmp_path)
    for command in (["serve", "--port", "0"], ["sessions"], ["serve", "--read-only", "--port", "0"]):
        ran = await run(*STENOGRAM, *command, "--log", "stenogram.db", cwd=tmp_path)
        assert ran.returncode == 1
        assert "an older copy was put back" in ran.stderr
        assert "migrate --new-epoch --log" in ran.stderr
        assert "Traceback" not in ran.stderr
    assert "new epoch" in await sh(ACCEPT, tmp_path)
    await check_that_old_places_are_refused(http, (await serve(log=tmp_path / "stenogram.db")).url, cursors)


@pytest.mark.postgres
async def test_a_database_is_backed_up_and_restored(
    http: aiohttp.ClientSession, serve: Serve, tmp_path: Path, server: PostgresServer
) -> None:
    gateway = await serve(log=server.url)
    async with at_work(http, gateway.url) as cursors:
        await sh(DUMP, tmp_path, DATABASE=server.url)
    assert await gateway.terminate() == 0
    await sh(LOAD, tmp_path, ADMIN=server.url)
    assert re.fullmatch(
        r"stenogram: schema \d+, up to date, new epoch\n", await sh(RENEW, tmp_path, DATABASE=server.url)
    )
    await check_that_old_places_are_refused(http, (await serve(log=server.url)).url, cursors)


async def test_tenants_are_backed_up_with_the_log(serve: Serve, tmp_path: Path) -> None:
    """And what else is beside it is not."""
    for name in ("stenogram.db", "stenogram@acme.db", "stenogram@b[1].db", "other@acme.db"):
        assert (await run(*STENOGRAM, "import", "-", "--log", name, cwd=tmp_path, input=OPENED)).returncode == 0
    with closing(sqlite3.connect(tmp_path / "stenogram@x.views.db")) as views, views:
        views.execute("CREATE TABLE t (a)")
    await sh(COPY, tmp_path)
    copies = sorted(os.listdir(tmp_path / "backups" / "monday"))
    assert copies == ["stenogram.db", "stenogram@acme.db", "stenogram@b[1].db"]
    await sh("stenogram restore backups/monday --log team.db", tmp_path)
    assert {"team.db", "team@acme.db", "team@b[1].db"} <= set(os.listdir(tmp_path))
    again = await run(*STENOGRAM, "restore", "backups/monday", "--log", "team.db", cwd=tmp_path)
    assert again.returncode == 1
    assert "say --replace to lose it" in again.stderr
