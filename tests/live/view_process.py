"""A runner of views in a process of its own, to be killed and frozen: `view_process.py WHAT LOG VIEWS LAPSE`.

`run` runs three views, and `many` nineteen. So does `freeze`, and stops itself in the midst of a transaction by which
one of them advances. `check` waits until a runner, wherever it is, has caught up with the log, and tells how the views
compare with a fresh fold of it.
"""

import asyncio
import os
import signal
import sys
from itertools import count
from typing import Any

from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.envelope import decode
from stenogram.domain.model import Event, EventData
from stenogram.log.log import Log
from stenogram.log.storage import Storage
from stenogram.projections import DocProjection, Meta, Projection, Rows, TableProjection, fold
from stenogram.projections.runner.runner import Runner
from stenogram.projections.store import ViewStore, sqlite_views
from stenogram.projections.store.postgres import PostgresDatabase, postgres_views

MANY = 19
FREEZE_AT = 5


class Tally(BaseModel):
    """Shows an event that was folded twice, or not at all, or out of turn."""

    events: int = 0
    chain: int = 0


class Line(BaseModel):
    session: str
    number: int
    count: int = 0
    last: int = 0


def by_message(event: EventData, meta: Meta) -> list[str]:
    """Two keys for each event, of which one is everybody's."""
    return ["all", f"key-{meta.position % 7}"]


tally = DocProjection("tally", Tally)
keyed = DocProjection("keyed", Tally, key=by_message, indexes=["events"])
lines = TableProjection("lines", Line, key_columns=("session", "number"), indexes=[("count",)])
PROJECTIONS: list[Projection[Any, Any]] = [tally, keyed, lines]


@tally.on
@keyed.on
def _(doc: Tally, event: MessagePosted, meta: Meta) -> None:
    doc.events += 1
    doc.chain = (doc.chain * 31 + meta.position) % 1_000_000_007


@lines.on
def _(rows: Rows[Line], event: MessagePosted, meta: Meta) -> None:
    rows.add(meta.session, meta.version % 10, count=1)
    rows.update(meta.session, meta.version % 10, last=meta.version)
    if meta.version % 97 == 0:
        rows.delete(meta.session, 3)


def views(where: str, lapse: float) -> ViewStore:
    """The store at an address."""
    return postgres_views(where, lapse=lapse) if "://" in where else sqlite_views(where, lapse=lapse)


async def run(log: Log, store: ViewStore, lapse: float) -> None:
    """Run until killed."""
    print("running", flush=True)
    await Runner(log, store, PROJECTIONS, poll=lapse / 5).run()


def many() -> list[Projection[Any, Any]]:
    """As many views as an application may have."""
    return [DocProjection(f"view_{number}", Tally) for number in range(MANY)]


async def run_many(log: Log, store: ViewStore, *, freeze: bool) -> None:
    """Run until killed, or frozen."""
    projections = many()
    for projection in projections:
        projection.on(_tally)  # type: ignore[attr-defined]
    if freeze:
        _freeze_within_a_commit()
    print("running", flush=True)
    await Runner(log, store, projections).run()


def _tally(doc: Tally, event: EventData) -> None:
    doc.events += 1


def _freeze_within_a_commit() -> None:
    put, calls = PostgresDatabase.put, count(1)

    def freezing(*arguments: Any) -> None:
        put(*arguments)
        if next(calls) == FREEZE_AT:
            os.kill(os.getpid(), signal.SIGSTOP)

    PostgresDatabase.put = freezing  # type: ignore[assignment,method-assign]


async def check(log: Log, store: ViewStore) -> None:
    """Compare what readers see with a fresh fold."""
    head = (await log.engine.head()).position
    events = list[Event]()
    while len(events) < head:
        page = await log.engine.read_log(len(events), 10_000)
        events += [decode(record.data, record.position, record.session, record.version) for record in page]
    for projection in PROJECTIONS:
        while True:
            build = await store.current(projection.name)
            if build is not None and build.checkpoint.position >= head:
                break
            await asyncio.sleep(0.02)
        fresh = fold(projection, events)
        kept = projection.folder()
        places = [projection.place(place) for place in fresh]
        for row in (await store.get(projection.name, places)).rows:
            kept.load(row)
        whole = await store.find(projection.name, limit=1_000)
        same = kept.values == fresh and len(whole.rows) == len(kept.values)
        print(projection.name, "same" if same else f"DIFFERS: {kept.values} not {fresh}", head, flush=True)


async def main(what: str, where: str, kept: str, lapse: float) -> None:
    async with (
        Log(Storage(where).engine(read_only=True)) as log,
        views(kept, lapse) as store,
    ):
        if what in ("many", "freeze"):
            await run_many(log, store, freeze=what == "freeze")
        await (run(log, store, lapse) if what == "run" else check(log, store))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
