"""An event is written once as bytes, and reads back the same from the store, the wire and a file."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenogram.api.delivery.websocket_encoder import WEBSOCKET
from stenogram.domain import envelope
from stenogram.domain.catalogue import BUILT_IN
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.errors import Invalid, TooLarge
from stenogram.domain.ids import Position, Version
from stenogram.domain.model import Event, EventData, Fact
from stenogram.domain.parts import TextPart
from stenogram.testing.rehearsal import Rehearsal

POSTED = MessagePosted(message="m1", parts=(TextPart(text="Olá, “Lisboa”\n"),))
TIME = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
EVENT = Event(
    Position(7), "trip-7", Version(3), "e-3", "message.posted", TIME, "hotels", POSTED, None, "c-1", ("users",)
)
STORED = (
    '{"id":"e-3","type":"message.posted","time":"2026-01-02T03:04:05.000678Z","actor":"hotels","cause":"c-1",'
    '"audience":["users"],"data":{"message":"m1","parts":[{"kind":"text","text":"Olá, “Lisboa”\\n"}],"kind":"message"}}'
).encode()
WIRE = b'{"position":7,"session":"trip-7","version":3,' + STORED[1:]


def test_the_stored_form_is_a_promise() -> None:
    fact = Fact(POSTED, ("users",))
    assert envelope.encode("e-3", fact, envelope.timestamp(TIME), "hotels", "c-1") == STORED


def test_what_is_absent_is_left_out() -> None:
    stored = orjson.loads(envelope.encode("e-3", Fact(POSTED), envelope.timestamp(TIME), "hotels"))
    assert list(stored) == ["id", "type", "time", "actor", "data"]
    assert "reply_to" not in stored["data"]


def test_it_is_read_back_from_the_store_the_wire_and_a_file() -> None:
    assert envelope.decode(STORED, Position(7), "trip-7", Version(3)) == EVENT
    assert envelope.parse(WIRE) == EVENT
    assert envelope.parse(orjson.loads(WIRE)) == EVENT
    assert envelope.validate(orjson.loads(WIRE)) == EVENT


def test_readers_are_read_without_the_payload() -> None:
    assert envelope.readers_of(STORED) == ("users", "hotels")
    everyone = envelope.encode("e-3", Fact(POSTED), envelope.timestamp(TIME), "hotels")
    assert envelope.readers_of(everyone) is None


def test_a_null_inside_a_value_is_kept() -> None:
    session = Rehearsal()
    (merged,) = session.do("hotels", "state.merge", patch={"a": None, "b": [None, {"c": None}]})
    assert b'"patch":{"a":null,"b":[null,{"c":null}]}' in session.stored[-1]
    assert merged.data.model_dump()["patch"] == {"a": None, "b": [None, {"c": None}]}


def test_an_event_of_an_unknown_type_is_kept_as_it_came() -> None:
    wire = {**orjson.loads(WIRE), "type": "task.sung", "data": {"a": [None]}}
    for event in (envelope.parse(wire), envelope.validate(wire)):
        assert orjson.loads(event.data.json_bytes()) == {"a": [None]}


def test_members_of_a_payload_that_a_newer_writer_added_are_passed_over() -> None:
    wire = orjson.loads(WIRE)
    wire["data"]["mood"] = "sunny"
    assert envelope.validate(wire) == EVENT


@pytest.mark.parametrize(
    "wrong",
    [
        {"position": 0},
        {"position": "7"},
        {"position": 2**63},
        {"version": True},
        {"session": "a b"},
        {"id": None},
        {"type": "message"},
        {"type": "Message.posted"},
        {"time": 1767225600},
        {"time": "1767225600"},
        {"time": "yesterday"},
        {"time": "2026-01-01"},
        {"time": "2026-01-01T00:00:00"},
        {"time": "0001-01-01T00:00:00+01:00"},
        {"time": "9999-12-31T23:59:59-01:00"},
        {"actor": "a\n"},
        {"audience": []},
        {"audience": "users"},
        {"data": None},
        {"data": []},
        {"data": {"message": "m1"}},
        {"data": {"message": "m1", "parts": [{"kind": "data", "data": float("nan")}]}},
        {"data": {"message": "m1", "parts": [{"kind": "text", "text": "\ud800"}]}},
        {"mood": "sunny"},
    ],
)
def test_what_is_no_event_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        envelope.validate({**orjson.loads(WIRE), **wrong})


@pytest.mark.parametrize("absent", ["position", "session", "version", "id", "type", "time", "actor", "data"])
def test_a_member_that_is_needed_is_missed(absent: str) -> None:
    with pytest.raises(Invalid, match=absent):
        envelope.validate({name: value for name, value in orjson.loads(WIRE).items() if name != absent})


def test_what_comes_from_outside_is_brought_into_one_form() -> None:
    wire = {**orjson.loads(WIRE), "time": "2026-01-02T04:04:05.000678+01:00", "audience": ["users", "users"]}
    event = envelope.validate(wire)
    assert (event, envelope.timestamp(event.time)) == (EVENT, "2026-01-02T03:04:05.000678Z")
    assert envelope.validate({**wire, "audience": ["users", "everyone"]}).audience is None


times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))


@given(times, st.integers(-1_439, 1_439))
def test_a_time_is_written_in_utc_to_the_microsecond(time: datetime, minutes: int) -> None:
    elsewhere = time.astimezone(timezone(timedelta(minutes=minutes)))
    stamp = envelope.timestamp(elsewhere)
    assert stamp.endswith("Z")
    assert len(stamp) == 27
    assert datetime.fromisoformat(stamp) == time
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch + timedelta(microseconds=envelope.microseconds(elsewhere)) == time


@given(times, times)
def test_stamps_and_microseconds_sort_as_times_do(one: datetime, other: datetime) -> None:
    assert (envelope.timestamp(one) < envelope.timestamp(other)) == (one < other)
    assert (envelope.microseconds(one) < envelope.microseconds(other)) == (one < other)


@pytest.mark.parametrize("type", BUILT_IN)
def test_every_type_has_a_schema_and_a_subject(type: str) -> None:
    schema = envelope.model_of_event(type, BUILT_IN[type]).model_json_schema()
    assert schema["properties"]["type"]["const"] == type
    assert schema["description"]
    assert BUILT_IN[type].subject is not EventData.subject


def test_an_event_that_was_too_large_for_a_message_is_told_as_such() -> None:
    wire = WEBSOCKET.events("s", "trip-7", 3, "e.v3", [WIRE + b" " * WEBSOCKET.max_bytes])
    (event,) = orjson.loads(wire[wire.index(b"{") :])["events"]
    whole = orjson.loads(WIRE)
    assert event == {**{name: whole[name] for name in whole if name != "data"}, "omitted": len(WIRE) + 16 * 2**20}
    with pytest.raises(TooLarge, match="trip-7"):
        envelope.parse(event)
