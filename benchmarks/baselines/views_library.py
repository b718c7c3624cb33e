"""The eventsourcing library's ProjectionRunner: `views_library.py LOG EVENTS synced|relaxed`.

One transaction for each event, as its API has it. Events and documents lie in the same kind of database as on the other
side, written and read by the library's own recorders: in SQLite in a file each, in PostgreSQL beside each other. The
events are there before time is taken. The library's recorder for SQLite cannot be subscribed to; here it can, by the
library's own subscription, which reads from a recorder what there is.

`synced` is how the library ships: each commit reaches the disk. `relaxed`: none waits for it, as those of our views.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import ListenNotifySubscription, Subscription, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteTrackingRecorder,
)
from eventsourcing.utils import get_topic
from psycopg.sql import SQL

from stenogram.log.postgres.address import Address

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tally import SESSIONS, TURN, Tally, count

INSERTED = 500  # events at once: more have been seen to make the library's recorder stand still for ever
SELECT = "SELECT data FROM tally_document WHERE key = {0}"
UPSERT = "INSERT INTO tally_document VALUES ({0}, {0}) ON CONFLICT (key) DO UPDATE SET data = excluded.data"
CREATE = "CREATE TABLE IF NOT EXISTS tally_document (key TEXT PRIMARY KEY, data TEXT)"


class Said(Aggregate):
    """What happens: a delta of a session."""

    @dataclass(frozen=True)
    class Delta(Aggregate.Event):
        session: str
        actor: str
        text: str


class Sessions(Application[Any]):
    """Holds the events."""

    name = "sessions"


class SqliteEvents(SQLiteApplicationRecorder):
    """The library's recorder, which can be subscribed to."""

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[Any]:
        """From what there is already; nothing tells of more."""
        return ListenNotifySubscription(self, gt, topics)


class TallyProjection(Projection[Any]):
    """Counts, as the others do."""

    name = "tally"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.fold(domain_event, tracking)


def fold(text: str | None, event: Said.Delta) -> str:
    """One document after one event."""
    document = Tally() if text is None else Tally.model_validate_json(text)
    count(document, len(event.text), event.actor)
    return document.model_dump_json()


class SqliteView(SQLiteTrackingRecorder):
    """Documents beside the library's tracking, in SQLite."""

    def construct_create_table_statements(self) -> list[str]:
        return [*super().construct_create_table_statements(), CREATE]

    def fold(self, event: Said.Delta, tracking: Tracking) -> None:
        """Fold one event, in a transaction of its own."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(SELECT.format("?"), (event.session,))
            row = cursor.fetchone()
            text = fold(row[0] if row else None, event)
            cursor.execute(UPSERT.format("?"), (event.session, text))
            self._insert_tracking(cursor, tracking)


class PostgresView(PostgresTrackingRecorder):
    """The same in PostgreSQL."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.sql_create_statements.append(SQL(CREATE).format())

    def fold(self, event: Said.Delta, tracking: Tracking) -> None:
        """Fold one event, in a transaction of its own."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(SELECT.format("%s").encode(), (event.session,))
            row = cursor.fetchone()
            text = fold(row["data"] if row else None, event)
            cursor.execute(UPSERT.format("%s").encode(), (event.session, text))
            self._insert_tracking(cursor, tracking)


def environment(where: str) -> dict[str, str]:
    """The library's settings."""
    if "://" not in where:
        return {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SESSIONS_SQLITE_DBNAME": where,
            "SESSIONS_APPLICATION_RECORDER_TOPIC": get_topic(SqliteEvents),
            "TALLY_SQLITE_DBNAME": f"{where}-views",
        }
    split = urlsplit(where)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": split.path.lstrip("/"),
        "POSTGRES_HOST": parse_qs(split.query)["host"][0],
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": split.username or "",
        "POSTGRES_PASSWORD": "",
    }


def relax() -> None:
    """Let no commit wait for the disk."""
    os.environ["PGOPTIONS"] = "-c synchronous_commit=off"
    connect = SQLiteConnectionPool._create_connection

    def relaxed(pool: SQLiteConnectionPool) -> SQLiteConnection:
        connection = connect(pool)
        connection.cursor().execute("PRAGMA synchronous = NORMAL")
        return connection

    SQLiteConnectionPool._create_connection = relaxed  # type: ignore[assignment,method-assign]


def fill(env: dict[str, str], events: int) -> None:
    """Record what is to be folded."""
    with closing(Sessions(env)) as app:
        for first in range(0, events, INSERTED):
            numbers = range(first, min(first + INSERTED, events))
            app.recorder.insert_events([app.mapper.to_stored_event(said(number)) for number in numbers])


def said(number: int) -> Said.Delta:
    """The same that `tally.stored` says."""
    session, time = f"s-{number // TURN % SESSIONS}", Said.Delta.create_timestamp()
    return Said.Delta(uuid4(), 1, time, session, "hotels", "Three hotels have rooms. ")


def main(where: str, events: int, commits: str) -> None:
    if commits == "relaxed":
        relax()
    if "://" in where:  # whose tables of the round before know of other events
        with psycopg.connect(Address.parse(where).conninfo) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    env = environment(where)
    fill(env, events)
    began = time.perf_counter()
    with ProjectionRunner(
        application_class=Sessions,
        projection_class=TallyProjection,
        view_class=PostgresView if "://" in where else SqliteView,
        env=env,
    ) as runner:
        runner.wait(events, timeout=300)
        took = time.perf_counter() - began
    print(json.dumps({"events": events / took}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
