"""What is written under a paused task is refused until it is resumed."""

from typing import Any

import pytest

from stenogram.domain.errors import Paused
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")
WRITES = [
    ("state.merge", {"patch": {"hotel": "Tivoli"}}),
    ("message.post", {"message": "m2", "text": "Found one."}),
    ("message.start", {"message": "m2"}),
    ("message.delta", {"message": "m1", "index": 0, "text": "The"}),
    ("message.complete", {"message": "m1"}),
    ("tool.call", {"call": "c1", "tool": "search"}),
    ("custom.record", {"type": "x.note", "data": {}}),
    ("approval.request", {"approval": "a1", "question": "Book it?"}),
    ("task.create", {"task": "t-2", "title": "Part", "parent": "t-1"}),
    ("task.progress", {"task": "t-1", "attempt": 1}),
    ("task.complete", {"task": "t-1", "attempt": 1}),
]


@pytest.fixture
def busy(session: Rehearsal) -> Rehearsal:
    """Hotels holds a task, and speaks under it."""
    session.do("planner", "task.create", task="t-1", title="Find a hotel")
    session.do("hotels", "task.claim", task="t-1")
    session.under("t-1", 1, "hotels", "message.start", message="m1")
    session.under("t-1", 1, "hotels", "tool.call", call="c0", tool="search")
    return session


def signal(session: Rehearsal, id: str, kind: str, target: str = "task:t-1") -> None:
    """Interrupt."""
    session.do(ADA, "signal.raise", signal=id, kind=kind, target=target)


@pytest.mark.parametrize("target", ["task:t-1", "agent:hotels", "session"])
@pytest.mark.parametrize(("do", "data"), WRITES, ids=[do for do, _ in WRITES])
def test_what_is_written_under_a_paused_task_is_refused_until_it_is_resumed(
    busy: Rehearsal, do: str, data: dict[str, Any], target: str
) -> None:
    signal(busy, "s1", "pause", target)
    before = busy.state
    with pytest.raises(Paused) as refused:
        busy.under("t-1", 1, "hotels", do, data)
    assert (refused.value.code, refused.value.extra["signal"], refused.value.extra["target"]) == (
        "paused",
        "s1",
        target,
    )
    assert busy.state is before
    signal(busy, "s2", "resume", target)
    busy.under("t-1", 1, "hotels", do, data)


def test_a_stream_is_held_back_though_its_deltas_do_not_name_the_task(busy: Rehearsal) -> None:
    signal(busy, "s1", "pause")
    assert busy.refusal("hotels", "message.delta", message="m1", index=0, text="The").code == "paused"
    assert busy.refusal("hotels", "message.complete", message="m1").code == "paused"
    busy.do("hotels", "message.abort", message="m1")


def test_an_answer_to_a_pause_changes_nothing(busy: Rehearsal) -> None:
    signal(busy, "s1", "pause")
    busy.do("hotels", "signal.refuse", signal="s1", reason="Nearly done.")
    assert busy.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "paused"


@pytest.mark.parametrize(
    ("do", "data"),
    [
        ("task.release", {"task": "t-1", "attempt": 1}),
        ("task.fail", {"task": "t-1", "attempt": 1, "error": "E"}),
        ("message.abort", {"message": "m1"}),
        ("tool.return", {"call": "c0"}),
        ("presence.join", {}),
        ("signal.honour", {"signal": "s1"}),
    ],
)
def test_what_ends_work_is_not_held_back(busy: Rehearsal, do: str, data: dict[str, Any]) -> None:
    signal(busy, "s1", "pause")
    busy.under("t-1", 1, "hotels", do, data)


def test_what_is_not_done_under_the_task_is_not_held_back(busy: Rehearsal) -> None:
    signal(busy, "s1", "pause", "session")
    busy.do("hotels", "message.post", message="m2", text="I wait.")
    busy.do("planner", "task.create", task="t-2", title="Other")
    busy.do(ADA, "state.merge", patch={"hotel": "Ritz"})


def test_a_resume_of_the_session_lifts_all_and_one_of_a_task_its_own(busy: Rehearsal) -> None:
    signal(busy, "s1", "pause", "agent:hotels")
    signal(busy, "s2", "pause")
    signal(busy, "s3", "resume")
    assert busy.refusal("hotels", "task.complete", task="t-1", attempt=1).extra["signal"] == "s1"
    signal(busy, "s4", "resume", "session")
    busy.do("hotels", "task.complete", task="t-1", attempt=1)


def test_a_pause_can_be_lifted_when_nobody_works_any_more(busy: Rehearsal) -> None:
    signal(busy, "s1", "pause", "session")
    busy.under("t-1", 1, "hotels", "task.release", task="t-1", attempt=1)
    signal(busy, "s2", "resume", "session")
    busy.do("hotels", "task.claim", task="t-1")
    busy.do("hotels", "task.progress", task="t-1", attempt=2)


def test_a_claim_that_is_over_is_fenced_and_not_paused(busy: Rehearsal) -> None:
    busy.do(ADA, "task.reroute", task="t-1")
    busy.do("flights", "task.claim", task="t-1")
    signal(busy, "s1", "pause")
    assert busy.refusal("hotels", "task.complete", task="t-1", attempt=1).code == "fenced"
