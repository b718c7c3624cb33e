"""The built-in views, each by a few sentences."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stenogram.domain.audience import Viewer
from stenogram.domain.concepts.approvals import (
    Answer,
    ApprovalAnswered,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalWithdrawn,
    Question,
)
from stenogram.domain.concepts.document import StateIncremented, StateMerged
from stenogram.domain.concepts.floor import FloorWithheld
from stenogram.domain.concepts.lifecycle import SessionClosed, SessionDescribed, SessionLabelled, SessionOpened
from stenogram.domain.concepts.messages import (
    MessageAborted,
    MessageCompleted,
    MessageDelta,
    MessagePosted,
    MessageStarted,
)
from stenogram.domain.concepts.presence import (
    Participant,
    PresenceJoined,
    PresenceLeft,
    PresenceLost,
    PresenceStalled,
    PresenceStatus,
)
from stenogram.domain.concepts.signals import (
    SignalDelivered,
    SignalExpired,
    SignalHonoured,
    SignalRaised,
    SignalWithdrawn,
)
from stenogram.domain.concepts.tasks import (
    TaskBlocked,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskProgressed,
    TaskReleased,
)
from stenogram.domain.concepts.tools import ToolAbandoned, ToolCalled, ToolOutput, ToolReturned
from stenogram.domain.model import Event, EventData
from stenogram.domain.parts import TextPart
from stenogram.projections import Projection, fold
from stenogram.projections.views import (
    BUILT_IN,
    activity,
    agents,
    attention,
    facets,
    metadata,
    sessions,
    state,
    tasks,
    timeline,
    transcript,
    usage,
)
from stenogram.projections.views.activity import WIDTHS, ActivityBucket
from stenogram.projections.views.agents import AgentRow, Evidence, InstanceRow
from stenogram.projections.views.attention import Attention
from stenogram.projections.views.facets import Facet
from stenogram.projections.views.metadata import Metadata
from stenogram.projections.views.sessions import Member, Overview
from stenogram.projections.views.state import SharedState
from stenogram.projections.views.tasks import TaskRow
from stenogram.projections.views.timeline import closed
from stenogram.projections.views.transcript import TranscriptRow
from stenogram.projections.views.usage import Called, Spoken, Usage, Worked
from stenogram.testing import event, given
from stenogram.testing.rehearsal import Rehearsal

ADA = Viewer("ada", "user")


def at(seconds: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def said(text: str) -> tuple[TextPart]:
    return (TextPart(text=text),)


def happened(*payloads: EventData, **envelope: Any) -> list[Event]:
    return [event(each, version=n, time=at(n), **envelope) for n, each in enumerate(payloads, 1)]


def test_a_session_at_a_glance() -> None:
    events = (
        SessionOpened(title="A weekend", labels={"team": "travel", "vip": "no"}),
        PresenceJoined(participant="hotels", kind="agent", name="Hotels"),
        SessionLabelled(set={"vip": "yes"}, remove=("team",)),
        SessionDescribed(title="Three days", metadata={"large": "x" * 1_000}),
        MessagePosted(message="m1", parts=said("Rooms?")),
        MessageStarted(message="m2"),
        MessageDelta(message="m2", index=0, text="Three"),
        MessageCompleted(message="m2", parts=said("Three"), deltas=1),
        PresenceLeft(participant="hotels"),
        SessionClosed(),
    )
    overview = Overview(
        session="s-1",
        status="closed",
        title="Three days",
        labels={"vip": "yes"},
        participants={"hotels": Member(kind="agent", name="Hotels", present=False)},
        messages=2,
        opened=at(1),
        changed=at(10),
        version=10,
    )
    given(sessions, *events).then(overview).redelivered(2).in_batches(1, 3, 100).then_same()
    given(sessions, *events[:7]).then_at("s-1", fold(sessions, happened(*events[:6]))["s-1"])


def test_sessions_are_found_by_labels_and_participants() -> None:
    events = (
        SessionOpened(labels={"team": "travel", "vip": "no"}),
        SessionLabelled(set={"vip": "yes", "stage": "done"}, remove=("team", "stage")),
        PresenceJoined(participant="hotels", kind="agent"),
    )
    given(facets, *events).then(
        Facet(session="s-1", facet="label:vip", value="yes"),
        Facet(session="s-1", facet="participant:hotels", value="agent"),
    )


def test_a_transcript_holds_messages_and_calls_whole() -> None:
    events = (
        MessagePosted(message="m1", parts=said("Rooms?")),
        MessageStarted(message="m2", reply_to="m1"),
        ToolCalled(call="t1", tool="search", arguments={"city": "Lisbon"}, message="m2"),
        MessageDelta(message="m2", index=0, text="Three"),
        ToolReturned(call="t1", result=["Tivoli"]),
        MessageCompleted(message="m2", parts=said("Three"), deltas=1),
        MessageStarted(message="m3"),
        MessageAborted(message="m3", parts=said("The R"), deltas=2, reason="Stopped."),
        ToolCalled(call="t2", tool="book"),
        ToolReturned(call="t2", error="Full."),
    )
    rows = fold(transcript, happened(*events))
    told = [(row.entry, row.since, row.until, row.status) for row in sorted(rows.values(), key=lambda row: row.since)]
    assert told == [
        ("message:m1", 1, 1, "completed"),
        ("message:m2", 2, 6, "completed"),
        ("tool:t1", 3, 5, "returned"),
        ("message:m3", 7, 8, "aborted"),
        ("tool:t2", 9, 10, "failed"),
    ]
    assert rows["s-1", "message:m2"] == TranscriptRow(
        session="s-1",
        entry="message:m2",
        since=2,
        until=6,
        began=at(2),
        ended=at(6),
        actor="hotels",
        kind="message",
        status="completed",
        reply_to="m1",
        parts=said("Three"),
    )
    assert (rows["s-1", "tool:t1"].result, rows["s-1", "tool:t1"].serves) == (["Tivoli"], "m2")
    assert (rows["s-1", "tool:t2"].error, rows["s-1", "message:m3"].reason) == ("Full.", "Stopped.")
    lost = fold(transcript, happened(*events[:3], ToolAbandoned(call="t1", reason="hotels was lost.")))
    call = lost["s-1", "tool:t1"]
    assert (call.status, call.until, call.ended, call.reason) == ("abandoned", 4, at(4), "hotels was lost.")
    open_message = fold(transcript, happened(*events[:4]))["s-1", "message:m2"]
    assert (open_message.status, open_message.parts, open_message.until) == ("open", (), None)


def test_a_transcript_holds_questions_and_what_became_of_them() -> None:
    options = ("yes", "no")
    events = (
        ApprovalRequested(approval="a1", question="Book?", options=options),
        ApprovalAnswered(approval="a1", option="yes", comment="Gladly."),
        ApprovalRequested(approval="a2", question="Pay?", options=options),
        ApprovalExpired(approval="a2", option="no"),
        ApprovalRequested(approval="a3", question="Stay?", options=options),
        ApprovalWithdrawn(approval="a3", reason="Too late."),
        ApprovalRequested(approval="a4", question="Leave?", options=options),
    )
    rows = fold(transcript, happened(*events))
    told = {row.question: (row.status, row.answer, row.since, row.until) for row in rows.values()}
    assert told == {
        "Book?": ("answered", "yes", 1, 2),
        "Pay?": ("expired", "no", 3, 4),
        "Stay?": ("withdrawn", None, 5, 6),
        "Leave?": ("open", None, 7, None),
    }
    booked = rows["s-1", "approval:a1"]
    assert (booked.kind, booked.options, booked.answered_by) == ("approval", options, "hotels")
    assert (booked.comment, rows["s-1", "approval:a3"].reason) == ("Gladly.", "Too late.")


def test_a_transcript_holds_values_that_were_answered() -> None:
    events = (
        ApprovalRequested(approval="a1", question="Nights?", answer_schema={"type": "integer"}),
        ApprovalAnswered(approval="a1", value=3),
    )
    row = fold(transcript, happened(*events))["s-1", "approval:a1"]
    assert (row.status, row.options, row.answer, row.value) == ("answered", (), None, 3)


def test_a_transcript_holds_several_questions_and_words_of_ones_own() -> None:
    questions = (Question(name="hotel", question="Which?", own_words=True), Question(name="go", question="Book?"))
    answers = {"hotel": Answer(words="The nearer one."), "go": Answer(options=("yes",))}
    events = (
        ApprovalRequested(approval="a1", question="The hotel", questions=questions),
        ApprovalAnswered(approval="a1", answers=answers),
        ApprovalRequested(approval="a2", question="Where?", own_words=True),
        ApprovalAnswered(approval="a2", words="By the sea."),
    )
    rows = fold(transcript, happened(*events))
    assert (rows["s-1", "approval:a1"].questions, rows["s-1", "approval:a1"].answers) == (questions, answers)
    assert (rows["s-1", "approval:a2"].own_words, rows["s-1", "approval:a2"].words) == (True, "By the sea.")
    given(transcript, *events).redelivered(2).in_batches(1, 3).then_same()


def test_a_transcript_holds_output_a_result_beside_an_error_and_what_was_reported() -> None:
    events = (
        ToolCalled(call="t1", tool="bash", metadata={"cwd": "/"}),
        ToolOutput(call="t1", index=0, text="one\n"),
        ToolReturned(
            call="t1",
            result=[1],
            error="It failed.",
            output="one\n",
            deltas=1,
            usage={"s": 2},
            metadata={"a": 1},
        ),
        ToolCalled(call="t2", tool="bash"),
        ToolAbandoned(call="t2", output="two\n", deltas=1),
        MessageStarted(message="m1", metadata={"id": 7}),
        MessageAborted(message="m1", parts=(), deltas=0, usage={"tokens": 3}, metadata={"stop": "user"}),
        MessagePosted(message="m2", parts=said("Hi."), usage={"tokens": 1}, metadata={"b": 2}),
    )
    rows = fold(transcript, happened(*events))
    call = rows["s-1", "tool:t1"]
    assert (call.status, call.result, call.error, call.output) == ("failed", [1], "It failed.", "one\n")
    assert (call.usage, call.metadata, call.end_metadata) == ({"s": 2}, {"cwd": "/"}, {"a": 1})
    assert (rows["s-1", "tool:t2"].status, rows["s-1", "tool:t2"].output) == ("abandoned", "two\n")
    message, posted = rows["s-1", "message:m1"], rows["s-1", "message:m2"]
    assert (message.usage, message.metadata, message.end_metadata) == ({"tokens": 3}, {"id": 7}, {"stop": "user"})
    assert (posted.usage, posted.metadata, posted.end_metadata) == ({"tokens": 1}, {"b": 2}, None)
    given(transcript, *events).redelivered(2).in_batches(1, 3).then_same()


def test_metadata_is_what_the_session_was_given_and_when() -> None:
    events = (
        SessionOpened(metadata={"client": "Ann", "seats": 2}),
        SessionDescribed(title="Lisbon"),
        SessionDescribed(metadata={"seats": None, "pets": 1}),
    )
    given(metadata, *events[:2]).then(Metadata(value={"client": "Ann", "seats": 2}, version=1))
    given(metadata, *events).then(Metadata(value={"client": "Ann", "pets": 1}, version=3)).redelivered(2).then_same()


def test_what_is_said_for_the_team_is_in_the_transcript_of_the_team() -> None:
    (entry,) = fold(
        transcript, [event(MessagePosted(message="m1", parts=said("Hm.")), audience=("agents",), actor="hotels")]
    ).values()
    assert transcript.seen is not None
    assert transcript.seen(entry, ADA) is None
    assert transcript.seen(entry, Viewer("flights", "agent")) is entry
    assert transcript.seen(entry, ADA._replace(sees_all=True)) is entry


def test_the_status_board_says_who_does_what_and_how_that_is_known() -> None:
    working = PresenceStatus(participant="hotels", status="working", activity="Looking for rooms")
    joined = PresenceJoined(participant="hotels", kind="agent", name="Hotels")
    events = happened(joined, working, MessagePosted(message="m1", parts=said("Rooms?")))
    hidden = event(MessagePosted(message="m2", parts=said("Hm.")), version=4, time=at(4), audience=("agents",))
    agent = AgentRow(
        id="hotels",
        kind="agent",
        name="Hotels",
        present=True,
        status="working",
        activity="Looking for rooms",
        since=2,
        at=at(2),
        joined=1,
        lease=15,
        instances={
            "": InstanceRow(joined=1, lease=15, at=at(2), status="working", activity="Looking for rooms"),
        },
        evidence=Evidence(type="presence.status", version=2, time=at(2)),
        last=Evidence(type="message.posted", version=3, time=at(3)),
    )
    (board,) = fold(agents, [*events, hidden]).values()
    assert board.agents == {"hotels": agent}
    gone = event(PresenceLeft(participant="hotels", reason="Done."), version=5, time=at(5))
    left = fold(agents, [*events, hidden, gone])["s-1"].agents["hotels"]
    assert (left.present, left.status, left.reason, left.since) == (False, "idle", "Done.", 5)
    stall = event(PresenceStalled(participant="hotels", task="t-1", after=60, reason="Nothing came."), version=5)
    stalled = fold(agents, [*events, hidden, stall._replace(actor="stenogram")])["s-1"].agents["hotels"]
    assert (stalled.stalled, stalled.reason, stalled.last.version) == ({"t-1": 5}, "Nothing came.", 3)
    lost = event(PresenceLost(participant="hotels", after=15, reason="Nothing came."), version=5)
    assert not fold(agents, [*events, hidden, lost])["s-1"].agents["hotels"].present


def test_the_status_board_keeps_all_that_the_rules_of_presence_know() -> None:
    assert set(Participant._fields) - {"about", "begun"} <= AgentRow.model_fields.keys()


def test_the_shared_state_is_what_the_rules_make_of_it() -> None:
    merged = StateMerged(patch={"hotel": {"nights": 2}}, keys=("/hotel",))
    counted = StateIncremented(path="/searches", by=2, value=2, keys=("/searches",))
    given(state, merged, counted).then(SharedState(value={"hotel": {"nights": 2}, "searches": 2}, version=2))


def test_spans_tell_what_lasted_how_long() -> None:
    events = happened(
        PresenceJoined(participant="hotels", kind="agent"),
        PresenceStatus(participant="hotels", status="working", activity="Rooms"),
        ToolCalled(call="t1", tool="search"),
        MessageStarted(message="m1", kind="progress"),
        ToolReturned(call="t1", error="Timeout."),
        MessageCompleted(message="m1", parts=said("None."), deltas=0),
        PresenceLeft(participant="hotels"),
        ToolCalled(call="t2", tool="search"),
        ToolCalled(call="t3", tool="book"),
        ToolAbandoned(call="t3"),
    )
    spans = closed(fold(timeline, events).values())
    assert [(each.lane, each.label, each.since, each.until, each.outcome) for each in spans] == [
        ("presence", "idle", 1, 2, None),
        ("presence", "working", 2, 7, None),
        ("tool", "search", 3, 5, "failed"),
        ("message", "progress", 4, 6, "completed"),
        ("tool", "search", 8, None, None),
        ("tool", "book", 9, 10, "abandoned"),
    ]
    assert (spans[1].detail, spans[1].began, spans[1].ended) == ("Rooms", at(2), at(7))


def test_activity_is_counted_at_every_width() -> None:
    first, later = ToolCalled(call="t1", tool="search"), ToolReturned(call="t1")
    counted = fold(activity, [event(first, time=at(1)), event(later, version=2, time=at(11))]).values()
    assert {(each.width, each.events) for each in counted if each.start == int(at(0).timestamp())} == {
        (WIDTHS[0], 1),
        *((width, 2) for width in WIDTHS[1:]),
    }
    hidden = event(first, audience=("ada", "users"))
    stretch = next(iter(fold(activity, [hidden]).values()))
    assert isinstance(stretch, ActivityBucket)
    assert activity.seen is not None
    assert activity.seen(stretch, ADA) is stretch
    assert activity.seen(stretch, Viewer("flights", "agent")) is None


def test_usage_is_added_up_for_each_agent_and_model() -> None:
    events = happened(
        PresenceJoined(participant="hotels", kind="agent", about={"model": "small"}),
        MessageStarted(message="m1"),
        ToolCalled(call="t1", tool="search"),
        MessageCompleted(
            message="m1", parts=(), deltas=0, usage={"model": "large", "tokens": 5, "cost": 0.5, "a": "b"}
        ),
        ToolReturned(call="t1", error="Timeout."),
        MessageStarted(message="m2"),
        MessageCompleted(message="m2", parts=(), deltas=0, usage={"model": "large", "tokens": 7, "cached": True}),
        MessagePosted(message="m3", parts=said("Rooms?")),
        MessageStarted(message="m4"),
    )
    (found,) = fold(usage, events).values()
    assert usage.seen is not None
    assert usage.seen(found, ADA) == Usage(
        spoken=[
            Spoken(actor="hotels", model="large", messages=2, seconds=3.0, amounts={"tokens": 12, "cost": 0.5}),
            Spoken(actor="hotels", model="small", messages=1),
        ],
        called=[Called(actor="hotels", tool="search", calls=1, failed=1, seconds=2.0)],
        models={"hotels": "small"},
    )


def test_usage_counts_what_is_reported_of_messages_calls_and_tasks() -> None:
    events = happened(
        PresenceJoined(participant="hotels", kind="agent", about={"model": "small"}),
        MessagePosted(message="m1", parts=said("Hi."), usage={"tokens": 1}),
        MessageStarted(message="m2"),
        MessageAborted(message="m2", parts=(), deltas=0, usage={"tokens": 2, "model": "large"}),
        ToolCalled(call="t1", tool="search"),
        ToolReturned(call="t1", usage={"pages": 3}),
        TaskClaimed(task="k1", attempt=1),
        TaskProgressed(task="k1", attempt=1, usage={"tokens": 4}),
        TaskProgressed(task="k1", attempt=1, note="Nothing to report."),
        TaskReleased(task="k1", attempt=1, why="given-up", usage={"tokens": 5, "model": "large"}),
        TaskFailed(task="k1", attempt=2, error="No line.", usage={"tokens": 6}),
        TaskCompleted(task="k1", attempt=3, usage={"tokens": 7}),
    )
    (found,) = fold(usage, events).values()
    assert usage.seen is not None
    assert usage.seen(found, ADA) == Usage(
        spoken=[
            Spoken(actor="hotels", model="small", messages=1, amounts={"tokens": 1}),
            Spoken(actor="hotels", model="large", messages=1, aborted=1, seconds=1.0, amounts={"tokens": 2}),
        ],
        called=[Called(actor="hotels", tool="search", calls=1, seconds=1.0, amounts={"pages": 3})],
        worked=[
            Worked(actor="hotels", model="small", reports=3, amounts={"tokens": 17}),
            Worked(actor="hotels", model="large", reports=1, amounts={"tokens": 5}),
        ],
        models={"hotels": "small"},
    )


def test_what_an_agent_without_the_floor_reports_is_counted_for_the_team() -> None:
    withheld = FloorWithheld(of="task.completed", about="task:k1", said={"usage": {"tokens": 7}, "output": "Psst."})
    completed = event(TaskCompleted(task="k1", attempt=1), version=2)
    (found,) = fold(usage, [event(withheld, audience=("agents",)), completed]).values()
    assert found.worked == [Worked(actor="hotels", audience=("agents",), reports=1, amounts={"tokens": 7})]
    assert usage.seen is not None
    shown = usage.seen(found, ADA)
    assert shown is not None
    assert shown.worked == []


def test_texts_that_no_column_keeps_do_not_stop_a_view() -> None:
    events = (
        SessionOpened(title="a\0b", labels={"a\0": "b\0"}),
        PresenceJoined(participant="hotels", kind="agent"),
        PresenceStatus(participant="hotels", status="working", activity="a\0b"),
        MessageStarted(message="m1"),
        MessageAborted(message="m1", parts=said("a\0b"), deltas=0, reason="a\0b"),
        ToolCalled(call="t1", tool="search", arguments={"\0": "\0"}),
        ToolReturned(call="t1", error="a\0b", output="a\0b", usage={"\0": "\0"}, metadata={"\0": "\0"}),
        ToolCalled(call="t2", tool="search"),
        ToolAbandoned(call="t2", reason="a\0b", output="a\0b"),
        ApprovalRequested(approval="a1", question="a\0b", questions=(Question(name="q", question="a\0b"),)),
        ApprovalAnswered(approval="a1", answers={"q": Answer(words="a\0b")}),
        ApprovalRequested(approval="a2", question="a\0b", own_words=True),
        ApprovalAnswered(approval="a2", words="a\0b"),
        MessageStarted(message="m2"),
        MessageCompleted(message="m2", parts=(), deltas=0, usage={"tokens\0": 1, "large": 1e308, "model": "\0"}),
        MessageStarted(message="m3"),
        MessageCompleted(message="m3", parts=(), deltas=0, usage={"large": 1e308, "model": "\0"}),
        PresenceLeft(participant="hotels", reason="a\0b"),
        SessionLabelled(remove=("a\0",)),
        SessionClosed(reason="a\0b"),
    )
    for view in BUILT_IN:
        given(view, *events).redelivered(2).in_batches(1, 4).then_same().rebuild_equals_live()


@pytest.mark.parametrize("view", BUILT_IN, ids=lambda view: view.name)
def test_a_fork_is_folded_whole(view: Projection[Any, Any]) -> None:
    """In the log as a whole a fork has no more than its own events."""
    session = Rehearsal("trip-7")
    session.do("hotels", "presence.join")
    session.do("hotels", "task.create", task="t-1", title="T")
    session.do("hotels", "task.claim", task="t-1")
    session.under("t-1", 1, "hotels", "message.start", message="m1")
    session.do("hotels", "message.delta", message="m1", index=0, text="T")
    session.under("t-1", 1, "hotels", "tool.call", call="c1", tool="search")
    session.do("hotels", "state.merge", patch={"n": 1})
    session.do("hotels", "message.post", message="m2", text="For one.", audience=["ada"])
    fork = session.fork("hotels", "trip-8")
    fork.do("hotels", "presence.join")
    again = fork.fork("hotels", "trip-9", at=3)
    again.do("hotels", "presence.join")
    own = [*fork.events[len(session.events) :], *again.events[3:]]
    whole = [fold(view, each.events) for each in (session, fork, again)]
    assert fold(view, [*session.events, *own]) == whole[0] | whole[1] | whole[2]
    given(view, *session.events, *own).redelivered(2).in_batches(1, 2, 100).then_same().rebuild_equals_live()


def test_a_task_on_the_board_and_off_it() -> None:
    events = happened(
        TaskCreated(task="k1", title="Find a room", input={"city": "Lisbon"}, needs=("k0",)),
        TaskClaimed(task="k1", attempt=1),
        TaskProgressed(task="k1", attempt=1, note="Asking", share=0.5),
        TaskReleased(task="k1", attempt=1, why="lost", input={"city": "Porto"}, assignee="flights"),
        TaskFenced(task="k1", attempt=1, do="task.complete"),
        TaskClaimed(task="k1", attempt=2),
        TaskCompleted(task="k1", attempt=2, output="Ritz"),
    )
    told = [next(iter(fold(tasks, events[:n]).values())) for n in range(1, 8)]
    assert [each.status for each in told] == ["open", "claimed", "claimed", "open", "open", "claimed", "completed"]
    assert [each.owner for each in told] == [None, "hotels", "hotels", None, None, "hotels", None]
    assert (told[2].note, told[2].share, told[3].reason, told[3].assignee) == ("Asking", 0.5, "lost", "flights")
    assert told[6] == TaskRow(
        session="s-1",
        task="k1",
        title="Find a room",
        status="completed",
        worker="hotels",
        attempt=2,
        fenced=1,
        assignee="flights",
        creator="hotels",
        needs=("k0",),
        input={"city": "Porto"},
        output="Ritz",
        note="Asking",
        since=1,
        created=at(1),
        changed=at(7),
    )
    blocked = event(TaskBlocked(task="k1", need="k0"), version=2)
    again = event(TaskReleased(task="k1", why="rerouted", needs=("k2",)), version=3)
    (row,) = fold(tasks, [events[0], blocked, again]).values()
    assert (row.needs, row.blocked_by) == (("k2",), None)
    spans = closed(fold(timeline, events).values())
    assert [(each.label, each.since, each.until, each.outcome) for each in spans] == [
        ("k1", 2, 4, "released"),
        ("k1", 6, 7, "completed"),
    ]


def test_the_status_board_says_what_everyone_holds() -> None:
    joined, claimed = PresenceJoined(participant="hotels", kind="agent"), TaskClaimed(task="k1", attempt=1)
    working = PresenceStatus(participant="hotels", status="working")
    given(agents, joined, claimed, working).then_at("s-1", fold(agents, happened(joined, claimed, working))["s-1"])
    assert fold(agents, happened(joined, claimed, working))["s-1"].agents["hotels"].tasks == ["k1"]
    done = TaskCompleted(task="k1", attempt=1)
    assert fold(agents, happened(joined, claimed, done))["s-1"].agents["hotels"].tasks == []


def test_what_waits_for_somebody() -> None:
    raised = SignalRaised(signal="s1", kind="cancel", target="agent:hotels", addressees=("hotels", "flights"))
    delivered, honoured = SignalDelivered(signal="s1"), SignalHonoured(signal="s1")
    asked = ApprovalRequested(approval="a1", question="Book it?", options=("yes", "no"), of=("users",))
    (doc,) = fold(attention, happened(raised, delivered, asked)).values()
    assert doc.signals["s1"].waiting == {"hotels": True, "flights": False}
    assert (doc.approvals["a1"].question, doc.approvals["a1"].since) == ("Book it?", 3)
    by_flights = event(honoured, version=4, actor="flights")
    assert fold(attention, [*happened(raised, delivered), by_flights])["s-1"].signals["s1"].waiting == {"hotels": True}
    given(attention, raised, SignalExpired(signal="s1", waiting=("hotels",))).then(Attention(fenced={"hotels": "s1"}))
    given(attention, raised, SignalExpired(signal="s1", waiting=("hotels",)), honoured).then(Attention())
    given(attention, asked, ApprovalAnswered(approval="a1", option="yes")).then(Attention())
    steered = SignalRaised(signal="s2", kind="steer", target="agent:hotels", addressees=("hotels",))
    given(attention, steered, SignalWithdrawn(signal="s2")).then(Attention())
    blocked = (TaskCreated(task="k1", title="T", needs=("k0",)), TaskBlocked(task="k1", need="k0"))
    given(attention, *blocked).then(Attention(blocked={"k1": "k0"}))
    given(attention, *blocked, TaskReleased(task="k1", why="rerouted")).then(Attention(blocked={"k1": "k0"}))
    given(attention, *blocked, TaskReleased(task="k1", why="rerouted", needs=("k2",))).then(Attention())


def test_the_status_board_says_what_those_hold_who_join_later() -> None:
    claimed = [TaskClaimed(task=task, attempt=1) for task in ("t-1", "t-2")]
    done = TaskCompleted(task="t-1", attempt=1)
    joined = PresenceJoined(participant="hotels", kind="agent")
    before = fold(agents, happened(*claimed))["s-1"]
    assert (before.agents, before.claims) == ({}, {"hotels": ["t-1", "t-2"]})
    after = fold(agents, happened(*claimed, done, joined))["s-1"]
    assert (after.agents["hotels"].tasks, after.claims) == (["t-2"], {})
