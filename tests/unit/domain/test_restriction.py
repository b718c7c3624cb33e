"""A thing's audience is that of everything about it, and the floor narrows every way to reach people."""

from typing import Any

import pytest

from stenogram.api.http.session_answers import session_answer
from stenogram.domain.audience import Viewer, visible
from stenogram.domain.errors import Forbidden
from stenogram.domain.model import Actor, Event
from stenogram.log.commit.repetition import may_have_led_to
from stenogram.testing.rehearsal import Rehearsal

ADA, BEN = Actor("ada", "user"), Actor("ben", "user")
WORD = "secret"
TEAM_TASK = {"task": "t1", "title": WORD, "input": WORD, "audience": ["agents"]}


def shown(session: Rehearsal, viewer: Actor) -> str:
    """All that a viewer is shown of a session: its page, and its events."""
    seen = [
        stored.decode()
        for event, stored in zip(session.events, session.stored, strict=True)
        if visible(event.audience, Viewer(*viewer)) or event.actor == viewer.id
    ]
    return "\n".join([*seen, session_answer(session.state, Viewer(*viewer)).model_dump_json()])


@pytest.fixture
def held(session: Rehearsal) -> Rehearsal:
    """The planner alone has the floor, and has given out a task that people see."""
    session.do(ADA, "presence.join")
    session.do("hotels", "presence.join")
    session.do(ADA, "task.create", task="k1", title="Find a hotel")
    session.do(ADA, "signal.raise", signal="s1", kind="steer", target="agent:hotels", body="By the sea.")
    session.do("hotels", "signal.raise", signal="s0", kind="steer", target="agent:rooms", body="By the sea.")
    session.do("hotels", "task.claim", task="k1")
    session.do(ADA, "approval.request", approval="a1", question="Sea or town?", of=["agents", "users"])
    session.do(ADA, "floor.move", speakers=["planner"])
    return session


SAID: dict[str, dict[str, Any]] = {
    "message.post": {"message": "m1", "text": WORD},
    "message.start": {"message": "m1"},
    "tool.call": {"call": "c1", "tool": WORD, "arguments": WORD},
    "custom.record": {"type": "x.note", "data": {"text": WORD}},
    "task.create": {"task": "t1", "title": WORD, "input": WORD, "assignee": "ada"},
    "task.progress": {"task": "k1", "attempt": 1, "note": WORD, "usage": {WORD: 1}},
    "task.complete": {"task": "k1", "attempt": 1, "output": WORD, "usage": {"model": WORD}, "metadata": {"a": WORD}},
    "task.fail": {"task": "k1", "attempt": 1, "error": WORD, "usage": {"model": WORD}},
    "task.release": {"task": "k1", "attempt": 1, "reason": WORD, "metadata": {"a": WORD}},
    "task.reroute": {"task": "k1", "reason": WORD},
    "task.cancel": {"task": "k1", "reason": WORD},
    "approval.request": {"approval": "a2", "question": WORD, "of": ["users", "agents"]},
    "approval.answer": {"approval": "a1", "option": "yes", "comment": WORD},
    "signal.raise": {"signal": "s2", "kind": "steer", "target": "task:k1", "body": WORD},
    "signal.honour": {"signal": "s1", "reason": WORD},
    "signal.refuse": {"signal": "s1", "reason": WORD},
    "signal.withdraw": {"signal": "s0", "reason": WORD},
    "state.merge": {"patch": {"note": WORD}},
    "state.patch": {"patch": [{"op": "add", "path": "/note", "value": WORD}]},
    "presence.status": {"status": "working", "activity": WORD},
    "presence.join": {"name": WORD, "about": {"a": WORD}, "new_run": True},
    "presence.leave": {"reason": WORD},
    "session.close": {"reason": WORD},
}
"""What an agent without the floor may do, for the team."""
REFUSED: dict[str, dict[str, Any]] = {
    "session.describe": {"title": WORD},
    "session.label": {"set": {"a": WORD}},
    "task.reroute": {"task": "k1", "input": WORD},
    "approval.request": {"approval": "a2", "question": WORD},
    "signal.raise": {"signal": "s2", "kind": "reroute", "target": "agent:hotels", "body": WORD},
    "state.merge": {"patch": {"plan": WORD}},
}
"""What people would see of it, and nothing could be left of without."""


