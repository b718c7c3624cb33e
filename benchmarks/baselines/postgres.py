"""What PostgreSQL can do without a gateway: N coroutines append one event each and wait for the commit.

raw       psycopg and one statement a batch, `INSERT … SELECT FROM unnest(…)`: no rules, no versions, one table
library   the eventsourcing library's recorder, called one event at a time from up to 16 threads
batched   the same recorder, fed with whatever waits by one thread
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from stenogram.log.postgres.arrays import ADAPTERS, Blobs, Ints, Texts

Append = tuple[str, int, bytes]
Commit = Callable[[list[Append]], Coroutine[Any, Any, None]]

MOST = 500  # events of a batch: with 2,000 the recorder was seen to stand still for ever

CREATE = """
    DROP TABLE IF EXISTS raw;
    CREATE TABLE raw (
        position bigserial PRIMARY KEY, session text, version bigint, type text, data bytea, UNIQUE (session, version)
    )
"""
INSERT = """
    INSERT INTO raw (session, version, type, data)
    SELECT s, v, 'message.delta', d FROM unnest(%b::text[], %b::bigint[], %b::bytea[]) AS e (s, v, d)
"""


async def raw(url: str) -> Commit:
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, context=ADAPTERS)
    await connection.execute(CREATE)

    async def commit(batch: list[Append]) -> None:
        sessions, versions, data = zip(*batch, strict=True)
        await connection.execute(INSERT, (Texts(sessions), Ints(versions), Blobs(data)))

    return commit


def recorder(url: str) -> PostgresApplicationRecorder:
    given = conninfo_to_dict(url)
    datastore = PostgresDatastore(
        dbname=str(given["dbname"]),
        host=str(given["host"]),
        port="5432",
        user=str(given["user"]),
        password="",
        pool_size=16,
        originator_id_type="text",
    )
    made = PostgresApplicationRecorder(datastore, events_table_name=f"library_{os.getpid()}")
    made.create_table()
    return made


async def one_at_a_time(url: str) -> Commit:
    made, threads, loop = recorder(url), ThreadPoolExecutor(16), asyncio.get_running_loop()

    async def commit(batch: list[Append]) -> None:
        await loop.run_in_executor(threads, made.insert_events, _events(batch))

    return commit


async def batched(url: str) -> Commit:
    made, thread, loop = recorder(url), ThreadPoolExecutor(1), asyncio.get_running_loop()

    async def commit(batch: list[Append]) -> None:
        for start in range(0, len(batch), MOST):
            await loop.run_in_executor(thread, made.insert_events, _events(batch[start : start + MOST]))

    return commit


def _events(batch: list[Append]) -> list[StoredEvent]:
    return [StoredEvent(session, version, "message.delta", data) for session, version, data in batch]


class Group:
    """Whatever waits is committed together."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: list[tuple[Append, asyncio.Future[None]]] = []
        self._some = asyncio.Event()

    async def append(self, append: Append) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((append, answer))
        self._some.set()
        await answer

    async def run(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._waiting = self._waiting, []
            await self._commit([append for append, _ in batch])
            for _, answer in batch:
                answer.set_result(None)


async def main(options: argparse.Namespace) -> None:
    commit = await {"raw": raw, "library": one_at_a_time, "batched": batched}[options.mode](options.url)
    group, data, latencies = Group(commit), b"x" * options.size, list[float]()
    until = time.perf_counter() + options.seconds

    async def append(number: int) -> None:
        version = 0
        while (began := time.perf_counter()) < until:
            version += 1
            event = (f"b{number}", version, data)
            await (commit([event]) if options.mode == "library" else group.append(event))
            latencies.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(group.run())
        await asyncio.gather(*[append(number) for number in range(options.appenders)])
        running.cancel()
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
    print(json.dumps({"acks": len(latencies) / options.seconds, "ack p50": p50, "ack p99": p99}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("raw", "library", "batched"))
    parser.add_argument("url")
    parser.add_argument("--appenders", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=345)
    asyncio.run(main(parser.parse_args()))
