"""A signal is kept until those whom it concerns have answered; after a cancel the work ends either way."""

from typing import Any

import pytest

from stenogram.domain.concepts.signals import Signal
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


@pytest.fixture
def work(session: Rehearsal) -> Rehearsal:
    """Hotels streams a message under its task, and waits for a tool."""
    session.do(ADA, "presence.join", lease=3_600)
    session.do("hotels", "presence.join", lease=3_600)
    session.do("planner", "task.create", task="t-1", title="Find a hotel", stall_after=7_200)
    session.do("hotels", "task.claim", task="t-1", lease=3_600)
    session.under("t-1", 1, "hotels", "message.start", message="m1")
    session.do("hotels", "message.delta", message="m1", index=0, text="The Tiv")
    session.under("t-1", 1, "hotels", "tool.call", call="c1", tool="search")
    return session


def signal(session: Rehearsal, id: str = "s1") -> Signal:
    """A signal as it stands."""
    return session.state.signals.known[id]


def types(events: Any) -> list[str]:
    """What happened."""
    return [event.type for event in events]


STOPPED = ["task.cancelled", "message.aborted", "tool.abandoned"]


def test_a_cancel_is_delivered_and_honoured(work: Rehearsal) -> None:
    (raised,) = work.do(ADA, "signal.raise", signal="s1", kind="cancel", target="task:t-1")
    assert raised.data.model_dump()["addressees"] == ("hotels",)
    work.do("hotels", "signal.deliver", signal="s1")
    assert signal(work).waiting["hotels"]
    assert types(work.do("hotels", "signal.honour", signal="s1")) == ["signal.honoured", *STOPPED]
    assert signal(work).status == "closed"
    assert work.refusal("hotels", "message.delta", message="m1", index=1, text="oli").code == "conflict"
    assert work.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"
    work.do("hotels", "message.post", message="m2", text="Stopped.")


@pytest.mark.parametrize("target", ["task:t-1", "agent:hotels", "session"])
def test_when_the_grace_runs_out_the_work_has_ended_all_the_same(work: Rehearsal, target: str) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="cancel", target=target, grace=5)
    assert work.wait(4) == ()
    events = work.wait(1)
    assert types(events) == ["signal.expired", *STOPPED]
    assert {event.actor for event in events} == {"stenogram"}
    assert work.refusal("hotels", "message.delta", message="m1", index=1, text="oli").code == "fenced"
    assert work.wait(100) == ()


def test_a_cancel_of_a_message_ends_that_message_alone(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="cancel", target="message:m1", grace=1)
    assert types(work.wait(1)) == ["signal.expired", "message.aborted"]
    assert work.state.tasks.known["t-1"].owner == "hotels"


def test_without_grace_the_work_ends_at_once(work: Rehearsal) -> None:
    events = work.do(ADA, "signal.raise", signal="s1", kind="cancel", target="task:t-1", grace=0)
    assert types(events) == ["signal.raised", *STOPPED, "signal.expired"]
    assert work.wait(60) == ()


def test_what_nobody_holds_is_cancelled_at_once(session: Rehearsal) -> None:
    session.do("planner", "task.create", task="t-1", title="T")
    events = session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="task:t-1")
    assert types(events) == ["signal.raised", "task.cancelled", "signal.expired"]


