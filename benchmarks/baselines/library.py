"""The eventsourcing library's own SQLite recorder, called one event at a time from asyncio, as a gateway would.

Calls run in up to 16 threads, since the recorder blocks; it is in its default mode: WAL and synchronous=FULL.
"""

import argparse
import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore


async def append_for(
    number: int, recorder: SQLiteApplicationRecorder, data: bytes, until: float, latencies: list[float]
) -> None:
    loop, version = asyncio.get_running_loop(), 0
    while (began := time.perf_counter()) < until:
        version += 1
        event = StoredEvent(f"b{number}", version, "message.delta", data)
        await loop.run_in_executor(None, recorder.insert_events, [event])
        latencies.append(time.perf_counter() - began)


async def main(path: Path, appenders: int, seconds: float, size: int) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(min(appenders, 16)))
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path), originator_id_type="text"))
    recorder.create_table()
    latencies: list[float] = []
    began = time.perf_counter()
    data = b"x" * size
    await asyncio.gather(*[append_for(n, recorder, data, began + seconds, latencies) for n in range(appenders)])
    took = time.perf_counter() - began
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * share)] * 1000 for share in (0.5, 0.99))
    print(json.dumps({"acks": len(latencies) / took, "ack p50": p50, "ack p99": p99}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("appenders", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("size", type=int)
    options = parser.parse_args()
    asyncio.run(main(options.path, options.appenders, options.seconds, options.size))
