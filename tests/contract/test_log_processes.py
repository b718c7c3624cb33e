"""A log that one process writes is followed by others."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from stenogram.log.log import Log
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing.contract.log.factory import check, drafts, opened, post

FOLLOW = str(Path(__file__).with_name("log_process.py"))


async def _start(path: Path, after: int, upto: int) -> Process:
    process = await asyncio.create_subprocess_exec(sys.executable, FOLLOW, path, str(after), str(upto), stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"open\n"
    return process


async def test_other_processes_get_each_event_once_while_writers_race(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with Log(SqliteEngine(path)) as log:
        await opened(log, "s-1", "s-2")
        followers = {after: await _start(path, after, upto=302) for after in (0, 2, 150)}

        async def write(writer: int) -> None:
            for number in range(60):
                session = f"s-{1 + number % 2}"
                if number % 3:
                    await log.submit(post(f"m-{writer}-{number}", session))
                else:
                    await log.append(drafts(session))

        await asyncio.gather(*map(write, range(5)))
        records = await check(log)
        for after, follower in followers.items():
            out, _ = await follower.communicate()
            assert follower.returncode == 0
            seen = [tuple(line.split()) for line in out.decode().splitlines()]
            assert seen == [(str(each.position), each.session, str(each.version)) for each in records[after:]]
