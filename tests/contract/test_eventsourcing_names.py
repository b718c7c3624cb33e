"""Domain events under names of their own: as envelopes in the log, and nothing imported for what a client stored."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

import orjson
import pytest
from eventsourcing.application import Application
from eventsourcing.cipher import AESCipher
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    MapperDeserialisationError,
    StoredEvent,
    Tracking,
    UUIDAsHex,
)
from eventsourcing.projection import Projection, ProjectionRunner
from pydantic import BaseModel

from stenogram.domain.commands import parse_command
from stenogram.domain.envelope import validate
from stenogram.domain.model import Actor, Command
from stenogram.log.eventsourcing import EnvelopeMapper, LogTrackingRecorder, SessionEvent, name_aggregate, name_event
from stenogram.log.log import Log


class Order(Aggregate):
    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.items: list[str] = []
        self.paid = Decimal(0)

    @event("ItemAdded")
    def add(self, item: str) -> None:
        self.items.append(item)

    @event("Paid")
    def pay(self, amount: Decimal) -> None:
        self.paid += amount


name_aggregate("app.order", Order)


@name_event("app.order.noted")
class Noted(BaseModel):
    originator_id: UUID
    originator_version: int
    text: str
    at: datetime


@name_event("app.order.renamed")
class Renamed(Aggregate.Event):
    class_version: ClassVar[int] = 2
    name: str

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> None:
        state["name"] = state.pop("title")


@pytest.fixture
def shop() -> Iterator[Application[UUID]]:
    """An application whose log is in memory."""
    settings = {
        "PERSISTENCE_MODULE": "stenogram.log.eventsourcing",
        "STENOGRAM_LOG": "memory:",
        "STENOGRAM_ACTOR": "shop",
    }
    with Application[UUID](env=settings) as application:
        yield application


def make_mapper(**parts: Any) -> EnvelopeMapper[UUID]:
    transcoder = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
        transcoder.register(transcoding)
    return EnvelopeMapper[UUID](transcoder, **parts)


def test_an_aggregate_is_stored_as_envelopes_and_comes_back(shop: Application[UUID]) -> None:
    order = Order("Ada")
    order.add("tea")
    order.pay(Decimal("1.50"))
    shop.save(order)
    copy: Order = shop.repository.get(order.id)
    assert (copy, copy.created_on, copy.modified_on) == (order, order.created_on, order.modified_on)
    records = shop.recorder.log.call(lambda log: log.engine.read_log(0, 10))  # type: ignore[attr-defined]
    events = [validate(orjson.loads(record.wire())) for record in records]
    assert [each.type for each in events] == ["app.order.created", "app.order.item_added", "app.order.paid"]
    assert [record.type for record in records] == [each.type for each in events]
    assert {each.actor for each in events} == {"shop"}
    assert orjson.loads(records[0].data)["data"] == {"customer": "Ada"}
    assert orjson.loads(records[1].data)["data"] == {"item": "tea"}
    assert events[0].time == order.created_on


def test_a_gateways_session_folds_over_an_applications_events(shop: Application[UUID]) -> None:
    order = Order("Ada")
    order.add("tea")
    shop.save(order)
    state = shop.recorder.log.call(lambda log: log.state(str(order.id)))  # type: ignore[attr-defined]
    assert state.version == 2


def test_classes_without_a_name_are_stored_under_their_import_path(shop: Application[UUID]) -> None:
    plain = Aggregate()
    shop.save(plain)
    assert shop.repository.get(plain.id) == plain
    (stored,) = shop.recorder.select_events(plain.id)
    assert stored.topic == "eventsourcing.domain:Aggregate.Created"


@pytest.mark.parametrize("sealed", [False, True])
def test_pydantic_models_and_dataclasses_map_there_and_back(sealed: bool) -> None:
    import zlib

    cipher = AESCipher({"CIPHER_KEY": AESCipher.create_key(16)})  # type: ignore[arg-type]
    mapper = make_mapper(cipher=cipher, compressor=zlib) if sealed else make_mapper()
    now = datetime.now(UTC)
    for domain_event in (
        Noted(originator_id=uuid4(), originator_version=7, text="tea", at=now),
        Order.Paid(originator_id=uuid4(), originator_version=7, timestamp=now, amount=Decimal("1.5")),  # type: ignore[attr-defined]
    ):
        stored = mapper.to_stored_event(domain_event)
        assert mapper.to_domain_event(stored) == domain_event
        assert (b"sealed" in stored.state) == sealed


def test_an_older_version_of_a_class_is_brought_up() -> None:
    head = b'{"id":"e","type":"app.order.renamed","time":"2026-01-01T00:00:00Z","actor":"shop","data":'
    stored = StoredEvent(uuid4(), 2, "app.order.renamed", head + b'{"title":"Ada"}}')
    assert make_mapper().to_domain_event(stored).name == "Ada"  # type: ignore[attr-defined]


def test_nothing_is_imported_for_what_a_client_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """`this` prints a poem when it is imported; a type that names it must not do that."""
    monkeypatch.delitem(sys.modules, "this", raising=False)
    head = b'{"id":"e","type":"%s","time":"2026-01-01T00:00:00Z","actor":"a","data":{"originator_topic":"this:d"}}'
    mapper = make_mapper()
    for type in ("this.d", "x.this", "this"):
        unknown = mapper.to_domain_event(StoredEvent(uuid4(), 1, type, head % type.encode()))
        assert isinstance(unknown, SessionEvent)
    created: Any = mapper.to_domain_event(StoredEvent(uuid4(), 1, "app.order.created", head % b"app.order.created"))
    assert created.originator_topic.endswith(":Order")
    assert "this" not in sys.modules


def test_what_cannot_be_read_is_an_error_of_the_librarys() -> None:
    for topic in ("app.order.paid", "message.posted"):
        with pytest.raises(MapperDeserialisationError, match=topic):
            make_mapper().to_domain_event(StoredEvent(uuid4(), 1, topic, b"{}"))


def test_names_are_given_once_and_with_care() -> None:
    name_event("app.order.renamed")(Renamed)
    for name, cls in (("app.order.renamed", Noted), ("app.order.other", Renamed)):
        with pytest.raises(ValueError, match="named already"):
            name_event(name)(cls)
    for name in ("Renamed", "app.Renamed", "message.posted", "x.order.renamed", "app.stored"):
        with pytest.raises(ValueError, match=name):
            name_event(name)
    with pytest.raises(ValueError, match="say which"):
        name_event("app.other.created")(Order.Created)


class Said(LogTrackingRecorder):
    """A view: who said what in the sessions of a gateway."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.said: list[tuple[str, str]] = []


