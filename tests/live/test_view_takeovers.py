"""A runner that freezes in the midst of a transaction holds its locks, and yet another takes over.

`STENOGRAM_TAKEOVERS` is how many runners freeze; `make long` freezes 20.
"""

import asyncio
import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stenogram.domain.errors import ViewsFailed
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage
from stenogram.projections.store import ViewStore, sqlite_views
from stenogram.projections.store import sqlite as sqlite_module
from stenogram.projections.store.postgres import postgres_views
from stenogram.projections.store.records import LAPSE_S

SCRIPT = Path(__file__).parent / "view_process.py"
ROUNDS = int(os.environ.get("STENOGRAM_TAKEOVERS", "1"))
WITHIN_S = 5.0
VIEWS = 19
SLACK_S = 0.0 if "STENOGRAM_TAKEOVERS" in os.environ else 60.0  # on a machine that runs other tests as well
Process = asyncio.subprocess.Process


@asynccontextmanager
async def runner(what: str, url: str) -> AsyncIterator[Process]:
    """A runner of nineteen views in a process of its own."""
    arguments = [sys.executable, str(SCRIPT), what, url, url, str(LAPSE_S)]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"running\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def append(log: Log, number: int) -> None:
    data = b'{"id":"e","type":"x.noted","time":"2026-01-01T00:00:00.000000Z","actor":"ada","data":{"text":"Rooms."}}'
    await log.append(Append(f"s-{number}", (Draft("x.noted", "custom", data, 0),)))


async def all_at_the_end(log: Log, store: ViewStore) -> None:
    async with asyncio.timeout(60):
        while True:
            builds = await store.builds()
            if len(builds) == VIEWS and all(build.checkpoint.position == log.position for build in builds):
                return
            await asyncio.sleep(0.01)


async def stopped(process: Process) -> None:
    """Wait until a process has frozen."""
    state = Path(f"/proc/{process.pid}/stat")
    await asyncio.to_thread(_wait, lambda: state.read_text().rpartition(")")[2].split()[0] == "T")


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(240 + 30 * ROUNDS)
@pytest.mark.thorough
async def test_another_takes_over_from_a_runner_that_froze_within_a_transaction(
    fresh_log: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    took = list[float]()
    for number in range(ROUNDS):
        url = fresh_log()
        async with Log(Storage(url).engine()) as log, postgres_views(url) as store:
            await append(log, 1)
            async with runner("freeze", url) as frozen:
                await stopped(frozen)
                began = time.monotonic()
                async with runner("many", url):
                    await append(log, 2)
                    await all_at_the_end(log, store)
                took.append(time.monotonic() - began)
        assert took[-1] <= WITHIN_S + SLACK_S, number
    with capsys.disabled():
        if not SLACK_S:
            print(f"\ntaken over after {min(took):.1f} to {max(took):.1f} s in {ROUNDS} rounds")


async def test_who_waits_for_a_frozen_writer_of_a_file_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_PATIENCE_S", 0.1)
    path = tmp_path / "log.views.db"
    async with sqlite_views(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ViewsFailed, match="Another process has kept the file of the views locked"):
            await store.beat("r-1")
        assert await store.builds() == [], "reading goes on"
        holder.execute("ROLLBACK")
        holder.close()
        await store.beat("r-1")