@pytest.mark.parametrize("do", SAID)
def test_nothing_that_an_agent_without_the_floor_says_reaches_people(held: Rehearsal, do: str) -> None:
    events = held.do("hotels", do, SAID[do])
    assert WORD not in shown(held, ADA)
    if do != "message.start":
        assert WORD in shown(held, Actor("rooms", "agent"))
    about_what_people_see = do.startswith(("presence.", "session.close")) or SAID[do].get("task") == "k1"
    answers = do in ("signal.honour", "signal.refuse", "signal.withdraw", "approval.answer")
    assert any(event.audience is None for event in events) == (about_what_people_see or answers)


@pytest.mark.parametrize("do", SAID)
def test_what_is_said_again_is_known_by_what_was_withheld(held: Rehearsal, do: str) -> None:
    command = held.command("hotels", do, SAID[do])
    (first, *_) = held.execute(command)
    assert may_have_led_to(command, first)
    if first.type == "floor.withheld":
        other = {name: "else" if value == WORD else value for name, value in SAID[do].items()}
        assert not may_have_led_to(held.command("hotels", do, other)._replace(id=command.id), first)


@pytest.mark.parametrize("do", REFUSED)
def test_what_people_would_see_is_refused_where_nothing_can_be_withheld(held: Rehearsal, do: str) -> None:
    held.do(ADA, "state.merge", patch={"plan": "By the sea."})
    assert isinstance(held.refusal("hotels", do, REFUSED[do]), Forbidden)
    held.do("planner", do, REFUSED[do])


def test_people_see_how_a_task_stands_without_the_words(held: Rehearsal) -> None:
    withheld, completed = held.do("hotels", "task.complete", task="k1", attempt=1, output=WORD)
    assert (withheld.type, withheld.audience) == ("floor.withheld", ("agents",))
    assert withheld.data.model_dump() == {"of": "task.completed", "about": "task:k1", "said": {"output": WORD}}
    assert (completed.type, completed.audience, completed.task) == ("task.completed", None, "k1")
    assert held.state.tasks.known["k1"].status == "completed"


def test_an_instruction_that_people_must_not_see_is_not_kept_with_a_task_that_they_see(held: Rehearsal) -> None:
    held.do("rooms", "signal.raise", signal="s3", kind="steer", target="task:k1", body=WORD)
    held.do("hotels", "signal.honour", signal="s3")
    assert len(held.state.tasks.known["k1"].steers) == 0
    held.do("planner", "signal.raise", signal="s4", kind="steer", target="task:k1", body="A view.")
    held.do("hotels", "signal.honour", signal="s4")
    assert list(held.state.tasks.known["k1"].steers) == ["A view."]
    assert WORD not in shown(held, ADA)


def test_a_task_waits_for_nothing_that_its_readers_do_not_see(session: Rehearsal) -> None:
    session.do("planner", "task.create", TEAM_TASK)
    assert session.refusal("planner", "task.create", task="t2", title="T", needs=["t1"]).code == "conflict"
    session.do("planner", "task.create", task="t2", title="T", needs=["t1"], audience=["agents"])


def test_people_get_no_value_from_an_agent_without_the_floor(held: Rehearsal) -> None:
    schema = {"type": "string"}
    asked = {
        "approval": "a5",
        "question": "Where?",
        "answer_schema": schema,
        "of": ["agents"],
        "audience": ["everyone"],
    }
    held.do("planner", "approval.request", asked)
    assert held.refusal("hotels", "approval.answer", approval="a5", value=WORD).code == "forbidden"


def test_where_the_team_alone_sees_a_task_nothing_is_withheld(held: Rehearsal) -> None:
    held.do("hotels", "task.create", TEAM_TASK)
    held.do("hotels", "task.claim", task="t1")
    (completed,) = held.do("hotels", "task.complete", task="t1", attempt=1, output=WORD)
    assert completed.audience == ("agents", "hotels")