class Listening(Projection[Said]):
    """A projection of the library's that follows a gateway's sessions."""

    topics = ("message.posted",)

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        raise NotImplementedError

    @process_event.register
    def session_event(self, domain_event: SessionEvent, tracking: Tracking) -> None:
        data: Any = domain_event.event.data
        self.view.said.append((domain_event.event.actor, data.parts[0].text))
        self.view.insert_tracking(tracking)


def test_a_projection_of_the_librarys_can_follow_sessions() -> None:
    async def talk(log: Log) -> int:
        position = 0
        for number, (do, data) in enumerate(
            [("session.open", {}), ("message.post", {"message": "m", "text": "Hello"}), ("session.close", {})]
        ):
            actor, now = Actor("hotels", "agent"), datetime.now(UTC)
            result = await log.submit(Command(f"c-{number}", "trip-7", actor, now, parse_command(do, data)))
            position = result.positions[0] if do == "message.post" else position
        return position

    settings = {"PERSISTENCE_MODULE": "stenogram.log.eventsourcing", "STENOGRAM_LOG": "memory:talk"}
    with ProjectionRunner(
        application_class=Application[Any], projection_class=Listening, view_class=Said, env=settings
    ) as runner:
        position = runner.app.recorder.log.call(talk)
        runner.wait(position, timeout=30)
        assert runner.projection.view.said == [("hotels", "Hello")]
