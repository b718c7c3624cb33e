"""Reads pages of the past all the while: `python -m support.soak.past_readers NUMBER GATEWAY…`.

A line of JSON on standard input says what there is (`sessions`: their versions) and whether to read now (`reading`);
its end ends this. A page that is read again must be the same, at whichever gateway. Prints how many `pages` were read,
how many of them `again`, and how many requests were told to come back `later`.
"""

import asyncio
import hashlib
import os
import random
import sys
from typing import Any

import aiohttp
import orjson

READERS = 4
PAUSE_S = 0.05
EVERY = 10
"""Moments are multiples of this, where there are as many."""
AGAIN = 0.2
"""How much of it is read again."""
NOW = ("head", "caught_up")
"""What a page of events says of the session as it is."""
VIEWS = ("transcript", "timeline", "tasks", "agents", "state", "usage")


class Past:
    """What there is to read, and what was read of it."""

    def __init__(self) -> None:
        self.sessions: dict[str, int] = {}
        self.reading = asyncio.Event()
        self.has_read = asyncio.Event()
        self.seen = {"pages": 0, "again": 0, "later": 0, "megabytes": 0.0}
        self.pages: list[str] = []
        self._known: dict[str, bytes] = {}

    def take(self, url: str, status: int, body: bytes) -> None:
        """A page has come."""
        assert status in (200, 404), f"{url} was answered with {status}: {body[:500]!r}"
        said = {name: value for name, value in orjson.loads(body).items() if name not in NOW}
        digest = hashlib.sha256(b"%d %b" % (status, orjson.dumps(said, option=orjson.OPT_SORT_KEYS))).digest()
        if url in self._known:
            assert self._known[url] == digest, f"{url} has changed; now it is {body[:500]!r}"
            self.seen["again"] += 1
        else:
            self._known[url] = digest
            self.pages.append(url)
        self.has_read.set()
        self.seen["pages"] += 1
        self.seen["megabytes"] += len(body) / 1e6


def page(chance: random.Random, sessions: dict[str, int]) -> str | None:
    """A page of the past, chosen at random: of a view as it was, of a session as it was, of what it was told since, or
    a difference. None where there is nothing."""
    session = chance.choice(list(sessions))
    version = sessions[session]
    if not version:
        return None
    at = EVERY * chance.randint(1, version // EVERY) if version >= EVERY else version
    before = EVERY * chance.randint(0, max(0, at // EVERY - 1))
    view = chance.choice(VIEWS)
    return chance.choice(
        (
            f"views/{view}/{session}?at={at}&",
            f"views/{view}/{session}?at={at}&",
            f"views/{view}/{session}/difference?from={before}&to={at}&",
            f"sessions/{session}?at={at}&",
            f"sessions/{session}/events?after={before}&limit={min(EVERY, at - before)}&",
        )
    )


async def read(http: aiohttp.ClientSession, gateways: list[str], past: Past, number: int) -> None:
    """One reader."""
    chance = random.Random(number)
    who = f"participant=auditor-{number}&kind=agent"
    while True:
        await past.reading.wait()
        again = past.pages and chance.random() < AGAIN
        asked = chance.choice(past.pages) if again else page(chance, past.sessions)
        if asked is not None:
            async with http.get(f"{chance.choice(gateways)}/v1/{asked}{who}") as response:
                body = await response.read()
            if response.status == 503:
                past.seen["later"] += 1
                await asyncio.sleep(float(response.headers["Retry-After"]))
                continue
            past.take(asked, response.status, body)
        await asyncio.sleep(PAUSE_S * chance.random() * 2)


async def listen(past: Past) -> None:
    """Do as standard input says, until it ends."""
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        said: dict[str, Any] = orjson.loads(line)
        past.sessions = said["sessions"]
        (past.reading.set if said["reading"] and past.sessions else past.reading.clear)()


async def main(number: int, gateways: list[str]) -> None:
    """Read until standard input ends, and at least something. What a reader fails of ends all."""
    past = Past()
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        readers = [group.create_task(read(http, gateways, past, number * READERS + each)) for each in range(READERS)]
        await listen(past)
        async with asyncio.timeout(100):
            await past.has_read.wait()
        for reader in readers:
            reader.cancel()
    print(orjson.dumps(past.seen).decode())


if __name__ == "__main__":
    os.nice(10)  # clients are on machines of their own; here they leave the gateways the processor
    asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
