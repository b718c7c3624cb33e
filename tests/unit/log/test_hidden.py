"""Refusals tell nothing of what the actor may not see."""

import pytest

from stenogram.domain.model import Actor
from stenogram.log.commit.visibility import is_hidden, may_hide
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


@pytest.fixture
def secretive() -> Rehearsal:
    """A session in which agents talk among themselves."""
    session = Rehearsal()
    session.do("hotels", "message.start", message="m1", audience=["agents"])
    session.do("hotels", "message.start", message="m2")
    session.do("hotels", "tool.call", call="t1", tool="search", audience=["agents"])
    session.do("hotels", "tool.call", call="t2", tool="search")
    session.do("hotels", "task.create", task="k1", title="T")
    session.do("hotels", "task.claim", task="k1")
    session.under("k1", 1, "hotels", "message.start", message="m3", audience=["agents"])
    session.do("hotels", "task.create", task="k2", title="T")
    session.do(ADA, "task.claim", task="k2")
    return session


def test_hidden_messages_and_calls_are_as_if_there_were_none(secretive: Rehearsal) -> None:
    for do, hidden, missing, seen in (("message.complete", "m1", "m9", "m2"), ("tool.return", "t1", "t9", "t2")):
        member = "message" if do.startswith("message") else "call"
        found = [secretive.refusal(ADA, do, {member: name}) for name in (hidden, missing, seen)]
        assert [each.code for each in found] == ["not_found", "not_found", "forbidden"]
        assert found[0].detail.replace(hidden, missing) == found[1].detail
        assert secretive.refusal("flights", do, {member: hidden}).code == "forbidden"


def test_a_hidden_messages_task_is_not_told(secretive: Rehearsal) -> None:
    command = secretive.command(ADA, "message.complete", {"message": "m3"})._replace(task="k2", attempt=1)
    with pytest.raises(Exception, match="There is no message"):
        secretive.execute(command)


def test_subjects_are_hidden_as_what_they_are_about(secretive: Rehearsal) -> None:
    secretive.do("hotels", "state.merge", patch={"b": 1}, audience=["agents"])
    state = secretive.state
    seen = ("", "session", "floor", "state:/a", "presence:hotels", "message:m2", "tool:t2", "task:k1", "message:m9")
    assert [each for each in seen if is_hidden(state, each, ADA) or may_hide(state, each, ADA)] == []
    assert all(is_hidden(state, each, ADA) for each in ("message:m1", "tool:t1", "message:m3", "state:/b"))
    assert all(may_hide(state, each, ADA) for each in ("state:", "secret:x"))
    flights = Actor("flights", "agent")
    assert not is_hidden(state, "message:m1", flights)
    assert not may_hide(state, "state:", flights)


def test_custom_subjects_are_open_until_something_about_one_is_hidden(secretive: Rehearsal) -> None:
    secretive.do("hotels", "custom.record", type="x.n", data={}, about="a")
    assert not may_hide(secretive.state, "custom:a", ADA)
    secretive.do("hotels", "custom.record", type="x.n", data={}, about="b", audience=["agents"])
    assert may_hide(secretive.state, "custom:a", ADA)
    assert not may_hide(secretive.state, "custom:a", Actor("flights", "agent"))
    secretive.do(ADA, "custom.record", type="x.n", data={}, audience=["rooms"])
    assert not may_hide(secretive.state, "custom", Actor("rooms", "agent"))
    assert may_hide(secretive.state, "custom", Actor("flights", "agent"))
