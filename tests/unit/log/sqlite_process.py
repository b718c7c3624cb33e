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
from stenogram.testing.contract.batch_writer import BatchEvent, BatchWriter


async def write(path: str, batches: int) -> None:
    engine = SqliteEngine(path)
    writer = BatchWriter(engine, (await engine.open()).position)
    writer.heads = {(session, ANYTHING): version for session, version in await engine.list_sessions("", 100)}
    print(writer.position, flush=True)
    for number in range(batches):
        lines = [BatchEvent(f"s-{n % 3}", f"message:m{number % 5}", f"k-{writer.position + n}") for n in range(20)]
        mark = ProducerState(1, number, writer.position)
        await writer.commit(writer.batch(*lines)._replace(producers={("s-1", "p-1"): mark}))
        print(writer.position, flush=True)
    await engine.close()


async def fill(path: str) -> None:
    engine = SqliteEngine(path)
    await engine.open()
    writer = BatchWriter(engine)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        while True:
            await writer.write(*[BatchEvent(data=b"x" * 1000)] * 10)
    except LogFailed as error:
        print(error)
    assert writer.position > 0
    assert (await engine.head()).position == writer.position
    assert len(await engine.read_log(0, 10_000)) == writer.position
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await writer.write(BatchEvent())
    assert (await engine.head()).position == writer.position
    await engine.close()


if __name__ == "__main__":
    if sys.argv[1] == "write":
        asyncio.run(write(sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(fill(sys.argv[2]))
