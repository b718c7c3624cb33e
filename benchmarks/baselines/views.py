"""One side of the benchmark of projections: `views.py SIDE LOG VIEWS EVENTS`.

`bare` is what nothing can do without: read a page of the log, decode, fold, write the documents and the place in one
transaction, in one thread, with no thought for failures. `stenogram` is the runner, over the same log. `built-in`
builds all built-in views together, over a log of teams at work, and `bare-built-in` does so in a bare loop: their
handlers, and the statements that write their tables, are the same. `live` writes a thousand events a second while ten
projections follow. `synced` is the runner again, but with commits that reach the disk, which those of views need not.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tally import TURN, TYPE, Tally, count, projection, turn

from stenogram.api.loop.gc_tuning import tune_gc
from stenogram.domain.envelope import decode
from stenogram.log.log import Log
from stenogram.log.postgres.address import Address
from stenogram.log.records import Record
from stenogram.log.sqlite.file import open_reader
from stenogram.log.sqlite.reading import read_log
from stenogram.log.storage import Storage
from stenogram.projections.authoring.projection import Item, Projection
from stenogram.projections.runner.decoded_page import DecodedPage
from stenogram.projections.runner.runner import Runner
from stenogram.projections.runner.worker import HOLD_EVENTS
from stenogram.projections.store import Build, Commit, ViewStore, sqlite_views
from stenogram.projections.store.postgres import PostgresDatabase, postgres_views
from stenogram.projections.store.records import LAPSE_S
from stenogram.projections.store.sqlite import SqliteDatabase
from stenogram.projections.views import BUILT_IN

PAGE = 1_000
FOLLOWERS = 10
PER_SECOND = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("bare", "bare-built-in", "stenogram", "built-in", "synced", "live"))
    parser.add_argument("log")
    parser.add_argument("views")
    parser.add_argument("events", type=int)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="only part N of M of the built-in views")
    options = parser.parse_args()
    tune_gc()
    part, parts = options.part
    if parts > 1:  # others work at the same time, and all begin at once
        print("ready", flush=True)
        sys.stdin.readline()
    if options.side.startswith("bare"):
        postgres = "://" in options.log
        bare = (bare_postgres if postgres else bare_sqlite) if options.side == "bare" else bare_built_in
        with timed(options.events) as figures:
            bare(options.log, options.views)
    else:
        if options.side == "synced":
            reach_the_disk()
        views = store(options.views)
        if options.side == "live":
            figures = asyncio.run(live(options.log, views, options.events))
        else:
            projections = BUILT_IN[part::parts] if options.side == "built-in" else [projection()]
            figures = asyncio.run(stenogram(options.log, views, options.events, projections))
    print(json.dumps(figures))


@contextmanager
def timed(events: int) -> Iterator[dict[str, float]]:
    """Events per second of the block, and per second of processor time of this process."""
    figures: dict[str, float] = {}
    began, worked = time.perf_counter(), time.process_time()
    yield figures
    figures["events"] = events / (time.perf_counter() - began)
    figures["per cpu second"] = events / (time.process_time() - worked)


def store(where: str) -> ViewStore:
    return postgres_views(where) if "://" in where else sqlite_views(where)


def reach_the_disk() -> None:
    """Let commits of views wait for the disk."""
    prepare = SqliteDatabase.prepare

    def prepared(database: SqliteDatabase) -> None:
        prepare(database)
        database.run("PRAGMA synchronous = FULL")  # for the one connection that writes

    @contextmanager
    def writing(database: PostgresDatabase) -> Iterator[None]:
        with database._connection.transaction():
            yield

    SqliteDatabase.prepare = prepared  # type: ignore[assignment,method-assign]
    PostgresDatabase.writing = writing  # type: ignore[assignment,method-assign]


def fold(documents: dict[str, Tally], records: Iterable[Record]) -> list[tuple[str, int, bytes]]:
    """Fold a page; the documents that it changed."""
    changed: dict[str, int] = {}
    for record in records:
        if record.type == TYPE:
            event = decode(record.data, record.position, record.session, record.version)
            document = documents.get(record.session)
            if document is None:
                document = documents[record.session] = Tally()
            count(document, len(event.data.text), event.actor)  # type: ignore[attr-defined]
            changed[record.session] = record.position
    return [(key, at, documents[key].__pydantic_serializer__.to_json(documents[key])) for key, at in changed.items()]


def bare_sqlite(log: str, views: str) -> None:
    source = open_reader(Path(log))
    target = sqlite3.connect(views, isolation_level=None)
    target.execute("PRAGMA journal_mode = WAL")
    target.execute("PRAGMA synchronous = NORMAL")
    target.execute("CREATE TABLE document (key TEXT PRIMARY KEY, position INTEGER, data BLOB)")
    target.execute("CREATE TABLE place (position INTEGER)")
    target.execute("INSERT INTO place VALUES (0)")
    documents: dict[str, Tally] = {}
    position = 0
    while records := read_log(source, position, PAGE).records():
        rows, position = fold(documents, records), records[-1].position
        target.execute("BEGIN IMMEDIATE")
        target.executemany(
            "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
            "SET position = excluded.position, data = excluded.data",
            rows,
        )
        target.execute("UPDATE place SET position = ?", (position,))
        target.execute("COMMIT")


def bare_postgres(log: str, views: str) -> None:
    address = Address.parse(log)
    source = psycopg.connect(address.conninfo, autocommit=True)
    target = psycopg.connect(address.conninfo)
    target.execute("DROP TABLE IF EXISTS document, place")
    target.execute("CREATE TABLE document (key TEXT PRIMARY KEY, position BIGINT, data BYTEA)")
    target.execute("CREATE TABLE place (position BIGINT)")
    target.execute("INSERT INTO place VALUES (0)")
    target.commit()
    read = f'SELECT * FROM "{address.schema}".event WHERE position > %b ORDER BY position LIMIT {PAGE}'
    documents: dict[str, Tally] = {}
    position = 0
    while rows := source.execute(read.encode(), (position,), binary=True).fetchall():
        records = [Record(*row[:8]) for row in rows]
        changed, position = fold(documents, records), records[-1].position
        target.execute("SET LOCAL synchronous_commit = off")
        target.execute(
            "INSERT INTO document SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bytea[]) ON CONFLICT (key) "
            "DO UPDATE SET position = excluded.position, data = excluded.data",
            [list(column) for column in zip(*changed, strict=True)],
        )
        target.execute("UPDATE place SET position = %s", (position,))
        target.commit()


def bare_built_in(log: str, views: str) -> None:
    """All built-in views, folded page by page, and written together after so many events."""
    pages, database = (postgres_side if "://" in log else sqlite_side)(log, views)
    folders = [(each, each.folder()) for each in BUILT_IN]
    for each, _ in folders:
        database.create(f"bare_{each.name}", each.shape)
    folded = 0
    while records := pages(folded):
        page = DecodedPage(records, folders)
        for each, folder in folders:
            work = folder.prepare(_items(page, each))
            folder.absent(folder.missing(work))
            folder.fold(work)
        folded += len(records)
        if folded % HOLD_EVENTS == 0 or len(records) < PAGE:
            _write_all(database, folders)


def _items(page: DecodedPage, by: Projection[Any, Any]) -> Iterator[Item]:
    for index in page.indexes(0, len(page.records), by.handlers.of):
        event, meta = page.event(index)
        yield from by.items(event, meta, by.handlers.of(meta.type))


def _write_all(database: Any, folders: Sequence[tuple[Projection[Any, Any], Any]]) -> None:
    with database.writing():
        for each, folder in folders:
            values = folder.values
            rows = [folder.row(place) for place in folder.changed if values[place] is not None]
            if rows:
                database.put(f"bare_{each.name}", each.shape, rows)
            folder.changed.clear()


Pages = Callable[[int], list[Record]]


def sqlite_side(log: str, views: str) -> tuple[Pages, SqliteDatabase]:
    source = open_reader(Path(log))
    return lambda after: read_log(source, after, PAGE).records(), SqliteDatabase(views, LAPSE_S)


def postgres_side(log: str, views: str) -> tuple[Pages, PostgresDatabase]:
    address = Address.parse(log)
    source = psycopg.connect(address.conninfo, autocommit=True)
    read = f'SELECT * FROM "{address.schema}".event WHERE position > %b ORDER BY position LIMIT {PAGE}'.encode()
    target = psycopg.connect(address.conninfo, autocommit=True)

    def page(after: int) -> list[Record]:
        return [Record(*row[:8]) for row in source.execute(read, (after,), binary=True).fetchall()]

    return page, PostgresDatabase(target, address.schema, LAPSE_S)


async def stenogram(
    where: str, views: ViewStore, events: int, projections: Sequence[Projection[Any, Any]]
) -> dict[str, float]:
    """Until the commits have returned that the last event is in. (Asking the store meanwhile, how far it is, would take
    a tenth of the time.)"""
    async with Log(Storage(where).engine(read_only=True)) as log, views:
        done, complete = asyncio.Event(), set[str]()

        def look(build: Build, commit: Commit) -> None:
            if commit.to.position >= log.position:
                complete.add(build.name)
            if len(complete) == len(projections):
                done.set()

        _watch(views, look)
        with timed(events) as figures:
            running = asyncio.create_task(Runner(log, views, projections).run())
            await done.wait()
        running.cancel()
        await asyncio.wait([running])
    return figures


async def live(where: str, views: ViewStore, events: int) -> dict[str, float]:
    """Milliseconds from an append's acknowledgement to the commit of each view that it is in."""
    lags, appended = list[float](), dict[int, float]()

    def note(_: Build, commit: Commit) -> None:
        now = time.perf_counter()
        positions = range(commit.after.position + 1, commit.to.position + 1)
        lags.extend([now - appended[position] for position in positions if position in appended])

    async with Log(Storage(where).engine()) as log, views:
        _watch(views, note)
        running = asyncio.create_task(Runner(log, views, [projection(f"tally_{n}") for n in range(FOLLOWERS)]).run())
        while len(await views.builds()) < FOLLOWERS or not all(
            each.state == "current" for each in await views.builds()
        ):
            await asyncio.sleep(0.05)
        began = time.perf_counter()
        for number in range(events // TURN):
            places = await log.append(turn(number))
            appended.update(dict.fromkeys(places.positions, time.perf_counter()))
            await asyncio.sleep(max(0.0, began + (number + 1) * TURN / PER_SECOND - time.perf_counter()))
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.wait([running])
    lags.sort()
    return {"lag p50": lags[len(lags) // 2] * 1_000, "lag p99": lags[int(len(lags) * 0.99)] * 1_000}


def _watch(views: ViewStore, committed: Callable[[Build, Commit], None]) -> None:
    """Tell of every commit that has returned."""
    write = views.commit

    async def told(build: Build, commit: Commit) -> None:
        await write(build, commit)
        committed(build, commit)

    views.commit = told  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