def test_all_about_a_task_is_for_those_who_may_see_it(session: Rehearsal) -> None:
    session.do("planner", "task.create", TEAM_TASK)
    session.do("hotels", "presence.join", lease=3_000)
    session.do("hotels", "task.claim", task="t1", lease=500)
    before = len(session.events)
    session.do("hotels", "task.progress", task="t1", attempt=1, note=WORD)
    session.do("planner", "task.create", task="t2", title=WORD, parent="t1")
    session.under("t1", 1, "hotels", "message.post", message="m1", text=WORD)
    session.under("t1", 1, "hotels", "tool.call", call="c1", tool=WORD)
    session.under("t1", 1, "hotels", "tool.output", call="c1", index=0, text=WORD)
    session.under("t1", 1, "hotels", "tool.return", call="c1", result=WORD)
    session.under("t1", 1, "hotels", "approval.request", approval="a1", question=WORD, of=["ben"])
    session.do("planner", "signal.raise", signal="s1", kind="steer", target="task:t1", body=WORD)
    session.wait(1_000)
    session.do("planner", "task.cancel", task="t1", reason=WORD)
    assert {"presence.stalled", "task.released", "approval.withdrawn"} <= {event.type for event in session.events}
    assert WORD not in shown(session, ADA)
    hidden: list[Event] = [each for each in session.events[before:] if not visible(each.audience, Viewer(*ADA))]
    assert {each.type for each in session.events[before:]} - {each.type for each in hidden} <= {"presence.lost"}


def test_under_a_task_one_may_speak_to_everyone_on_purpose(session: Rehearsal) -> None:
    session.do("planner", "task.create", TEAM_TASK)
    session.do("hotels", "task.claim", task="t1")
    (said,) = session.under("t1", 1, "hotels", "message.post", message="m1", text="Done.", audience=["everyone"])
    assert said.audience is None


@pytest.mark.parametrize(
    ("do", "data"),
    [
        ("task.claim", {"task": "{}"}),
        ("task.cancel", {"task": "{}"}),
        ("task.reroute", {"task": "{}"}),
        ("task.create", {"task": "t9", "title": "T", "parent": "{}"}),
        ("task.create", {"task": "t9", "title": "T", "needs": ["{}"]}),
        ("task.complete", {"task": "{}", "attempt": 1}),
        ("signal.raise", {"signal": "s9", "kind": "steer", "target": "task:{}"}),
        ("signal.honour", {"signal": "{}"}),
        ("approval.answer", {"approval": "{}", "option": "yes"}),
        ("approval.withdraw", {"approval": "{}"}),
        ("message.delta", {"message": "{}", "index": 0, "text": "x"}),
        ("tool.output", {"call": "{}", "index": 0, "text": "x"}),
        ("tool.return", {"call": "{}"}),
        ("signal.withdraw", {"signal": "{}"}),
    ],
)
def test_for_others_there_is_no_such_thing(session: Rehearsal, do: str, data: dict[str, Any]) -> None:
    session.do("planner", "task.create", TEAM_TASK)
    session.do("planner", "signal.raise", signal="t1", kind="pause", target="agent:hotels", audience=["hotels"])
    session.do("planner", "approval.request", approval="t1", question=WORD, of=["agents"])
    session.do("planner", "message.start", message="t1", audience=["agents"])
    session.do("planner", "tool.call", call="t1", tool="search", audience=["agents"])

    def named(id: str) -> dict[str, Any]:
        put = {key: value.format(id) for key, value in data.items() if isinstance(value, str)}
        return {**data, **put, **({"needs": [id]} if "needs" in data else {})}

    hidden, unknown = session.refusal(ADA, do, named("t1")), session.refusal(ADA, do, named("nope"))
    assert hidden.problem() == {**unknown.problem(), "detail": unknown.detail.replace("nope", "t1")}
    assert hidden.code == "not_found"


def test_a_question_is_for_those_who_are_asked_who_asks_and_the_agents(session: Rehearsal) -> None:
    session.do("hotels", "approval.request", approval="a1", question=WORD, of=["ben"])
    assert WORD in shown(session, BEN)
    assert WORD in shown(session, Actor("rooms", "agent"))
    session.do(BEN, "approval.answer", approval="a1", option="yes", comment=WORD)
    assert WORD not in shown(session, ADA)


