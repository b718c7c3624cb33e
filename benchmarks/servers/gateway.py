"""A gateway in a process of its own, with a hatch: the benchmarks ask it on stdin what they cannot see from outside.

Says `{"port": …}` once it listens. Then each line on stdin is answered by a line: `stats` tells page reads, commits and
the last position; `feed BYTES` hands events to the delivery one at a time, each as soon as the last one has been
written to everyone, until the first subscriber leaves. It ends when stdin does.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stamps import STAMPS, map_stamps

from stenogram.api.delivery import window
from stenogram.api.loop.gc_tuning import tune_gc
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS
from stenogram.domain.commands import parse_command
from stenogram.domain.concepts.messages import MessageDelta, MessageStarted
from stenogram.domain.envelope import encode, microseconds, timestamp
from stenogram.domain.ids import Position, Version, new_id
from stenogram.domain.model import Actor, Command, Fact
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft, Record


def main() -> None:
    options = parse_options()
    tune_gc()
    if options.unpinned:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    if options.window is not None:
        window.MAX_WINDOW_S = options.window
    if options.uvloop:
        import uvloop  # noqa: PLC0415

        uvloop.run(run(options))
    else:
        asyncio.run(run(options))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", default="memory:")
    parser.add_argument("--read-only", action="store_true", help="follow what another process writes")
    parser.add_argument("--sessions", type=int, default=1, help="sessions to open")
    parser.add_argument("--prefix", default="b", help="what they are called before the number")
    parser.add_argument("--unpinned", action="store_true", help="run on any core")
    parser.add_argument("--history", type=int, default=0, help="events to put into each of them")
    parser.add_argument("--bytes", type=int, default=200, help="length of each event's text")
    parser.add_argument("--window", type=float, help="seconds that events wait for company when it is busy")
    parser.add_argument("--stamps", type=Path, help="file to note in when each position was published")
    parser.add_argument("--secret", help="what tokens are signed with (HS256)")
    parser.add_argument("--views", default=NO_VIEWS, help="where to keep views; empty: beside the log")
    parser.add_argument("--views-in", default="process", help="where they are folded, and the past")
    parser.add_argument("--uvloop", action="store_true")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> None:
    settings = Settings(
        log=options.log,
        read_only=options.read_only,
        views=options.views,
        views_in=options.views_in,
        port=0,
        jwt_secret=options.secret,
        commands_per_second=10_000_000,
    )
    async with running(settings) as gateway:
        log = gateway.tenants.open[""].log
        commits = count_commits(log)
        if options.stamps:
            stamp_positions(log, options.stamps)
        if not options.read_only:
            await open_sessions(log, options.sessions, options.prefix)
        for number in range(options.sessions if options.history else 0):
            await write_history(log, f"{options.prefix}{number}", options.history, options.bytes)
        print(json.dumps({"port": int(gateway.url.rpartition(":")[2])}), flush=True)
        async for words in lines():
            if words[0] == "stats":
                reads = gateway.tenants.open[""].feed.pages.reads
                print(json.dumps({"reads": reads, "commits": commits[0], "position": log.position}), flush=True)
            elif words[0] == "feed":
                await feed_closed_loop(gateway, int(words[1]))


async def lines() -> AsyncIterator[list[str]]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().split()


def count_commits(log: Log) -> list[int]:
    """A counter of what the hub publishes: one batch is one commit."""
    count = [0]

    def counting(_: list[Record]) -> None:
        count[0] += 1

    log.hub.listen(counting)
    return count


def stamp_positions(log: Log, path: Path) -> None:
    """Note the time at which each position was published, before anyone else hears of it."""
    stamps = map_stamps(path)

    def stamping(records: list[Record]) -> None:
        now = time.monotonic_ns()
        for record in records:
            stamps[record.position % STAMPS] = now

    log.hub._listeners.insert(0, stamping)


async def open_sessions(log: Log, count: int, prefix: str) -> None:
    actor = Actor("bench", "service")
    opened = parse_command("session.open", {})
    for start in range(0, count, 500):
        answers = [
            log.submit(Command(f"open-{number}", f"{prefix}{number}", actor, datetime.now(UTC), opened))
            for number in range(start, min(start + 500, count))
        ]
        await asyncio.gather(*answers)


async def write_history(log: Log, session: str, events: int, size: int) -> None:
    """Deltas of one message, as if an agent had streamed them."""
    now = datetime.now(UTC)
    start = Draft("message.started", "message:h", stored(MessageStarted(message="h")), microseconds(now))
    await log.append(Append(session, (start,)))
    text = f"{0:019d} ".ljust(size, "x")
    for first in range(0, events, 1_000):
        indexes = range(first, min(first + 1_000, events))
        datas = [stored(MessageDelta(message="h", index=index, text=text)) for index in indexes]
        drafts = tuple([Draft("message.delta", "message:h", data, microseconds(now)) for data in datas])
        await log.append(Append(session, drafts))


def stored(data: MessageStarted | MessageDelta) -> bytes:
    return encode(new_id(), Fact(data), timestamp(datetime.now(UTC)), "bench")


async def feed_closed_loop(gateway: Gateway, size: int) -> None:
    """Publish, deliver to all, and again. Nothing is stored: this is delivery alone."""
    tenant = gateway.tenants.open[""]
    topic = tenant.feed._topics["b0"]
    hub, make, everyone = tenant.log.hub, event_maker(size), topic.followers
    while topic.followers == everyone:
        version = topic.last + 1
        hub.publish([make(hub.position + 1, version)])
        while topic.flushed < version:
            await asyncio.sleep(0)
        while topic.followers == everyone > sum(len(group) for group in topic.groups.values()):
            await asyncio.sleep(0.0002)  # someone is behind


def event_maker(size: int) -> Callable[[int, int], Record]:
    delta = MessageDelta(message="m", index=0, text=f"{0:019d} ".ljust(size, "x"))
    # Under the task of a run: other protocols show that as what the assistant says.
    head, tail = encode(new_id(), Fact(delta, task="run.bench"), timestamp(datetime.now(UTC)), "bench").split(b"0" * 19)

    def make(position: int, version: int) -> Record:
        data = b"%s%019d%s" % (head, time.monotonic_ns(), tail)
        return Record(Position(position), "b0", Version(version), "message:m", "message.delta", data, None, 0)

    return make


if __name__ == "__main__":
    os.environ.pop("STENOGRAM_LOG", None)
    main()
