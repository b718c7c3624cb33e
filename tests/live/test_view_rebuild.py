"""A view is built anew while agents write and readers read.

`STENOGRAM_REBUILD` is how many events there are to begin with: `STENOGRAM_REBUILD=1000000 pytest …` is the long form,
which prints how long the build took, and how soon it was what readers see once it had caught up.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import BaseModel

from stenogram.domain.model import EventData
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage
from stenogram.projections import DocProjection, Meta
from stenogram.projections.store import Build, ViewStore, sqlite_views
from stenogram.projections.store.postgres import postgres_views
from stenogram.testing.stage import Stage

EVENTS = int(os.environ.get("STENOGRAM_REBUILD", "6000"))
LONG = "STENOGRAM_REBUILD" in os.environ
SESSIONS = [f"s-{number}" for number in range(20)]


class Count(BaseModel):
    events: int = 0


count = DocProjection("count", Count)


@count.on
def _(doc: Count, event: EventData, meta: Meta) -> None:
    doc.events += 1
    assert doc.events == meta.version


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "sqlite":
        where, store = str(tmp_path / "log.db"), sqlite_views(tmp_path / "log.views.db")
    else:
        where = request.getfixturevalue("fresh_log")()
        store = postgres_views(where)
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(Log(Storage(where).engine(), max_waiting_bytes=2**30))
        yield Stage(log, await stack.enter_async_context(store))


async def write(log: Log, events: int) -> None:
    """Events of all sessions, in turns."""
    data = b'{"id":"e","type":"x.noted","time":"2026-01-01T00:00:00.000000Z","actor":"ada","data":{"text":"Rooms."}}'
    drafts = tuple([Draft("x.noted", "custom", data, 0)] * 10)
    for _ in range(0, events, 10 * len(SESSIONS)):
        await asyncio.gather(*[log.append(Append(session, drafts)) for session in SESSIONS])


async def keep_writing(log: Log, going: Callable[[], bool]) -> None:
    while going():
        await write(log, 10 * len(SESSIONS))
        await asyncio.sleep(0.02)


async def keep_reading(store: ViewStore, going: Callable[[], bool]) -> int:
    """Read, and see that nothing is missing, torn or gone back."""
    reads, place, counts = 0, 0, dict.fromkeys(SESSIONS, 0)
    while going():
        found = await store.get("count", [(session,) for session in SESSIONS])
        assert len(found.rows) == len(SESSIONS)
        assert found.build.checkpoint.position >= place, "another build is promoted when it has caught up, not before"
        place = found.build.checkpoint.position
        for session, position, data, *_ in found.rows:
            events = Count.model_validate_json(data).events
            assert position <= place
            assert events >= counts[session]
            counts[session] = events
        assert sum(counts.values()) == place, "all events up to the checkpoint are in the view, and no others"
        reads += 1
        await asyncio.sleep(0.005)
    return reads


class Promotion:
    """When a build had caught up with what readers see, and when they saw it. (That nothing goes back for them then,
    they look at themselves.)"""

    def __init__(self, build: Build) -> None:
        self._id = build.id
        self._began = time.monotonic()
        self.moments: list[float] = []

    def __call__(self, builds: Sequence[Build]) -> bool:
        """Whether readers see it."""
        new = next(build for build in builds if build.id == self._id)
        seen = next(build for build in builds if build.state == "current")
        for reached in (new.checkpoint.position >= seen.checkpoint.position, new is seen)[len(self.moments) :]:
            if reached:
                self.moments.append(time.monotonic() - self._began)
        return new is seen

    def __str__(self) -> str:
        caught_up, promoted = self.moments
        return f"{EVENTS:,} events: caught up after {caught_up:.2f} s, promoted {promoted - caught_up:.2f} s later"


@pytest.mark.timeout(240 + EVENTS / 1_500)
async def test_a_view_is_built_anew_under_its_readers(here: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    await write(here.log, EVENTS)
    busy = [True]
    async with here.running(count):
        old = await here.caught_up("count", within=100 + EVENTS / 5_000)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_writing(here.log, lambda: bool(busy)))
            reading = tasks.create_task(keep_reading(here.store, lambda: bool(busy)))
            new = await here.store.begin("count", 1, old.shape, here.log.epoch)
            promotion = Promotion(new)
            await here.until(promotion, within=100 + EVENTS / 5_000)
            await asyncio.sleep(0.2)
            busy.clear()
        assert reading.result() > 5
        assert (await here.caught_up("count")).id == new.id
        assert sum(each.events for each in (await here.view(count)).values()) == here.log.position
    if LONG:
        with capsys.disabled():
            print(f"\n{promotion}")