def test_an_agent_neither_answers_its_own_question_nor_hurries_its_default(session: Rehearsal) -> None:
    session.do("hotels", "approval.request", approval="a1", question="Go?", of=["agents"])
    assert session.refusal("hotels", "approval.answer", approval="a1", option="yes").code == "forbidden"
    hasty = {"approval": "a2", "question": "Go?", "within": 5, "default": "yes"}
    assert session.refusal("hotels", "approval.request", hasty).code == "forbidden"
    assert session.refusal("hotels", "approval.configure", self_answer=True).code == "forbidden"
    session.do(ADA, "approval.configure", self_answer=True, default_after=5)
    assert session.refusal(ADA, "approval.configure", self_answer=True, default_after=5).code == "no_change"
    session.do("hotels", "approval.answer", approval="a1", option="yes")
    session.do("hotels", "approval.request", hasty)
    session.do(ADA, "approval.request", {**hasty, "approval": "a3", "within": 1})


def test_a_name_in_the_state_keeps_its_audience(session: Rehearsal) -> None:
    session.do("planner", "state.merge", patch={"notes": {"a": WORD}}, audience=["agents"])
    session.do(ADA, "state.merge", patch={"plan": "Sea."})
    session.do("hotels", "state.patch", patch=[{"op": "add", "path": "/notes/b", "value": WORD}])
    (gone,) = session.do("hotels", "state.merge", patch={"notes": None})
    (back,) = session.do("hotels", "state.merge", patch={"notes": WORD})
    assert gone.audience == back.audience == ("agents", "planner")
    assert WORD not in shown(session, ADA)
    page = session_answer(session.state, Viewer(*ADA))
    assert (page.state, page.state_version) == ({"plan": "Sea."}, 3)
    assert session_answer(session.state, Viewer("rooms", "agent")).state == {"plan": "Sea.", "notes": WORD}


def test_one_change_is_for_one_audience(session: Rehearsal) -> None:
    session.do("planner", "state.merge", patch={"notes": WORD}, audience=["agents"])
    session.do("planner", "state.merge", patch={"plan": "Sea."})
    copied = [{"op": "copy", "from": "/notes", "path": "/plan"}]
    new = [{"op": "copy", "from": "/notes", "path": "/new"}]
    both = {"notes": 1, "plan": 1}
    for data in ({"patch": copied}, {"patch": new}):
        assert session.refusal("planner", "state.patch", data).code == "conflict"
    assert session.refusal("planner", "state.merge", patch=both).code == "conflict"
    assert session.refusal("planner", "state.merge", patch={"plan": 1}, audience=["agents"]).code == "conflict"


@pytest.mark.parametrize(
    ("do", "data"),
    [
        ("state.merge", {"patch": {"notes": 1}}),
        ("state.increment", {"path": "/notes/n"}),
        ("state.patch", {"patch": [{"op": "test", "path": "/notes", "value": WORD}]}),
        ("state.patch", {"patch": [{"op": "copy", "from": "/notes", "path": "/x"}]}),
        ("state.patch", {"patch": [{"op": "replace", "path": "", "value": {}}]}),
        ("state.merge", {"patch": {"x": 1}, "if_unchanged": {"/notes": 1}}),
    ],
)
def test_what_one_may_not_see_in_the_state_one_neither_reads_nor_writes(
    session: Rehearsal, do: str, data: dict[str, Any]
) -> None:
    session.do("planner", "state.merge", patch={"notes": WORD}, audience=["agents"])
    refusal = session.refusal(ADA, do, data)
    assert refusal.code == "forbidden"
    assert WORD not in str(refusal.problem())


def test_a_guard_on_the_whole_state_is_on_what_one_sees_of_it(session: Rehearsal) -> None:
    session.do(ADA, "state.merge", patch={"plan": "Sea."})
    session.do("planner", "state.merge", patch={"notes": WORD}, audience=["agents"])
    assert session.refusal("planner", "state.merge", patch={"plan": 1}, if_version=2).code == "conflict"
    session.do(ADA, "state.merge", patch={"plan": "Town."}, if_version=2)
    refusal = session.refusal(ADA, "state.merge", patch={"plan": 1}, if_version=2)
    assert refusal.extra["value"] == {"plan": "Town."}


def test_audiences_hold_in_forks(session: Rehearsal) -> None:
    session.do("planner", "task.create", TEAM_TASK)
    session.do("planner", "state.merge", patch={"notes": WORD}, audience=["agents"])
    fork = session.fork(ADA, "fork")
    fork.do("hotels", "task.claim", task="t1")
    fork.do("hotels", "task.complete", task="t1", attempt=1, output=WORD)
    assert WORD not in shown(fork, ADA)