def test_an_agent_that_lets_a_cancel_pass_is_fenced_until_it_honours_it(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:hotels", grace=5)
    work.wait(5)
    for do, data in (
        ("message.post", {"message": "m2", "text": "I go on."}),
        ("state.merge", {"patch": {"hotel": "Tivoli"}}),
        ("task.claim", {"task": "t-1"}),
    ):
        refusal = work.refusal("hotels", do, data)
        assert (refusal.code, refusal.extra) == ("fenced", {"signal": "s1"})
    assert work.refusal("hotels", "signal.refuse", signal="s1").code == "conflict"
    work.do("hotels", "presence.status", status="blocked")
    assert types(work.do("hotels", "signal.honour", signal="s1")) == ["signal.honoured"]
    work.do("hotels", "message.post", message="m2", text="I have stopped.")


def test_a_cancel_waits_for_an_agent_that_is_not_there_yet(session: Rehearsal) -> None:
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:late")
    session.wait(60)
    session.do("late", "presence.join")
    assert session.refusal("late", "message.post", message="m1", text="Hello!").extra == {"signal": "s1"}
    session.do("late", "signal.deliver", signal="s1")
    session.do("late", "signal.honour", signal="s1")
    session.do("late", "message.post", message="m1", text="Stopped.")


def test_who_refuses_goes_on(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="cancel", target="task:t-1")
    work.do("hotels", "signal.refuse", signal="s1", reason="The card is being charged.")
    assert work.wait(60) == ()
    work.do("hotels", "message.delta", message="m1", index=1, text="oli")


def test_only_those_whom_it_concerns_answer_and_once(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="pause", target="task:t-1")
    assert work.refusal("flights", "signal.honour", signal="s1").code == "forbidden"
    assert work.refusal("hotels", "signal.honour", signal="s2").code == "not_found"
    work.do("hotels", "signal.deliver", signal="s1")
    assert work.refusal("hotels", "signal.deliver", signal="s1").code == "no_change"
    work.do("hotels", "signal.honour", signal="s1")
    assert work.refusal("hotels", "signal.refuse", signal="s1").code == "no_change"
    assert work.state.tasks.known["t-1"].owner == "hotels"


def test_a_session_is_stopped_for_each_of_its_agents(work: Rehearsal) -> None:
    work.do("flights", "presence.join", lease=3_600)
    work.do("flights", "message.start", message="m2")
    work.do(ADA, "message.start", message="m3")
    work.do("planner", "task.create", task="t-2", title="Later")
    events = work.do(ADA, "signal.raise", signal="s1", kind="cancel", target="session", grace=5)
    assert types(events) == ["signal.raised", "task.cancelled"]
    assert signal(work).addressees == ("flights", "hotels")
    assert types(work.do("flights", "signal.honour", signal="s1")) == ["signal.honoured", "message.aborted"]
    assert types(work.wait(5)) == ["signal.expired", *STOPPED]
    assert list(work.state.signals.fenced) == ["hotels"]
    assert work.state.messages.known["m3"].status == "open"


def test_whoever_takes_a_task_over_answers_its_signals(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="steer", target="task:t-1", body="With a view.")
    work.do("hotels", "task.release", task="t-1", attempt=1)
    (claimed, addressed) = work.do("suites", "task.claim", task="t-1")
    assert (claimed.type, addressed.type) == ("task.claimed", "signal.addressed")
    assert work.refusal("hotels", "signal.honour", signal="s1").code == "forbidden"
    work.do("suites", "signal.honour", signal="s1")


def test_signals_to_what_has_ended_have_expired(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="steer", target="task:t-1", body="With a view.")
    work.do(ADA, "signal.raise", signal="s2", kind="cancel", target="message:m1")
    assert types(work.do("hotels", "message.complete", message="m1")) == ["message.completed", "signal.expired"]
    events = work.do("hotels", "task.complete", task="t-1", attempt=1)
    assert types(events) == ["task.completed", "tool.abandoned", "signal.expired"]
    assert not work.state.signals.open


@pytest.mark.parametrize("target", ["task:t-1", "agent:hotels"])
def test_a_reroute_puts_the_work_back_on_the_board(work: Rehearsal, target: str) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="reroute", target=target, to="suites", body={"city": "Sintra"})
    work.do("hotels", "signal.honour", signal="s1")
    task = work.state.tasks.known["t-1"]
    assert (task.status, task.assignee, task.input) == ("open", "suites", {"city": "Sintra"})
    assert work.state.messages.known["m1"].status == "aborted"


def test_a_second_stop_hears_of_the_first(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="cancel", target="task:t-1")
    refusal = work.refusal(ADA, "signal.raise", signal="s2", kind="cancel", target="task:t-1")
    assert (refusal.code, refusal.extra) == ("no_change", {"signal": "s1"})
    work.do(ADA, "signal.raise", signal="s2", kind="cancel", target="task:t-1", grace=0)
    assert work.refusal(ADA, "signal.raise", signal="s1", kind="pause", target="session").code == "conflict"


