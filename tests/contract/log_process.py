"""Run as a process of its own: follows a log that another process writes.

python log_process.py <log> <after> <upto>    prints the position, session and version of each event
"""

import asyncio
import sys

from stenogram.domain.ids import Position
from stenogram.log.log import Log
from stenogram.log.sqlite import SqliteEngine


async def follow(path: str, after: int, upto: int) -> None:
    async with Log(SqliteEngine(path, read_only=True)) as log:
        print("open", flush=True)
        async for records in log.follow(Position(after)):
            for record in records:
                print(record.position, record.session, record.version, flush=True)
            if records[-1].position >= upto:
                break
        assert (await log.state("s-1")).version == len(await log.engine.read_session("s-1", 0, 10_000))


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
