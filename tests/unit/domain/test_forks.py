"""A fork begins as its origin was at a version, with nobody present and nothing under way, and goes its own way."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.domain.concepts.lifecycle import Origin
from stenogram.domain.ids import Version
from stenogram.domain.model import Actor
from stenogram.domain.session import fold, is_live
from stenogram.domain.state import State
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def busy() -> Rehearsal:
    """A session in which everything is going on at once."""
    session = Rehearsal("trip-7", opened=False)
    session.do(ADA, "session.open", title="Lisbon", labels={"team": "travel"}, metadata={"budget": 900})
    session.do(ADA, "presence.join")
    session.do("hotels", "presence.join")
    session.do("planner", "task.create", task="t-1", title="Find a hotel", stall_after=7_200)
    session.do("hotels", "task.claim", task="t-1")
    session.under("t-1", 1, "hotels", "message.start", message="m1", audience=["users"])
    session.do("hotels", "message.delta", message="m1", index=0, text="The Tiv")
    session.under("t-1", 1, "hotels", "tool.call", call="c1", tool="search")
    session.do("planner", "approval.request", approval="a1", question="Book it?", within=600)
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="agent:late", grace=600)
    session.do("hotels", "state.merge", patch={"hotel": "Tivoli"})
    session.do("flights", "message.start", message="m2")
    session.do(ADA, "floor.move", speakers=["planner"])
    session.do(ADA, "session.describe", metadata={"seats": 2})
    return session


def test_a_fork_is_the_origin_with_nobody_there_and_nothing_under_way() -> None:
    origin = busy()
    fork = origin.fork(ADA, "trip-8")
    first = fork.events[len(origin.events)]
    assert (first.type, first.version, first.data.model_dump()["at"]) == ("session.forked", 15, 14)
    state = fork.state
    assert (state.session.status, state.session.title, state.session.labels) == ("open", "Lisbon", {"team": "travel"})
    assert state.session.origin == Origin("trip-7", Version(14))
    assert state.session.metadata == {"budget": 900, "seats": 2}
    assert (state.document.value, state.floor) == ({"hotel": "Tivoli"}, frozenset({"planner"}))
    assert not any(each.present for each in state.presence.values())
    assert (state.tasks.known["t-1"].status, state.tasks.known["t-1"].attempt) == ("open", 1)
    assert {message.status for message in state.messages.known.values()} == {"aborted"}
    assert state.tools.known["c1"].abandoned
    assert (state.approvals.known["a1"].status, state.signals.known["s1"].status) == ("withdrawn", "expired")
    assert not is_live(state)
    (partial,) = [each for each in fork.events[14:] if each.data.subject() == "message:m1"]
    assert (partial.audience, partial.data.model_dump()["parts"]) == (
        ("hotels", "users"),
        ({"kind": "text", "text": "The Tiv"},),
    )


def test_the_two_live_apart() -> None:
    origin = busy()
    before, length = origin.state, len(origin.events)
    fork = origin.fork(ADA, "trip-8", at=5, title="Sintra")
    assert (fork.state.session.title, fork.state.document.value) == ("Sintra", {})
    (claimed,) = fork.do("suites", "task.claim", task="t-1")
    assert claimed.data.model_dump()["attempt"] == 2
    assert fork.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"
    assert (origin.state, len(origin.events)) == (before, length)
    again = fork.fork(ADA, "trip-9")
    assert again.state.session.origin == Origin("trip-8", fork.state.version)


def test_only_a_session_that_is_not_there_becomes_a_fork() -> None:
    session = busy()
    assert session.refusal(ADA, "session.fork", origin="trip-9").code == "conflict"
    assert Rehearsal("new", opened=False).refusal(ADA, "session.fork", origin="trip-9").code == "not_found"


@given(st.integers(1, 14), st.integers(1, 20))
@settings(max_examples=30)
def test_a_fork_folds_from_its_events_as_any_session(at: int, then: int) -> None:
    fork = busy().fork(ADA, "trip-8", at=at)
    fork.do("hotels", "presence.join")
    again = fork.fork("hotels", "trip-9", at=min(then, len(fork.events)))
    for each in (fork, again):
        assert [event.version for event in each.events] == list(range(1, len(each.events) + 1))
        assert fold(State(each.state.id), each.events) == each.state


def test_a_fork_in_the_midst_of_a_commit_ends_what_had_yet_to_end_there() -> None:
    session = Rehearsal("trip-7")
    session.do("planner", "task.create", task="t-1", title="Find a hotel")
    session.do("planner", "task.create", task="t-2", title="Book it", needs=["t-1"], on_need_failed="fail")
    cancelled, failed = session.do(ADA, "task.cancel", task="t-1")
    assert failed.type == "task.failed"
    assert session.fork(ADA, "trip-8", cancelled.version).state.tasks.known["t-2"].status == "failed"


def test_what_ends_at_the_start_of_a_fork_ends_in_one_order_in_every_process() -> None:
    session = Rehearsal("trip-7")
    for number in range(12):
        session.do(f"agent-{number}", "presence.join")
        session.do("planner", "task.create", task=f"t-{number}", title="T")
        session.do(f"agent-{number}", "task.claim", task=f"t-{number}")
        session.do(ADA, "signal.raise", signal=f"s-{number}", kind="steer", target=f"agent:agent-{number}")
    for ended in (session.fork(ADA, "trip-8"), session):
        before = len(ended.events) if ended is session else len(session.events) + 1
        if ended is session:
            session.do(ADA, "session.close")
        for type in ("presence.left", "task.released", "task.cancelled", "signal.expired"):
            told = [event.data.subject() for event in ended.events[before:] if event.type == type]
            numbers = [int(each.rpartition("-")[2]) for each in told]
            assert numbers == sorted(numbers, reverse=type == "task.cancelled")
            assert len(numbers) in (0, 12)
