"""An application and the clients of a gateway in one log: what clients write never becomes a domain event."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import DataError, Mapper, StoredEvent

from stenogram.cli.main import run
from stenogram.domain.catalogue import register
from stenogram.domain.commands import parse_command
from stenogram.domain.model import Actor, Command, EventData
from stenogram.log.eventsourcing import LogFactory, SessionEvent, name_aggregate
from stenogram.log.log import Log

SETTINGS = {"PERSISTENCE_MODULE": "stenogram.log.eventsourcing"}


class Parcel(Aggregate):
    class Shipped(Aggregate.Event):
        to: str

        def apply(self, aggregate: Any) -> None:
            aggregate.to = self.to


class Plain(Aggregate):
    """Has no name."""


class Scored(EventData):
    """The model of a custom type that only the application knows."""

    type = "x.parcel.scored"
    points: int


name_aggregate("app.parcel", Parcel)
register(Scored)


@pytest.fixture
def shop() -> Iterator[Application[UUID]]:
    """An application whose log is in memory."""
    with Application[UUID](env=SETTINGS | {"STENOGRAM_LOG": "memory:"}) as application:
        yield application


def write(application: Application[UUID], session: object, do: str, data: dict[str, Any]) -> None:
    """What a client of a gateway may do to a session of the application's log."""

    async def submit(log: Log) -> None:
        actor = Actor("mallory", "user")
        await log.submit(Command(f"c-{uuid4()}", str(session), actor, datetime.now(UTC), parse_command(do, data)))

    application.recorder.log.call(submit)  # type: ignore[attr-defined]


def ship(application: Application[UUID]) -> Parcel:
    parcel = Parcel()
    parcel.trigger_event(Parcel.Shipped, to="Lisbon")
    application.save(parcel)
    return parcel


def test_an_aggregate_passes_over_what_clients_write_into_its_session(shop: Application[UUID]) -> None:
    parcel = ship(shop)
    write(shop, parcel.id, "session.open", {})
    write(shop, parcel.id, "custom.record", {"type": "x.parcel.shipped", "data": {"to": "Rome"}})
    copy: Any = shop.repository.get(parcel.id)
    assert (copy.to, copy.version, copy.modified_on) == ("Lisbon", 4, parcel.modified_on)
    copy.trigger_event(Parcel.Shipped, to="Porto")
    shop.save(copy)
    again: Any = shop.repository.get(parcel.id)
    assert (again.to, again.version) == ("Porto", 5)


def test_a_session_of_clients_alone_is_no_aggregate(shop: Application[UUID]) -> None:
    id = uuid4()
    write(shop, id, "session.open", {})
    assert id not in shop.repository


def test_clients_cannot_write_what_an_application_names(shop: Application[UUID]) -> None:
    for type in ("app.parcel.shipped", "app.stored"):
        with pytest.raises(DataError, match="words in lower case with dots"):
            write(shop, ship(shop).id, "custom.record", {"type": type, "data": {}})


@pytest.mark.parametrize("data", [{}, {"to": 7}, {"apply": 1, "mutate": 2}, {"topic": "this:d", "state": {}}])
def test_whatever_clients_write_is_a_session_event(shop: Application[UUID], data: dict[str, Any]) -> None:
    parcel = ship(shop)
    write(shop, parcel.id, "session.open", {})
    write(shop, parcel.id, "custom.record", {"type": "x.parcel.shipped", "data": data})
    last = shop.recorder.select_notifications(4, 1)[0]
    event = shop.mapper.to_domain_event(last)
    assert isinstance(event, SessionEvent)
    assert (event.event.type, event.event.actor) == ("x.parcel.shipped", "mallory")
    assert shop.repository.get(parcel.id).version == 4


def test_a_payload_that_its_model_refuses_is_passed_over_as_well(shop: Application[UUID]) -> None:
    """A gateway in another process does not know the application's models, and takes any payload."""
    state = b'{"id":"e","type":"x.parcel.scored","time":"2026-01-01T00:00:00Z","actor":"a","data":{"points":"many"}}'
    event: Any = shop.mapper.to_domain_event(StoredEvent(uuid4(), 1, "x.parcel.scored", state))
    assert isinstance(event, SessionEvent)
    assert (event.event.type, event.event.data.json_bytes()) == ("x.parcel.scored", b'{"points":"many"}')


def test_another_spelling_of_an_aggregates_id_is_another_session(shop: Application[UUID]) -> None:
    parcel = ship(shop)
    write(shop, parcel.id.hex, "session.open", {})
    last = shop.recorder.select_notifications(3, 1)[0]
    assert last.originator_id == parcel.id.hex


def test_a_mapper_that_would_import_what_a_client_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    factory = LogFactory({"STENOGRAM_LOG": "memory:", "MAPPER_TOPIC": "eventsourcing.persistence:Mapper"})
    with pytest.raises(OSError, match="MAPPER_TOPIC"):
        factory.mapper()
    with pytest.raises(OSError, match="Mapper cannot read this log"):
        LogFactory({"STENOGRAM_LOG": "memory:"}).mapper(mapper_class=Mapper[UUID])


def test_aggregates_come_back_from_an_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named or not, with what clients said between; `stenogram import` checks each line as one from outside."""
    with Application[UUID](env=SETTINGS | {"STENOGRAM_LOG": str(tmp_path / "a.db")}) as application:
        parcel, plain = ship(application), Plain()
        plain.trigger_event(Aggregate.Event)
        application.save(plain)
        write(application, parcel.id, "session.open", {})
        stored = [application.recorder.select_events(each) for each in (parcel.id, plain.id)]
    lines = tmp_path / "a.jsonl"
    assert run(["export", "--all", "--log", str(tmp_path / "a.db"), "-o", str(lines)]) == 0
    assert [orjson.loads(line)["type"] for line in lines.read_bytes().splitlines()] == [
        "app.parcel.created",
        "app.parcel.shipped",
        "app.stored",
        "app.stored",
        "session.opened",
    ]
    assert run(["import", str(lines), "--log", str(tmp_path / "b.db")]) == 0, capsys.readouterr().err
    with Application[UUID](env=SETTINGS | {"STENOGRAM_LOG": str(tmp_path / "b.db")}) as application:
        assert [application.recorder.select_events(each) for each in (parcel.id, plain.id)] == stored
        copy: Any = application.repository.get(parcel.id)
        assert (copy.to, copy.version) == ("Lisbon", 3)
        assert application.repository.get(plain.id) == plain
        topics = ["app.parcel.shipped", f"{__name__}:Plain.Created"]
        assert [each.id for each in application.recorder.select_notifications(1, 9, topics=topics)] == [2, 3]


def test_an_actor_that_no_import_would_take_is_refused() -> None:
    with pytest.raises(OSError, match="STENOGRAM_ACTOR"):
        LogFactory({"STENOGRAM_LOG": "memory:", "STENOGRAM_ACTOR": 'the "shop"'})
