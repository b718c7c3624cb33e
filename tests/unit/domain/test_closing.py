"""Closing a session ends what is under way in it; reopened, it starts empty-handed."""

from stenogram.domain.model import Actor
from stenogram.domain.session import deadlines, is_live
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def busy() -> Rehearsal:
    """A session in which everything is going on at once."""
    session = Rehearsal()
    session.do(ADA, "presence.join")
    session.do("hotels", "presence.join")
    session.do("planner", "task.create", task="whole", title="Plan a trip")
    session.do("planner", "task.create", task="t-1", title="Find a hotel", parent="whole", stall_after=30)
    session.do("planner", "task.create", task="t-2", title="Find a flight", needs=["t-1"])
    session.do("hotels", "task.claim", task="t-1")
    session.under("t-1", 1, "hotels", "message.start", message="m1", audience=["agents"])
    session.do("hotels", "message.delta", message="m1", index=0, text="The Tiv")
    session.under("t-1", 1, "hotels", "tool.call", call="c1", tool="search")
    session.do("planner", "approval.request", approval="a1", question="Book it?", within=600)
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:late", grace=600)
    session.do("flights", "message.start", message="m2")
    return session


def test_nothing_is_under_way_in_a_closed_session() -> None:
    session = busy()
    closed, *further = session.do(ADA, "session.close", reason="Enough.")
    state = session.state
    assert closed.type == "session.closed"
    assert not any(each.present for each in state.presence.values())
    assert {task.status for task in state.tasks.known.values()} == {"cancelled"}
    assert {message.status for message in state.messages.known.values()} == {"aborted"}
    assert state.tools.known["c1"].abandoned
    assert (state.approvals.known["a1"].status, state.signals.known["s1"].status) == ("withdrawn", "expired")
    assert not state.signals.fenced, "nobody was given the time to answer"
    assert not is_live(state)
    subjects = [event.data.subject() for event in further]
    assert len(set(subjects)) == len(subjects), "nothing ends twice"
    assert {event.cause for event in further} == {closed.cause}


def test_whoever_closes_reads_no_more_for_it() -> None:
    session = busy()
    session.do(ADA, "session.close")
    (partial,) = [each for each in session.events if each.type == "message.aborted" and each.data.subject()[-1] == "1"]
    assert partial.audience == ("agents", "hotels")


def test_open_tasks_are_cancelled_for_that_reason() -> None:
    session = busy()
    session.do(ADA, "session.close")
    ends = {each.data.subject(): each.data for each in session.events if each.type == "task.cancelled"}
    assert ends["task:t-2"].model_dump(exclude_none=True) == {"task": "t-2", "reason": "The session was closed."}
    assert ends["task:t-1"].model_dump()["attempt"] == 1


def test_one_that_is_reopened_starts_empty_handed() -> None:
    session = busy()
    session.do("hotels", "state.merge", patch={"hotel": "Tivoli"})
    session.do(ADA, "session.close")
    session.do(ADA, "session.reopen")
    assert (deadlines(session.state), session.wait(10_000)) == ([], ())
    assert session.state.document.value == {"hotel": "Tivoli"}
    assert session.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"
    session.do("hotels", "presence.join")
    session.do("planner", "task.create", task="t-3", title="Find another")
    session.do("hotels", "task.claim", task="t-3")


def test_a_fork_of_a_closed_session_is_open() -> None:
    session = busy()
    session.do(ADA, "session.close")
    fork = session.fork(ADA, "trip-8")
    assert fork.events[-1].type == "session.forked", "nothing is left to end"
    fork.do("hotels", "presence.join")
