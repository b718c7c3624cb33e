"""An audience that names nobody is refused when it is almost somebody; who comes later can be addressed."""

from typing import Any

import pytest

from stenogram.domain.errors import Conflict, Invalid
from stenogram.domain.model import Actor, Kind
from stenogram.domain.refusals.mistaken_names import _is_almost
from stenogram.testing import Rehearsal


@pytest.fixture
def trip() -> Rehearsal:
    """A session with the agents hotels and worker-1, and the user maya; Lea has left."""
    session = Rehearsal("trip")
    who: str
    kind: Kind
    for who, kind in (("hotels", "agent"), ("worker-1", "agent"), ("maya", "user"), ("lea-marie", "user")):
        session.do(Actor(who, kind), "presence.join")
    session.do(Actor("lea-marie", "user"), "presence.leave")
    return session


def say(session: Rehearsal, *to: str) -> Any:
    """Say something to somebody; who may see it."""
    message = f"m{len(session.events)}"
    session.do("hotels", "message.post", message=message, text="Three have rooms.", audience=list(to))
    return session.events[-1].audience


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("user", "users"),
        ("Users", "users"),
        ("agent", "agents"),
        ("all", "everyone"),
        ("everybody", "everyone"),
        ("hotles", "hotels"),
        ("hotel", "hotels"),
        ("Maya", "maya"),
        ("lea-mari", "lea-marie"),
        ("wroker-1", "worker-1"),
    ],
)
def test_a_slip_is_refused_with_what_was_meant_and_who_is_here(trip: Rehearsal, name: str, meant: str) -> None:
    with pytest.raises(Conflict, match=f"Nobody called '{name}' is in this session; did you mean '{meant}'") as refusal:
        say(trip, "maya", name)
    assert "Here are hotels (agent), maya (user), worker-1 (agent); groups are users" in str(refusal.value)
    assert f"write '@{name}'" in str(refusal.value)
    assert refusal.value.extra == {"name": name, "meant": meant}


@pytest.mark.parametrize("name", ["ben", "planner", "worker-2", "worker-11", "lea", "lea-marie", "hotels", "team-a"])
def test_who_is_not_there_yet_is_addressed_by_name(trip: Rehearsal, name: str) -> None:
    assert say(trip, name) == (name,)


def test_a_name_with_an_at_sign_is_meant_as_it_is_written(trip: Rehearsal) -> None:
    assert say(trip, "@user", "maya", "@maya") == ("maya", "user")
    assert say(trip, "@everyone", "maya") is None
    trip.do(Actor("user", "user"), "presence.join")
    assert say(trip, "user") == ("user",)
    with pytest.raises(Invalid):
        say(trip, "@@user")


def test_who_is_asked_is_looked_at_too(trip: Rehearsal) -> None:
    refused = trip.refusal("hotels", "approval.request", approval="a-1", question="Book?", options=["yes"], of=["user"])
    assert refused.code == "conflict"
    trip.do("hotels", "approval.request", approval="a-1", question="Book?", options=["yes"], of=["@boss"])
    assert trip.state.approvals.known["a-1"].of == ("boss",)


@pytest.mark.parametrize("do", ["task.create", "tool.call", "message.start", "custom.record", "state.merge"])
def test_every_command_with_an_audience_looks(trip: Rehearsal, do: str) -> None:
    data: Any = {
        "task.create": {"task": "t-1", "title": "Fly"},
        "tool.call": {"call": "c-1", "tool": "search"},
        "message.start": {"message": "m-1"},
        "custom.record": {"type": "x.noted", "data": {}},
        "state.merge": {"patch": {"a": 1}},
    }[do]
    assert trip.refusal("hotels", do, **data, audience=["agent"]).code == "conflict"
    trip.do("hotels", do, **data, audience=["@agent"])
    assert "agent" in (trip.events[-1].audience or ())


def test_siblings_are_no_slips() -> None:
    siblings = [
        ("worker-1", "worker-2"),
        ("agent", "agent2"),
        ("team-a", "team-b"),
        ("anna", "ben"),
        ("a.bee", "a.bea"),
    ]
    assert not any(_is_almost(*each) for each in siblings)
    slips = [("hotel", "hotels"), ("hotels", "htoels"), ("flight-agent", "flights-agent"), ("ANN", "ann")]
    assert all(_is_almost(*each) and _is_almost(*reversed(each)) for each in slips)
