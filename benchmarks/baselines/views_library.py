"""The eventsourcing library's ProjectionRunner: one transaction for each event, as its API has it.

    views_library.py sqlite PATH EVENTS        views_library.py postgres CONNINFO EVENTS

The events come from its own memory recorder, which is the quickest that it has; the documents are kept by its own
tracking recorder of the database, through one more table.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from psycopg.sql import SQL

from hansard.log.postgres.address import Address

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tally import SESSIONS, TURN, Tally, count

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
    """Holds the events in memory."""

    name = "sessions"


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


VIEWS: dict[str, type[Any]] = {"sqlite": SqliteView, "postgres": PostgresView}


def environment(database: str, where: str) -> dict[str, str]:
    """The library's settings: events in memory, the view in the database."""
    if database == "sqlite":
        return {"TALLY_PERSISTENCE_MODULE": "eventsourcing.sqlite", "TALLY_SQLITE_DBNAME": where}
    split = urlsplit(where)
    return {
        "TALLY_PERSISTENCE_MODULE": "eventsourcing.postgres",
        "TALLY_POSTGRES_DBNAME": split.path.lstrip("/"),
        "TALLY_POSTGRES_HOST": parse_qs(split.query)["host"][0],
        "TALLY_POSTGRES_PORT": "5432",
        "TALLY_POSTGRES_USER": split.username or "",
        "TALLY_POSTGRES_PASSWORD": "",
    }


def main(database: str, where: str, events: int) -> None:
    if database == "postgres":  # whose tables of the round before know of other events
        with psycopg.connect(Address.parse(where).conninfo) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    runner = ProjectionRunner(
        application_class=Sessions,
        projection_class=TallyProjection,
        view_class=VIEWS[database],
        env=environment(database, where),
    )
    with runner:
        mapper = runner.app.mapper
        deltas = [
            Said.Delta(
                uuid4(),
                1,
                Said.Delta.create_timestamp(),
                f"s-{n // TURN % SESSIONS}",
                "hotels",
                "Three hotels have rooms. ",
            )
            for n in range(events)
        ]
        stored = [mapper.to_stored_event(delta) for delta in deltas]
        began = time.perf_counter()
        runner.app.recorder.insert_events(stored)
        runner.wait(events, timeout=300)
        took = time.perf_counter() - began
    print(json.dumps({"events": events / took}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
