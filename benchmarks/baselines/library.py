"""The eventsourcing library's own SQLite recorder, as a user would use it at its best.

One appender calls it in a plain loop, without threads or asyncio in between. Several hand their events to one thread,
which gives the recorder all that waits in one call, that is, in one transaction. (Sixteen threads with an event each,
the obvious way, are slower than either: they wait for each other's transactions.) The recorder is in its default mode:
WAL and synchronous=FULL.
"""

import argparse
import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

Waiting = list[tuple[StoredEvent, asyncio.Future[None]]]


def append_alone(recorder: SQLiteApplicationRecorder, data: bytes, until: float) -> list[float]:
    """One after the other; how long each took."""
    latencies: list[float] = []
    while (began := time.perf_counter()) < until:
        recorder.insert_events([StoredEvent("b0", len(latencies) + 1, "message.delta", data)])
        latencies.append(time.perf_counter() - began)
    return latencies


class Batches:
    """Gives the recorder what waits, in one call, as long as something does."""

    def __init__(self, recorder: SQLiteApplicationRecorder) -> None:
        self._recorder = recorder
        self._waiting: Waiting = []
        self._wake = asyncio.Event()

    async def append(self, event: StoredEvent) -> None:
        """Returns when it is in the database."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((event, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:
            while True:
                await self._wake.wait()
                self._wake.clear()
                batch, self._waiting = self._waiting, []
                await loop.run_in_executor(thread, self._recorder.insert_events, [event for event, _ in batch])
                for _, done in batch:
                    done.set_result(None)


async def append_together(
    recorder: SQLiteApplicationRecorder, data: bytes, until: float, appenders: int
) -> list[float]:
    """So many at once; how long each event took."""
    latencies: list[float] = []
    batches = Batches(recorder)

    async def append(number: int) -> None:
        version = 0
        while (began := time.perf_counter()) < until:
            version += 1
            await batches.append(StoredEvent(f"b{number}", version, "message.delta", data))
            latencies.append(time.perf_counter() - began)

    running = asyncio.create_task(batches.run())
    await asyncio.gather(*[append(number) for number in range(appenders)])
    running.cancel()
    return latencies


def main(path: Path, appenders: int, seconds: float, size: int) -> None:
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path), originator_id_type="text"))
    recorder.create_table()
    began = time.perf_counter()
    data, until = b"x" * size, began + seconds
    if appenders == 1:
        latencies = append_alone(recorder, data, until)
    else:
        latencies = asyncio.run(append_together(recorder, data, until, appenders))
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
    main(options.path, options.appenders, options.seconds, options.size)
