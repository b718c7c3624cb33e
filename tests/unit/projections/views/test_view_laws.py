"""What holds for every built-in view, whatever happened in a session.

Hypothesis plays scripts in which everything that is said holds a word of its own. So it can be told of any view that is
served to somebody whether it holds a word that they were not to hear.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.domain.audience import Viewer, readers, visible
from stenogram.domain.errors import Refused
from stenogram.domain.model import Actor, Event
from stenogram.domain.refusals.stopped_agents import fences
from stenogram.projections import Projection, fold
from stenogram.projections.views import BUILT_IN, agents, attention, tasks, timeline, transcript, usage
from stenogram.projections.views.agents import Agents
from stenogram.projections.views.attention import Attention
from stenogram.testing import given as sentence
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")
ACTORS = [ADA, Actor("hotels", "agent"), Actor("flights", "agent")]
VIEWERS = [*(Viewer(*actor) for actor in ACTORS), Viewer("bob", "user"), Viewer("taxis", "agent")]
AUDITOR = Viewer("auditor", "service", sees_all=True)
audiences = st.sampled_from([None, ["users"], ["agents"], ["ada"], ["hotels", "bob"], ["flights"]])
numbers = st.integers(1, 3)
targets = st.sampled_from(["session", "agent:hotels", "task:k1"])


class Step(NamedTuple):
    """One command; `{word}` in its data becomes a word of its own."""

    actor: Actor
    do: str
    data: dict[str, Any]


def step(do: str, **data: Any) -> st.SearchStrategy[Step]:
    members = {name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in data.items()}
    return st.builds(Step, st.sampled_from(ACTORS), st.just(do), st.fixed_dictionaries(members))


def named(name: str) -> st.SearchStrategy[str]:
    return numbers.map(lambda number: f"{name}{number}")


SEVERAL = [
    {"name": "a", "question": "{word}", "options": ["x"], "own_words": True},
    {"name": "b", "question": "{word}", "options": ["x", "{word}"]},
]
USAGE = {"model": "{word}", "{word}": 3}
lasting = (
    step("message.start", message=named("m"), audience=audiences),
    step("message.complete", message=named("m"), parts=[{"kind": "data", "data": "{word}"}], usage=USAGE),
    step("message.abort", message=named("m"), reason="{word}"),
    step("tool.call", call=named("t"), tool="{word}", arguments=["{word}"], audience=audiences),
    step("tool.return", call=named("t"), result={"{word}": 1}),
    step("tool.return", call=named("t"), error="{word}"),
    step("tool.return", call=named("t"), result="{word}", error="{word}", usage=USAGE, metadata={"m": "{word}"}),
    step("presence.join", name="{word}", about={"model": "{word}"}),
    step("presence.status", status=st.sampled_from(["working", "waiting-for-tool"]), activity="{word}"),
    step("presence.leave", reason="{word}"),
    step("task.create", task=named("k"), title="{word}", input={"{word}": 1}),
    step("task.create", task=named("k"), title="{word}", needs=st.just(["k1"]), max_attempts=numbers, priority=numbers),
    step("task.create", task=named("k"), title="{word}", needs=st.just(["k2"]), on_need_failed="fail", within=20),
    step("task.claim", task=named("k")),
    step("task.progress", task=named("k"), attempt=numbers, note="{word}", share=0.5),
    step("task.complete", task=named("k"), attempt=numbers, output="{word}"),
    step("task.fail", task=named("k"), attempt=numbers, error="{word}", retryable=st.booleans()),
    step("task.release", task=named("k"), attempt=numbers, reason="{word}", usage=USAGE, metadata={"m": "{word}"}),
    step("task.reroute", task=named("k"), to=st.sampled_from(["hotels", "flights"]), input="{word}"),
    step("task.reroute", task=named("k"), needs=st.sampled_from([[], ["k1"]])),
    step("task.cancel", task=named("k"), reason="{word}"),
    step("signal.raise", signal=named("s"), kind=st.sampled_from(["cancel", "steer"]), target=targets, body="{word}"),
    step("signal.deliver", signal=named("s")),
    step("signal.honour", signal=named("s"), reason="{word}"),
    step("signal.refuse", signal=named("s"), reason="{word}"),
    step("signal.withdraw", signal=named("s"), reason="{word}"),
    step("approval.request", approval=named("a"), question="{word}"),
    step("approval.request", approval=named("a"), question="{word}", answer_schema={"title": "{word}"}),
    step("approval.answer", approval=named("a"), option="yes", comment="{word}"),
    step("approval.answer", approval=named("a"), value="{word}"),
    step("approval.request", approval=named("a"), question="{word}", questions=st.just(SEVERAL)),
    step("approval.answer", approval=named("a"), answers=st.just({"a": {"words": "{word}"}, "b": {"options": ["x"]}})),
    step("approval.withdraw", approval=named("a"), reason="{word}"),
)
steps = st.one_of(
    *lasting,
    step("message.post", message=named("p"), text="{word}", audience=audiences),
    step("message.delta", message=named("m"), index=st.integers(0, 2), text="{word}"),
    step("tool.output", call=named("t"), index=st.integers(0, 2), text="{word}"),
    step("custom.record", type="x.note", data={"note": "{word}"}, audience=audiences),
    step("session.describe", title="{word}"),
    step("session.label", set={"stage": "{word}"}),
    step("state.merge", patch={"note": "{word}"}),
    step("state.increment", path="/count"),
)
scripts = st.lists(steps, min_size=5, max_size=30)
lives = st.lists(st.one_of(lasting), min_size=10, max_size=30)
"""Scripts of what begins, and may end."""
few = settings(max_examples=40)


def play(script: list[Step]) -> list[Event]:
    return rehearsed(script).events


def rehearsed(script: list[Step]) -> Rehearsal:
    session = Rehearsal("s-1")
    for number, (actor, do, data) in enumerate(script):
        filled = orjson.loads(orjson.dumps(data).replace(b"{word}", f"w{number}w".encode()))
        if filled.get("audience", ...) is None:
            del filled["audience"]
        try:
            session.do(actor, do, filled)
        except Refused:
            continue
    return session


def words(value: bytes) -> set[str]:
    """The words that something holds."""
    return {
        each for each in value.decode().replace('"', " ").split() if each.startswith("w") and each[1:-1].isdecimal()
    }


def served(view: Projection[Any, Any], events: list[Event], viewer: Viewer) -> Iterator[bytes]:
    """What a gateway may show of a view."""
    for value in fold(view, events).values():
        seen = value if view.seen is None else view.seen(value, viewer)
        if seen is not None:
            yield seen.model_dump_json().encode()


@few
@given(scripts)
def test_no_view_shows_anybody_what_they_may_not_see(script: list[Step]) -> None:
    events = play(script)
    for viewer in VIEWERS:
        seen = [each for each in events if visible(readers(each.type, each.audience, each.actor), viewer)]
        heard = words(b" ".join(each.data.json_bytes() + each.type.encode() for each in seen))
        for view in BUILT_IN:
            shown = words(b" ".join(served(view, events, viewer)))
            assert shown <= heard, f"{view.name} shows {viewer.id} {shown - heard}"


@few
@given(scripts)
def test_the_transcript_holds_everything_that_a_viewer_was_told_whole(script: list[Step]) -> None:
    events = play(script)
    for viewer in [*VIEWERS, AUDITOR]:
        ends = ("message.posted", "message.completed", "tool.returned")
        told = [
            each
            for each in events
            if each.type in ends and visible(readers(each.type, each.audience, each.actor), viewer)
        ]
        parts = [each.data.model_dump_json(include={"parts", "result", "error", "output"}).encode() for each in told]
        assert words(b" ".join(parts)) <= words(b" ".join(served(transcript, events, viewer)))


@few
@given(lives, st.booleans())
def test_what_is_over_by_the_rules_is_open_in_no_view(script: list[Step], lost: bool) -> None:
    session = rehearsed(script)
    if lost:
        session.wait(60)
    state, events = session.state, session.events
    calls = {f"tool:{id}" for id, call in state.tools.known.items() if call.open}
    said = {f"message:{id}" for id, message in state.messages.known.items() if message.status == "open"}
    held = {id: task.owner for id, task in state.tasks.known.items() if task.owner}
    asked = {f"approval:{id}" for id in state.approvals.open}
    assert {each.entry for each in fold(transcript, events).values() if each.status == "open"} == calls | said | asked
    spans = [each for each in fold(timeline, events).values() if each.ended is None]
    assert {each.span for each in spans if each.lane in ("message", "tool", "approval")} == calls | said | asked
    assert {each.label for each in spans if each.lane == "task"} == set(held)
    assert {each for doc in fold(usage, events).values() for each in doc.open} == calls | said
    known = {id: _told(task, task.policy) for id, task in state.tasks.known.items()}
    assert {row.task: _told(row, row) for row in fold(tasks, events).values()} == known
    board = fold(agents, events).get("s-1", Agents()).agents
    assert {(task, id) for id, agent in board.items() for task in agent.tasks} <= held.items()
    waits = fold(attention, events).get("s-1", Attention())
    assert set(waits.signals) == set(state.signals.open)
    assert {f"approval:{id}" for id in waits.approvals} == asked
    assert waits.fenced == {who: fence.signal for who, fence in fences(state).items()}
    assert waits.blocked == {id: task.blocked_by for id, task in state.tasks.known.items() if task.blocked_by}


def _told(task: Any, policy: Any) -> tuple[Any, ...]:
    """What the board and the view should agree on."""
    now = (task.status, task.owner, task.attempt, task.assignee, task.blocked_by, task.last_error)
    return (*now, policy.priority, policy.max_attempts, policy.deadline)


@pytest.mark.parametrize("view", BUILT_IN, ids=lambda view: view.name)
@settings(few, max_examples=15)
@given(script=scripts)
def test_it_does_not_matter_how_events_arrive(view: Projection[Any, Any], script: list[Step]) -> None:
    sentence(view, *play(script)).redelivered(2).in_batches(1, 5, 100).then_same().rebuild_equals_live()
