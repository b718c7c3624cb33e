"""What the rules wrote is never complained about, and what they would not have written is, wherever it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from support.random_play import played

from stenogram.domain.conformance.check import violation
from stenogram.domain.envelope import contents
from stenogram.domain.ids import Version
from stenogram.domain.model import Event
from stenogram.domain.session import evolve
from stenogram.domain.state import State
from stenogram.testing.rehearsal import Rehearsal


def violations(events: Iterable[Event]) -> list[str]:
    """What is said of a history, which is folded as it is."""
    found = []
    state: State | None = None
    for event in events:
        state = state or State(event.session)
        said = violation(state, event)
        if said is not None:
            found.append(f"{event.version} {event.type} {said}")
        state = evolve(state, event)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_what_the_rules_wrote_is_never_complained_about(seed: int) -> None:
    for session in played(seed).sessions:
        assert violations(session.events) == []


def test_the_random_sessions_hold_every_kind_of_event_that_is_checked() -> None:
    """Or the test above would say nothing of it."""
    types = Counter(event.type for seed in range(60) for each in played(seed).sessions for event in each.events)
    assert not {"session.closed", "session.forked", "message.aborted", "tool.returned", "tool.abandoned", "task.fenced",
                "task.failed", "task.released", "task.cancelled", "signal.honoured", "signal.refused", "signal.expired",
                "signal.addressed", "approval.answered", "approval.expired", "approval.withdrawn", "state.patched",
                "state.merged", "state.incremented", "presence.lost", "presence.stalled"} - set(types)  # fmt: skip


@pytest.fixture
def history() -> list[Event]:
    """A session in which most things happen once."""
    session = Rehearsal("s")
    session.do("hotels", "presence.join")
    session.do("hotels", "message.start", message="m")
    session.do("hotels", "message.delta", message="m", index=0, text="Two ")
    session.do("hotels", "message.delta", message="m", index=1, text="hotels.")
    session.do("hotels", "message.complete", message="m", parts=[{"kind": "data", "data": 2}])
    session.do("hotels", "tool.call", call="c", tool="search")
    session.do("hotels", "tool.output", call="c", index=0, text="Two found")
    session.do("hotels", "tool.return", call="c", result=2)
    session.do("hotels", "task.create", task="t", title="Book")
    session.do("hotels", "task.claim", task="t")
    session.do("hotels", "task.complete", task="t", attempt=1)
    session.do("hotels", "state.merge", patch={"hotel": "Tivoli"})
    session.do("hotels", "state.increment", path="/nights", by=2)
    session.do("hotels", "approval.request", approval="a", question="Book it?", audience=["agents", "users"])
    session.do("rooms", "signal.raise", signal="x", kind="steer", target="agent:hotels", body="Cheaper")
    session.do("hotels", "signal.honour", signal="x")
    session.do("rooms", "message.start", message="n")
    session.do("rooms", "message.delta", message="n", index=0, text="Or")
    session.do("rooms", "message.abort", message="n")
    session.do("hotels", "presence.leave")
    session.do("hotels", "session.close")
    return session.events


def changed(event: Event, **members: Any) -> Event:
    """The event with other members of its envelope, or of its payload."""
    data = orjson.loads(event.data.json_bytes()) | {
        name: value for name, value in members.items() if name not in Event._fields
    }
    envelope = {"id": event.id, "type": event.type, "time": event.time.isoformat(), "actor": event.actor, "data": data}
    decoded = Event(event.position, event.session, event.version, *contents(envelope))
    kept = {"task": event.task, "cause": event.cause, "audience": event.audience}
    return decoded._replace(**kept | {name: value for name, value in members.items() if name in Event._fields})


CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "another text": ("message.completed", {"parts": [{"kind": "text", "text": "Three hotels."}]}, "another text than"),
    "less text": ("message.completed", {"parts": []}, "another text than"),
    "another text of what was aborted": ("message.aborted", {"parts": []}, "another text than the deltas"),
    "more deltas than there were": ("message.completed", {"deltas": 3}, "has 3 deltas; it has 2"),
    "a jumping index": ("message.delta", {"index": 5}, "has index 5, and delta 0 of message 'm' is next"),
    "another's delta": ("message.delta", {"actor": "rooms"}, "is rooms's, and message 'm' is hotels's"),
    "another's completion": ("message.completed", {"actor": "rooms"}, "is rooms's, and message 'm' is hotels's"),
    "a delta for others": ("message.delta", {"audience": ("users",)}, "is for others than message 'm'"),
    "joined deltas": ("message.delta", {"first": 0}, "joins several deltas"),
    "a jumping piece of output": ("tool.output", {"index": 3}, "has index 3, and piece 0 of call 'c' is next"),
    "another output": ("tool.returned", {"output": "Three found"}, "another output than was streamed of call 'c'"),
    "another's result": ("tool.returned", {"actor": "rooms"}, "is rooms's, and call 'c' is hotels's"),
    "a claim too many": ("task.claimed", {"attempt": 2}, "is attempt 2 of task 't', and 1 is next"),
    "another's task": ("task.completed", {"actor": "rooms"}, "is rooms's, and hotels holds task 't'"),
    "an old attempt": ("task.completed", {"attempt": 2}, "is of attempt 2 of task 't'"),
    "another sum": ("state.incremented", {"value": 7}, "makes 7 of 0 by adding 2"),
    "another key": ("state.merged", {"keys": ["/flight"]}, "names other keys"),
    "another's answer": ("signal.honoured", {"actor": "rooms"}, "is rooms's, for whom signal 'x' does not wait"),
    "another who joins": ("presence.joined", {"actor": "rooms"}, "is rooms's, and speaks of hotels"),
    "an earlier time": ("tool.called", {"time": "2025-01-01T00:00:00.000000Z"}, "is earlier than the event before it"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_rules_would_not_have_written_is_named(change: str, history: list[Event]) -> None:
    type, members, says = CHANGES[change]
    at = next(number for number, event in enumerate(history) if event.type == type)
    if "time" in members:
        members = {"time": history[at].time - timedelta(days=1)}
    said = violations([*history[:at], changed(history[at], **members)])
    assert len(said) == 1
    assert says in said[0]


@pytest.mark.parametrize(
    ("pick", "says"),
    [
        (lambda event: event.type == "message.started", "which there is already"),
        (lambda event: event.type == "message.delta", "which is completed"),
        (lambda event: event.type == "tool.called", "which there is already"),
        (lambda event: event.type == "tool.returned", "which has ended"),
        (lambda event: event.type == "task.created", "which there is already"),
        (lambda event: event.type == "task.claimed", "which is completed"),
        (lambda event: event.type == "approval.requested", "which there is already"),
        (lambda event: event.type == "approval.withdrawn", "which is withdrawn"),
        (lambda event: event.type == "signal.raised", "which there is already"),
        (lambda event: event.type == "presence.left", "who is not here"),
        (lambda event: event.type == "session.opened", "a session that there is already"),
        (lambda event: event.type == "state.merged", "comes after the session was closed"),
    ],
)
def test_what_happens_twice_is_named(pick: Callable[[Event], bool], says: str, history: list[Event]) -> None:
    """The event comes again before the session is closed; after it where that is what is wrong."""
    end = (
        len(history) if "closed" in says else next(n for n, each in enumerate(history) if each.type == "session.closed")
    )
    before = history[:end]
    again = next(event for event in history if pick(event))
    said = violations([*before, again._replace(version=Version(before[-1].version + 1), time=before[-1].time)])
    assert said
    assert says in said[-1]
