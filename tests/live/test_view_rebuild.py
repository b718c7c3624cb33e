"""A view is built anew while agents write and readers read.

`HANSARD_REBUILD` is how many events there are to begin with: `HANSARD_REBUILD=1000000 pytest …` is the long form.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import BaseModel

from hansard.domain.model import EventData
from hansard.log.log import Log
from hansard.log.records import Append, Draft
from hansard.log.storage import Storage
from hansard.projections import DocProjection, Meta
from hansard.projections.store import ViewStore, postgres_views, sqlite_views
from hansard.testing.stage import Stage

EVENTS = int(os.environ.get("HANSARD_REBUILD", "6000"))
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
        assert found.build.checkpoint.position >= place
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


@pytest.mark.timeout(60 + EVENTS / 1_500)
async def test_a_view_is_built_anew_under_its_readers(here: Stage) -> None:
    await write(here.log, EVENTS)
    busy = [True]
    async with here.running(count):
        old = await here.caught_up("count", within=30 + EVENTS / 5_000)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_writing(here.log, lambda: bool(busy)))
            reading = tasks.create_task(keep_reading(here.store, lambda: bool(busy)))
            new = await here.store.begin("count", 1, old.shape, here.log.epoch)
            await here.until(
                lambda builds: any(build.id == new.id and build.state == "current" for build in builds),
                within=30 + EVENTS / 5_000,
            )
            await asyncio.sleep(0.2)
            busy.clear()
        assert reading.result() > 5
        assert (await here.caught_up("count")).id == new.id
        assert sum(each.events for each in (await here.view(count)).values()) == here.log.position
