"""The past, read by many at once: what somebody else notices, and what memory it takes."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness import Bench, Server, added_memory, baseline, token
from table import Goal, Table

from stenogram.domain.concepts.lifecycle import SessionOpened
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.concepts.tools import ToolCalled, ToolReturned
from stenogram.domain.envelope import encode, microseconds, timestamp
from stenogram.domain.model import EventData, Fact
from stenogram.domain.parts import TextPart
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage

MESSAGES, RESULTS, READERS, SECONDS = 30_000, 500, 30, 10.0
RESULT_BYTES = 171_000
MOST_MS, MOST_MB = 20, 256
_TEXT = "Three hotels near the river have rooms on Friday, two of them with breakfast. " * 2
_START = datetime(2026, 1, 1, tzinfo=UTC)
_BATCH_BYTES = 8 * 2**20


def run(bench: Bench) -> Table:
    messages, results, readers = bench.size(MESSAGES), bench.size(RESULTS), bench.size(READERS)
    title = f"{readers} readers of the past at once: somebody else's acks, every 5 ms"
    columns = (
        "who reads",
        "ack p50 ms",
        "p99 ms",
        "max ms",
        "adds MB",
        "pages",
        "page p50 ms",
        "largest MiB",
        "too much",
    )
    table = Table(title, columns)
    with bench.database() as log:
        fill(log, messages, results)
        for views_in in ("process", "gateway"):
            with bench.gateway(log=log, views="", views_in=views_in, unpinned=True) as server:
                for words, row in _rows(bench, server, messages, results, readers):
                    place = "" if views_in == "process" else ", folded in the gateway"
                    table.rows.append((f"{words}{place}", *row))
                    if views_in == "process" and words != "nobody":
                        table.goals.append(Goal(f"{words}: ack p99 in ms", row[1], MOST_MS, at_most=True))
                        table.goals.append(Goal(f"{words}: added MB", row[3], MOST_MB, at_most=True))
    bench.results["past"] = {"rows": table.rows}
    return table


def _rows(
    bench: Bench, server: Server, messages: int, results: int, readers: int
) -> Iterator[tuple[str, tuple[float, ...]]]:
    url, seconds = f"http://127.0.0.1:{server.port}", bench.seconds(SECONDS)
    _until_folded(url)
    for words, session, head, how in (
        (f"one moment of {messages:,} messages", "long", messages, "same"),
        (f"any moment of {messages:,} messages", "long", messages, "different"),
        (f"{results} results of 171 kB, as they were", "heavy", results * 2, "same"),
        (f"{results} results of 171 kB, as they are", "heavy", results * 2, "all"),
    ):
        quiet = baseline("bystander.py", url, token("bystander"), seconds, core=1)
        yield "nobody", (*quiet.values(), 0, 0, 0, 0, 0)
        with added_memory(server) as added, ThreadPoolExecutor() as threads:
            reading = threads.submit(baseline, "past_readers.py", url, session, head, readers, seconds + 1, how, core=1)
            time.sleep(0.5)
            felt = baseline("bystander.py", url, token("bystander"), seconds, core=1)
            read = reading.result()
        figures = (read["pages"], read["p50"], read["largest"], read["overloaded"])
        yield words, (*felt.values(), max(added), *figures)


def _until_folded(url: str) -> None:
    """Wait until the views have come as far as the log."""
    baseline("folded.py", url, token("bystander"))


def fill(where: Path, messages: int, results: int) -> None:
    """Write a log of two sessions: one with many messages, one with large results of tools."""
    said: list[EventData] = [MessagePosted(message=f"m{n}", parts=(TextPart(text=_TEXT),)) for n in range(messages)]
    big = "x" * RESULT_BYTES
    found: list[EventData] = []
    for number in range(results):
        found.append(ToolCalled(call=f"t{number}", tool="search", arguments={"page": number}))
        found.append(ToolReturned(call=f"t{number}", result=big))
    asyncio.run(write_sessions(where, {"long": said, "heavy": found}))


async def write_sessions(where: Path, sessions: dict[str, list[EventData]]) -> None:
    """Write a log of these sessions."""
    async with Log(Storage(str(where)).engine(), max_waiting_bytes=2**30) as log:
        for session, happened in sessions.items():
            drafts, size = list[Draft](), 0
            for number, data in enumerate([SessionOpened(title=session), *happened]):
                time = _START + timedelta(seconds=number / 10)
                stored = encode(f"01910000-0000-7000-8000-{number:012d}", Fact(data), timestamp(time), "ada")
                drafts.append(Draft(data.type, data.subject(), stored, microseconds(time)))
                size += len(stored)
                if size > _BATCH_BYTES or len(drafts) == 1_000:
                    await log.append(Append(session, tuple(drafts)))
                    drafts, size = [], 0
            await log.append(Append(session, tuple(drafts)))
