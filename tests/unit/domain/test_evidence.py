"""What shows that somebody is at work: streaming and tool calls do; each task that shows nothing is a stall of its own.
And who joins while the session is being cancelled is told."""

import pytest

from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


@pytest.fixture
def busy(session: Rehearsal) -> Rehearsal:
    """Hotels holds two tasks in which it must show something, within one minute and within two."""
    session.do("hotels", "presence.join", lease=3_600)
    for task, seconds in (("t-1", 60), ("t-2", 120)):
        session.do("planner", "task.create", task=task, title="T", stall_after=seconds)
        session.do("hotels", "task.claim", task=task, lease=3_600)
    return session


def stalled(session: Rehearsal) -> set[str]:
    """In which tasks hotels is stalled."""
    return set(session.state.presence["hotels"].stalled)


def test_while_a_tool_is_called_under_a_task_nobody_is_stalled_in_it(busy: Rehearsal) -> None:
    busy.under("t-1", 1, "hotels", "tool.call", call="c1", tool="search")
    busy.wait(600)
    assert stalled(busy) == {"t-2"}
    busy.under("t-1", 1, "hotels", "tool.return", call="c1", result=3)
    busy.wait(59)
    assert stalled(busy) == {"t-2"}, "the clock runs from the tool's return"
    busy.wait(2)
    assert stalled(busy) == {"t-1", "t-2"}


def test_somebody_elses_tool_call_says_nothing_of_the_holder(busy: Rehearsal) -> None:
    busy.do("flights", "tool.call", call="c1", tool="search")
    busy.wait(60)
    assert stalled(busy) == {"t-1"}


def test_streaming_is_progress_without_a_task_as_well(busy: Rehearsal) -> None:
    busy.do("hotels", "message.start", message="m1")
    for index in range(5):
        busy.wait(40)
        busy.do("hotels", "message.delta", message="m1", index=index, text="«said»")
    busy.wait(40)
    busy.do("hotels", "message.complete", message="m1")
    busy.wait(40)
    assert not stalled(busy)


def test_streaming_ends_a_stall(busy: Rehearsal) -> None:
    busy.do("hotels", "message.start", message="m1")
    busy.wait(600)
    events = busy.do("hotels", "message.delta", message="m1", index=0, text="«said»")
    assert [event.type for event in events] == ["message.delta", "presence.recovered", "presence.recovered"]
    assert not stalled(busy)


def test_what_is_done_under_one_task_is_no_progress_with_another(busy: Rehearsal) -> None:
    busy.wait(600)
    assert stalled(busy) == {"t-1", "t-2"}
    events = busy.under("t-2", 1, "hotels", "message.post", message="m1", text="On it.")
    assert [event.type for event in events] == ["message.posted", "presence.recovered"]
    assert stalled(busy) == {"t-1"}


def test_the_end_of_a_task_ends_its_stall_alone(busy: Rehearsal) -> None:
    busy.wait(600)
    busy.do("hotels", "task.complete", task="t-1", attempt=1)
    assert stalled(busy) == {"t-2"}


def test_nothing_is_said_of_the_stalls_of_one_who_is_gone(busy: Rehearsal) -> None:
    busy.wait(600)
    events = busy.do("hotels", "presence.leave")
    assert [event.type for event in events] == ["presence.left", "task.released", "task.released"]
    assert not stalled(busy)


def test_who_joins_while_the_session_is_being_cancelled_is_told(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="session", grace=600)
    joined, addressed = session.do("flights", "presence.join")
    assert (joined.type, addressed.type) == ("presence.joined", "signal.addressed")
    session.do("hotels", "signal.honour", signal="s1")
    assert "s1" in session.state.signals.open, "flights has yet to answer"
    session.do("flights", "signal.honour", signal="s1")
    assert "s1" not in session.state.signals.open


def test_what_one_has_begun_who_joined_then_ends_with_the_grace(session: Rehearsal) -> None:
    session.do("hotels", "presence.join", lease=3_600)
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="session", grace=60)
    session.do("hotels", "signal.deliver", signal="s1")
    session.do("flights", "presence.join", lease=3_600)
    assert dict(session.state.signals.known["s1"].waiting) == {"hotels": True, "flights": False}
    session.do("flights", "message.start", message="m1")
    assert "message.aborted" in {event.type for event in session.wait(60)}


@pytest.mark.parametrize(("left", "held"), [(31, True), (29, False), (0.01, False)])
def test_who_joins_when_the_grace_is_about_to_run_out_is_told_and_not_held_to_it(
    session: Rehearsal, left: float, held: bool
) -> None:
    session.do("hotels", "presence.join", lease=3_600)
    session.do(ADA, "signal.raise", signal="s1", kind="cancel", target="session", grace=60)
    session.wait(60 - left)
    (_, addressed) = session.do("flights", "presence.join", lease=3_600)
    assert addressed.type == "signal.addressed"
    session.do("flights", "message.start", message="m1")
    (expired, *_) = session.wait(left)
    assert expired.data.waiting == (("flights", "hotels") if held else ("hotels",))  # type: ignore[attr-defined]
    known = session.state.signals
    assert ("flights" in known.fenced, session.state.messages.known["m1"].status == "open") == (held, not held)
    assert ("flights" in known.known["s1"].waiting) is held
    if not held:
        session.do("flights", "message.delta", message="m1", index=0, text="Lisbon")


def test_people_are_not_told(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do("hotels", "signal.raise", signal="s1", kind="cancel", target="session", grace=600)
    assert [event.type for event in session.do(ADA, "presence.join")] == ["presence.joined"]
