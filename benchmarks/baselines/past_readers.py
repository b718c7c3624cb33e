"""Those who read the past, many at once: `past_readers.py URL SESSION HEAD READERS SECONDS same|different|all`.

Each reads pages of the transcript as it was: `same`, all at one version, page after page; `different`, the first page
at a version at random each time; `all`, as the session is now, page after page. Who is told that there is too much to
do waits as long as the gateway says. Prints how many pages came, how large the largest was in MiB, how often there was
too much to do, and how many milliseconds a page took.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import token

LIMIT = 1_000


class Tally:
    """What all readers have seen."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.largest = 0
        self.overloaded = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("session")
    parser.add_argument("head", type=int)
    parser.add_argument("readers", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("how", choices=("same", "different", "all"))
    print(json.dumps(asyncio.run(read(parser.parse_args()))))


async def read(options: argparse.Namespace) -> dict[str, float]:
    tally, end = Tally(), time.monotonic() + options.seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*[_reader(http, options, number, tally, end) for number in range(options.readers)])
    took = sorted(tally.took)
    return {
        "pages": len(took),
        "largest": tally.largest / 2**20,
        "overloaded": tally.overloaded,
        "p50": statistics.median(took),
        "max": took[-1],
    }


async def _reader(
    http: aiohttp.ClientSession, options: argparse.Namespace, number: int, tally: Tally, end: float
) -> None:
    chance, after = random.Random(number), None
    headers = {"Authorization": f"Bearer {token(f'reader-{number}')}"}
    url = f"{options.url}/v1/views/transcript/{options.session}"
    while time.monotonic() < end:
        query: dict[str, Any] = {"limit": LIMIT}
        if options.how != "all":
            query["at"] = options.head * 9 // 10 if options.how == "same" else chance.randint(1, options.head)
        if after is not None and options.how != "different":
            query["after"] = after
        began = time.monotonic()
        async with http.get(url, params=query, headers=headers) as response:
            body = await response.read()
        if response.status == 503:
            tally.overloaded += 1
            await asyncio.sleep(float(response.headers["Retry-After"]))
            continue
        if response.status != 200:
            raise RuntimeError(body.decode())
        tally.took.append((time.monotonic() - began) * 1_000)
        tally.largest = max(tally.largest, len(body))
        after = json.loads(body).get("next") if len(body) < 2**20 else _next(body)


def _next(body: bytes) -> str | None:
    """The cursor at the end of a large page, without parsing it."""
    _, found, rest = body[-8_192:].rpartition(b'"next":"')
    return rest.partition(b'"')[0].decode() if found else None


if __name__ == "__main__":
    main()
