"""A task says what is to become of it when things go wrong, and that happens."""

from typing import Any

import pytest

from stenogram.domain.concepts.tasks import Task
from stenogram.domain.model import Actor, Event
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def create(session: Rehearsal, id: str = "t-1", **more: Any) -> tuple[Event, ...]:
    """Put a task on the board."""
    return session.do("planner", "task.create", {"task": id, "title": "T", **more})


def claim(session: Rehearsal, agent: str = "hotels", id: str = "t-1", **more: Any) -> tuple[Event, ...]:
    """Let an agent take it."""
    return session.do(agent, "task.claim", {"task": id, **more})


def fail(session: Rehearsal, attempt: int = 1, *, id: str = "t-1", retryable: bool = True) -> tuple[Event, ...]:
    """Let hotels fail at it."""
    data = {"task": id, "attempt": attempt, "error": "No line.", "retryable": retryable}
    return session.do("hotels", "task.fail", data)


def task(session: Rehearsal, id: str = "t-1") -> Task:
    """A task as it is now."""
    return session.state.tasks.known[id]


def types(events: Any) -> list[str]:
    """What happened."""
    return [event.type for event in events]


# -- the assignee


@pytest.mark.parametrize("end", ["release", "fail", "lease", "lost", "left", "fork"])
def test_an_assignee_stays_however_an_attempt_ends(session: Rehearsal, end: str) -> None:
    session.do("hotels", "presence.join", lease=600)
    create(session, assignee="hotels")
    claim(session, lease=60)
    match end:
        case "release":
            session.do("hotels", "task.release", task="t-1", attempt=1)
        case "fail":
            fail(session)
        case "lease":
            session.wait(60)
        case "lost":
            session.under("t-1", 1, "hotels", "state.merge", patch={"a": 1})
            session.do("hotels", "task.progress", task="t-1", attempt=1)
            session.wait(600)
        case "left":
            session.do("hotels", "presence.leave")
        case "fork":
            session = session.fork(ADA, "other")
    assert (task(session).status, task(session).assignee) == ("open", "hotels")
    assert session.refusal("flights", "task.claim", task="t-1").extra == {"assignee": "hotels"}


def test_after_the_assignees_time_anyone_may_claim(session: Rehearsal) -> None:
    create(session, assignee="hotels", assignee_timeout=60)
    assert session.wait(59) == ()
    (released,) = session.wait(1)
    assert released.data.model_dump(exclude_none=True) == {
        "task": "t-1",
        "why": "assignee-timeout",
        "reason": "hotels did not claim it in 60 seconds.",
    }
    claim(session, "flights")
    assert session.wait(30) == ()


def test_the_assignees_time_begins_again_with_each_time_that_the_task_comes_up(session: Rehearsal) -> None:
    create(session, assignee="hotels", assignee_timeout=60)
    session.wait(50)
    claim(session)
    session.wait(30)
    session.do("hotels", "task.release", task="t-1", attempt=1)
    assert session.wait(59) == ()
    assert types(session.wait(1)) == ["task.released"]


