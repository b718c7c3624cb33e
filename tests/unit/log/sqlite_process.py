"""Run as a process of its own: writes to a log in ways that only a process can be tested for.

python sqlite_process.py write <log> <batches>    prints the log's position whenever a batch is acknowledged
python sqlite_process.py fill <log>               fills the disk, as far as this process may write, and recovers
"""

import asyncio
import resource
import sys

from stenogram.domain.errors import LogFailed
from stenogram.log.records import ANYTHING, ProducerState
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing.contract.scribe import Line, Scribe


async def write(path: str, batches: int) -> None:
    engine = SqliteEngine(path)
    scribe = Scribe(engine, (await engine.open()).position)
    scribe.heads = {(session, ANYTHING): version for session, version in await engine.list_sessions("", 100)}
    print(scribe.position, flush=True)
    for number in range(batches):
        lines = [Line(f"s-{n % 3}", f"message:m{number % 5}", f"k-{scribe.position + n}") for n in range(20)]
        state = ProducerState(1, number, scribe.position)
        await scribe.commit(scribe.batch(*lines)._replace(producers={("s-1", "p-1"): state}))
        print(scribe.position, flush=True)
    await engine.close()


async def fill(path: str) -> None:
    engine = SqliteEngine(path)
    await engine.open()
    scribe = Scribe(engine)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        while True:
            await scribe.write(*[Line(data=b"x" * 1000)] * 10)
    except LogFailed as error:
        print(error)
    assert scribe.position > 0
    assert (await engine.head()).position == scribe.position
    assert len(await engine.read_log(0, 10_000)) == scribe.position
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await scribe.write(Line())
    assert (await engine.head()).position == scribe.position
    await engine.close()


if __name__ == "__main__":
    if sys.argv[1] == "write":
        asyncio.run(write(sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(fill(sys.argv[2]))
