"""Raw group commits: what sqlite3 can do in process with our schema, without rules, sockets or repeats.

N coroutines append one event each and wait; whatever waits is written together by a thread, with synchronous=FULL.
"""

import argparse
import asyncio
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stenogram.domain.ids import new_id
from stenogram.log.sqlite import sql

Row = tuple[int, str, int, str, str, bytes, None, int]


class Waiting:
    """What waits for the next commit."""

    def __init__(self) -> None:
        self.appends: list[tuple[str, str, bytes, asyncio.Future[int]]] = []
        self.some = asyncio.Event()


def create(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in (*sql.SCHEMA, sql.WRITE_AHEAD, sql.SYNC_EACH_COMMIT):
        connection.execute(statement)
    connection.execute("INSERT INTO log VALUES (1, 0, 'e')")
    return connection


def write(connection: sqlite3.Connection, rows: list[Row], heads: list[tuple[str, str, int]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE log SET position = ?", (rows[-1][0],))
    connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.executemany("INSERT OR REPLACE INTO head VALUES (?, ?, ?)", heads)
    connection.execute("COMMIT")


async def commit_for_ever(connection: sqlite3.Connection, waiting: Waiting) -> None:
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    position, versions = 0, dict[str, int]()
    while True:
        await waiting.some.wait()
        waiting.some.clear()
        batch, waiting.appends = waiting.appends, []
        rows, heads, now = [], dict[tuple[str, str], int](), time.time_ns() // 1000
        for session, subject, data, _ in batch:
            position += 1
            version = versions[session] = versions.get(session, 0) + 1
            rows.append((position, session, version, subject, "message.delta", data, None, now))
            heads[session, subject] = heads[session, ""] = version
        await loop.run_in_executor(thread, write, connection, rows, [(*key, head) for key, head in heads.items()])
        for *_, answer in batch:
            answer.set_result(position)


async def append_for(number: int, waiting: Waiting, data: bytes, until: float, latencies: list[float]) -> None:
    loop, session = asyncio.get_running_loop(), f"b{number % 100}"
    while (began := time.perf_counter()) < until:
        answer: asyncio.Future[int] = loop.create_future()
        waiting.appends.append((session, f"message:m{number}", data, answer))
        waiting.some.set()
        await answer
        latencies.append(time.perf_counter() - began)


async def main(path: Path, appenders: int, seconds: float, size: int) -> None:
    data = new_id().encode().ljust(size, b"x")
    waiting = Waiting()
    latencies: list[float] = []
    commits = asyncio.create_task(commit_for_ever(create(path), waiting))
    until = time.perf_counter() + seconds
    await asyncio.gather(*[append_for(n, waiting, data, until, latencies) for n in range(appenders)])
    commits.cancel()
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
    print(json.dumps({"acks": len(latencies) / seconds, "ack p50": p50, "ack p99": p99}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("appenders", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("size", type=int)
    options = parser.parse_args()
    asyncio.run(main(options.path, options.appenders, options.seconds, options.size))
