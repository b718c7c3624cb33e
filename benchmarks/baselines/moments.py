"""One side of the benchmark of moments: `moments.py prepare|ask|fold LOG VIEWS NUMBER`.

`prepare` lets a gateway build its views of the log, and fold each moment's view once to the end, so that snapshots are
there. `ask` asks a gateway over HTTP for so many moments at random, and for the timeline: from far away (`activity`, at
the width at which the session is at most 500 stretches), one screen of spans, and all of them. `fold` is what a moment
takes without snapshots: read the session from its beginning, decode, fold.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from long_session import PER_SECOND, SESSION

from stenogram.api.loop.gc_tuning import tune_gc
from stenogram.api.server import running
from stenogram.api.settings import Settings
from stenogram.domain.envelope import decode
from stenogram.log.log import Log
from stenogram.log.records import Record
from stenogram.log.storage import Storage
from stenogram.projections import fold as folded
from stenogram.projections.views import activity, agents, state, timeline
from stenogram.projections.views.activity import WIDTHS

MOMENTS = (state.name, agents.name)
STRETCHES = 500
SCREEN = 1_000
FEW = 10  # times that what takes long is done
_PATIENCE = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("prepare", "ask", "fold"))
    parser.add_argument("log")
    parser.add_argument("views")
    parser.add_argument("number", type=int)
    options = parser.parse_args()
    tune_gc()
    side = {"prepare": prepare, "ask": ask, "fold": fold}[options.side]
    print(json.dumps(asyncio.run(side(options.log, options.views, options.number))))


class Asking:
    """Asks a gateway about the session."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def get(self, path: str, **query: Any) -> Any:
        """The answer, read whole. Raises RuntimeError for a refusal."""
        async with self._http.get(f"{self._url}/v1/{path}", params=query) as response:
            if response.status != 200:
                raise RuntimeError(await response.text())
            return json.loads(await response.read())

    async def head(self) -> int:
        """The session's newest version."""
        return int((await self.get(f"sessions/{SESSION}"))["version"])

    async def rows(self, view: str, **query: Any) -> int:
        """Read all pages of a view; how many rows they have."""
        found, page = 0, await self.get(f"views/{view}", limit=1_000, **query)
        while True:
            found += len(page["rows"])
            if "next" not in page:
                return found
            page = await self.get(f"views/{view}", limit=1_000, after=page["next"], **query)


@asynccontextmanager
async def asking(log: str, views: str) -> AsyncIterator[Asking]:
    """A gateway in this process, and who asks it."""
    async with running(Settings(log=log, views=views, port=0)) as gateway, aiohttp.ClientSession() as http:
        yield Asking(http, gateway.url)


async def prepare(log: str, views: str, number: int) -> dict[str, float]:
    async with asking(log, views) as gateway, asyncio.timeout(_PATIENCE):
        while any(each.get("behind", 1) for each in (await gateway.get("views"))["views"]):
            await asyncio.sleep(0.1)
        for view in MOMENTS:
            await gateway.get(f"views/{view}/{SESSION}", at=await gateway.head())
    return {}


async def ask(log: str, views: str, number: int) -> dict[str, float]:
    chance = random.Random(number)
    figures: dict[str, float] = {}
    async with asking(log, views) as gateway:
        head = await gateway.head()
        for view in MOMENTS:

            async def moment(view: str = view) -> None:
                await gateway.get(f"views/{view}/{SESSION}", at=chance.randint(1, head))

            figures |= await timed(view, number, moment)
        seconds = head / PER_SECOND
        width = next((each for each in WIDTHS if seconds / each <= STRETCHES), WIDTHS[-1])
        far = {"where.session": SESSION, "where.width": width}
        figures |= await timed("timeline from far away", FEW, lambda: gateway.rows(activity.name, **far))
        screen = f"views/{timeline.name}/{SESSION}"
        figures |= await timed("spans of one screen", FEW, lambda: gateway.get(screen, limit=SCREEN, order="-began"))
        figures |= await timed("all spans", FEW, lambda: gateway.rows(f"{timeline.name}/{SESSION}"))
    return {**figures, "spans of one screen rows": min(SCREEN, figures["all spans rows"])}


async def fold(log: str, views: str, number: int) -> dict[str, float]:
    chance = random.Random(number)
    async with Log(Storage(log).engine(read_only=True)) as source:
        (head,) = [version for _, version in await source.engine.list_sessions("", 10)]

        async def from_the_beginning() -> None:
            version, records = chance.randint(1, head), list[Record]()
            while len(records) < version:
                records += await source.read_session(SESSION, len(records), min(1_000, version - len(records)))
            events = [decode(each.data, each.position, each.session, each.version) for each in records]
            folded(state, events)

        return {name.strip(): value for name, value in (await timed("", FEW, from_the_beginning)).items()}


async def timed(what: str, times: int, work: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    """How many milliseconds something takes, and how many rows it counted."""
    took, counted = [], None
    for _ in range(times):
        began = time.perf_counter()
        counted = await work()
        took.append((time.perf_counter() - began) * 1_000)
    rows = {f"{what} rows": float(counted)} if isinstance(counted, int) else {}
    cut = statistics.quantiles(took, n=100, method="inclusive")
    return {f"{what} p50": statistics.median(took), f"{what} p99": cut[98], **rows}


if __name__ == "__main__":
    main()
