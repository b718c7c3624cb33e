"""Only agents and services can be stopped, and the next run of one that was is not."""

from typing import Any

import pytest

from stenogram.domain.concepts.signals import SignalExpired, SignalRaised
from stenogram.domain.errors import Refused
from stenogram.domain.ids import Position, Version
from stenogram.domain.model import TIMEKEEPER, Actor, Event, EventData
from stenogram.domain.refusals.stopped_agents import fences
from stenogram.domain.session import evolve
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")
EXPORT = Actor("export", "service")
KINDS = ["cancel", "pause", "resume", "steer", "reroute"]


def stop(session: Rehearsal, target: str, **more: Any) -> None:
    """Cancel without grace."""
    session.do(ADA, "signal.raise", {"signal": "s1", "kind": "cancel", "target": target, "grace": 0, **more})


def happened(session: Rehearsal, data: EventData) -> None:
    """Put into the session what rules of today would not write."""
    version = Version(session.state.version + 1)
    about = (Position(version), session.state.id, version, f"e-{version}", data.type, session.events[-1].time, "ada")
    session.state = evolve(session.state, Event(*about, data))


def stopped_of_old(session: Rehearsal, who: str) -> None:
    """A cancel whose grace has run out, at somebody who could be aimed at once."""
    happened(session, SignalRaised(signal="s0", kind="cancel", target=f"agent:{who}", addressees=(who,), grace=0))
    happened(session, SignalExpired(signal="s0", waiting=(who,)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("who", "what"), [("stenogram", "is the gateway itself"), ("ada", "is a person")])
def test_neither_people_nor_the_gateway_are_interrupted(session: Rehearsal, kind: str, who: str, what: str) -> None:
    session.do(ADA, "presence.join")
    refusal = session.refusal("hotels", "signal.raise", signal="s1", kind=kind, target=f"agent:{who}")
    assert (refusal.code, what in refusal.detail, "aim at" in refusal.detail) == ("conflict", True, True)


def test_a_service_is_stopped_like_an_agent(session: Rehearsal) -> None:
    session.do(EXPORT, "presence.join")
    stop(session, "agent:export")
    assert session.refusal(EXPORT, "message.post", message="m1", text="Hi.").code == "fenced"


def test_an_agent_that_is_yet_to_come_can_be_stopped(session: Rehearsal) -> None:
    stop(session, "agent:hotels")
    refusal = session.refusal("hotels", "message.post", message="m1", text="Hi.")
    assert (refusal.code, refusal.extra) == ("fenced", {"signal": "s1"})
    assert "signal.honour" in refusal.detail
    assert "new_run" in refusal.detail
    assert {who: fence.signal for who, fence in fences(session.state).items()} == {"hotels": "s1"}
    assert fences(session.state)["hotels"].since == session.state.version


def test_a_person_who_comes_under_an_id_that_was_stopped_may_speak(session: Rehearsal) -> None:
    bob = Actor("bob", "user")
    stop(session, "agent:bob")
    session.do(bob, "message.post", message="m1", text="Hi.")
    (_, honoured) = session.do(bob, "presence.join")
    assert (honoured.type, fences(session.state)) == ("signal.honoured", {})
    session.do(bob, "session.close")


def test_what_was_aimed_at_a_persons_id_before_they_came_waits_for_nobody(session: Rehearsal) -> None:
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:bob")
    session.do(ADA, "signal.raise", signal="s2", kind="pause", target="agent:bob")
    events = session.do(Actor("bob", "user"), "presence.join")
    assert [event.type for event in events] == ["presence.joined", "signal.expired", "signal.expired"]
    session.wait(60)
    assert not session.state.signals.fenced
    assert not session.state.signals.open


def test_a_person_who_is_at_work_when_all_work_is_cancelled_may_go_on(session: Rehearsal) -> None:
    session.do(ADA, "message.start", message="m1")
    session.do("hotels", "message.start", message="m2")
    stop(session, "session")
    assert session.refusal("hotels", "message.post", message="m3", text="Hi.").code == "fenced"
    session.do(ADA, "message.post", message="m4", text="Hi.")


def test_a_log_in_which_the_gateway_was_stopped_keeps_the_time(session: Rehearsal) -> None:
    session.do("hotels", "presence.join", lease=5)
    session.do(ADA, "task.create", task="k1", title="T")
    session.do("hotels", "task.claim", task="k1", lease=30)
    session.do("hotels", "approval.request", approval="a1", question="?", within=3)
    stopped_of_old(session, TIMEKEEPER.id)
    assert fences(session.state) == {}
    assert [event.type for event in session.wait(5)] == ["presence.lost", "task.released", "approval.withdrawn"]


def test_a_log_in_which_a_person_was_stopped_gives_them_back_their_voice(session: Rehearsal) -> None:
    session.do(ADA, "presence.join")
    stopped_of_old(session, "ada")
    assert fences(session.state) == {}
    session.do(ADA, "message.post", message="m1", text="Hi.")


def test_a_new_run_honours_the_stop_of_the_one_before(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:hotels", grace=5)
    session.wait(60)
    events = session.do("hotels", "presence.join", new_run=True)
    assert [event.type for event in events] == ["presence.joined", "signal.honoured"]
    assert (events[1].actor, "A new run" in events[1].data.model_dump()["reason"]) == ("hotels", True)
    assert fences(session.state) == {}
    session.do("hotels", "message.post", message="m1", text="Hi.")


def test_who_comes_back_is_still_stopped(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    stop(session, "session")
    session.wait(60)
    session.do("hotels", "presence.join")
    assert session.refusal("hotels", "message.post", message="m1", text="Hi.").code == "fenced"


def test_a_new_run_gives_back_what_the_one_before_has_left(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do(ADA, "task.create", task="k1", title="T")
    session.do("hotels", "task.claim", task="k1")
    session.under("k1", 1, "hotels", "message.start", message="m1")
    events = session.do("hotels", "presence.join", new_run=True)
    types = ["presence.left", "presence.joined", "task.released", "message.aborted"]
    assert [event.type for event in events] == types
    assert session.state.presence["hotels"].present
    assert session.state.tasks.known["k1"].status == "open"


def test_a_new_run_answers_what_is_open_for_itself(session: Rehearsal) -> None:
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:hotels", grace=50)
    session.do("hotels", "presence.join", new_run=True)
    assert session.state.signals.known["s1"].status == "open"


def test_a_stopped_agent_that_opens_its_session_hears_that_it_exists(session: Rehearsal) -> None:
    stop(session, "agent:hotels")
    assert session.refusal("hotels", "session.open").code == "conflict"


def run(session: Rehearsal, name: str | None, do: str, data: dict[str, Any]) -> list[str]:
    """Something that a run of the agent does: what happened, or the code of the refusal."""
    command = session.command("hotels", do, data)._replace(run=name)
    try:
        return [event.type for event in session.execute(command)]
    except Refused as refusal:
        return [refusal.code]


BEGIN = {"new_run": True}


def test_a_run_that_was_stopped_stays_stopped_when_the_next_has_begun(session: Rehearsal) -> None:
    run(session, "old", "presence.join", BEGIN)
    stop(session, "agent:hotels")
    assert run(session, "new", "presence.join", BEGIN)[-1] == "signal.honoured"
    assert run(session, "new", "message.post", {"message": "m1", "text": "Hi."}) == ["message.posted"]
    for do, data in (
        ("message.post", {"message": "m2", "text": "Hi."}),
        ("presence.status", {"status": "working"}),
        ("presence.leave", {}),
        ("presence.join", {}),
        ("signal.honour", {"signal": "s1"}),
        ("custom.record", {"type": "x.note", "data": {}}),
    ):
        assert run(session, "old", do, data) == ["fenced"], do
        assert run(session, None, do, data) == ["fenced"], do
    assert run(session, "new", "presence.status", {"status": "working"}) == ["presence.status"]


def test_a_run_that_goes_on_after_a_stop_comes_back_when_it_is_lost(session: Rehearsal) -> None:
    run(session, "old", "presence.join", BEGIN)
    stop(session, "agent:hotels")
    run(session, "new", "presence.join", BEGIN)
    session.wait(60)
    assert run(session, "old", "presence.join", {}) == ["fenced"]
    assert run(session, "new", "presence.join", {}) == ["presence.joined"]
    assert run(session, "new", "message.post", {"message": "m1", "text": "Hi."}) == ["message.posted"]


def test_every_later_run_takes_over_from_the_one_before(session: Rehearsal) -> None:
    run(session, "1", "presence.join", BEGIN)
    stop(session, "agent:hotels")
    for name, before in (("2", "1"), ("3", "2")):
        run(session, name, "presence.join", BEGIN)
        assert run(session, before, "message.post", {"message": "m0", "text": "Hi."}) == ["fenced"]
        assert run(session, name, "message.post", {"message": f"m{name}", "text": "Hi."}) == ["message.posted"]


def test_runs_of_an_agent_that_nobody_stopped_work_side_by_side(session: Rehearsal) -> None:
    run(session, "1", "presence.join", BEGIN)
    run(session, "2", "presence.join", BEGIN)
    names: list[str | None] = ["1", "2", None]
    for name in names:
        assert run(session, name, "message.post", {"message": f"m{name}", "text": "Hi."}) == ["message.posted"]


def test_who_honours_its_stop_goes_on_itself(session: Rehearsal) -> None:
    run(session, "1", "presence.join", BEGIN)
    stop(session, "agent:hotels")
    assert run(session, "1", "signal.honour", {"signal": "s1"}) == ["signal.honoured"]
    assert run(session, "1", "message.post", {"message": "m1", "text": "Hi."}) == ["message.posted"]
