"""A participant joins, says what it is doing, and leaves; or it is lost, or stalled."""

from datetime import timedelta

import pytest

from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def test_a_participant_joins_under_its_own_name(session: Rehearsal) -> None:
    (joined,) = session.do(ADA, "presence.join", name="Ada", about={"avatar": "a.png"})
    ada = session.state.presence["ada"]
    assert (ada.kind, ada.name, ada.about, ada.present, ada.status) == (
        "user",
        "Ada",
        {"avatar": "a.png"},
        True,
        "idle",
    )
    assert (joined.data.subject(), ada.since) == ("presence:ada", joined.version)


def test_a_participant_joins_once(session: Rehearsal) -> None:
    session.do(ADA, "presence.join")
    assert session.refusal(ADA, "presence.join").code == "no_change"


def test_a_participant_says_what_it_is_doing(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do("hotels", "presence.status", status="waiting-for-human", activity="Which hotel?")
    hotels = session.state.presence["hotels"]
    assert (hotels.status, hotels.activity) == ("waiting-for-human", "Which hotel?")


def test_a_status_that_is_known_is_not_recorded(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do("hotels", "presence.status", status="working", activity="Lisbon")
    assert session.refusal("hotels", "presence.status", status="working", activity="Lisbon").code == "no_change"
    session.do("hotels", "presence.status", status="working")
    assert session.state.presence["hotels"].activity is None


def test_who_is_not_here_has_no_status(session: Rehearsal) -> None:
    assert session.refusal("hotels", "presence.status", status="idle").code == "conflict"
    assert session.refusal("hotels", "presence.leave").code == "no_change"


def test_a_status_is_one_of_six(session: Rehearsal) -> None:
    assert session.refusal("hotels", "presence.status", status="sleeping").code == "invalid"


def test_who_left_is_known_and_may_come_back(session: Rehearsal) -> None:
    session.do("hotels", "presence.join", name="Hotels")
    session.do("hotels", "presence.status", status="working", activity="Lisbon")
    session.do("hotels", "presence.leave", reason="Done.")
    gone = session.state.presence["hotels"]
    assert (gone.present, gone.status, gone.activity, gone.name) == (False, "idle", None, "Hotels")
    assert session.refusal("hotels", "presence.leave").code == "no_change"
    session.do("hotels", "presence.join")
    assert session.state.presence["hotels"].present


# -- loss


def test_who_is_silent_for_its_lease_is_lost(session: Rehearsal) -> None:
    session.do("hotels", "presence.join", lease=30)
    assert session.wait(29) == ()
    (lost,) = session.wait(1)
    assert (lost.type, lost.actor, session.state.presence["hotels"].present) == ("presence.lost", "stenogram", False)
    assert session.wait(300) == ()
    session.do("hotels", "presence.join")
    assert session.state.presence["hotels"].lease == 15


@pytest.mark.parametrize("lost", [True, False])
def test_what_somebody_had_open_ends_with_them(session: Rehearsal, lost: bool) -> None:
    session.do("hotels", "presence.join", lease=30)
    session.do("planner", "task.create", task="t-1", title="T")
    session.do("hotels", "task.claim", task="t-1")
    session.under("t-1", 1, "hotels", "message.start", message="m1", audience=["users"])
    session.do("hotels", "message.delta", message="m1", index=0, text="The Tiv")
    session.do("hotels", "message.start", message="m2")
    session.do("hotels", "tool.call", call="c1", tool="search")
    session.do("hotels", "approval.request", approval="a1", question="Book it?")
    session.do("flights", "message.start", message="m3")
    events = session.wait(30) if lost else session.do("hotels", "presence.leave")
    first, *others = [event.type for event in events]
    assert first == ("presence.lost" if lost else "presence.left")
    assert sorted(others) == [
        "approval.withdrawn",
        "message.aborted",
        "message.aborted",
        "task.released",
        "tool.abandoned",
    ]
    (partial,) = [e for e in events if e.data.subject() == "message:m1"]
    assert partial.data.model_dump()["parts"] == ({"kind": "text", "text": "The Tiv"},)
    assert session.state.messages.known["m3"].status == "open"
    assert session.state.tasks.known["t-1"].status == "open"


# -- stalls


@pytest.fixture
def busy(session: Rehearsal) -> Rehearsal:
    """Hotels holds a task in which it must show something within a minute."""
    session.do("hotels", "presence.join", lease=3_600)
    session.do("planner", "task.create", task="t-1", title="T", stall_after=60)
    session.do("hotels", "task.claim", task="t-1", lease=3_600)
    return session


def stalled(session: Rehearsal) -> str | None:
    """In which task hotels is stalled."""
    return next(iter(session.state.presence["hotels"].stalled), None)


def test_who_shows_nothing_for_its_task_is_stalled(busy: Rehearsal) -> None:
    assert busy.wait(59) == ()
    (event,) = busy.wait(1)
    assert event.data.model_dump() | {"reason": ""} == {
        "participant": "hotels",
        "task": "t-1",
        "after": 60.0,
        "reason": "",
    }
    assert stalled(busy) == "t-1"
    assert busy.wait(600) == ()
    assert busy.state.tasks.known["t-1"].owner == "hotels"


def test_whatever_it_does_under_the_task_shows_that_it_goes_on(busy: Rehearsal) -> None:
    busy.under("t-1", 1, "hotels", "message.start", message="m1")
    for index in range(5):
        assert busy.wait(58) == ()
        busy.do("hotels", "message.delta", message="m1", index=index, text="t")
    busy.wait(60)
    assert stalled(busy) == "t-1"
    events = busy.do("hotels", "message.delta", message="m1", index=5, text="t")
    assert [event.type for event in events] == ["message.delta", "presence.recovered"]
    assert stalled(busy) is None
    assert [event.type for event in busy.wait(60)] == ["presence.stalled"]


@pytest.mark.parametrize("status", ["waiting-for-tool", "waiting-for-human"])
def test_who_waits_and_said_so_is_not_stalled(busy: Rehearsal, status: str) -> None:
    busy.do("hotels", "presence.status", status=status)
    assert busy.wait(3_000) == ()
    busy.do("hotels", "presence.status", status="working")
    assert [event.type for event in busy.wait(60)] == ["presence.stalled"]


def test_who_waits_longer_than_it_said_is_stalled(busy: Rehearsal) -> None:
    until = (busy.events[-1].time + timedelta(seconds=301)).isoformat()
    busy.do("hotels", "presence.status", status="waiting-for-tool", until=until)
    assert busy.wait(299) == ()
    assert [event.type for event in busy.wait(1)] == ["presence.stalled"]


def test_to_be_blocked_is_not_to_wait(busy: Rehearsal) -> None:
    busy.do("hotels", "presence.status", status="blocked")
    assert [event.type for event in busy.wait(60)] == ["presence.stalled"]


def test_who_says_something_of_itself_has_recovered(busy: Rehearsal) -> None:
    busy.wait(60)
    events = busy.do("hotels", "presence.status", status="waiting-for-human")
    assert [event.type for event in events] == ["presence.status", "presence.recovered"]


def test_a_stall_ends_with_the_task(busy: Rehearsal) -> None:
    busy.wait(60)
    events = busy.do(ADA, "task.reroute", task="t-1")
    assert [event.type for event in events] == ["task.released", "presence.recovered"]


def test_nothing_falls_due_in_a_closed_session(busy: Rehearsal) -> None:
    busy.do(ADA, "session.close")
    assert busy.wait(10_000) == ()
    busy.do(ADA, "session.reopen")
    assert busy.wait(10_000) == (), "it starts empty-handed"
