"""A task has one holder at a time, and whoever held it before is fenced."""

from typing import Any

import pytest

from stenogram.domain.concepts.tasks import Task
from stenogram.domain.errors import Fenced
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


@pytest.fixture
def board(session: Rehearsal) -> Rehearsal:
    """A session with one task to do."""
    session.do("planner", "task.create", task="t-1", title="Find a hotel", input={"city": "Lisbon"})
    return session


def task(session: Rehearsal, id: str = "t-1") -> Task:
    """A task as it stands."""
    return session.state.tasks.known[id]


def types(events: Any) -> list[str]:
    """What happened."""
    return [event.type for event in events]


def test_a_task_goes_from_the_board_to_its_end(board: Rehearsal) -> None:
    assert (task(board).status, task(board).input, task(board).attempt) == ("open", {"city": "Lisbon"}, 0)
    (claimed,) = board.do("hotels", "task.claim", task="t-1", lease=30)
    assert (claimed.task, task(board).owner, task(board).attempt, task(board).lease) == ("t-1", "hotels", 1, 30)
    (progressed,) = board.do("hotels", "task.progress", task="t-1", attempt=1, share=0.5)
    assert (progressed.task, task(board).active) == ("t-1", progressed.time)
    board.do("hotels", "task.complete", task="t-1", attempt=1, output={"hotel": "Tivoli"})
    assert (task(board).status, task(board).owner, task(board).input) == ("completed", None, None)
    assert board.refusal("flights", "task.claim", task="t-1").extra == {"status_now": "completed"}


def test_the_second_to_claim_is_told_who_was_first(board: Rehearsal) -> None:
    board.do("hotels", "task.claim", task="t-1")
    refusal = board.refusal("flights", "task.claim", task="t-1")
    assert (refusal.code, refusal.extra) == ("conflict", {"owner": "hotels", "attempt": 1})
    assert board.refusal("hotels", "task.claim", task="t-1").extra == {"owner": "hotels", "attempt": 1}


def test_each_claim_gets_the_next_number(board: Rehearsal) -> None:
    for attempt, agent in enumerate(["hotels", "flights", "hotels"], 1):
        board.do(agent, "task.claim", task="t-1")
        assert (task(board).attempt, task(board).owner) == (attempt, agent)
        board.do(agent, "task.release", task="t-1", attempt=attempt)


def test_a_task_waits_for_what_it_needs(board: Rehearsal) -> None:
    board.do("planner", "task.create", task="t-2", title="Book it", needs=["t-1"])
    assert board.refusal("hotels", "task.claim", task="t-2").extra == {"needs": ["t-1"]}
    board.do("hotels", "task.claim", task="t-1")
    board.do("hotels", "task.complete", task="t-1", attempt=1)
    board.do("hotels", "task.claim", task="t-2")


@pytest.mark.parametrize("member", [{"needs": ["t-9"]}, {"parent": "t-9"}])
def test_a_task_depends_only_on_what_there_is(session: Rehearsal, member: dict[str, Any]) -> None:
    assert session.refusal("planner", "task.create", {"task": "t-1", "title": "T", **member}).code == "not_found"
    assert session.refusal("hotels", "task.claim", task="t-1").code == "not_found"


def test_a_dedupe_key_makes_the_second_creation_return_the_first(session: Rehearsal) -> None:
    first = session.do("planner", "task.create", task="t-1", title="Find a hotel", dedupe_key="hotel")
    second = session.do("hotels", "task.create", task="t-2", title="Find a hotel", dedupe_key="hotel")
    assert second == first
    assert list(session.state.tasks.known) == ["t-1"]
    assert session.refusal("planner", "task.create", task="t-1", title="Another").code == "conflict"


