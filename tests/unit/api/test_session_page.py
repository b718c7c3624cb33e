"""A session's page: written without a model of each thing in it, and what the models would make of it."""

import asyncio

import orjson

from stenogram.api.http.responses import json_response
from stenogram.api.http.session_answers import participants, session_answer, session_json
from stenogram.domain.audience import Viewer
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Viewer("ada", "user")


def busy() -> Rehearsal:
    """A session with something of everything in it."""
    session, ada = Rehearsal(), Actor("ada", "user")
    session.do(ada, "session.describe", title="Lisbon", metadata={"budget": 900})
    session.do(ada, "session.label", set={"stage": "planning"}, remove=[])
    session.do("hotels", "presence.join", name="Hotels", about={"model": "large-1"})
    session.do("hotels", "presence.status", status="waiting-for-tool", activity="Rooms", until="2026-01-01T01:00:00Z")
    session.do("visas", "presence.join")
    session.do("hotels", "message.start", message="m1")
    session.do("hotels", "message.delta", message="m1", index=0, text="Hm", part="reasoning")
    session.do("hotels", "message.delta", message="m1", index=1, text="Casa")
    session.do("flights", "message.start", message="m2", audience=["agents"])
    session.do("hotels", "tool.call", call="c1", tool="bash")
    session.do("hotels", "tool.output", call="c1", index=0, text="one")
    session.do("hotels", "tool.output", call="c1", index=1, text=" two")
    session.do("flights", "tool.call", call="c2", tool="bash", audience=["agents"])
    session.do(ada, "task.create", task="t1", title="Book", input={"nights": 3}, assignee="hotels")
    session.do(ada, "task.create", task="t2", title="Fly", needs=["t1"], parent="t1")
    session.do("hotels", "task.claim", task="t1")
    session.do(ada, "signal.raise", signal="s1", kind="steer", target="task:t1", body="Cheaper.")
    session.do("hotels", "signal.deliver", signal="s1")
    session.do(ada, "signal.raise", signal="s2", kind="cancel", target="agent:visas", grace=0)
    session.do("flights", "approval.request", approval="a1", question="Book?", options=["yes", "no"], within=60)
    several = [{"name": "go", "question": "Go?"}, {"name": "note", "question": "Anything else?", "own_words": True}]
    session.do("flights", "approval.request", approval="a2", question="The trip", questions=several)
    session.do(ada, "floor.move", speakers=["hotels"])
    session.do(ada, "state.merge", patch={"hotel": {"name": "Casa"}})
    return session


async def test_the_page_is_what_its_models_describe() -> None:
    session = busy()
    for viewer in (ADA, Viewer("flights", "agent")):
        for state in (session.state, Rehearsal().state):
            checked = json_response(session_answer(state, viewer)).body
            assert isinstance(checked, bytes)
            assert orjson.loads(await session_json(state, viewer)) == orjson.loads(checked)
            assert participants(state, viewer) == orjson.loads(checked)["participants"]
    written = orjson.loads(await session_json(session.state, ADA))
    empty = [name for name, value in written.items() if value in ([], {}, None)]
    assert empty == []
    assert [each["message"] for each in written["open_messages"]] == ["m1"]  # the other one is for agents
    assert [(each["call"], each["output"]) for each in written["open_calls"]] == [("c1", "one two")]
    assert [each["name"] for each in written["open_approvals"][1]["questions"]] == ["go", "note"]


async def test_a_page_of_many_tasks_lets_others_go_on() -> None:
    session, ada = Rehearsal(), Actor("ada", "user")
    for number in range(9_000):
        session.do(ada, "task.create", task=f"t{number}", title="Book a room", input={"nights": 3})
    turns = 0
    page = asyncio.create_task(session_json(session.state, ADA))
    while not page.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(orjson.loads(page.result())["tasks"]) == 9_000
    assert turns > 2


async def test_participants_are_in_the_order_in_which_they_came() -> None:
    """In every process: the order of a set of names would depend on the process that answers."""
    session, names = Rehearsal(), [f"agent-{number}" for number in (7, 3, 9, 1, 8, 2, 6, 5, 4)]
    for name in names:
        session.do(name, "presence.join")
    page = orjson.loads(await session_json(session.state, ADA))
    assert [each["id"] for each in page["participants"]] == names