def test_the_assignees_time_begins_when_the_needs_are_met(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"], assignee="hotels", assignee_timeout=60)
    assert session.wait(600) == ()
    claim(session)
    session.do("hotels", "task.complete", task="t-1", attempt=1)
    assert session.wait(59) == ()
    assert types(session.wait(1)) == ["task.released"]


# -- attempts


def test_a_task_fails_when_its_last_attempt_comes_to_nothing(session: Rehearsal) -> None:
    create(session, max_attempts=2)
    claim(session)
    (first,) = fail(session)
    claim(session)
    (second,) = fail(session, 2)
    assert [each.data.model_dump()["retryable"] for each in (first, second)] == [True, False]
    assert (second.data.model_dump()["why"], task(session).status) == ("attempts", "failed")
    assert task(session).last_error == "No line."


@pytest.mark.parametrize("end", ["release", "lease", "lost", "left", "stall"])
def test_any_end_without_a_result_is_an_attempt(session: Rehearsal, end: str) -> None:
    session.do("hotels", "presence.join", lease=100)
    create(session, max_attempts=1, stall_after=30, on_stall="release" if end == "stall" else "tell")
    claim(session, lease=50 if end == "lease" else 300)
    if end == "release":
        session.do("hotels", "task.release", task="t-1", attempt=1, reason="Cannot.")
    elif end == "left":
        session.do("hotels", "presence.leave")
    else:
        session.wait(100)
    (failed,) = [each for each in session.events if each.type == "task.failed"]
    assert failed.data.model_dump()["error"].startswith("Attempt 1 of 1 came to nothing: ")
    assert (failed.data.model_dump()["why"], task(session).status) == ("attempts", "failed")


def test_a_reroute_starts_the_count_again(session: Rehearsal) -> None:
    create(session, max_attempts=1)
    claim(session)
    session.do(ADA, "task.reroute", task="t-1")
    claim(session)
    assert task(session).attempt == 2
    fail(session, 2)
    assert task(session).status == "failed"


def test_the_last_error_is_kept_for_the_next_attempt(session: Rehearsal) -> None:
    create(session)
    claim(session)
    fail(session)
    claim(session, "flights")
    assert task(session).last_error == "No line."
    session.do("flights", "task.release", task="t-1", attempt=2, reason="Not mine.")
    assert task(session).last_error == "Not mine."


# -- backoff


def test_a_task_rests_after_an_attempt_longer_each_time(session: Rehearsal) -> None:
    create(session, backoff=10, backoff_coefficient=3, backoff_max=50)
    for attempt, seconds in enumerate([10, 30, 50, 50], 1):
        claim(session)
        fail(session, attempt)
        refusal = session.refusal("flights", "task.claim", task="t-1")
        assert (refusal.code, refusal.extra["not_before"]) == ("conflict", task(session).not_before.isoformat())  # type: ignore[union-attr]
        assert session.wait(seconds - 2) == ()
        assert types(session.wait(1)) == ["task.ready"]
        assert task(session).not_before is None


def test_a_reroute_ends_the_rest(session: Rehearsal) -> None:
    create(session, backoff=60)
    claim(session)
    fail(session)
    session.do(ADA, "task.reroute", task="t-1", to="flights")
    claim(session, "flights")
    assert session.wait(30) == ()


# -- the deadline


@pytest.mark.parametrize("held", [True, False])
def test_a_task_fails_at_its_deadline(session: Rehearsal, held: bool) -> None:
    create(session, within=100)
    if held:
        claim(session, lease=300)
        session.under("t-1", 1, "hotels", "message.start", message="m1")
    session.wait(90)
    events = session.wait(10)
    assert types(events) == ["task.failed", *(["message.aborted"] if held else [])]
    assert events[0].data.model_dump(exclude_none=True) == {
        "task": "t-1",
        **({"attempt": 1} if held else {}),
        "error": "It was not finished by its deadline.",
        "retryable": False,
        "why": "deadline",
    }
    if held:
        assert session.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"


def test_what_was_finished_in_time_does_not_fail(session: Rehearsal) -> None:
    create(session, within=100)
    claim(session)
    session.do("hotels", "task.complete", task="t-1", attempt=1)
    assert session.wait(600) == ()


# -- needs


def test_a_need_that_fails_fails_what_needs_it_where_the_task_says_so(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"], on_need_failed="fail")
    create(session, "t-3", needs=["t-2"], on_need_failed="fail")
    create(session, "t-4", needs=["t-3"])
    claim(session)
    events = fail(session, retryable=False)
    assert types(events) == ["task.failed", "task.failed", "task.failed", "task.blocked"]
    assert [each.data.model_dump().get("why") for each in events] == [None, "need", "need", None]
    assert [task(session, f"t-{number}").status for number in (1, 2, 3, 4)] == ["failed"] * 3 + ["open"]
    assert task(session, "t-4").blocked_by == "t-3"
    assert "No line" not in str(events[1].data)


def test_what_can_be_tried_again_blocks_nothing(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"], on_need_failed="fail")
    claim(session)
    assert types(fail(session)) == ["task.failed"]
    assert task(session, "t-2").status == "open"


@pytest.mark.parametrize(("choice", "type"), [("fail", "task.failed"), ("block", "task.blocked")])
def test_a_need_that_is_cancelled_counts_as_failed(session: Rehearsal, choice: str, type: str) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"], on_need_failed=choice)
    assert types(session.do(ADA, "task.cancel", task="t-1")) == ["task.cancelled", type]


@pytest.mark.parametrize(("choice", "type"), [("fail", "task.failed"), ("block", "task.blocked")])
def test_what_is_created_too_late_hears_it_at_once(session: Rehearsal, choice: str, type: str) -> None:
    create(session)
    session.do(ADA, "task.cancel", task="t-1")
    assert types(create(session, "t-2", needs=["t-1"], on_need_failed=choice)) == ["task.created", type]


def test_what_is_over_already_is_left_alone(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"], on_need_failed="fail")
    session.do(ADA, "task.cancel", task="t-2")
    claim(session)
    assert types(fail(session, retryable=False)) == ["task.failed"]


def test_what_ends_in_the_same_commit_is_not_said_to_be_blocked(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", parent="t-1")
    create(session, "t-3", parent="t-1", needs=["t-2"])
    assert types(session.do(ADA, "task.cancel", task="t-1")) == ["task.cancelled"] * 3
    assert task(session, "t-3").blocked_by is None


# -- creation


def test_a_dedupe_key_of_what_failed_or_was_cancelled_does_not_answer(session: Rehearsal) -> None:
    create(session, dedupe_key="hotel")
    claim(session)
    fail(session, retryable=False)
    (again,) = create(session, "t-2", dedupe_key="hotel")
    assert create(session, "t-3", dedupe_key="hotel") == (again,)
    session.do(ADA, "task.cancel", task="t-2")
    create(session, "t-4", dedupe_key="hotel")
    claim(session, id="t-4")
    session.do("hotels", "task.complete", task="t-4", attempt=1)
    assert create(session, "t-5", dedupe_key="hotel")[0].data.model_dump()["task"] == "t-4"


def test_nothing_becomes_a_part_of_a_cancelled_task(session: Rehearsal) -> None:
    create(session)
    session.do(ADA, "task.cancel", task="t-1")
    refusal = session.refusal("planner", "task.create", task="t-2", title="T", parent="t-1")
    assert (refusal.code, refusal.extra) == ("conflict", {"status_now": "cancelled"})


def test_a_task_that_is_blocked_goes_on_when_it_needs_another(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"], priority=1)
    session.do("planner", "task.cancel", task="t-1")
    assert task(session, "t-2").blocked_by == "t-1"
    create(session, "t-3")
    (rerouted,) = session.do("planner", "task.reroute", task="t-2", needs=["t-3"], reason="Another way.")
    assert (rerouted.type, rerouted.data.model_dump()["needs"]) == ("task.released", ("t-3",))
    assert (task(session, "t-2").blocked_by, task(session, "t-2").needs) == (None, ("t-3",))
    assert session.refusal("hotels", "task.claim", task="t-2").code == "conflict"
    claim(session, id="t-3")
    session.do("hotels", "task.complete", task="t-3", attempt=1)
    claim(session, id="t-2")


def test_what_a_task_needs_no_more_blocks_it_no_more(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"], on_need_failed="fail")
    create(session, "t-3", needs=["t-1"])
    session.do("planner", "task.reroute", task="t-2", needs=[])
    assert session.refusal("planner", "task.reroute", task="t-2", needs=[]).code == "no_change"
    assert types(session.do("planner", "task.cancel", task="t-1")) == ["task.cancelled", "task.blocked"]
    claim(session, id="t-2")
    session.do("planner", "task.reroute", task="t-3", needs=[])
    claim(session, "flights", "t-3")


@pytest.mark.parametrize(
    ("needs", "code"),
    [
        (["t-9"], "not_found"),
        (["t-5"], "conflict"),
        (["t-2"], "conflict"),
        (["t-3"], "conflict"),
        (["t-4"], "conflict"),
    ],
)
def test_a_task_needs_what_can_come_to_be(session: Rehearsal, needs: list[str], code: str) -> None:
    create(session)
    create(session, "t-2", needs=["t-1"])
    create(session, "t-3", needs=["t-2"])
    create(session, "t-4", needs=["t-3"])
    create(session, "t-5")
    session.do("planner", "task.cancel", task="t-5")
    assert session.refusal("planner", "task.reroute", task="t-2", needs=needs).code == code


def test_a_task_does_not_come_to_need_what_its_readers_do_not_see(session: Rehearsal) -> None:
    create(session)
    create(session, "t-2", audience=["agents"])
    assert session.refusal("planner", "task.reroute", task="t-1", needs=["t-2"]).code == "conflict"


# -- steering


def test_an_instruction_that_was_honoured_is_a_part_of_the_task(session: Rehearsal) -> None:
    create(session)
    claim(session)
    session.do(ADA, "signal.raise", signal="s1", kind="steer", target="task:t-1", body="With a view.")
    assert task(session).steers == ()
    assert types(session.do("hotels", "signal.honour", signal="s1")) == ["signal.honoured", "task.steered"]
    fail(session)
    claim(session, "flights")
    assert task(session).steers == ("With a view.",)
    session.do(ADA, "task.reroute", task="t-1", input="something else")
    assert task(session).steers == ()


@pytest.mark.parametrize("target", ["session", "agent:hotels", "message:m1"])
def test_an_instruction_to_who_does_a_task_is_a_part_of_it(session: Rehearsal, target: str) -> None:
    for id in ("t-1", "t-2", "t-3"):
        create(session, id)
    claim(session)
    claim(session, "flights", "t-2")
    session.under("t-1", 1, "hotels", "message.start", message="m1")
    session.do(ADA, "signal.raise", signal="s1", kind="steer", target=target, body="With a view.")
    (_, *steered) = session.do("hotels", "signal.honour", signal="s1")
    assert [(event.type, event.data.subject()) for event in steered] == [("task.steered", "task:t-1")]
    fail(session)
    claim(session, "rooms")
    assert [task(session, id).steers for id in ("t-1", "t-2", "t-3")] == [("With a view.",), (), ()]


def test_an_instruction_for_some_is_not_kept_with_a_task_that_more_may_see(session: Rehearsal) -> None:
    create(session)
    claim(session)
    raised = {"signal": "s1", "kind": "steer", "target": "agent:hotels", "body": "Psst.", "audience": ["agents"]}
    session.do("planner", "signal.raise", raised)
    assert types(session.do("hotels", "signal.honour", signal="s1")) == ["signal.honoured"]


@pytest.mark.parametrize("answer", ["signal.refuse", "signal.deliver"])
def test_an_instruction_that_was_not_honoured_is_not(session: Rehearsal, answer: str) -> None:
    create(session)
    claim(session)
    session.do(ADA, "signal.raise", signal="s1", kind="steer", target="task:t-1", body="With a view.")
    session.do("hotels", answer, signal="s1")
    assert task(session).steers == ()


# -- stalls


@pytest.mark.parametrize(
    ("choice", "happens"), [("tell", ["presence.stalled"]), ("nothing", []), ("release", ["task.released"])]
)
def test_what_happens_on_a_stall_is_the_tasks_choice(session: Rehearsal, choice: str, happens: list[str]) -> None:
    session.do("hotels", "presence.join", lease=3_600)
    create(session, stall_after=60, on_stall=choice)
    claim(session, lease=3_600)
    assert session.wait(59) == ()
    assert types(session.wait(1)) == happens
    if choice == "release":
        assert (session.events[-1].data.model_dump()["why"], session.state.presence["hotels"].stalled) == (
            "stalled",
            {},
        )
        assert session.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"