def test_an_assigned_task_is_for_the_assignee_also_when_it_is_lost(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do("planner", "task.create", task="t-1", title="T", assignee="hotels")
    assert session.refusal("flights", "task.claim", task="t-1").extra == {"assignee": "hotels"}
    session.do("hotels", "task.claim", task="t-1")
    assert types(session.wait(20)) == ["presence.lost", "task.released"]
    assert session.refusal("flights", "task.claim", task="t-1").extra == {"assignee": "hotels"}
    session.do(ADA, "task.reroute", task="t-1", to="flights")
    session.do("flights", "task.claim", task="t-1")


def test_what_failed_for_good_is_over_and_what_can_be_retried_is_on_the_board(board: Rehearsal) -> None:
    board.do("hotels", "task.claim", task="t-1")
    board.do("hotels", "task.fail", task="t-1", attempt=1, error="Timed out.", retryable=True)
    board.do("hotels", "task.claim", task="t-1")
    board.do("hotels", "task.fail", task="t-1", attempt=2, error="No such city.")
    assert task(board).status == "failed"
    assert board.refusal("hotels", "task.claim", task="t-1").code == "conflict"


def test_a_reroute_takes_the_task_away_at_once(board: Rehearsal) -> None:
    board.do("hotels", "task.claim", task="t-1")
    board.do(ADA, "task.reroute", task="t-1", to="suites", input={"city": "Sintra"})
    assert (task(board).status, task(board).assignee, task(board).input) == ("open", "suites", {"city": "Sintra"})
    assert board.refusal("hotels", "task.claim", task="t-1").code == "forbidden"
    assert board.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"
    assert board.refusal(ADA, "task.reroute", task="t-1", to="suites").code == "no_change"


def test_cancelling_a_task_cancels_its_parts(board: Rehearsal) -> None:
    board.do("planner", "task.create", task="t-2", title="Compare", parent="t-1")
    board.do("planner", "task.create", task="t-3", title="Read", parent="t-2")
    board.do("planner", "task.create", task="t-4", title="Else")
    board.do("hotels", "task.claim", task="t-3")
    events = board.do(ADA, "task.cancel", task="t-1", reason="Never mind.")
    assert types(events) == ["task.cancelled"] * 3
    assert [task(board, id).status for id in ("t-1", "t-2", "t-3", "t-4")] == ["cancelled"] * 3 + ["open"]
    assert board.refusal("hotels", "task.complete", task="t-3", attempt=1).code == "fenced"
    assert board.refusal(ADA, "task.cancel", task="t-1").code == "conflict"


# -- fencing


def taken_over(board: Rehearsal) -> None:
    """The task is flights', who took it over from hotels."""
    board.do("hotels", "task.claim", task="t-1")
    board.do(ADA, "task.reroute", task="t-1")
    board.do("flights", "task.claim", task="t-1")


def test_a_stale_attempt_is_refused_and_that_is_recorded_once(board: Rehearsal) -> None:
    taken_over(board)
    before = len(board.events)
    refusal = board.refusal("hotels", "task.complete", task="t-1", attempt=1, output="late")
    assert (refusal.code, refusal.extra["owner"], refusal.extra["attempt"]) == ("fenced", "flights", 2)
    (fenced,) = board.events[before:]
    assert (fenced.type, fenced.actor, fenced.data.model_dump()) == (
        "task.fenced",
        "hotels",
        {"task": "t-1", "attempt": 1, "do": "task.complete"},
    )
    assert fenced.data.subject() != "task:t-1"
    for do in ("task.progress", "task.fail", "task.release", "task.complete"):
        more = {"error": "e"} if do == "task.fail" else {}
        assert board.refusal("hotels", do, {"task": "t-1", "attempt": 1, **more}).code == "fenced"
    assert len(board.events) == before + 1
    assert (task(board).owner, task(board).attempt) == ("flights", 2)


@pytest.mark.parametrize(
    ("do", "data"),
    [
        ("state.merge", {"patch": {"hotel": "Tivoli"}}),
        ("message.post", {"message": "m1", "text": "Found one."}),
        ("message.start", {"message": "m1"}),
        ("tool.call", {"call": "c1", "tool": "search"}),
        ("custom.record", {"type": "x.note", "data": {}}),
        ("approval.request", {"approval": "a1", "question": "Book it?"}),
    ],
)
def test_whatever_names_a_stale_attempt_is_refused(board: Rehearsal, do: str, data: dict[str, Any]) -> None:
    board.do("hotels", "task.claim", task="t-1")
    (event,) = board.under("t-1", 1, "hotels", do, data)
    assert event.task == "t-1"
    board.do(ADA, "task.reroute", task="t-1")
    kept = board.state.document
    with pytest.raises(Fenced):
        board.under("t-1", 1, "hotels", do, data)
    assert (board.events[-1].type, board.state.document) == ("task.fenced", kept)


def test_an_attempt_of_somebody_else_or_of_nobody_is_refused_and_not_recorded(board: Rehearsal) -> None:
    taken_over(board)
    before = board.state
    for agent, attempt in (("hotels", 2), ("flights", 1), ("flights", 3), ("visas", 1)):
        assert board.refusal(agent, "task.complete", task="t-1", attempt=attempt).code == "fenced"
    assert board.state is before


def test_an_attempt_ends_what_is_open_under_it(board: Rehearsal) -> None:
    board.do("hotels", "task.claim", task="t-1")
    board.under("t-1", 1, "hotels", "message.start", message="m1", audience=["users"])
    board.do("hotels", "message.delta", message="m1", index=0, text="The Tiv")
    board.under("t-1", 1, "hotels", "tool.call", call="c1", tool="search")
    board.under("t-1", 1, "hotels", "approval.request", approval="a1", question="Book it?")
    board.do("hotels", "message.start", message="m2")
    events = board.do(ADA, "task.reroute", task="t-1")
    assert types(events) == ["task.released", "message.aborted", "tool.abandoned", "approval.withdrawn"]
    aborted = events[1]
    assert aborted.audience == ("hotels", "users")
    assert aborted.data.model_dump()["parts"] == ({"kind": "text", "text": "The Tiv"},)
    assert board.state.messages.known["m2"].status == "open"
    assert board.refusal("hotels", "message.delta", message="m1", index=1, text="oli").code == "fenced"
    assert board.refusal("hotels", "tool.return", call="c1", result=1).code == "fenced"


def test_what_is_streamed_into_a_message_of_a_task_is_done_under_it(board: Rehearsal) -> None:
    board.do("hotels", "task.claim", task="t-1")
    board.under("t-1", 1, "hotels", "message.start", message="m1")
    (delta,) = board.do("hotels", "message.delta", message="m1", index=0, text="The")
    assert (delta.task, task(board).active) == ("t-1", delta.time)
    (completed,) = board.do("hotels", "message.complete", message="m1")
    assert completed.task == "t-1"


def test_a_message_of_one_task_does_not_go_on_under_another(board: Rehearsal) -> None:
    board.do("planner", "task.create", task="t-2", title="Other")
    for each in ("t-1", "t-2"):
        board.do("hotels", "task.claim", task=each)
    board.under("t-1", 1, "hotels", "message.start", message="m1")
    command = board.command("hotels", "message.delta", {"message": "m1", "index": 0, "text": "T"})
    with pytest.raises(Exception, match="begun under task 't-1'"):
        board.execute(command._replace(task="t-2", attempt=1))


def test_a_lease_runs_out_for_a_holder_who_never_joined(board: Rehearsal) -> None:
    board.do("hotels", "task.claim", task="t-1", lease=30)
    assert board.wait(29) == ()
    (released,) = board.wait(1)
    assert (released.type, released.actor, released.data.model_dump()["why"]) == ("task.released", "stenogram", "lease")
    board.do("flights", "task.claim", task="t-1")
    assert board.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"


def test_activity_under_the_task_renews_its_lease(board: Rehearsal) -> None:
    board.do("hotels", "task.claim", task="t-1", lease=30)
    board.wait(20)
    board.under("t-1", 1, "hotels", "state.merge", patch={"hotel": "Tivoli"})
    assert board.wait(29) == ()
    assert types(board.wait(1)) == ["task.released"]


def test_a_decision_names_what_it_read(board: Rehearsal) -> None:
    from stenogram.domain.session import decide

    board.do("planner", "task.create", task="t-2", title="Book it", needs=["t-1"])
    board.do("hotels", "task.claim", task="t-1")
    board.under("t-1", 1, "hotels", "message.start", message="m1")
    complete = board.command("hotels", "task.complete", {"task": "t-1", "attempt": 1})
    assert set(decide(board.state, complete).reads) == {"task:t-1", "message:m1"}
    board.execute(complete)
    claim = board.command("hotels", "task.claim", {"task": "t-2"})
    assert set(decide(board.state, claim).reads) == {"task:t-1", "task:t-2"}