def test_what_was_resumed_can_be_paused_again_before_anyone_has_answered(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="pause", target="task:t-1")
    work.do(ADA, "signal.raise", signal="s2", kind="resume", target="task:t-1")
    assert types(work.do(ADA, "signal.raise", signal="s3", kind="pause", target="task:t-1")) == ["signal.raised"]
    refusal = work.refusal(ADA, "signal.raise", signal="s4", kind="pause", target="task:t-1")
    assert (refusal.code, refusal.extra) == ("no_change", {"signal": "s3"})
    assert types(work.do(ADA, "signal.raise", signal="s5", kind="resume", target="session")) == ["signal.raised"]
    assert types(work.do(ADA, "signal.raise", signal="s6", kind="pause", target="task:t-1")) == ["signal.raised"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"kind": "cancel", "target": "task:t-9"}, "not_found"),
        ({"kind": "cancel", "target": "message:m9"}, "not_found"),
        ({"kind": "cancel", "target": "room:12"}, "invalid"),
        ({"kind": "cancel", "target": "task:"}, "invalid"),
        ({"kind": "cancel", "target": "task:t-1", "to": "suites"}, "conflict"),
        ({"kind": "reroute", "target": "message:m1"}, "conflict"),
        ({"kind": "cancel", "target": "task:t-1", "grace": -1}, "invalid"),
    ],
)
def test_a_signal_is_aimed_at_what_there_is(work: Rehearsal, data: dict[str, Any], code: str) -> None:
    assert work.refusal(ADA, "signal.raise", {"signal": "s1", **data}).code == code


def test_what_is_over_cannot_be_interrupted(work: Rehearsal) -> None:
    work.do("hotels", "message.complete", message="m1")
    work.do("hotels", "task.complete", task="t-1", attempt=1)
    for target in ("message:m1", "task:t-1"):
        refusal = work.refusal(ADA, "signal.raise", signal="s1", kind="cancel", target=target)
        assert (refusal.code, refusal.extra) == ("conflict", {"status_now": "completed"})


def test_nobody_hears_a_steer_in_an_empty_session(session: Rehearsal) -> None:
    steer = {"signal": "s1", "kind": "steer", "target": "session", "body": "Faster."}
    assert session.refusal(ADA, "signal.raise", steer).code == "conflict"


def test_an_instruction_that_nobody_has_honoured_is_taken_back(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="steer", target="task:t-1", body="Cheaper.", audience=None)
    work.do("hotels", "signal.deliver", signal="s1")
    (withdrawn,) = work.do(ADA, "signal.withdraw", signal="s1", reason="Never mind.")
    assert (withdrawn.type, withdrawn.data.model_dump()) == (
        "signal.withdrawn",
        {"signal": "s1", "reason": "Never mind."},
    )
    assert (signal(work).status, dict(signal(work).waiting), work.state.signals.open_at("task:t-1")) == (
        "withdrawn",
        {},
        [],
    )
    refusal = work.refusal("hotels", "signal.honour", signal="s1")
    assert (refusal.code, refusal.extra) == ("conflict", {"status_now": "withdrawn"})
    work.do(ADA, "signal.raise", signal="s2", kind="steer", target="task:t-1", body="Cheaper.")
    assert work.state.tasks.known["t-1"].steers == ()


def test_what_some_have_honoured_the_others_need_not(work: Rehearsal) -> None:
    work.do("flights", "presence.join")
    work.do(ADA, "signal.raise", signal="s1", kind="steer", target="session", body="Cheaper.")
    work.do("hotels", "signal.honour", signal="s1")
    work.do(ADA, "signal.withdraw", signal="s1")
    assert work.state.tasks.known["t-1"].steers == ("Cheaper.",)
    assert work.refusal("flights", "signal.refuse", signal="s1").code == "conflict"


def test_only_its_raiser_takes_an_instruction_back_while_it_is_open(work: Rehearsal) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind="steer", target="agent:hotels", audience=["hotels"])
    assert work.refusal(ADA, "signal.withdraw", signal="s9").code == "not_found"
    assert work.refusal("flights", "signal.withdraw", signal="s1").code == "not_found"
    assert work.refusal("hotels", "signal.withdraw", signal="s1").code == "forbidden"
    work.do("hotels", "signal.honour", signal="s1")
    late = work.refusal(ADA, "signal.withdraw", signal="s1")
    assert (late.code, late.extra) == ("conflict", {"status_now": "closed"})


@pytest.mark.parametrize("kind", ["cancel", "pause", "resume", "reroute"])
def test_what_acts_at_once_is_not_taken_back(work: Rehearsal, kind: str) -> None:
    work.do(ADA, "signal.raise", signal="s1", kind=kind, target="agent:hotels")
    assert work.refusal(ADA, "signal.withdraw", signal="s1").code == "conflict"
