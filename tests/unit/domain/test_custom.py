"""An application records events of its own types, registered or not."""

from collections.abc import Iterator

import pytest

from stenogram.domain import catalogue
from stenogram.domain.concepts.custom import OpaqueData
from stenogram.domain.errors import Conflict
from stenogram.domain.ids import Version
from stenogram.domain.model import EventData
from stenogram.domain.session import decide
from stenogram.testing.rehearsal import Rehearsal


class Booked(EventData):
    """A room was booked."""

    type = "x.hotel.booked"
    room: int


@pytest.fixture
def booked() -> Iterator[None]:
    """The type is registered while a test runs."""
    catalogue.register(Booked)
    yield
    del catalogue._registered[Booked.type]


def test_an_unknown_type_is_kept_as_it_came(session: Rehearsal) -> None:
    (event,) = session.do("hotels", "custom.record", {"type": "x.note", "data": {"a": [None, {"b": None}]}})
    assert (event.type, event.data) == ("x.note", OpaqueData(value={"a": [None, {"b": None}]}))


@pytest.mark.usefixtures("booked")
def test_a_registered_type_is_validated_and_decoded(session: Rehearsal) -> None:
    (event,) = session.do("hotels", "custom.record", {"type": "x.hotel.booked", "data": {"room": 12, "floor": 1}})
    assert event.data == Booked(room=12)
    assert event.data.subject() == "custom"
    refusal = session.refusal("hotels", "custom.record", {"type": "x.hotel.booked", "data": {"room": "large"}})
    assert refusal.code == "invalid"


@pytest.mark.usefixtures("booked")
def test_a_repeat_is_recognised_by_what_its_type_keeps(session: Rehearsal) -> None:
    said = session.command("hotels", "custom.record", {"type": "x.hotel.booked", "data": {"room": 12, "floor": 1}})
    assert session.execute(said) == session.execute(said)
    other = session.command("hotels", "custom.record", {"type": "x.hotel.booked", "data": {"room": 13}})
    with pytest.raises(Conflict):
        session.execute(other._replace(id=said.id))


@pytest.mark.usefixtures("booked")
def test_a_type_is_registered_once() -> None:
    assert catalogue.register(Booked) is Booked
    with pytest.raises(ValueError, match="registered already"):
        catalogue.register(type("Other", (EventData,), {"type": Booked.type, "__module__": __name__}))


@pytest.mark.parametrize("name", ["message.posted", "x", "x.", "x.Booked", "xy.booked", "x.a\n", "x.ü"])
def test_only_custom_names_are_registered(name: str) -> None:
    with pytest.raises(ValueError, match="no custom type"):
        catalogue.register(type("Other", (EventData,), {"type": name, "__module__": __name__}))


@pytest.mark.parametrize("name", ["message.posted", "x", "x.", "x.Booked", "x.a\n", "x." + "a" * 127, None])
def test_only_custom_names_are_recorded(session: Rehearsal, name: object) -> None:
    assert session.refusal("hotels", "custom.record", {"type": name, "data": {}}).code == "invalid"


@pytest.mark.parametrize("data", [None, [], "text", {"a": float("inf")}, {"a": "\udfff"}, {"a": 2**64}, {1: 2}])
def test_what_is_recorded_is_a_json_object(session: Rehearsal, data: object) -> None:
    assert session.refusal("hotels", "custom.record", {"type": "x.note", "data": data}).code == "invalid"


def test_what_is_recorded_is_not_nested_for_ever(session: Rehearsal) -> None:
    for depth, code in ((101, "too_deep"), (300, "too_deep")):
        deep: object = 0
        for _ in range(depth):
            deep = {"x": deep}
        assert session.refusal("hotels", "custom.record", {"type": "x.note", "data": deep}).code == code


def test_a_subject_is_narrowed_by_what_the_event_is_about(session: Rehearsal) -> None:
    data = {"type": "x.note", "data": {}, "about": "room-12", "audience": ["users"]}
    (fact,) = decide(session.state, session.command("hotels", "custom.record", data)).facts
    assert (fact.subject, fact.audience) == ("custom:room-12", ("users",))


def test_a_type_without_a_model_is_folded_as_nothing(session: Rehearsal) -> None:
    before = session.state
    session.do("hotels", "custom.record", {"type": "x.note", "data": {}})
    assert session.state == before._replace(version=Version(before.version + 1), time=session.events[-1].time)
